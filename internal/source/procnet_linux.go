package source

import (
	"encoding/binary"
	"io"
	"os"

	"frontsockets/internal/tcp"
)

// procNet reads the tables in the net folder under root: "/proc" for those of the
// process, "/proc/thread-self" for those of the thread (Linux 3.17).
func procNet(root string) tcp.Source {
	open := func(name string) (io.ReadCloser, error) { return os.Open(root + "/net/" + name) }
	return fixed("procnet", procFacts, 0, proc{open, binary.NativeEndian, tableEntries}.look)
}
