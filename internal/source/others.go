//go:build !linux

package source

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"frontsockets/internal/tcp"
)

func sockDiag() Source { return live("sockdiag", 0, 0, unsupported) }

func procNet(string) Source { return live("procnet", 0, 0, unsupported) }

func unsupported(context.Context, Query, func() Visit) error {
	return fmt.Errorf("%s has none: %w", runtime.GOOS, errors.ErrUnsupported)
}

func within(netns string, _ []Source) Source { return live("netns "+netns, 0, 0, unsupported) }

// Owner is the process that owns a listener. Only on Linux is it found.
type Owner struct{}

// FindOwner finds nothing here.
func FindOwner(context.Context, []uint64) (*Owner, error) { return nil, unsupported(nil, Query{}, nil) }

// Measure does nothing here.
func (*Owner) Measure(context.Context) {}

// Facts is nothing here.
func (*Owner) Facts(context.Context) tcp.Process { return tcp.Process{} }
