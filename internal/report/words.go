package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"frontsockets/internal/diagnosis"
)

// Write writes the story in words.
func (l *Language) Write(w io.Writer, s *Story) error {
	b := bufio.NewWriter(w)
	t := l.tell(s)
	for _, sentence := range t.Summary() {
		fmt.Fprintln(b, sentence)
	}
	for i, n := range s.Incidents {
		fmt.Fprintf(b, "\n%s\n", t.Title(i))
		for _, sentence := range t.Sentences(n) {
			fmt.Fprintln(b, "  "+sentence)
		}
		for _, c := range t.Clients(n) {
			fmt.Fprintln(b, "    "+c)
		}
	}
	return b.Flush()
}

// teller tells one story in one language.
type teller struct {
	*Language
	*Story
	day bool // all looks are of one day, so times have no date
}

func (l *Language) tell(s *Story) teller {
	return teller{l, s, s.From.Format(time.DateOnly) == s.To.Format(time.DateOnly)}
}

// Time returns a time, with its date if the story is longer than a day, or is of another day.
func (t teller) Time(at time.Time) string {
	if t.day && at.Format(time.DateOnly) == t.From.Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}

// Summary tells of all fronts: the period, their looks and gaps, and what was skipped.
func (t teller) Summary() []string {
	until := t.To.Format(time.DateTime)
	if t.day {
		until = t.To.Format(time.TimeOnly)
	}
	lines := []string{fmt.Sprintf(t.period, len(t.Fronts), t.From.Format(time.DateTime), until, t.From.Format("-07:00"),
		thousands(t.Looks))}
	for _, f := range t.Fronts {
		lines = append(lines, "  "+t.Front(f))
	}
	if n := t.Skipped; n.N > 0 {
		lines = append(lines, fmt.Sprintf(t.skipped, n.N))
		for _, p := range n.First {
			lines = append(lines, "  "+t.reasons.Replace(p.String()))
		}
		if more := n.N - len(n.First); more > 0 {
			lines = append(lines, "  "+fmt.Sprintf(t.moreSkipped, more))
		}
	}
	switch {
	case len(t.Incidents) == 0 && t.Skipped.N > 0:
		lines = append(lines, t.noneRead)
	case len(t.Incidents) == 0:
		lines = append(lines, t.noIncident)
	case t.Untold > 0:
		lines = append(lines, fmt.Sprintf(t.untold, t.Untold))
	}
	return lines
}

// Front tells of the looks of a front.
func (t teller) Front(f *Front) string {
	var counts []string
	for status, n := range f.ByStatus {
		if n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, Status(status)))
		}
	}
	text := fmt.Sprintf(t.looks, f.Title, f.Looks, t.Duration(f.Interval), strings.Join(counts, t.list))
	if f.Looks == 1 {
		text = fmt.Sprintf(t.oneLook, f.Title, counts[0])
	}
	if f.Closed > 0 {
		text += fmt.Sprintf(t.outOfSession, f.Closed)
	}
	for _, gap := range f.Gaps {
		text += fmt.Sprintf(t.gap, t.Time(gap.From), t.Time(gap.To))
	}
	if f.MoreGaps > 0 {
		text += fmt.Sprintf(t.moreGaps, f.MoreGaps)
	}
	for _, restart := range f.Restarts {
		text += fmt.Sprintf(t.restarted, t.Time(restart.At))
	}
	if f.MoreRestarts > 0 {
		text += fmt.Sprintf(t.moreRestarts, f.MoreRestarts)
	}
	return text
}

// Title tells which incident this is.
func (t teller) Title(i int) string {
	n := t.Incidents[i]
	text := fmt.Sprintf(t.incident, i+1, len(t.Incidents), n.Front.Title, n.Worst, t.Time(n.From))
	if n.Over {
		return text + fmt.Sprintf(t.until, t.Time(n.To), t.Duration(n.Duration()))
	}
	return text + t.notOver
}

