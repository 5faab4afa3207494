//go:build !linux

package source

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

func sockDiag() Source { return Source{Name: "sockdiag", Look: unsupported} }

func procNet() Source { return Source{Name: "procnet", Look: unsupported} }

func unsupported(context.Context, Query, func() Visit) error {
	return fmt.Errorf("%s has none: %w", runtime.GOOS, errors.ErrUnsupported)
}
