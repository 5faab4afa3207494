// Package output renders a report in the format of whoever asked. Every format
// is a pure function from the report to bytes.
package output

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/atc0005/go-nagios"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/verdict"
)

// Report is everything there is to say. The zero Report is a report of nothing.
type Report struct {
	Service string // first word of the service output: "MDFRONT"
	Name    string // the operator's name for the front, or empty
	Ports   tcp.Ports
	Policy  verdict.Policy
	// Sampled says that two looks were asked for, and so the metrics of two.
	Sampled bool
	// Exclude is the remote addresses whose sessions were left out; Excluded counts these.
	Exclude  []netip.Prefix
	Excluded int
	// Names names clients; it may be nil.
	Names func(netip.Addr) string

	// Result is what was counted; nil if the look failed or there was none.
	Result  *tally.Result
	Verdict verdict.Verdict
	// Look says whose sockets these are, when they were seen, and how.
	Look tcp.Look
	// Diagnosis is the kind of trouble, if there is a Result. Owner is the process that
	// listens, nil if nobody asked or OwnerUnknown says why it is not known.
	Diagnosis    diagnosis.Diagnosis
	Owner        *tcp.Process
	OwnerUnknown string
	// Outside says that nobody trades now and when a session opens next, or is empty.
	Outside string
	// Session is what -v says of the trading sessions, or empty. Notes are what the end of
	// the line must say of them.
	Session string
	Notes   []string

	// Failure is why there is no Result.
	Failure string
	// Usage says that Failure is the fault of the command line: nothing was asked.
	Usage bool
	// SaveError is why the snapshot that was asked for was not written, or empty.
	SaveError string
}

// Style is how the operator wants it shown.
type Style struct {
	Verbose int          // -v: 1 lists the top clients, 2 all that fit
	Top     int          // how many clients to list
	Metric  tally.Metric // what Value prints
	Number  bool         // HostMonitor prints a bare number
	Long    bool         // HostMonitor adds states, top client and diagnosis
}

// Format is one rendering.
type Format struct {
	Name   string
	Render func(Report, Style) []byte
	// ExitZero is for callers that take another exit code for a broken check.
	ExitZero bool
}

// Formats are all formats, the default first.
var Formats = []Format{
	{Name: "nagios", Render: Nagios},
	{Name: "hostmonitor", Render: HostMonitor, ExitZero: true},
	{Name: "json", Render: JSON},
	{Name: "value", Render: Value},
	{Name: "prometheus", Render: Prometheus},
}

// ExitCode is the status for the shell: hostmonitor's is 0 whatever the answer,
// but a usage error is no answer.
func (f Format) ExitCode(r Report) int {
	if f.ExitZero && !r.Usage {
		return 0
	}
	return int(r.Status())
}

// Status is the verdict's, and at least UNKNOWN if a snapshot was not written. Without
// a result there is no verdict, and never an OK.
func (r Report) Status() verdict.Status {
	switch {
	case r.Result == nil:
		return verdict.Unknown
	case r.SaveError != "":
		return r.Verdict.Status.Or(verdict.Unknown)
	}
	return r.Verdict.Status
}

// statusWord is the status as the guidelines print it.
func statusWord(s verdict.Status) string { return nagios.ExitCodeToStateLabel(int(s)) }

// values is the metrics, all unknown where nothing was counted.
func (r Report) values() tally.Values {
	if r.Result == nil {
		return tally.AllUnknown(r.Failure)
	}
	return r.Result.Values
}

// subject is what the report is about: "front7 :41213".
func (r Report) subject() string {
	return strings.TrimSpace(r.Name + " :" + r.Ports.String())
}

// Reason is the report in one line: the summary, with the worst problem before it
// and the others behind it. The count is no part of these, the summary tells it.
func (r Report) Reason() string {
	switch {
	case r.Usage:
		return r.Failure
	case r.Result == nil:
		return r.subject() + " cannot be judged: " + r.Failure
	}
	parts := []string{r.subject() + " has " + r.summary()}
	if r.Outside != "" {
		parts = []string{r.Outside, parts[0]}
	}
	for i, p := range r.Verdict.Problems {
		switch {
		case p.Metric == tally.Abnormal && r.values()[p.Metric].Known():
		case i == 0:
			parts = slices.Insert(parts, 0, p.Text)
		case p.Text == r.Diagnosis.Text: // the hint
		default:
			parts = append(parts, p.Text)
		}
	}
	return strings.Join(parts, "; ")
}

// metrics is how many there are.
func (r Report) metrics() tally.Metric {
	if r.Sampled {
		return tally.NumMetrics
	}
	return tally.OneLook
}