// Sentences tells an incident but for its clients.
func (t teller) Sentences(n *Incident) []string {
	var lines []string
	if n.BeginUnseen {
		lines = append(lines, fmt.Sprintf(t.beginUnseen, t.Time(n.From)))
	}
	lines = append(lines, t.diagnosis(n), fmt.Sprintf(t.said, t.Time(n.WorstAt), n.Reason))
	if len(n.States) > 0 {
		lines = append(lines, fmt.Sprintf(t.states, t.List(n.States)))
	}
	if n.First != nil {
		lines = append(lines, fmt.Sprintf(t.first, t.Who(n.First), t.Time(n.First.Since)))
	}
	if len(n.Others) > 0 {
		lines = append(lines, t.others(n))
	}
	for _, restart := range n.Restarts {
		lines = append(lines, t.restart(restart))
	}
	if n.MoreRestarts > 0 {
		lines = append(lines, fmt.Sprintf(t.restartedMore, n.MoreRestarts))
	}
	lines = append(lines, t.end(n))
	if len(n.Clients) > 0 {
		lines = append(lines, t.affected)
	}
	return lines
}

// diagnosis tells how the diagnosis went, and who is to blame by the worst one.
func (t teller) diagnosis(n *Incident) string {
	var steps []string
	for _, step := range n.Steps {
		steps = append(steps, fmt.Sprintf(t.step, t.Code(step.Code), t.Time(step.At)))
	}
	if n.MoreSteps > 0 {
		steps = append(steps, fmt.Sprintf(t.moreSteps, n.MoreSteps))
	}
	text := fmt.Sprintf(t.diagnosed, strings.Join(steps, t.nextStep))
	if advice := t.restarts[diagnosis.Code(n.Code)]; advice != "" && !n.Disagrees() {
		text += t.space + fmt.Sprintf(t.restartHelps, advice)
	}
	return text
}

// Code returns the code of a diagnosis and what it means.
func (t teller) Code(code string) string {
	if meaning, known := t.codes[diagnosis.Code(code)]; known {
		return fmt.Sprintf("%s (%s)", code, meaning)
	}
	if code == "" {
		return t.noDiagnosis
	}
	return code
}

// others tells how the other fronts were at the worst moment.
func (t teller) others(n *Incident) string {
	well, closed, notLooked := 0, 0, 0
	var ill []string
	for _, o := range n.Others {
		switch {
		case !o.Looked:
			notLooked++
		case o.isWell():
			well++
		case o.Closed:
			closed++
		default:
			ill = append(ill, fmt.Sprintf(t.frontWas, o.Front.Title, o.Status))
		}
	}
	text := fmt.Sprintf(t.othersWell, well, len(n.Others))
	if len(ill) > 0 {
		text += t.comma + strings.Join(ill, t.comma)
	}
	if closed > 0 {
		text += t.comma + fmt.Sprintf(t.notJudged, closed)
	}
	if notLooked > 0 {
		text += t.comma + fmt.Sprintf(t.notLooked, notLooked)
	}
	return text + t.stop
}

// restart tells of a restart.
func (t teller) restart(r Restart) string {
	return fmt.Sprintf(t.restartedFrom, t.Time(r.At), t.process(r.Before), t.process(r.After))
}

func (t teller) process(p *Process) string {
	if p == nil {
		return t.notKnown
	}
	text := fmt.Sprintf("%d (%s", p.PID, p.Name)
	if !p.Started.IsZero() {
		text += fmt.Sprintf(t.since, t.Time(p.Started.In(t.From.Location())))
	}
	return text + ")"
}

