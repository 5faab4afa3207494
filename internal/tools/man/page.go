package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// page returns the man page of a program.
func page(m manual) string {
	var b strings.Builder
	emit := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	emit(".TH %s 1 \"%s\" frontsockets", strings.ToUpper(m.Program), date())
	emit(".SH NAME\n%s", fill(m.Program+" \\- "+roff(m.Title)))
	emit(".SH SYNOPSIS\n\\fB%s\\fR %s", m.Program, roff(m.Synopsis))
	emit(".SH DESCRIPTION\n%s", paragraphs(m.About))
	emit(".SH OPTIONS")
	group := ""
	for _, o := range m.Options {
		if o.Group != group {
			group = o.Group
			emit(".SS %s", roff(group))
		}
		emit(".TP\n%s\n%s", spelling(o), fill(roff(o.Help)))
		if o.Default != "" {
			emit("(default: %s)", roff(o.Default))
		}
	}
	for _, s := range m.Sections {
		switch {
		case s.Title == "":
			emit(".PP")
		default:
			emit(".SH %s", roff(strings.ToUpper(s.Title)))
		}
		if len(s.Text) > 0 {
			emit("%s", paragraphs(s.Text))
		}
		for i, e := range s.Entries {
			switch {
			case e.Text != "":
				emit(".TP\n\\fB%s\\fR\n%s", roff(e.Name), fill(roff(e.Text)))
			case i == 0 && len(s.Text) == 0: // a heading begins a paragraph by itself
				emit("\\fB%s\\fR", roff(e.Name))
			default:
				emit(".PP\n\\fB%s\\fR", roff(e.Name))
			}
		}
	}
	return b.String()
}

// date returns the date of the package, or "" if no package is being built. The same commit
// then gives the same page on every day.
func date() string {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.DateOnly)
}

// spelling returns "-f, --format FORMAT" with bold options and an italic value.
func spelling(o option) string {
	text := `\fB\-\-` + roff(o.Long) + `\fR`
	if o.Short != "" {
		text = `\fB\-` + o.Short + `\fR, ` + text
	}
	if o.Value != "" {
		text += ` \fI` + roff(o.Value) + `\fR`
	}
	return text
}

// paragraphs returns the texts as paragraphs of roff.
func paragraphs(texts []string) string {
	var list []string
	for _, t := range texts {
		list = append(list, fill(roff(t)))
	}
	return strings.Join(list, "\n.PP\n")
}

// maxLine is the length of a line in bytes that mandoc -T lint accepts.
const maxLine = 80

// fill breaks the lines of an escaped text between words. man joins them again.
func fill(text string) string {
	var filled []string
	for line := range strings.SplitSeq(text, "\n") {
		for len(line) > maxLine {
			end := strings.LastIndexByte(line[:maxLine+1], ' ')
			if end < 0 {
				break
			}
			filled = append(filled, line[:end])
			line = line[end+1:]
			if strings.HasPrefix(line, ".") {
				line = `\&` + line
			}
		}
		filled = append(filled, line)
	}
	return strings.Join(filled, "\n")
}

// roff escapes a text: no line is a request of roff, and every character is printed as
// it is.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "'", `\(aq`, "`", `\(ga`).Replace(text)
	return strings.TrimPrefix(strings.ReplaceAll("\n"+text, "\n.", "\n\\&."), "\n")
}
