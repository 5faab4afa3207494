// Package output renders a report in the format that was asked for. Every format is a pure
// function from the report to bytes.
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
	Version string // the program's
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
	// Session is what -v says of the trading sessions, or empty. Notes are remarks for the end of the
	// line: on the calendar, on client names, and on looks that were not made.
	Session string
	Notes   []string

	// Failure is why there is no Result.
	Failure string
	// Usage says that Failure is the fault of the command line: nothing was asked.
	Usage bool
	// WriteError is why the snapshot or the line of the log was not written, or empty.
	WriteError string
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

// ExitCode returns the status for the shell. With ExitZero it is 0 for every answer; a
// usage error is no answer.
func (f Format) ExitCode(r Report) int {
	if f.ExitZero && !r.Usage {
		return 0
	}
	return int(r.Status())
}

// Status returns the verdict's status, or UNKNOWN if there is no result. If a snapshot or
// the line of the log was not written, it is at least UNKNOWN.
func (r Report) Status() verdict.Status {
	switch {
	case r.Result == nil:
		return verdict.Unknown
	case r.WriteError != "":
		return r.Verdict.Status.Or(verdict.Unknown)
	}
	return r.Verdict.Status
}

// AddWriteError adds a reason to WriteError.
func (r *Report) AddWriteError(why string) {
	if r.WriteError != "" {
		why = r.WriteError + "; " + why
	}
	r.WriteError = why
}

// statusWord returns the status as the guidelines print it.
func statusWord(s verdict.Status) string { return nagios.ExitCodeToStateLabel(int(s)) }

// counted returns the result. If nothing was counted, all its values are unknown.
func (r Report) counted() tally.Result {
	if r.Result == nil {
		return tally.Result{Values: tally.AllUnknown(r.Failure), HiddenStates: ^tcp.StateSet(0)}
	}
	return *r.Result
}

// Reason returns the report in one line: the worst problem, the summary, the other problems. It leaves
// out a problem of the number of abnormal sockets, which the summary has.
func (r Report) Reason() string {
	front := strings.TrimSpace(r.Name + " :" + r.Ports.String())
	switch {
	case r.Usage:
		return r.Failure
	case r.Result == nil:
		return front + " cannot be judged: " + r.Failure
	}
	parts := []string{front + " has " + r.summary()}
	if r.Outside != "" {
		parts = slices.Insert(parts, 0, r.Outside)
	}
	for i, p := range r.Verdict.Problems {
		switch {
		case p.Metric == tally.Abnormal && p.Status != verdict.Unknown && r.Result.Values[tally.Abnormal].N > 0:
		case i == 0:
			parts = slices.Insert(parts, 0, p.Text)
		case p.Text == r.Diagnosis.Text: // the hint
		default:
			parts = append(parts, p.Text)
		}
	}
	return strings.Join(parts, "; ")
}

// metricsEnd returns the end of the metrics that the answer has: those of one look, or of two.
func (r Report) metricsEnd() tally.Metric {
	if r.Sampled {
		return tally.NumMetrics
	}
	return tally.OneLook
}

// lowerBounds returns the metrics whose value is a lower bound, and why.
func (r Report) lowerBounds() (names []string, why string) {
	names = []string{}
	values := r.counted().Values
	for m := range r.metricsEnd() {
		if v := values[m]; v.LowerBound != "" {
			names, why = append(names, m.String()), v.LowerBound
		}
	}
	return names, why
}

// nameOf returns the operator's name for a client, or "".
func (r Report) nameOf(client netip.Addr) string {
	if r.Names == nil {
		return ""
	}
	return r.Names(client)
}

// who returns a client's address, and its name if it has one.
func (r Report) who(client netip.Addr) string {
	if name := r.nameOf(client); name != "" {
		return client.String() + " (" + name + ")"
	}
	return client.String()
}

// hint returns the diagnosis as the end of the sentence, or "" if the sentence has it already.
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

// source returns the source's name and, if it was not the first choice, why.
func (r Report) source() string {
	if len(r.Look.Skipped) == 0 {
		return r.Look.Source
	}
	return r.Look.Source + " (" + strings.Join(r.Look.Skipped, "; ") + ")"
}

