// Package report tells the story of a day from the logs of --log: which front was in trouble,
// from when to when, whose sessions these were, and how the same clients fared at other fronts.
//
// The logs are read twice. The first reading keeps a few bytes of every line and finds the
// incidents. The second reads in full only the lines that are shown.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Story is what the logs tell.
type Story struct {
	From, To  time.Time // of the first and the last look
	Looks     int
	Fronts    []*Front
	Incidents []*Incident // those that are told, in order of time
	// Untold is how many more incidents there are: less bad or shorter ones.
	Untold  int
	Skipped Skipped
}

// Front is one front and all its looks.
type Front struct {
	Identity
	Title    string // its name, and as much more as tells it from the others
	Looks    int
	ByStatus [4]int
	Interval time.Duration // the usual time from one look to the next
	Gaps     []Span        // without looks
	Restarts []Restart
	Strip    []Segment

	looks []outline
}

// Span is a time.
type Span struct{ From, To time.Time }

// Duration returns its length.
func (s Span) Duration() time.Duration { return s.To.Sub(s.From) }

// Segment is a span of the strip, in which all looks have one Kind.
type Segment struct {
	Span
	Kind Kind
}

// Kind is how the strip shows a span: a status, or that there is none.
type Kind int

// The kinds of a span.
const (
	KindOK Kind = iota
	KindWarning
	KindCritical
	KindUnknown
	KindClosed // out of every trading session
	KindGap    // no looks
)

// Restart is the moment from which a front has another listener.
type Restart struct {
	At            time.Time // when the new process started if that is known, or of the first look that saw it
	Before, After *Process  // nil if nobody saw them
}

// Incident is a time in which a front was not OK.
type Incident struct {
	Front *Front
	Span  // from the first look that was not OK to the first that was
	// Over says that it has an end. Closed says that this is the end of the trading session,
	// and Lost that the looks at this front ended with it, while those at others went on.
	Over, Closed, Lost bool
	BeginUnseen        bool      // there was no look just before it
	LastTrouble        time.Time // of the last look that was not OK
	Looks              int
	Worst              Status
	WorstAt            time.Time
	Steps              []Step // how the diagnosis went
	MoreSteps          int    // that Steps leaves out
	Restarts           []Restart
	Detail

	looks    []outline // with some before and after
	worst    outline
	lastCode string
}

// Step is a diagnosis and the look that said it first.
type Step struct {
	At   time.Time
	Code string
}

// Numbers that decide what is one incident, and how much is told.
const (
	// calmLooks is how many looks must be OK until an incident is over. Before a gap one is enough.
	calmLooks = 3
	// gapFactor is how many times the usual interval may pass until it is a gap.
	gapFactor = 3
	// around is how much is shown before and after an incident.
	around = 5 * time.Minute
	// maxIncidents is how many incidents are told, and maxSteps how many steps of one.
	maxIncidents, maxSteps = 50, 12
	// maxColumns is how many segments the strip has at most.
	maxColumns = 480
)

// Read reads the logs and tells their story.
func Read(logs []Log, from, to Bound) (*Story, error) {
	r := reader{logs: logs, from: from, to: to}
	if err := r.read(); err != nil {
		return nil, err
	}
	if len(r.fronts) == 0 {
		return nil, r.nothing()
	}
	return r.story(), nil
}

// story tells what the first reading has found, with the details that the second finds.
func (r *reader) story() *Story {
	s := &Story{}
	for _, front := range r.fronts {
		s.Fronts = append(s.Fronts, r.front(front))
	}
	slices.SortFunc(s.Fronts, func(a, b *Front) int {
		return cmp.Or(natural(a.Name, b.Name), natural(a.Host, b.Host), cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Ports, b.Ports))
	})
	titles(s.Fronts)
	for _, f := range s.Fronts {
		s.Looks += f.Looks
		first, last := r.at(f.looks[0].at), r.at(f.looks[len(f.looks)-1].at)
		if s.From.IsZero() || first.Before(s.From) {
			s.From = first
		}
		if last.After(s.To) {
			s.To = last
		}
	}
	for _, f := range s.Fronts {
		f.Strip = r.strip(f, Span{s.From, s.To})
		s.Incidents = append(s.Incidents, r.incidents(f)...)
	}
	s.choose()
	for _, n := range s.Incidents {
		n.Lost = !n.Over && n.Front.isGap(outline{at: n.To.Unix()}, outline{at: s.To.Unix()})
	}
	r.readDetails(s)
	s.Skipped = r.skipped
	return s
}

// nothing says why there is no story.
func (r *reader) nothing() error {
	switch {
	case r.zone != nil:
		return fmt.Errorf("no look between --from and --to; the logs have looks from %s to %s",
			r.earliest.In(r.zone).Format(time.RFC3339), r.latest.In(r.zone).Format(time.RFC3339))
	case r.skipped.N > 0:
		return fmt.Errorf("no line that --log wrote; the first that was skipped: %s", r.skipped.First[0])
	}
	return errors.New("no line: the logs are empty")
}

