package plugins

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"frontsockets/internal/session"
	"frontsockets/internal/tally"
)

// What the help and the man page say of ranges and exit codes.
const (
	Ranges = `Ranges are those of the plugin guidelines: 10 alerts below 0 or above 10,
10: below 10, ~:10 above 10, @50: from 50 up, @50 without the colon 0 to 50.`

	ExitCodes = `0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, help, version and wrong usage.
With -f hostmonitor 0 for every answer, 3 for wrong usage.`
)

// Example is a command line, with %s for the program's name, and what it does.
type Example struct{ Line, Does string }

// Examples returns command lines for --help and the man page.
func (p Profile) Examples() []Example {
	limit := strings.Trim(p.Critical, "@:")
	return []Example{
		{"%s", "the front on port " + p.Port + "; CRITICAL if nothing listens or for " + limit +
			" abnormal sockets and more"},
		{"%s -p 51213 -n front7 -w 10 -c @50:", "another port; WARNING above 10, CRITICAL from 50 up"},
		{"%s -c feed_age=30 -c accept_queue_pct=80",
			"CRITICAL too if nobody was sent data for over 30 s, or if the accept queue is over 80 % full"},
		{"%s --policy strict --session cn-futures --holidays /etc/frontsockets/holidays",
			"earlier alarms, and OK when nobody trades"},
		{"%s --clients /etc/frontsockets/clients -v", "whose sockets, what kind of trouble, and its evidence"},
		{"%s -f hostmonitor", "ScriptRes:Ok:3 or ScriptRes:Bad:73 socket disconnect"},
		{"%s -f value --metric close_wait", "a bare number, for Zabbix"},
		{"ssh front7 netstat -an | %s -s netstat:-", "a host where nothing is installed"},
		{"%s --save /var/spool/frontsockets/mine",
			"saves the sockets, for another user's check to judge within 2m30s: the next example"},
		{"%s -s snapshot:/var/spool/frontsockets/mine -f hostmonitor", "judges what was saved"},
	}
}

// optionGroups are the options in the order of --help, the man page and the README.
var optionGroups = []struct {
	Title   string
	Options []string
}{
	{"What to look at", []string{"port", "address", "exclude", "netns", "sample"}},
	{"When to alarm", []string{"warning", "critical", "policy", "no-listener", "normal", "stalled-after", "shared",
		"session", "session-tz", "holidays", "at"}},
	{"How to answer", []string{"name", "clients", "format", "metric", "reply", "top", "verbose", "timeout"}},
	{"Where from", []string{"source", "save", "log", "max-age"}},
	{helpGroup, []string{"version"}},
}

const helpGroup = "Help"

// helpWidth is how many columns the help may have.
const helpWidth = 80

// optionsHelp returns the beginning of --help, to the last option.
func (p Profile) optionsHelp() string {
	const column = 30 // where the explanations begin
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s [OPTIONS]\n\n%s.\n", p.Program, p.Title)
	group := ""
	for _, o := range append(p.Options(), HelpOption) {
		if o.Group != group {
			group = o.Group
			fmt.Fprintf(&b, "\n%s:\n", group)
		}
		spelling := "      --" + o.Long
		if o.Short != "" {
			spelling = "  -" + o.Short + ", --" + o.Long
		}
		if o.Value != "" {
			spelling += "=" + o.Value
		}
		text := o.Help
		if o.Default != "" {
			text += " (default: " + o.Default + ")"
		}
		text = wrap(text, strings.Repeat(" ", column))
		if len(spelling)+2 <= column {
			text = spelling + text[len(spelling):]
		} else {
			text = spelling + "\n" + text
		}
		b.WriteString(text)
	}
	return b.String()
}

// help returns what follows the options in --help.
func (p Profile) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nMetrics (for -w, -c and --metric):\n%s\n", wrap(metricNames(0, tally.OneLook), "  "))
	fmt.Fprintf(&b, "With --sample also:\n%s\n%s\n", wrap(metricNames(tally.OneLook, tally.NumMetrics), "  "),
		Ranges)
	b.WriteString("\nPolicies:\n")
	for _, name := range PolicyNames {
		b.WriteString(wrap(name+": "+p.Policies()[name].String(), "  "))
	}
	b.WriteString("\nSessions:\n")
	for _, c := range session.Calendars {
		b.WriteString(wrap(c.Name+": "+c.String(), "  "))
	}
	b.WriteString("\nExit codes:\n")
	for line := range strings.Lines(ExitCodes) {
		b.WriteString(wrap(line, "  "))
	}
	b.WriteString("\nExamples:\n")
	for _, e := range p.Examples() {
		b.WriteString(exampleLine(fmt.Sprintf(e.Line, p.Program)) + wrap(e.Does, "      "))
	}
	return b.String()
}

// exampleLine returns the command line, which goes on in a second line if it is too long.
func exampleLine(command string) string {
	line := "  " + command
	if len(line) > helpWidth {
		last := strings.LastIndex(line[:helpWidth-len(" \\")], " -")
		line = line[:last] + " \\\n     " + line[last:]
	}
	return line + "\n"
}

func metricNames(from, to tally.Metric) string {
	var names []string
	for m := from; m < to; m++ {
		names = append(names, m.String())
	}
	return strings.Join(names, " ")
}

// wrap breaks words into indented lines of at most helpWidth columns.
func wrap(words, indent string) string {
	var b strings.Builder
	line := indent
	for _, w := range strings.Fields(words) {
		if line != indent && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > helpWidth {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += w
	}
	return b.String() + line + "\n"
}
