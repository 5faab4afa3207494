// Package report tells the story of a day from the logs of --log: which front was in trouble,
// from when to when, whose sessions these were, and how the same clients fared at other fronts.
//
// The logs are read three times. The first reading keeps a few bytes of every line and finds the
// incidents. The second reads in full the lines of these that are shown, and finds the clients that
// were affected most. The third looks for these clients in the lines of the other fronts.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"math"
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
	Closed   int           // looks out of every trading session
	Interval time.Duration // the usual time from one look to the next
	// Gaps are times without looks, and Restarts when the front was restarted: the first maxTold of each.
	Gaps                   []Span
	Restarts               []Restart
	MoreGaps, MoreRestarts int // that Gaps and Restarts leave out
	Strip                  []Segment

	looks   []outline
	changes []change // of the listeners, in order of time
}

// change is the numbers of two looks of a front with different listeners, and no others between them.
type change struct{ before, after int32 }

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
	MoreRestarts       int      // that Restarts leaves out
	LastRestart        *Restart // the last one before the end, nil if there was none
	Detail

	looks    []outline // with some before and after
	room     Span      // between the incidents before and after; zero is no end
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
	// maxIncidents is how many incidents are told, and maxSteps how many steps and restarts of one.
	maxIncidents, maxSteps = 50, 12
	// maxTold is how many gaps and restarts of a front are told.
	maxTold = 3
	// Above maxColumns segments, the strip shows columns instead of looks.
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
		incidents, untold := r.incidents(f)
		s.Incidents = append(s.Incidents, incidents...)
		s.Untold += untold
	}
	s.choose()
	for _, n := range s.Incidents {
		n.complete(r)
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
		return fmt.Errorf("no line that this program can read; the first that was skipped: %s", r.skipped.First[0])
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
		if look.closed {
			f.Closed++
		}
		if i > 0 {
			intervals = append(intervals, look.at-f.looks[i-1].at)
		}
	}
	slices.Sort(intervals)
	if n := len(intervals); n > 0 {
		f.Interval = time.Duration(intervals[n/2]) * time.Second
	}
	before := -1 // the last look that knew the listeners
	for i, look := range f.looks {
		if i > 0 && f.isGap(f.looks[i-1], look) {
			if len(f.Gaps) < maxTold {
				f.Gaps = append(f.Gaps, Span{r.at(f.looks[i-1].at), r.at(look.at)})
			} else {
				f.MoreGaps++
			}
		}
		if look.socket == 0 {
			continue
		}
		if before >= 0 && f.looks[before].socket != look.socket {
			f.addChange(r, change{int32(before), int32(i)})
		}
		before = i
	}
	return f
}

// addChange adds a change of the listeners if it is a restart.
func (f *Front) addChange(r *reader, c change) {
	restart := r.restart(f.looks[c.before], f.looks[c.after])
	if !restart.isOne() {
		return
	}
	f.changes = append(f.changes, c)
	if len(f.Restarts) < maxTold {
		f.Restarts = append(f.Restarts, restart)
	} else {
		f.MoreRestarts++
	}
}

// isGap reports whether looks are missing between two.
func (f *Front) isGap(a, b outline) bool {
	const second = 1 // the precision of the times
	return b.at-a.at > gapFactor*int64(f.Interval/time.Second)+second
}

// skew is how far the start times of processes may be from the clock.
const skew = 2 * time.Second

// restart returns the restart that the first look with new listeners shows. It is not later than that
// look, and at most skew before the look before.
func (r *reader) restart(before, look outline) Restart {
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

// titles gives every front the shortest title that no other has. A title is short, because the page
// has it in each segment of a strip.
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
			f.Title = printableUpTo(maxTitle, title(f))
			used[f.Title]++
		}
		if len(used) == len(fronts) {
			return
		}
	}
}

// maxTitle is more characters than the title of a front with a name of 64 characters and one port has.
const maxTitle = 100

// onHost returns " on " and the host. A capture does not tell its host.
func (f *Front) onHost() string {
	if f.Host == "" {
		return ""
	}
	return " on " + f.Host
}

