// Man writes the man pages of the programs, and their completions for bash, zsh and fish,
// into a folder. It reads the help of front_drill from stdin. Run it by make man.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"frontsockets/plugins"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: front_drill --help | man FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

// write writes the files of all programs into the folder.
func write(folder string, drillHelp io.Reader) error {
	help, err := io.ReadAll(drillHelp)
	if err != nil {
		return err
	}
	drill, err := parseHelp(string(help))
	if err != nil {
		return err
	}
	md, trade := plugins.MDFront, plugins.Front
	for _, m := range []manual{manualOf(md, trade.Program), manualOf(trade, md.Program), drill} {
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
