package source

import (
	"strings"

	"golang.org/x/sys/unix"
)

// limitsUnder returns the limits whose counters are in the net folder under root, as
// procNet's tables are. The files in /proc/sys are always those of the reading thread's
// namespace.
func limitsUnder(root string) limits {
	return limits{func(name string) ([]byte, error) {
		if strings.HasPrefix(name, "sys/") {
			return readSmall("/proc/" + name)
		}
		return readSmall(root + "/" + name)
	}}
}

// readSmall reads a file of /proc that fits into a page. Package os would start the runtime's
// poller for it, which takes longer than to read.
func readSmall(name string) ([]byte, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	return b[:max(n, 0)], err
}
