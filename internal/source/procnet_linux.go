package source

import (
	"encoding/binary"
	"io"
	"os"
)

// procNet reads the tables in the net folder under root: "/proc" for those of the
// process, "/proc/thread-self" for those of the thread (Linux 3.17).
func procNet(root string) Source {
	open := func(name string) (io.ReadCloser, error) { return os.Open(root + "/net/" + name) }
	return live("procnet", procTells, 0, proc{open, binary.NativeEndian}.look)
}
