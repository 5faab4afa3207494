package snapshot

import (
	"context"
	"errors"
	"fmt"
)

// replaceFile fails: Windows has no atomic replacement that holds on every file system.
func replaceFile(context.Context, string, []byte) error {
	return fmt.Errorf("windows cannot replace a file at once: %w", errors.ErrUnsupported)
}
