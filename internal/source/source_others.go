//go:build !linux

package source

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"frontsockets/internal/tcp"
)

// preferred returns the attempts of "auto".
func preferred(root string) []tcp.Source { return []tcp.Source{gopsutil(root)} }

func sockDiagBoth() tcp.Source                     { return unsupported("sockdiag") }
func sockDiagEach() tcp.Source                     { return unsupported("sockdiag") }
func procNet(string) tcp.Source                    { return unsupported("procnet") }
func within(netns string, _ tcp.Source) tcp.Source { return unsupported("netns " + netns) }

func limitsUnder(string) limits {
	return limits{func(string) ([]byte, error) { return nil, errors.ErrUnsupported }}
}

func unsupported(name string) tcp.Source {
	return fixed(name, 0, 0, func(context.Context, tcp.Query, tcp.Visit) error {
		return fmt.Errorf("not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
	})
}
