package logfile

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNotRegular: only a regular file is a log. What is not is refused at once, and is neither
// read, written nor replaced.
func TestNotRegular(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := unix.Mkfifo(in("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", in("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for link, target := range map[string]string{"link": "file", "dangling": "none", "to-fifo": "fifo", "loop": "loop"} {
		if err := os.Symlink(target, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(in("file"), []byte("precious\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		in("fifo"): "a FIFO", in("socket"): "a socket", dir: "a directory", "/dev/null": "a device",
		in("link"): "a symbolic link", in("dangling"): "a symbolic link", in("to-fifo"): "a symbolic link",
		in("loop"): "a symbolic link",
	} {
		done := make(chan error, 1)
		go func() {
			if Mentions(file, "precious") {
				t.Errorf("%s was read", file)
			}
			done <- Append(file, []byte("line\n"))
		}()
		select {
		case err := <-done:
			if err == nil || err.Error() != "not a regular file: "+want {
				t.Errorf("%s: %v, want %s", file, err, want)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: no answer", file)
		}
	}
	for file, want := range map[string]string{
		in("file/log"): "not a directory", in("nowhere/log"): "its folder does not exist",
		in(string(make([]byte, 300))): "invalid argument",
	} {
		if err := Append(file, []byte("line\n")); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
	if text, err := os.ReadFile(in("file")); err != nil || string(text) != "precious\n" {
		t.Errorf("the target of a link has %q, %v", text, err)
	}
	if _, err := os.Lstat(in("none")); err == nil {
		t.Error("the target of a link was made")
	}
}

// TestMode: a new log has mode 0640 whatever the umask; that of an older one stays.
func TestMode(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	file := filepath.Join(t.TempDir(), "log")
	for _, want := range []os.FileMode{0o640, 0o600} {
		if err := Append(file, []byte("line\n")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode() != want {
			t.Errorf("mode %s, %v, want %s", info.Mode(), err, want)
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
