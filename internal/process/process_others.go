//go:build !linux

package process

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"frontsockets/internal/tcp"
)

// Owner is the process that owns a socket.
type Owner struct{}

// Find finds nothing: only Linux names a process's sockets.
func Find(context.Context, []tcp.Socket) (*Owner, error) {
	return nil, fmt.Errorf("not known on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// StartCPU does nothing.
func (*Owner) StartCPU() {}

// Describe returns nothing.
func (*Owner) Describe() tcp.Process { return tcp.Process{} }