func (r *reader) at(unix int64) time.Time { return time.Unix(unix, 0).In(r.zone) }

// front returns a front with what its looks show.
func (r *reader) front(t *timeline) *Front {
	f := &Front{Identity: t.Identity, looks: t.looks, Looks: len(t.looks)}
	var intervals []int64
	for i, look := range f.looks {
		f.ByStatus[look.status]++
		if i > 0 {
			intervals = append(intervals, look.at-f.looks[i-1].at)
		}
	}
	slices.Sort(intervals)
	if n := len(intervals); n > 0 {
		f.Interval = time.Duration(intervals[n/2]) * time.Second
	}
	var before outline // the last look that knew the listeners
	for i, look := range f.looks {
		if i > 0 && f.isGap(f.looks[i-1], look) {
			f.Gaps = append(f.Gaps, Span{r.at(f.looks[i-1].at), r.at(look.at)})
		}
		if look.socket == 0 {
			continue
		}
		if before.socket != 0 && before.socket != look.socket {
			if restart := r.restart(before, look); restart.isOne() {
				f.Restarts = append(f.Restarts, restart)
			}
		}
		before = look
	}
	return f
}

// isGap reports whether looks are missing between two.
func (f *Front) isGap(a, b outline) bool {
	const second = 1 // the precision of the times
	return b.at-a.at > gapFactor*int64(f.Interval/time.Second)+second
}

// restart returns the restart that the first look with new listeners shows.
func (r *reader) restart(before, look outline) Restart {
	const skew = 2 * time.Second // between the clock and the start times of processes
	restart := Restart{At: r.at(look.at)}
	if p, known := r.owners[before.socket]; known {
		restart.Before = &p
	}
	if p, known := r.owners[look.socket]; known {
		restart.After = &p
		// The kernel's start time may be a second late, but the look has seen the process already.
		if p.Started.After(restart.At) && p.Started.Before(restart.At.Add(skew)) {
			p.Started = restart.At
		}
		// A process that has run for longer has taken over the port now.
		started := p.Started.In(r.zone)
		if started.Before(restart.At) && !started.Before(r.at(before.at).Add(-skew)) {
			restart.At = started
		}
	}
	return restart
}

// isOne reports whether the process is another one. The same process may have opened its port anew.
func (r Restart) isOne() bool {
	return r.Before == nil || r.After == nil || r.Before.PID != r.After.PID || !r.Before.Started.Equal(r.After.Started)
}

// titles gives every front the shortest title that no other has.
func titles(fronts []*Front) {
	longer := []func(f *Front) string{
		func(f *Front) string { return cmp.Or(f.Name, f.Service+" :"+f.Ports) },
		func(f *Front) string { return cmp.Or(f.Name, f.Service) + " :" + f.Ports },
		func(f *Front) string { return cmp.Or(f.Name, f.Service) + " :" + f.Ports + f.onHost() },
		func(f *Front) string { return strings.TrimSpace(f.Name+" "+f.Service) + " :" + f.Ports + f.onHost() },
	}
	for _, title := range longer {
		used := map[string]int{}
		for _, f := range fronts {
			f.Title = title(f)
			used[f.Title]++
		}
		if len(used) == len(fronts) {
			return
		}
	}
}

// onHost returns " on " and the host. A capture does not tell its host.
func (f *Front) onHost() string {
	if f.Host == "" {
		return ""
	}
	return " on " + f.Host
}

// incidents finds the incidents of a front.
func (r *reader) incidents(f *Front) []*Incident {
	var list []*Incident
	var now *Incident
	calm := 0
	for i, look := range f.looks {
		gap := i > 0 && f.isGap(f.looks[i-1], look)
		if gap && calm > 0 {
			now = nil // it was well; what comes hours later is another incident
		}
		switch {
		case look.status != OK && now == nil:
			now = &Incident{Front: f, BeginUnseen: i == 0 || gap}
			list = append(list, now)
			fallthrough
		case look.status != OK:
			calm, now.Over = 0, false
			now.add(r, look)
		case now != nil:
			if calm++; calm == 1 {
				now.Over, now.To, now.Closed = true, r.at(look.at), look.closed
			}
			if calm == calmLooks || look.closed {
				now = nil
			}
		}
	}
	for i, n := range list {
		window := Span{n.From.Add(-around), n.To.Add(around)}
		if i > 0 && list[i-1].To.After(window.From) {
			window.From = list[i-1].To
		}
		if i+1 < len(list) {
			if before := list[i+1].From.Add(-time.Second); before.Before(window.To) {
				window.To = before
			}
		}
		n.complete(r, window)
	}
	return list
}

