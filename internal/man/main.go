// Man writes the man pages of the checks into a folder: make man.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"frontsockets/plugins"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: man FOLDER")
		os.Exit(2)
	}
	for _, p := range []plugins.Profile{plugins.MDFront, plugins.Front} {
		if err := os.WriteFile(filepath.Join(os.Args[1], p.Program+".1"), []byte(p.Man()), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
