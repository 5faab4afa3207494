//go:build !unix

package plugins

import "os"

// closed: a closed stdout fails at the write here.
func closed(*os.File) bool { return false }
