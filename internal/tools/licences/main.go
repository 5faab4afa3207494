// Licences adds the licence of each module to the bill of materials (CycloneDX, JSON) that it reads:
//
//	licences FILE <sbom >sbom
//
// FILE is contrib/packaging/copyright, which names the licence of everything that is in a program.
// Programs that guess a licence from its text are wrong about some modules. A component that FILE
// does not name stays as it is: it is in no program.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// allowed are the licences under which a module may come into a program, by the names that
// copyright gives them, with their SPDX identifiers. The names differ where the text does.
var allowed = map[string]string{
	"Expat":                 "MIT",
	"BSD-3-Clause":          "BSD-3-Clause",
	"BSD-3-Clause-Google":   "BSD-3-Clause",
	"BSD-3-Clause-go-flags": "BSD-3-Clause",
	"BSD-3-Clause-gopsutil": "BSD-3-Clause",
	"Apache-2.0":            "Apache-2.0",
}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("want the file copyright, got %q", args)
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var sbom map[string]any
	if err := json.NewDecoder(in).Decode(&sbom); err != nil {
		return fmt.Errorf("the SBOM is not JSON: %w", err)
	}
	if err := addLicences(sbom, readCopyright(string(text)).licences); err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(sbom)
}

// addLicences gives each component of the SBOM that the map names its licence.
func addLicences(sbom map[string]any, licences map[string]string) error {
	components, _ := sbom["components"].([]any)
	if len(components) == 0 {
		return fmt.Errorf("the SBOM has no components")
	}
	for _, c := range components {
		component, _ := c.(map[string]any)
		name, _ := component["name"].(string)
		licence, named := licences[name]
		if !named {
			continue
		}
		id, ok := allowed[licence]
		if !ok {
			return fmt.Errorf("%s has the licence %s, which is not allowed here", name, licence)
		}
		component["licenses"] = []any{map[string]any{"license": map[string]any{"id": id}}}
	}
	return nil
}

// copyright is what is known from a file in Debian's copyright format, version 1.0.
type copyright struct {
	licences map[string]string // by the path of the module
	texts    map[string]string // by the name of the licence
}

// readCopyright reads the paragraphs of a copyright file.
func readCopyright(text string) copyright {
	c := copyright{licences: map[string]string{}, texts: map[string]string{}}
	for _, paragraph := range strings.Split(text, "\n\n") {
		var files []string
		for _, field := range strings.Split(strings.ReplaceAll(paragraph, "\n ", "\v"), "\n") {
			name, value, _ := strings.Cut(field, ":")
			switch name {
			case "Files":
				files = strings.Fields(value)
			case "License":
				first, rest, _ := strings.Cut(strings.TrimSpace(value), "\v")
				if rest != "" {
					c.texts[first] = strings.NewReplacer("\v.", "\n", "\v", "\n").Replace(rest)
				}
				for _, pattern := range files {
					if module, whole := strings.CutSuffix(pattern, "/*"); whole {
						c.licences[module] = first
					}
				}
			}
		}
	}
	return c
}