// incidents returns the worst incidents of a front, and how many more there are.
func (r *reader) incidents(f *Front) (list []*Incident, untold int) {
	var now, last *Incident
	calm := 0
	for i, look := range f.looks {
		gap := i > 0 && f.isGap(f.looks[i-1], look)
		if gap && calm > 0 {
			now = nil // it was well; what comes hours later is another incident
		}
		switch {
		case look.status != OK && now == nil:
			now = &Incident{Front: f, BeginUnseen: i == 0 || gap}
			now.goesAfter(last, r.at(look.at))
			if len(list) > 2*maxIncidents { // they are over, so they do not get worse
				list, untold = worst(list, untold)
			}
			list, last = append(list, now), now
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
	return worst(list, untold)
}

// goesAfter sets what is between an incident that begins now and the one before, which may be nil.
func (n *Incident) goesAfter(before *Incident, begin time.Time) {
	if before != nil {
		n.room.From, before.room.To = before.To, begin.Add(-time.Second)
	}
}

// worst returns the worst incidents of a list, the worst first, and adds the number of the others to
// untold.
func worst(list []*Incident, untold int) (told []*Incident, more int) {
	slices.SortStableFunc(list, func(a, b *Incident) int {
		return cmp.Or(b.Worst.compare(a.Worst), cmp.Compare(b.Duration(), a.Duration()))
	})
	kept := min(maxIncidents, len(list))
	clear(list[kept:])
	return list[:kept], untold + len(list) - kept
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
	return cmp.Or(a.status.compare(b.status), cmp.Compare(a.trouble, b.trouble)) > 0
}

// complete adds what is known only at the end. It shows some time before and after, but nothing of
// another incident.
func (n *Incident) complete(r *reader) {
	window := Span{n.From.Add(-around), n.To.Add(around)}
	if n.room.From.After(window.From) {
		window.From = n.room.From
	}
	if !n.room.To.IsZero() && n.room.To.Before(window.To) {
		window.To = n.room.To
	}
	looks := n.Front.looks
	begin, _ := slices.BinarySearchFunc(looks, window.From.Unix(), byTime)
	end, _ := slices.BinarySearchFunc(looks, window.To.Unix()+1, byTime)
	n.looks = looks[begin:end]
	n.addRestarts(r, window)
	n.WorstAt = r.at(n.worst.at)
}

// addRestarts adds the restarts of a time.
func (n *Incident) addRestarts(r *reader, window Span) {
	looks, changes := n.Front.looks, n.Front.changes
	first, _ := slices.BinarySearchFunc(changes, window.From.Unix(), func(c change, at int64) int {
		return cmp.Compare(looks[c.after].at, at)
	})
	for _, c := range changes[first:] {
		if r.at(looks[c.before].at).Add(-skew).After(window.To) {
			break
		}
		restart := r.restart(looks[c.before], looks[c.after])
		if restart.At.Before(window.From) || restart.At.After(window.To) {
			continue
		}
		if !restart.At.After(n.To) {
			n.LastRestart = &restart
		}
		if len(n.Restarts) < maxSteps {
			n.Restarts = append(n.Restarts, restart)
		} else {
			n.MoreRestarts++
		}
	}
}

func byTime(o outline, at int64) int { return cmp.Compare(o.at, at) }

// choose keeps the worst incidents, in order of time.
func (s *Story) choose() {
	s.Incidents, s.Untold = worst(s.Incidents, s.Untold)
	slices.SortStableFunc(s.Incidents, func(a, b *Incident) int { return a.From.Compare(b.From) })
}

// strip returns the segments of a front over the whole period: of every look if these are few,
// and of columns that show their worst look if the status changes too often.
func (r *reader) strip(f *Front, whole Span) []Segment {
	strip, few := r.columns(f, whole, time.Second, maxColumns)
	if !few {
		strip, _ = r.columns(f, whole, whole.Duration()/maxColumns, math.MaxInt)
	}
	return strip
}

// columns returns the segments of a front, and whether these are at most so many. A segment begins at
// least a column after the one before, unless there is a gap between them.
func (r *reader) columns(f *Front, whole Span, column time.Duration, most int) (strip []Segment, few bool) {
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
		if len(strip) > most {
			return nil, false
		}
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
	strip = withGaps(strip, whole)
	return strip, len(strip) <= most
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
