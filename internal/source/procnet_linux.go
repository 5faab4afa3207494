package source

import (
	"encoding/binary"
	"io"
	"os"
)

// procNet reads the tables of the process's network namespace.
func procNet() Source {
	open := func(name string) (io.ReadCloser, error) { return os.Open("/proc/net/" + name) }
	return Source{Name: "procnet", Look: proc{open, binary.NativeEndian}.look, Tells: procTells}
}
