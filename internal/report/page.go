package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"frontsockets/internal/tcp"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// WritePage writes the story as one self-contained page of HTML: without scripts, and without
// anything from elsewhere.
func (l *Language) WritePage(w io.Writer, s *Story) error {
	t := l.tell(s)
	p := page{teller: t, Axis: axisOf(t, Span{s.From, s.To}, stripLeft)}
	for i, f := range s.Fronts {
		p.Rows = append(p.Rows, p.row(i, f))
	}
	for i, n := range s.Incidents {
		p.Parts = append(p.Parts, p.part(i, n))
	}
	return pageTemplate.Execute(w, p)
}

// page is what the template shows. Lengths are in units of which the page is pageWidth wide.
type page struct {
	teller
	Axis  axis // of the strips
	Rows  []row
	Parts []part
}

const (
	pageWidth = 1000
	// stripLeft is the room for the names of the fronts, chartLeft that for the numbers of charts.
	stripLeft, chartLeft = 190, 60
	rowHeight, barHeight = 32, 20
)

// Height is that of all strips.
func (p page) Height() int { return len(p.Rows)*rowHeight + 24 }

// GridEnd and TickY are where the lines of the time axis end, and where its labels are.
func (p page) GridEnd() int { return len(p.Rows)*rowHeight + 4 }
func (p page) TickY() int   { return len(p.Rows)*rowHeight + 18 }

// ChartLeft is the left end of the charts, LabelX the right end of their numbers.
func (p page) ChartLeft() int { return chartLeft }
func (p page) LabelX() int    { return chartLeft - 6 }

// Head is the paragraphs above the strips: the summary without the lines of the fronts.
func (p page) Head() []string {
	var head []string
	for _, line := range p.Summary() {
		if !strings.HasPrefix(line, "  ") {
			head = append(head, line)
		}
	}
	return head
}

