//go:build !windows

package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// replaceFile replaces a file atomically, synced to disk, with mode 0640. What is replaced
// must be a regular file, not a link to one. Errors do not name it.
func replaceFile(name string, content []byte) (err error) {
	defer func() {
		// That of the new file, which is gone now, would only confuse.
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
	}()
	const mode = 0o640
	if there, err := os.Lstat(name); err == nil && !there.Mode().IsRegular() {
		kind := "something else"
		switch {
		case there.IsDir():
			kind = "a directory"
		case there.Mode()&fs.ModeSymlink != 0:
			kind = "a symbolic link"
		}
		return fmt.Errorf("not a regular file: %s", kind)
	}
	// In the folder of the old one, not in TMPDIR: a rename works within one file system.
	f, err := renameio.NewPendingFile(name, renameio.WithTempDir(filepath.Dir(name)), renameio.WithStaticPermissions(mode))
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("the folder does not exist")
	}
	if err != nil {
		return err
	}
	defer f.Cleanup() // nothing is left to clean up after success
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
