//go:build !linux

package source

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

func sockDiag() Source { return live("sockdiag", 0, 0, unsupported) }

func procNet(string) Source { return live("procnet", 0, 0, unsupported) }

func unsupported(context.Context, Query, func() Visit) error {
	return fmt.Errorf("%s has none: %w", runtime.GOOS, errors.ErrUnsupported)
}

func within(netns string, _ []Source) Source { return live("netns "+netns, 0, 0, unsupported) }
