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

// parseHelp reads the help of a program that is not a check: paragraphs, and lists under a line
// that ends in a colon. A program without scenarios takes files.
func parseHelp(help string) (manual, error) {
	var m manual
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
			m.Program, m.Synopsis, _ = strings.Cut(strings.TrimSpace(rest), " ")
		case "Options":
			for _, e := range entries {
				name := optionName.FindStringSubmatch(e.Name)
				if name == nil {
					return m, fmt.Errorf("%q is not an option", e.Name)
				}
				o := plugins.Option{Short: name[1], Long: name[2], Value: name[3], Help: e.Text}
				m.Options = append(m.Options, option{o, optionWords(o.Long)})
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
	if m.Synopsis == "" || len(m.About) == 0 || len(m.Options) == 0 {
		return m, fmt.Errorf("this is not the help of a program: %q", help)
	}
	m.Files = len(m.Arguments) == 0
	title, _, _ := strings.Cut(m.About[0], ":")
	m.Title = strings.ToLower(title[:1]) + strings.TrimSuffix(title[1:], ".")
	m.Sections = append(m.Sections, section{Title: "See also", Text: []string{seeAlso(m.Program)}})
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