// remark returns what else the sentence must say: what was not written, of a recording when and where
// it was made, how many sessions were left out, the Notes, what the source cannot see, and the source if
// it was not the first choice. The most important comes first: there may be no room for all.
func (r Report) remark() string {
	var list []string
	add := func(remark string) {
		if remark != "" {
			list = append(list, "; "+remark)
		}
	}
	add(r.WriteError)
	recorded := r.Result != nil && r.Look.Recorded
	if recorded {
		add(r.recordedAt())
	}
	if r.Result != nil && r.Excluded > 0 {
		add(r.excluded())
	}
	for _, note := range r.Notes {
		add(note)
	}
	if r.Result != nil {
		add(r.notJudged() + r.whyNotJudged())
		if len(r.Look.Skipped) > 0 && !recorded {
			add("seen by " + r.source())
		}
	}
	return strings.Join(list, "")
}

// recordedAt says when a recording was made, by what, and where.
func (r Report) recordedAt() string {
	text := "seen at " + r.Look.Time.Format(time.RFC3339) + " by " + r.source()
	if r.Look.Host != "" {
		text += " on " + r.Look.Host
	}
	return text
}

// excluded says how many sessions --exclude left out.
func (r Report) excluded() string {
	return plural(tally.Number(float64(r.Excluded)), "session") + " excluded"
}

// notJudged says that an accept queue was not judged because its backlog is not known, unless a
// problem says so.
func (r Report) notJudged() string {
	told := slices.ContainsFunc(r.Verdict.Problems, func(p verdict.Problem) bool { return p.Metric == tally.AcceptQueue })
	if told || !slices.ContainsFunc(r.Result.Listeners, backlogUnknown) {
		return ""
	}
	return "accept queue not judged"
}

// whyNotJudged is the end of notJudged: why, and what to run.
func (r Report) whyNotJudged() string {
	switch {
	case r.Result == nil || r.notJudged() == "":
		return ""
	case slices.ContainsFunc(r.Result.Listeners, func(l tally.Listener) bool { return !l.Facts.Has(tcp.FactRecvQ) }):
		return ": not shown by this source"
	}
	return ": no backlog, see ss -ltn"
}

func backlogUnknown(l tally.Listener) bool { return !l.Facts.Has(tcp.FactBacklog) }

// summary returns the counts: "73 abnormal sockets (60 TIME_WAIT, 13 CLOSE_WAIT) from 4
// clients, 62 from 10.1.2.3".
func (r Report) summary() string {
	v := r.Result.Values
	s := plural(v[tally.Abnormal], "abnormal socket")
	if !v[tally.Abnormal].Known() || v[tally.Abnormal].N == 0 {
		return s + ", " + v[tally.Established].String() + " established from " + plural(v[tally.Clients], "client")
	}
	s += " (" + listStates(r.Result.States, r.Result.Rules.Normal) + ")"
	clients := v[tally.AbnormalClients]
	switch {
	case !clients.Known():
		return s + " from unknown clients"
	case clients.N == 0: // listeners only
		return s
	}
	top := r.Result.Clients[0]
	if clients.N == 1 {
		return s + " from " + r.who(top.Addr)
	}
	return fmt.Sprintf("%s from %s, %d from %s", s, plural(clients, "client"), top.Abnormal, r.who(top.Addr))
}

// listStates returns the states outside skip, most sockets first: "60 TIME_WAIT, 13 CLOSE_WAIT".
func listStates(counts [tcp.NumStates]int, skip tcp.StateSet) string {
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
	case v.LowerBound != "":
		return "at least " + v.String() + " " + noun + "s"
	case v.N == 1:
		return "1 " + noun
	}
	return v.String() + " " + noun + "s"
}

// line returns text as one line for any monitoring system. It has no '|', which would start perfdata, no
// '<' and '>', which would be HTML on a web page (a process may have any name), and no control
// characters. It has at most limit characters.
func line(text string, limit int) string {
	return strings.TrimSpace(cut(strings.Map(func(r rune) rune {
		switch {
		case r == '|':
			return '/'
		case r == '<':
			return '('
		case r == '>':
			return ')'
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return ' '
		}
		return r
	}, text), limit))
}

// cut returns at most limit characters of text; three dots stand for the rest.
func cut(text string, limit int) string {
	runes := []rune(text)
	if len(runes) > limit {
		runes = append(runes[:limit-3], '.', '.', '.')
	}
	return string(runes)
}
