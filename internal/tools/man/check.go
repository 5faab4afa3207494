package main

import (
	"fmt"
	"strings"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/output"
	"frontsockets/internal/report"
	"frontsockets/internal/session"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/verdict"
	"frontsockets/plugins"
)

// manual is what the man page and shell completion say of a program.
type manual struct {
	Program   string
	Title     string // what it does, in a few words
	Synopsis  string // what follows the program's name
	About     []string
	Arguments []entry // what the first word that is no option can be
	Files     bool    // whether words that are no options are files
	Options   []option
	Sections  []section
}

// option is one option of a command line.
type option struct {
	plugins.Option
	Words []string // values to choose from; one that ends in = or : goes on
}

// section is paragraphs, then a list of things and their explanations.
type section struct {
	Title   string
	Text    []string
	Entries []entry
}

// entry is a thing and its explanation.
type entry struct{ Name, Text string }

// seeAlso returns the other programs.
func seeAlso(program string) string {
	var pages []string
	for _, name := range []string{plugins.MDFront.Program, plugins.Front.Program, "front_drill", "front_report"} {
		if name != program {
			pages = append(pages, name+"(1)")
		}
	}
	return strings.Join(pages, ", ")
}

// manualOf returns the manual of a check.
func manualOf(p plugins.Profile) manual {
	m := manual{
		Program:  p.Program,
		Title:    p.Title,
		Synopsis: "[OPTIONS]",
		About: []string{
			p.Title + ": a TCP server on a known local port. The check reads the kernel's socket table once, as an" +
				" ordinary user and without touching the front. It answers in one line, with performance data and" +
				" the exit code of the plugin guidelines.",
			"A socket on the front's local port is abnormal unless its state is ESTABLISHED or LISTEN, or one of" +
				" --normal if that is given. A client is a remote address. The accept queue holds the connections" +
				" that the kernel has finished and the front has not accepted.",
		},
	}
	for _, o := range p.Options() {
		m.Options = append(m.Options, option{o, optionWords(o.Long)})
	}
	m.Options = append(m.Options, option{Option: plugins.HelpOption})
	m.Sections = []section{
		{Title: "Metrics", Text: []string{"For -w, -c and --metric. " + plugins.Ranges},
			Entries: metricEntries(0, tally.OneLook)},
		{Text: []string{"With --sample also:"}, Entries: metricEntries(tally.OneLook, tally.NumMetrics)},
		{Title: "Policies", Entries: policyEntries(p)},
		{Title: "Sessions", Entries: sessionEntries()},
		{Title: "States", Text: []string{"What the state of a socket means at a front, and who waits for whom:"},
			Entries: states},
		{Title: "Diagnoses", Text: []string{"The end of the line says it in words, -v and -f json have the code." +
			" --policy and -w or -c diagnosis=CODE say which diagnoses alarm."}, Entries: diagnosisEntries()},
		{Title: "Exit status", Text: strings.Split(plugins.ExitCodes, "\n")},
		{Title: "Examples", Entries: exampleEntries(p)},
		{Title: "See also", Text: []string{seeAlso(p.Program) + ", ss(8), netstat(8), tcp(7)"}},
	}
	return m
}

func exampleEntries(p plugins.Profile) []entry {
	var entries []entry
	for _, e := range p.Examples() {
		entries = append(entries, entry{strings.ReplaceAll(e.Line, "%s", p.Program), e.Does})
	}
	return entries
}

func policyEntries(p plugins.Profile) []entry {
	var entries []entry
	for _, name := range plugins.PolicyNames {
		entries = append(entries, entry{name, p.Policies()[name].String()})
	}
	return entries
}

func sessionEntries() []entry {
	var entries []entry
	for _, c := range session.Calendars {
		entries = append(entries, entry{c.Name, c.String()})
	}
	return entries
}

func metricEntries(from, to tally.Metric) []entry {
	var entries []entry
	for m := from; m < to; m++ {
		entries = append(entries, entry{m.String(), m.Help()})
	}
	return entries
}

// diagnosisEntries are the codes, who is to blame, and what each means.
func diagnosisEntries() []entry {
	var entries []entry
	for _, k := range diagnosis.Kinds {
		entries = append(entries, entry{string(k.Code), fmt.Sprintf("%s To blame: %s.", k.Means, k.Blame)})
	}
	return entries
}

// optionWords returns the values that an option can have, where these can be listed.
func optionWords(long string) []string {
	var words, metrics []string
	for m := range tally.NumMetrics {
		metrics = append(metrics, m.String())
	}
	switch long {
	case "format":
		for _, f := range output.Formats {
			words = append(words, f.Name)
		}
	case "source":
		for _, name := range plugins.SourceNames() {
			words = append(words, strings.TrimSuffix(name, "FILE"))
		}
	case "lang":
		for _, l := range report.Languages {
			words = append(words, l.Name)
		}
	case "policy":
		words = plugins.PolicyNames
	case "reply":
		words = plugins.ReplyNames
	case "session":
		words = []string{"cn-futures", "cn-commodities"}
	case "no-listener":
		words = verdict.StatusNames
	case "normal":
		for s := tcp.Established; s < tcp.NumStates; s++ {
			words = append(words, s.String())
		}
	case "metric":
		words = metrics
	case "warning", "critical":
		for _, m := range metrics {
			words = append(words, m+"=")
		}
	}
	return words
}

// states are in the order of a session's life.
var states = []entry{
	{"LISTEN", "The front waits for clients. Normal, and as long as there is one the port looks open, even if the" +
		" front has hung."},
	{"SYN_SENT", "The front itself has asked for a connection from this port, and waits for the other side. A front" +
		" does not do that: abnormal, and rare."},
	{"SYN_RECV", "A client has asked for a connection, the kernel has answered, and waits for the client. Gone after" +
		" one round trip. Many mean clients that do not get the answer, a flood of false ones, or an accept" +
		" queue so full that the kernel drops the last step."},
	{"ESTABLISHED", "A session: nobody has closed. Normal. So is one in the accept queue, which the front knows nothing" +
		" of: the kernel finished it, and the client believes that it is served."},
	{"FIN_WAIT1", "The front has closed, and the kernel waits for the client to acknowledge that and what was sent" +
		" before. Gone after one round trip. Many mean clients that went without a word, or that do not read."},
	{"FIN_WAIT2", "The front has closed, the client knows, and the kernel waits for the client to close as well. Linux" +
		" ends that after a minute. Many mean clients that do not close."},
	{"CLOSE_WAIT", "The client has closed, and the front has not: the client is gone, and the kernel waits for the front" +
		" with no limit of time. Normal for a moment. It piles up when the front hangs, or forgets to close."},
	{"LAST_ACK", "The client has closed, then the front, and the kernel waits for the client's last acknowledgement." +
		" Gone after one round trip. Many mean that the way to the clients is broken."},
	{"CLOSING", "Both have closed at the same time, and the kernel waits for the client's acknowledgement. Rare."},
	{"TIME_WAIT", "Both have closed, the front first, and nobody waits for anybody: Linux keeps the pair of ports for a" +
		" minute, for segments that come late. Many of many clients are a log-off in order; many of one client" +
		" are one that is thrown out and comes back, again and again."},
	{"CLOSE", "No connection, not yet or no more. Rare."},
}
