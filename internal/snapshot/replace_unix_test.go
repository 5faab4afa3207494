//go:build !windows

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/renameio/v2"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// names returns what is in a folder, sorted.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestSaveTooSlow: a save that is not done when its time ends leaves the old file and no other.
func TestSaveTooSlow(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mdfront")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), 8<<20) // 128 MiB take longer than a few ms
	for _, limit := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		if err := replaceFile(ctx, file, content); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", limit, err)
		}
		cancel()
		// What was just about to begin makes its file later, and removes it itself.
		left := names(t, dir)
		for wait := time.Now().Add(20 * time.Second); len(left) > 1 && time.Now().Before(wait); left = names(t, dir) {
			time.Sleep(time.Millisecond)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != "old" || len(left) > 1 {
			t.Errorf("%s: %.9q, %v, the folder has %q", limit, got, err, left)
		}
	}
}

// TestGivenUp: what was told to have failed does not take place afterwards.
func TestGivenUp(t *testing.T) {
	dir := t.TempDir()
	r := &replacement{name: filepath.Join(dir, "mdfront")}
	f, err := renameio.NewPendingFile(r.name, renameio.WithTempDir(dir))
	if err != nil || !r.begin(f.Name()) {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.giveUp(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("giveUp returns %v", err)
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("the folder has %q", left)
	}
	if err := r.commit(f); !errors.Is(err, context.Canceled) || len(names(t, dir)) > 0 || r.begin(f.Name()) {
		t.Errorf("%v, the folder has %q", err, names(t, dir))
	}
}

// TestDoneAtTheLastMoment: what took place before the caller gave up is not told to have failed.
func TestDoneAtTheLastMoment(t *testing.T) {
	dir := t.TempDir()
	r := &replacement{name: filepath.Join(dir, "mdfront")}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	written := make(chan error, 1)
	written <- r.write([]byte("new"))
	if err := r.giveUp(ended, written); err != nil {
		t.Errorf("the file was replaced, and giveUp says %v", err)
	}
	if got, err := os.ReadFile(r.name); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	for range 200 { // done and given up at the same moment
		os.Remove(r.name)
		err := replaceFile(ended, r.name, []byte("new"))
		time.Sleep(100 * time.Microsecond)
		if _, missing := os.Stat(r.name); (err == nil) != (missing == nil) {
			t.Fatalf("replaceFile says %v, but the file: %v", err, missing)
		}
	}
}

// TestStuckRename: a rename that does not end leaves no temporary file behind.
func TestStuckRename(t *testing.T) {
	dir := t.TempDir()
	r := &replacement{name: filepath.Join(dir, "mdfront")}
	f, err := renameio.NewPendingFile(r.name, renameio.WithTempDir(dir))
	if err != nil || !r.begin(f.Name()) || !r.startRename() {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.giveUp(ended, make(chan error)); !errors.Is(err, context.Canceled) || len(names(t, dir)) > 0 {
		t.Errorf("giveUp returns %v, the folder has %q", err, names(t, dir))
	}
}

// TestFailedRename: the reason comes alone, without the two paths.
func TestFailedRename(t *testing.T) {
	dir := t.TempDir()
	r := &replacement{name: filepath.Join(dir, "mdfront")}
	f, err := renameio.NewPendingFile(r.name, renameio.WithTempDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(r.name, 0o755); err != nil { // a file cannot take the place of a folder
		t.Fatal(err)
	}
	err = withoutPaths(r.commit(f))
	f.Cleanup()
	if err == nil || !strings.HasPrefix(err.Error(), "the old file cannot be replaced: ") ||
		strings.Contains(err.Error(), dir) || len(names(t, dir)) != 1 {
		t.Errorf("%v, the folder has %q", err, names(t, dir))
	}
}

// TestLeftovers: a save removes the old temporary files of its own file and user, and no other.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mdfront")
	old := time.Now().Add(-leftoverAge - time.Minute)
	makeOld := func(name string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	const number = "843348981284342"
	gone := []string{".mdfront" + number + "0", ".mdfront" + number}
	kept := []string{
		".mdfront", ".mdfront." + number, ".mdfront-" + number, ".mdfront" + number + "x", ".mdfront" + number + "2",
		".mdfront" + number + "3", ".mdfront" + number + "4", ".mdfront" + number + "5",
		".front" + number, ".mdfronts" + number, "mdfront" + number, "target",
		".mdfront7", ".mdfront20261125", ".mdfront20261125103000", // somebody's copies of that day
	}
	for _, name := range slices.Concat(gone, kept) {
		makeOld(name)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	now := time.Now()
	err := errors.Join(
		os.Chtimes(path(".mdfront"+number+"2"), now, now), // one that is being written
		os.Remove(path(".mdfront"+number+"3")),            // a link
		os.Symlink(path("target"), path(".mdfront"+number+"3")),
		os.Remove(path(".mdfront"+number+"4")), os.Mkdir(path(".mdfront"+number+"4"), 0o700), // a folder
		os.Chtimes(path(".mdfront"+number+"4"), old, old),
		os.Remove(path(".mdfront"+number+"5")), os.Link(path("target"), path(".mdfront"+number+"5")), // a second name
	)
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // another user's
		kept = append(kept, ".mdfront"+number+"6")
		makeOld(".mdfront" + number + "6")
		if err := os.Lchown(path(".mdfront"+number+"6"), 65534, 65534); err != nil {
			t.Logf("not tested with another user's file: %v", err)
			kept = kept[:len(kept)-1]
		}
	}
	if err := new(Recording).Save(context.Background(), file, front, tcp.Look{Source: "0", Time: now}); err != nil {
		t.Fatal(err)
	}
	want := append(kept, "mdfront")
	slices.Sort(want)
	if left := names(t, dir); !slices.Equal(left, want) {
		t.Errorf("the folder has\n%q, want\n%q", left, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != fs.FileMode(fileMode) {
		t.Errorf("%v, %v", info, err)
	}
}

// TestUnreadableHeader: a header that is too long to be read again is not written.
func TestUnreadableHeader(t *testing.T) {
	save := func(ranges int) error {
		var ports tcp.Ports
		for i := range ranges {
			ports = append(ports, tcp.PortRange{Lo: uint16(1 + 2*i), Hi: uint16(1 + 2*i)})
		}
		file := filepath.Join(t.TempDir(), "mdfront")
		ctx, q := context.Background(), tcp.Query{Ports: ports}
		if err := new(Recording).Save(ctx, file, q, tcp.Look{Source: "0", Time: time.Now()}); err != nil {
			return err
		}
		_, err := From(textfile.File{Name: file, Now: time.Now()}).Look(ctx, q, func(*tcp.Socket) {})
		return err
	}
	if err := save(30_001); err == nil || !strings.HasPrefix(err.Error(), "too many ranges of ports (-p)") {
		t.Errorf("30,001 ranges of ports: %v", err)
	}
	for _, ranges := range []int{1, 10_000, 11_000} {
		if err := save(ranges); err != nil {
			t.Errorf("%d ranges of ports: %v", ranges, err)
		}
	}
}