// end tells when all was well again.
func (t teller) end(n *Incident) string {
	switch {
	case n.Lost:
		return fmt.Sprintf(t.lost, t.Time(n.To))
	case !n.Over:
		return fmt.Sprintf(t.goesOn, t.Time(n.To))
	case n.Closed:
		return fmt.Sprintf(t.closed, t.Time(n.To))
	case n.EndUnseen():
		return fmt.Sprintf(t.wellAfterGap, t.Time(n.To), t.Time(n.LastTrouble))
	}
	text := fmt.Sprintf(t.well, t.Time(n.To), t.Duration(n.Duration()))
	switch restart := n.LastRestart; {
	case restart == nil:
	case restart.At.Before(n.To):
		text += fmt.Sprintf(t.afterRestart, t.Duration(n.To.Sub(restart.At)))
	default:
		text += t.withRestart
	}
	return text + t.stop
}

// Clients tells how the clients that were affected most fared, here and at other fronts.
func (t teller) Clients(n *Incident) []string {
	var lines []string
	for _, c := range n.Clients {
		lines = append(lines, t.Who(c)+t.colon+t.Fares(c))
	}
	if n.More > 0 {
		lines = append(lines, fmt.Sprintf(t.moreClients, n.More))
	}
	return lines
}

// Fares tells how a client fared, here and where it was seen besides.
func (t teller) Fares(c *Client) string {
	parts := []string{fmt.Sprintf(t.here, t.Fare(c.Here))}
	at := map[string][]string{} // what was seen → fronts
	var order []string
	for _, f := range c.There {
		if f.Seen != Listed {
			continue
		}
		seen := t.Fare(f)
		if at[seen] == nil {
			order = append(order, seen)
		}
		at[seen] = append(at[seen], f.Front.Title)
	}
	for _, seen := range order {
		fronts := at[seen]
		const shown = 3
		if more := len(fronts) - shown; more > 0 {
			fronts = append(fronts[:shown:shown], fmt.Sprintf(t.moreFronts, more))
		}
		last := len(fronts) - 1
		where := fronts[last]
		if last > 0 {
			where = strings.Join(fronts[:last], t.list) + t.and + where
		}
		parts = append(parts, fmt.Sprintf(t.there, seen, where))
	}
	text := strings.Join(parts, t.comma)
	if len(order) == 0 && len(c.There) > 0 {
		text += t.comma + t.nowhere
	}
	if verdict := t.verdicts[c.Verdict]; verdict != "" {
		text += t.colon + verdict
	}
	return text
}

// Fare tells how a client fared at one front.
func (t teller) Fare(f Fare) string {
	switch {
	case f.Seen != Listed:
		return t.seen[f.Seen]
	case len(f.States) == 0:
		return t.seen[NoSession]
	case f.Well:
		return fmt.Sprintf(t.isWell, t.List(f.States))
	}
	return t.List(f.States)
}

// List returns states as "60 TIME_WAIT, 13 CLOSE_WAIT".
func (t teller) List(states []State) string {
	var words []string
	for _, s := range states {
		words = append(words, fmt.Sprintf("%d %s", s.N, strings.ToUpper(s.Name)))
	}
	return strings.Join(words, t.list)
}

// Who returns a client's address, and its name if it has one.
func (t teller) Who(c *Client) string {
	if c.Name != "" {
		return c.Address + " (" + c.Name + ")"
	}
	return c.Address
}

// Duration returns a duration in whole seconds.
func (t teller) Duration(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return strings.TrimSpace(t.units.Replace(text))
}

// printable returns text of a log, which is somebody else's, without control characters and
// not longer than a long answer.
func printable(s string) string {
	const longest = 1000
	return printableUpTo(longest, s)
}

// short returns a name or an address of a log, of which there may be many. The checks take names of up
// to 64 characters.
func short(s string) string {
	const longest = 64
	return printableUpTo(longest, s)
}

// printableUpTo returns at most longest characters of a text, without control characters. It cuts the
// text first, because a string from strings.Map has as much memory as its argument.
func printableUpTo(longest int, s string) string {
	n, more := 0, ""
	for i := range s {
		if n == longest {
			s, more = s[:i], "…"
			break
		}
		n++
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Zs, r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s) + more
}

// thousands returns a number with commas, such as 20,160.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
