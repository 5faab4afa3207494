package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"frontsockets/plugins"
)

// page is the man page of a program.
func page(m plugins.Manual) string {
	var b strings.Builder
	say := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	say(".TH %s 1 \"%s\" frontsockets", strings.ToUpper(m.Program), date())
	say(".SH NAME\n%s \\- %s", m.Program, roff(m.Title))
	say(".SH SYNOPSIS\n\\fB%s\\fR %s", m.Program, roff(m.Synopsis))
	say(".SH DESCRIPTION\n%s", paragraphs(m.About))
	say(".SH OPTIONS")
	for _, o := range m.Options {
		say(".TP\n%s\n%s", spelling(o), roff(o.Help))
		if o.Default != "" {
			say("(default: %s)", roff(o.Default))
		}
	}
	for _, s := range m.Sections {
		switch {
		case s.Title == "":
			say(".PP")
		default:
			say(".SH %s", roff(strings.ToUpper(s.Title)))
		}
		if len(s.Text) > 0 {
			say("%s", paragraphs(s.Text))
		}
		for _, e := range s.Entries {
			if e.Text == "" {
				say(".PP\n\\fB%s\\fR", roff(e.Name))
				continue
			}
			say(".TP\n\\fB%s\\fR\n%s", roff(e.Name), roff(e.Text))
		}
	}
	return b.String()
}

// date is that of the package if one is made, and none otherwise: a page is the same on
// every day.
func date() string {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.DateOnly)
}

// spelling is -f, --format FORMAT with its weights.
func spelling(o plugins.Option) string {
	text := `\fB\-\-` + roff(o.Long) + `\fR`
	if o.Short != "" {
		text = `\fB\-` + o.Short + `\fR, ` + text
	}
	if o.Value != "" {
		text += ` \fI` + roff(o.Value) + `\fR`
	}
	return text
}

func paragraphs(texts []string) string {
	var list []string
	for _, t := range texts {
		list = append(list, roff(t))
	}
	return strings.Join(list, "\n.PP\n")
}

// roff is text in which nothing is a request, and every sign stays what it is.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "'", `\(aq`, "`", `\(ga`).Replace(text)
	return strings.TrimPrefix(strings.ReplaceAll("\n"+text, "\n.", "\n\\&."), "\n")
}
