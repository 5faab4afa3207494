// Man writes the man pages of the programs, and their completions for bash, zsh and fish,
// into a folder. It reads the help of the programs that are not checks from files. Run it by
// make man.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"frontsockets/plugins"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: man FOLDER HELP...")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

// write writes the files of the checks, and of the programs whose help is in the files, into
// the folder.
func write(folder string, helps []string) error {
	manuals := []manual{manualOf(plugins.MDFront), manualOf(plugins.Front)}
	for _, file := range helps {
		help, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		m, err := parseHelp(string(help))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		manuals = append(manuals, m)
	}
	for _, m := range manuals {
		for name, text := range map[string]string{
			"man/" + m.Program + ".1":                page(m),
			"completion/bash/" + m.Program:           bash(m),
			"completion/zsh/_" + m.Program:           zsh(m),
			"completion/fish/" + m.Program + ".fish": fish(m),
		} {
			file := filepath.Join(folder, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