// add adds a look that is not OK.
func (n *Incident) add(r *reader, look outline) {
	at := r.at(look.at)
	if n.Looks++; n.Looks == 1 {
		n.From = at
	}
	n.To, n.LastTrouble = at, at
	if n.Looks == 1 || worse(look, n.worst) {
		n.Worst, n.worst = look.status, look
	}
	code := r.code(look)
	if n.Looks == 1 || n.lastCode != code {
		n.lastCode = code
		if len(n.Steps) < maxSteps {
			n.Steps = append(n.Steps, Step{at, code})
		} else {
			n.MoreSteps++
		}
	}
}

// EndUnseen reports whether there is a gap before the first look that was OK again.
func (n *Incident) EndUnseen() bool {
	return n.Over && n.Front.isGap(outline{at: n.LastTrouble.Unix()}, outline{at: n.To.Unix()})
}

// code returns the diagnosis of a look, or "" if it has none.
func (r *reader) code(look outline) string { return r.codes.values[look.code-1] }

// worse reports whether a shows more trouble than b.
func worse(a, b outline) bool {
	return cmp.Or(cmp.Compare(rank[a.status], rank[b.status]), cmp.Compare(a.trouble, b.trouble)) > 0
}

// complete adds what is known only at the end. The window has some time before and after, but
// nothing of another incident.
func (n *Incident) complete(r *reader, window Span) {
	looks := n.Front.looks
	begin, _ := slices.BinarySearchFunc(looks, window.From.Unix(), byTime)
	end, _ := slices.BinarySearchFunc(looks, window.To.Unix()+1, byTime)
	n.looks = looks[begin:end]
	for _, restart := range n.Front.Restarts {
		if !restart.At.Before(window.From) && !restart.At.After(window.To) {
			n.Restarts = append(n.Restarts, restart)
		}
	}
	n.WorstAt = r.at(n.worst.at)
}

func byTime(o outline, at int64) int { return cmp.Compare(o.at, at) }

// choose keeps the worst incidents, in order of time.
func (s *Story) choose() {
	slices.SortStableFunc(s.Incidents, func(a, b *Incident) int {
		return cmp.Or(cmp.Compare(rank[b.Worst], rank[a.Worst]), cmp.Compare(b.Duration(), a.Duration()))
	})
	if s.Untold = len(s.Incidents) - maxIncidents; s.Untold > 0 {
		s.Incidents = s.Incidents[:maxIncidents]
	} else {
		s.Untold = 0
	}
	slices.SortStableFunc(s.Incidents, func(a, b *Incident) int { return a.From.Compare(b.From) })
}

// strip returns the segments of a front over the whole period: of every look if these are few,
// and of columns that show their worst look if the status changes too often.
func (r *reader) strip(f *Front, whole Span) []Segment {
	strip := r.columns(f, whole, time.Second)
	if len(strip) > maxColumns {
		strip = r.columns(f, whole, whole.Duration()/maxColumns)
	}
	return strip
}

// columns returns the segments of a front, of which all but the last are at least a column long.
func (r *reader) columns(f *Front, whole Span, column time.Duration) []Segment {
	var strip []Segment
	add := func(from, to time.Time, kind Kind) {
		if last := len(strip) - 1; last >= 0 && strip[last].Kind == kind && !from.After(strip[last].To) {
			strip[last].To = to
			return
		}
		strip = append(strip, Segment{Span{from, to}, kind})
	}
	var pending Segment // the column that is being filled
	flush := func() {
		if !pending.To.IsZero() {
			add(pending.From, pending.To, pending.Kind)
		}
		pending = Segment{}
	}
	for i, look := range f.looks {
		from, to := r.at(look.at), r.at(look.at).Add(f.Interval)
		if i+1 < len(f.looks) {
			if to = r.at(f.looks[i+1].at); f.isGap(look, f.looks[i+1]) {
				to = from.Add(f.Interval)
			}
		}
		kind := kindOf(look)
		// A gap of less than half a column cannot be seen; thousands of them would make the page long.
		if pending.To.IsZero() || from.Sub(pending.From) >= column || from.Sub(pending.To) > column/2 {
			flush()
			pending = Segment{Span{from, to}, kind}
			continue
		}
		pending.To = to
		if worseKind(kind, pending.Kind) {
			pending.Kind = kind
		}
	}
	flush()
	return withGaps(strip, whole)
}

// withGaps fills the times without looks.
func withGaps(strip []Segment, whole Span) []Segment {
	var full []Segment
	at := whole.From
	for _, s := range strip {
		if s.From.After(at) {
			full = append(full, Segment{Span{at, s.From}, KindGap})
		}
		full = append(full, s)
		at = s.To
	}
	if whole.To.After(at) {
		full = append(full, Segment{Span{at, whole.To}, KindGap})
	}
	return full
}

func kindOf(look outline) Kind {
	if look.closed {
		return KindClosed
	}
	return Kind(look.status)
}

// worseKind reports whether a column should show a rather than b.
func worseKind(a, b Kind) bool {
	order := [...]int{KindClosed: 0, KindOK: 1, KindWarning: 2, KindUnknown: 3, KindCritical: 4}
	return order[a] > order[b]
}