// Lines are the lines of the summary that belong to another.
func (p page) Lines() []string {
	var lines []string
	for _, line := range p.Summary() {
		if strings.HasPrefix(line, "  ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// Legend explains the kinds of segments.
func (p page) Legend() []segment {
	var legend []segment
	for kind := KindOK; kind <= KindGap; kind++ {
		legend = append(legend, segment{Kind: kind, Y: barHeight - heights[kind], Height: heights[kind], Text: p.kinds[kind]})
	}
	return legend
}

// pattern is how the areas of a state look, so that they can be told without colours.
type pattern struct {
	Name        string
	Angle, Line int
}

// Patterns has one for every state.
func (p page) Patterns() []pattern {
	var patterns []pattern
	for i, s := range stacked {
		patterns = append(patterns, pattern{s.String(), i * 45, i % 4})
	}
	return patterns
}

// stacked is the states of the charts. ESTABLISHED comes above the abnormal ones.
var stacked = []tcp.State{tcp.Established, tcp.TimeWait, tcp.CloseWait, tcp.FinWait1, tcp.FinWait2, tcp.SynRecv,
	tcp.LastAck, tcp.Closing, tcp.SynSent, tcp.Close}

// axis is a time axis.
type axis struct {
	Span
	Left  float64
	Ticks []tick
}

// tick is a label of an axis.
type tick struct {
	X    float64
	Text string
}

// x returns the place of a time, to a tenth.
func (a axis) x(at time.Time) float64 {
	share := float64(at.Sub(a.From)) / float64(max(a.Duration(), time.Second))
	return math.Round((a.Left+share*(pageWidth-a.Left))*10) / 10
}

// axisOf returns an axis with about six labels at round times.
func axisOf(t teller, span Span, left float64) axis {
	a := axis{Span: span, Left: left}
	steps := []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
		4 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}
	const most = 7
	i := slices.IndexFunc(steps, func(d time.Duration) bool { return span.Duration()/d < most })
	if i < 0 {
		i = len(steps) - 1
	}
	layout := "15:04"
	switch step := steps[i]; {
	case step >= 24*time.Hour:
		layout = "01-02"
	case !t.day:
		layout = "01-02 15:04"
	case step < time.Minute:
		layout = time.TimeOnly
	}
	_, offset := span.From.Zone()
	local := time.Duration(offset) * time.Second
	for at := span.From.Add(local).Truncate(steps[i]).Add(-local); !at.After(span.To); at = at.Add(steps[i]) {
		const room = 30 // for half of a label at the right end
		if !at.Before(span.From) && a.x(at) < pageWidth-room {
			a.Ticks = append(a.Ticks, tick{a.x(at), at.Format(layout)})
		}
	}
	return a
}

// row is the strip of a front.
type row struct {
	Y        int
	Title    string
	Segments []segment
	Marks    []mark
}

// segment is a part of a strip. Its kind has its own height, so that it can be told without colours.
type segment struct {
	X, Width  float64
	Y, Height int
	Kind      Kind
	Text      string
}

// Stop reports whether the keyboard stops at the segment: at all trouble.
func (s segment) Stop() bool { return s.Kind != KindOK && s.Kind != KindClosed }

// Number returns the kind as a number, for a class.
func (k Kind) Number() int { return int(k) }

// Short returns as much of the title as there is room for.
func (r row) Short() string {
	const most = 24
	if title := []rune(r.Title); len(title) > most {
		return string(title[:most-1]) + "…"
	}
	return r.Title
}

// mark is the number of an incident above a strip.
type mark struct {
	X      float64
	Y      int
	Number int
}

var heights = map[Kind]int{KindOK: 6, KindWarning: 12, KindCritical: barHeight, KindUnknown: barHeight,
	KindClosed: barHeight, KindGap: 2}

func (p page) row(i int, f *Front) row {
	r := row{Y: i*rowHeight + rowHeight, Title: f.Title}
	for _, s := range f.Strip {
		x := p.Axis.x(s.From)
		height := heights[s.Kind]
		r.Segments = append(r.Segments, segment{
			X: x, Width: max(math.Round((p.Axis.x(s.To)-x)*10)/10, 1), Y: r.Y - height, Height: height, Kind: s.Kind,
			Text: fmt.Sprintf("%s%s%s %s–%s", f.Title, p.colon, p.kinds[s.Kind], p.Time(s.From), p.Time(s.To)),
		})
	}
	for i, n := range p.Incidents {
		if n.Front == f {
			r.Marks = append(r.Marks, mark{p.Axis.x(n.From), r.Y - barHeight - 1, i + 1})
		}
	}
	return r
}

// part is an incident on the page.
type part struct {
	*Incident
	Number    int
	Title     string
	Sentences []string
	Axis      axis
	Charts    []chart
	Hover     []hover
	Height    int // of all charts
	Table     [][]cell
	MoreText  string // how many clients are not in the table
}

// chart is one graph: areas that are stacked, and lines.
type chart struct {
	Title       string
	Y, Height   int
	Max         string
	Areas, Line []shape
}

// shape is a path, with its name for the legend.
type shape struct{ Name, Class, Path string }

// hover is a column of the charts, and what it tells.
type hover struct {
	X, Width float64
	Cells    []string
}

// Text is what the column tells when the pointer is over it.
func (h hover) Text() string { return strings.Join(h.Cells, "\n") }

// cell is a cell of the table of clients.
type cell struct{ Text, Class string }

func (p page) part(i int, n *Incident) part {
	part := part{Incident: n, Number: i + 1, Title: p.Title(i), Sentences: p.Sentences(n), Table: p.table(n),
		MoreText: fmt.Sprintf(p.moreClients, n.More)}
	if len(n.Clients) > 0 {
		part.Sentences = part.Sentences[:len(part.Sentences)-1] // the table has a heading
	}
	points := n.Points
	if len(points) == 0 {
		return part
	}
	last := points[len(points)-1].At.Add(max(n.Front.Interval, time.Second))
	part.Axis = axisOf(p.teller, Span{points[0].At, last}, chartLeft)
	y := 20
	for _, c := range []chart{p.states(part.Axis, n), p.queue(part.Axis, n), p.feedAge(part.Axis, n)} {
		if len(c.Areas)+len(c.Line) == 0 {
			continue
		}
		c.Y = y
		y += c.Height + 44
		part.Charts = append(part.Charts, c)
	}
	part.Height = y
	for i, point := range points {
		from, to := part.Axis.x(point.At), part.Axis.x(n.end(i))
		part.Hover = append(part.Hover, hover{from, math.Round(max(to-from, 1)*10) / 10, p.cells(point)})
	}
	return part
}

// end returns until when point i holds: until the next, or for three looks if that is a gap.
func (n *Incident) end(i int) time.Time {
	interval := max(n.Front.Interval, time.Second)
	end := n.Points[i].At.Add(interval)
	if i+1 < len(n.Points) {
		column := n.Points[len(n.Points)-1].At.Sub(n.Points[0].At) / maxPoints
		if next := n.Points[i+1].At; next.Sub(n.Points[i].At) <= gapFactor*max(interval, column)+time.Second {
			end = next
		}
	}
	return end
}

// cells are what a point tells: time, status, states, accept queue, feed age.
func (p page) cells(point Point) []string {
	queue, age := "", ""
	if point.Queue != nil {
		queue = fmt.Sprintf("%s %g", p.Labels["queue"], *point.Queue)
		if point.Backlog != nil {
			queue += fmt.Sprintf(" / %g", *point.Backlog)
		}
	}
	if point.FeedAge != nil {
		age = fmt.Sprintf("%s %.3g s", p.Labels["age"], *point.FeedAge)
	}
	return []string{p.Time(point.At), point.Status.String(), p.List(point.States), queue, age}
}

// states returns the chart of the states, stacked: the abnormal ones below.
func (p page) states(a axis, n *Incident) chart {
	c := chart{Title: p.Labels["states"], Height: 150}
	order := append(slices.Clone(stacked[1:]), tcp.Established)
	count := func(point Point, s tcp.State) float64 {
		for _, state := range point.States {
			if state.Name == s.String() {
				return float64(state.N)
			}
		}
		return 0
	}
	base, most := make([]float64, len(n.Points)), 1.0
	for i, point := range n.Points {
		for _, s := range order {
			base[i] += count(point, s)
		}
		most = max(most, base[i])
		base[i] = 0
	}
	c.Max = fmt.Sprint(most)
	for _, s := range order {
		var path strings.Builder
		for i, point := range n.Points {
			value := count(point, s)
			if value == 0 {
				continue
			}
			from, to := a.x(point.At), a.x(n.end(i))
			bottom, top := c.y(base[i], most), c.y(base[i]+value, most)
			fmt.Fprintf(&path, "M%g %gH%gV%gH%gZ", from, bottom, to, top, from)
			base[i] += value
		}
		if path.Len() > 0 {
			c.Areas = append(c.Areas, shape{strings.ToUpper(s.String()), s.String(), path.String()})
		}
	}
	return c
}

// TickY is where the labels of the time axis are.
func (c chart) TickY() int { return c.Height + 13 }

// y returns the place of a value in the chart, to a tenth.
func (c chart) y(value, most float64) float64 {
	return math.Round((1-value/most)*float64(c.Height)*10) / 10
}

// queue returns the chart of the accept queue and its backlog.
func (p page) queue(a axis, n *Incident) chart {
	c := chart{Title: p.Labels["queueChart"], Height: 60}
	c.lines(a, n, []string{p.Labels["queue"], p.Labels["backlog"]}, []string{"queue", "backlog"},
		func(p Point) []*float64 { return []*float64{p.Queue, p.Backlog} })
	return c
}

// feedAge returns the chart of the feed's age.
func (p page) feedAge(a axis, n *Incident) chart {
	c := chart{Title: p.Labels["ageChart"], Height: 60}
	c.lines(a, n, []string{p.Labels["age"]}, []string{"queue"}, func(p Point) []*float64 { return []*float64{p.FeedAge} })
	return c
}

// lines draws the values that are known, in steps.
func (c *chart) lines(a axis, n *Incident, names, classes []string, values func(Point) []*float64) {
	most := 0.0
	for _, point := range n.Points {
		for _, value := range values(point) {
			if value != nil {
				most = max(most, *value)
			}
		}
	}
	most = cmp.Or(most, 1)
	c.Max = strconv.FormatFloat(most, 'g', 3, 64)
	if most >= 100 {
		c.Max = strconv.FormatFloat(most, 'f', 0, 64)
	}
	for i, name := range names {
		var path strings.Builder
		for k, point := range n.Points {
			if value := values(point)[i]; value != nil {
				y := c.y(*value, most)
				fmt.Fprintf(&path, "M%g %gH%g", a.x(point.At), y, a.x(n.end(k)))
			}
		}
		if path.Len() > 0 {
			c.Line = append(c.Line, shape{name, classes[i], path.String()})
		}
	}
}

// table returns how the clients fared, here and at the fronts where the log lists one of them.
func (p page) table(n *Incident) [][]cell {
	if len(n.Clients) == 0 {
		return nil
	}
	header := []cell{{Text: p.Labels["client"]}, {Text: n.Front.Title}}
	var shown []int
	for i, o := range n.Others {
		if slices.ContainsFunc(n.Clients, func(c *Client) bool { return c.There[i].Seen == Listed }) {
			shown = append(shown, i)
			header = append(header, cell{Text: o.Front.Title})
		}
	}
	table := [][]cell{append(header, cell{Text: p.Labels["verdict"]})}
	for _, c := range n.Clients {
		line := []cell{{Text: p.Who(c)}, p.cell(c.Here)}
		for _, i := range shown {
			line = append(line, p.cell(c.There[i]))
		}
		table = append(table, append(line, cell{Text: cmp.Or(p.verdicts[c.Verdict], p.Labels["undecided"])}))
	}
	return table
}

func (p page) cell(f Fare) cell {
	c := cell{p.Fare(f), ""}
	switch {
	case f.Well:
		c.Text, c.Class = "✓ "+c.Text, "well"
	case f.Ill:
		c.Text, c.Class = "✗ "+c.Text, "ill"
	}
	return c
}
