package main

import (
	"fmt"
	"regexp"
	"strings"

	"frontsockets/plugins"
)

var (
	entryLine  = regexp.MustCompile(`^  (\S.*?)(?:  +(\S.*))?$`) // a name, two spaces, and its description
	optionName = regexp.MustCompile(`^(?:-(\w), )?--([a-z-]+)(?: (\S+))?$`)
)

// parseHelp reads the help of front_drill: paragraphs, and lists under a line that ends in
// a colon.
func parseHelp(help string) (manual, error) {
	m := manual{Program: "front_drill"}
	for _, block := range strings.Split(strings.TrimSpace(help), "\n\n") {
		first, rest, _ := strings.Cut(block, "\n")
		title, isList := strings.CutSuffix(first, ":")
		if !isList {
			m.About = append(m.About, strings.Join(strings.Fields(block), " "))
			continue
		}
		entries := parseList(rest)
		switch title, note, _ := strings.Cut(title, "; "); title {
		case "Usage":
			m.Synopsis = strings.TrimPrefix(rest, "  "+m.Program+" ")
		case "Options":
			for _, e := range entries {
				name := optionName.FindStringSubmatch(e.Name)
				if name == nil {
					return m, fmt.Errorf("%q is not an option", e.Name)
				}
				o := plugins.Option{Short: name[1], Long: name[2], Value: name[3], Help: e.Text}
				m.Options = append(m.Options, option{Option: o})
			}
		default:
			s := section{Title: strings.Replace(title, "Exit codes", "Exit status", 1), Entries: entries}
			if note != "" {
				s.Text = []string{"Here " + note + "."}
			}
			if strings.HasPrefix(title, "Scenarios") {
				m.Arguments = append(m.Arguments, entries...)
			}
			m.Sections = append(m.Sections, s)
		}
	}
	if m.Synopsis == "" || len(m.About) == 0 || len(m.Arguments) == 0 || len(m.Options) == 0 {
		return m, fmt.Errorf("this is not the help of %s: %q", m.Program, help)
	}
	m.Title = strings.ToLower(m.About[0][:1]) + strings.TrimSuffix(m.About[0][1:], ".")
	checks := plugins.MDFront.Program + "(1), " + plugins.Front.Program + "(1)"
	m.Sections = append(m.Sections, section{Title: "See also", Text: []string{checks}})
	return m, nil
}

// parseList reads the lines of a list. A line with more indentation continues the text of
// the entry above it.
func parseList(lines string) []entry {
	var entries []entry
	for _, line := range strings.Split(lines, "\n") {
		if e := entryLine.FindStringSubmatch(line); e != nil {
			entries = append(entries, entry{Name: e[1], Text: e[2]})
		} else if last := len(entries) - 1; last >= 0 {
			entries[last].Text = strings.TrimSpace(entries[last].Text + " " + strings.TrimSpace(line))
		}
	}
	return entries
}
