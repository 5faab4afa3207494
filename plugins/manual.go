package plugins

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/jessevdk/go-flags"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/output"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/verdict"
)

// Manual is what the man page and shell completion tell of a program.
type Manual struct {
	Program   string
	Title     string // what it does, in a few words
	Synopsis  string // what follows the program's name
	About     []string
	Arguments []Entry // what the first word that is no option can be
	Options   []Option
	Sections  []Section
}

// Option is one option of a command line.
type Option struct {
	Short, Long string // without their dashes
	Value       string // what its value stands for, empty if it takes none
	Help        string
	Default     string
	Repeatable  bool
	Words       []string // values to choose from; one that ends in = or : goes on
}

// Section is paragraphs, and then things and what is to be said of them.
type Section struct {
	Title   string
	Text    []string
	Entries []Entry
}

// Entry is a thing and what is to be said of it.
type Entry struct{ Name, Text string }

// Manual is that of the check, of one piece with its help.
func (p Profile) Manual() Manual {
	m := Manual{
		Program:  p.Program,
		Title:    p.Title,
		Synopsis: "[OPTIONS]",
		About: []string{
			p.Title + ": a TCP server on a known local port. It looks at the kernel's table of sockets once, as an ordinary user and without a word to the front, and answers in one line, with performance data and the exit code of the plugin guidelines.",
			"A socket on the front's local port is abnormal unless its state is ESTABLISHED or LISTEN, or one of those of --normal if it is given. A client is a remote address. The accept queue holds the connections that the kernel has finished and the front has not accepted.",
		},
	}
	var o options
	for _, option := range p.newParser(&o).Groups()[0].Options() {
		short := ""
		if option.ShortName != 0 {
			short = string(option.ShortName)
		}
		m.Options = append(m.Options, Option{
			Short: short, Long: option.LongName, Value: option.ValueName, Help: option.Description,
			Default:    defaultText(option),
			Repeatable: reflect.TypeOf(option.Value()).Kind() == reflect.Slice,
			Words:      optionWords(option.LongName),
		})
	}
	m.Options = append(m.Options, Option{Short: "h", Long: "help", Help: "print help and exit 3"})
	m.Sections = []Section{
		{Title: "Metrics", Text: []string{"For -w, -c and --metric. " + ranges}, Entries: metricEntries(0, tally.OneLook)},
		{Text: []string{"With --sample also:"}, Entries: metricEntries(tally.OneLook, tally.NumMetrics)},
		{Title: "Policies", Entries: p.policyEntries()},
		{Title: "States", Text: []string{"What the state of a socket means at a front, and who waits for whom:"}, Entries: states},
		{Title: "Diagnoses", Text: []string{"The hint at the end of the line, and the code of -v and -f json. It changes no status."}, Entries: diagnosisEntries()},
		{Title: "Exit status", Text: strings.Split(exitCodes, "\n")},
		{Title: "Examples", Entries: p.exampleEntries()},
		{Title: "See also", Text: []string{p.other() + "(1), front_drill(1), ss(8), netstat(8), tcp(7)"}},
	}
	return m
}

// other returns the check for the other kind of front.
func (p Profile) other() string {
	if p.Program == MDFront.Program {
		return Front.Program
	}
	return MDFront.Program
}

// defaultText is what the help says that the default is.
func defaultText(o *flags.Option) string {
	if o.DefaultMask != "" {
		return o.DefaultMask
	}
	return strings.Join(o.Default, ", ")
}

func (p Profile) exampleEntries() []Entry {
	var entries []Entry
	for _, e := range p.examples() {
		entries = append(entries, Entry{strings.ReplaceAll(e.line, "%s", p.Program), e.does})
	}
	return entries
}

func metricEntries(from, to tally.Metric) []Entry {
	var entries []Entry
	for m := from; m < to; m++ {
		entries = append(entries, Entry{m.String(), m.Help()})
	}
	return entries
}

// optionWords are the values that an option can have, where these can be listed.
func optionWords(long string) []string {
	var words []string
	switch long {
	case "format":
		for _, f := range output.Formats {
			words = append(words, f.Name)
		}
	case "source":
		for _, name := range sourceNames() {
			words = append(words, strings.TrimSuffix(name, "FILE"))
		}
	case "policy":
		words = policyNames
	case "reply":
		words = replyNames
	case "session":
		words = []string{"cn-futures"}
	case "no-listener":
		words = verdict.StatusNames
	case "normal":
		for s := tcp.Established; s < tcp.NumStates; s++ {
			words = append(words, s.String())
		}
	case "metric":
		words = strings.Fields(metricNames(0, tally.NumMetrics))
	case "warning", "critical":
		words = strings.Split(strings.ReplaceAll(metricNames(0, tally.NumMetrics), " ", "= ")+"=", " ")
	}
	return words
}

// states are in the order of a session's life.
var states = []Entry{
	{"LISTEN", "The front waits for clients. Normal, and as long as there is one the port looks open, even if the front has hung."},
	{"SYN_SENT", "The front itself has asked for a connection from this port, and waits for the other side. A front does not do that: abnormal, and rare."},
	{"SYN_RECV", "A client has asked for a connection, the kernel has answered, and waits for the client. Gone after one round trip. Many mean clients that do not get the answer, a flood of false ones, or an accept queue so full that the kernel drops the last step."},
	{"ESTABLISHED", "A session: nobody has closed. Normal. So is one in the accept queue, which the front knows nothing of: the kernel finished it, and the client believes that it is served."},
	{"FIN_WAIT1", "The front has closed, and the kernel waits for the client to acknowledge that and what was sent before. Gone after one round trip. Many mean clients that went without a word, or that do not read."},
	{"FIN_WAIT2", "The front has closed, the client knows, and the kernel waits for the client to close as well. Linux ends that after a minute. Many mean clients that do not close."},
	{"CLOSE_WAIT", "The client has closed, and the front has not: the client is gone, and the kernel waits for the front with no limit of time. Normal for a moment. It piles up when the front hangs, or forgets to close."},
	{"LAST_ACK", "The client has closed, then the front, and the kernel waits for the client's last acknowledgement. Gone after one round trip. Many mean that the way to the clients is broken."},
	{"CLOSING", "Both have closed at the same time, and the kernel waits for the client's acknowledgement. Rare."},
	{"TIME_WAIT", "Both have closed, the front first, and nobody waits for anybody: Linux keeps the pair of ports for a minute, for segments that come late. Many of many clients are a log-off in order; many of one client are one that is thrown out and comes back, again and again."},
	{"CLOSE", "No connection, not yet or no more. Rare."},
}

// diagnosisEntries are the codes, who is to blame, and what each means.
func diagnosisEntries() []Entry {
	var entries []Entry
	for _, k := range diagnosis.Kinds {
		entries = append(entries, Entry{string(k.Code), fmt.Sprintf("%s To blame: %s.", k.Means, k.Blame)})
	}
	return entries
}

func (p Profile) policyEntries() []Entry {
	var entries []Entry
	for _, name := range policyNames {
		entries = append(entries, Entry{name, p.policies()[name].String()})
	}
	return entries
}
