//go:build !windows

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"frontsockets/internal/textfile"
)

const (
	// fileMode lets the group read: the collector's group may judge what the collector saves.
	fileMode = 0o640
	// leftoverAge is how old the temporary file of a check that was killed must be before
	// another removes it: longer than any check takes, which monitoring systems end in minutes.
	leftoverAge = 10 * time.Minute
	// maxNames is how many names of the folder are looked at for such files. A folder with
	// more is not one for snapshots, and reading it would take the time of the check.
	maxNames = 10_000
	// leftoverDigits is how many digits at least end the name of such a file. renameio takes a random
	// number below 2^63, and one in 10,000 is shorter. A shorter number may be somebody's own, such as a
	// date and a time.
	leftoverDigits = 15
	// removalLimit is how long giving up may take when ctx has ended. A disk that does not answer would
	// otherwise keep the check from ending.
	removalLimit = 200 * time.Millisecond
)

// replaceFile replaces a file atomically, synced to disk, with mode 0640. What is replaced
// must be a regular file, not a link to one. When ctx ends it gives up and removes its temporary
// file. Errors do not name files.
func replaceFile(ctx context.Context, name string, content []byte) error {
	r := &replacement{name: name}
	written := make(chan error, 1)
	go func() { written <- withoutPaths(r.write(content)) }()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
	}
	return r.giveUp(ctx, written)
}

// replacement is a file on its way to replace another.
type replacement struct {
	name string

	mu        sync.Mutex
	temporary string // its path, empty while there is none
	givenUp   bool
	renames   bool // it is being put, or was put, in the place of the old file
}

// write writes the temporary file and puts it in the place of the old one.
func (r *replacement) write(content []byte) error {
	if err := checkReplaceable(r.name); err != nil {
		return err
	}
	// In the folder of the old one, not in TMPDIR: a rename works within one file system.
	f, err := renameio.NewPendingFile(r.name, renameio.WithTempDir(filepath.Dir(r.name)))
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("its folder does not exist")
	}
	if err != nil {
		return err
	}
	defer f.Cleanup() // nothing is left to clean up after success
	if !r.begin(f.Name()) {
		return context.Canceled
	}
	removeLeftovers(r.name, f)
	// Not by an option of renameio, which leaves the file there if this fails.
	if err := f.Chmod(fileMode); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return r.commit(f)
}

// begin notes the temporary file, and reports whether it is still wanted.
func (r *replacement) begin(temporary string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.temporary = temporary
	return !r.givenUp
}

// commit puts the temporary file in the place of the old one, unless the caller has given up:
// what was told to have failed must not take place afterwards.
func (r *replacement) commit(f *renameio.PendingFile) error {
	if !r.startRename() {
		return context.Canceled
	}
	return f.CloseAtomicallyReplace()
}

// startRename notes that the file is to be put in its place, and reports whether it is still wanted.
func (r *replacement) startRename() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.renames = !r.givenUp
	return r.renames
}

// giveUp removes the temporary file and returns why ctx ended. The program may end before write notices.
// If the file is just being put in its place, giveUp waits for what write says, but no longer than half of
// removalLimit.
func (r *replacement) giveUp(ctx context.Context, written <-chan error) error {
	r.mu.Lock()
	r.givenUp = true
	temporary, renames := r.temporary, r.renames
	r.mu.Unlock()
	if renames {
		select {
		case err := <-written:
			return err
		case <-time.After(removalLimit / 2):
		}
	}
	removed := make(chan error, 1)
	go func() { removed <- os.Remove(temporary) }() // if it was renamed after all, there is none
	select {
	case <-removed:
	case <-time.After(removalLimit / 2):
	}
	return ctx.Err()
}

// checkReplaceable returns an error if there is something other than a regular file.
func checkReplaceable(name string) error {
	there, err := os.Lstat(name)
	if err != nil {
		return nil // what keeps it from being written shows when it is written
	}
	return textfile.CheckRegular(there.Mode())
}

// withoutPaths leaves the names of files out of an error. The temporary one is gone and would
// only confuse, and two long paths leave no room for the reason.
func withoutPaths(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &link):
		return fmt.Errorf("the old file cannot be replaced: %w", link.Err)
	case errors.As(err, &path):
		return path.Err
	}
	return err
}

// removeLeftovers removes the temporary files of earlier saves of the same file that were killed.
// They are older than the one that was just made. What cannot be removed stays for the next save.
func removeLeftovers(name string, made *renameio.PendingFile) {
	own, err := made.Stat()
	if err != nil {
		return
	}
	folder, err := os.Open(filepath.Dir(name))
	if err != nil {
		return
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(maxNames)
	for _, entry := range names {
		digits, found := strings.CutPrefix(entry, "."+filepath.Base(name))
		if !found || len(digits) < leftoverDigits || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		path := filepath.Join(filepath.Dir(name), entry)
		if info, err := os.Lstat(path); err == nil && isLeftover(info, own) {
			os.Remove(path)
		}
	}
}

// isLeftover reports whether a file named .NAME and digits is one that a killed save of this user
// left behind: a regular file of the same owner, without another name, and old.
func isLeftover(info, own fs.FileInfo) bool {
	there, ok := info.Sys().(*syscall.Stat_t)
	ours, okOurs := own.Sys().(*syscall.Stat_t)
	return ok && okOurs && info.Mode().IsRegular() && there.Nlink == 1 && there.Uid == ours.Uid &&
		own.ModTime().Sub(info.ModTime()) > leftoverAge
}