// who is a client with his name.
func (r Report) who(client netip.Addr) string {
	if r.Names != nil {
		if name := r.Names(client); name != "" {
			return client.String() + " (" + name + ")"
		}
	}
	return client.String()
}

// hint is the diagnosis as the end of the sentence, unless that says it already.
func (r Report) hint() string {
	d := r.Diagnosis
	if r.Result == nil || r.Outside != "" || d.Text == "" {
		return ""
	}
	if d.Code == diagnosis.Down { // Reason says what is wrong
		if d.InTheWay == "" {
			return ""
		}
		return " - " + d.InTheWay
	}
	if p := r.Verdict.Problems; len(p) > 0 && p[0].Text == d.Text && !d.Client.IsValid() {
		return "" // it is the reason
	}
	hint := " - " + d.Text
	if d.Client.IsValid() {
		hint += ", " + r.who(d.Client)
	}
	return hint
}

// source is the source that spoke and, if it was not the first choice, why.
func (r Report) source() string {
	if len(r.Look.Skipped) == 0 {
		return r.Look.Source
	}
	return r.Look.Source + " (" + strings.Join(r.Look.Skipped, "; ") + ")"
}

// remark is the end of the sentence: that a snapshot was not written, how many sessions
// were left out, notes on the calendar, and if it was not a look by the first choice and now, by which source, where
// and when.
func (r Report) remark() string {
	var s string
	if r.SaveError != "" {
		s = "; " + r.SaveError
	}
	if r.Result != nil && r.Excluded > 0 {
		s += "; " + r.excluded()
	}
	for _, note := range r.Notes {
		s += "; " + note
	}
	if r.Result == nil || len(r.Look.Skipped) == 0 && !r.Look.Recorded {
		return s
	}
	s += "; seen by " + r.source()
	if r.Look.Recorded && r.Look.Host != "" {
		s += " on " + r.Look.Host
	}
	if r.Look.Recorded {
		s += " at " + r.Look.Time.Format(time.RFC3339)
	}
	return s
}

// excluded says how many sessions --exclude left out.
func (r Report) excluded() string {
	return plural(tally.Number(float64(r.Excluded)), "session") + " excluded"
}

// summary counts: "73 abnormal sockets (60 TIME_WAIT, 13 CLOSE_WAIT) from 4
// clients, 62 from 10.1.2.3".
func (r Report) summary() string {
	v := r.Result.Values
	s := plural(v[tally.Abnormal], "abnormal socket")
	if !v[tally.Abnormal].Known() || v[tally.Abnormal].N == 0 {
		return s + ", " + v[tally.Established].String() + " established from " + plural(v[tally.Clients], "client")
	}
	s += " (" + states(r.Result.States, r.Result.Rules.Normal) + ")"
	if len(r.Result.Clients) == 0 || v[tally.AbnormalClients].N == 0 { // listeners only, or clients not known
		return s
	}
	top := r.Result.Clients[0]
	if v[tally.AbnormalClients].N == 1 {
		return s + " from " + r.who(top.Addr)
	}
	return fmt.Sprintf("%s from %s, %d from %s", s, plural(v[tally.AbnormalClients], "client"), top.Abnormal, r.who(top.Addr))
}

// states lists the states outside the skipped set, most sockets first:
// "60 TIME_WAIT, 13 CLOSE_WAIT".
func states(counts [tcp.NumStates]int, skip tcp.StateSet) string {
	var present []tcp.State
	for s := tcp.Established; s < tcp.NumStates; s++ {
		if counts[s] > 0 && !skip.Has(s) {
			present = append(present, s)
		}
	}
	slices.SortStableFunc(present, func(a, b tcp.State) int { return cmp.Compare(counts[b], counts[a]) })
	words := make([]string, len(present))
	for i, s := range present {
		words[i] = fmt.Sprintf("%d %s", counts[s], strings.ToUpper(s.String()))
	}
	return strings.Join(words, ", ")
}

func plural(v tally.Value, noun string) string {
	switch {
	case !v.Known():
		return "an unknown number of " + noun + "s"
	case v.N == 1:
		return "1 " + noun
	}
	return v.String() + " " + noun + "s"
}

// line makes text fit for one line of any monitoring system: no '|', which would
// start perfdata, no control characters, at most limit characters.
func line(text string, limit int) string {
	return strings.TrimSpace(cut(strings.Map(func(r rune) rune {
		switch {
		case r == '|':
			return '/'
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return ' '
		}
		return r
	}, text), limit))
}

// cut makes text at most limit characters long, the last three dots if it has to.
func cut(text string, limit int) string {
	runes := []rune(text)
	if len(runes) > limit {
		runes = append(runes[:limit-3], '.', '.', '.')
	}
	return string(runes)
}
