//go:build unix

package plugins

import (
	"os"

	"golang.org/x/sys/unix"
)

// isClosed reports whether stdout was closed when the program started. The Go runtime
// hides that: it opens /dev/null for reading and writing in its place. Somebody
// who discards output opens it for writing only.
func isClosed(f *os.File) bool {
	var file, null unix.Stat_t
	if unix.Fstat(int(f.Fd()), &file) != nil || unix.Stat("/dev/null", &null) != nil || file.Rdev != null.Rdev {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}
