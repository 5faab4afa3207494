package snapshot

import (
	"errors"
	"fmt"
)

// replaceFile would have to put a file in the place of another at once, and Windows
// promises that for no file system.
func replaceFile(string, []byte) error {
	return fmt.Errorf("windows cannot replace a file at once: %w", errors.ErrUnsupported)
}
