package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"frontsockets/internal/tcp"
)

// charts is the graphs of an incident, one below the other, with one time axis.
type charts struct {
	Axis         axis
	Charts       []chart
	Height       int // of all charts
	During       hover
	RestartLines []tick
	Hover        []hover
}

// chart is one graph: areas that are stacked, and lines.
type chart struct {
	Title, Most string // Most is its highest value in words
	Y, Height   int
	Top         string // the label at the upper end of its scale
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
func (h hover) Text() string {
	return strings.Join(slices.DeleteFunc(slices.Clone(h.Cells), isEmpty), "\n")
}

func isEmpty(s string) bool { return s == "" }

const (
	// chartsTop is the room above the first chart, for the labels of restarts and its title.
	chartsTop = 38
	// chartSpace is the room between two charts: for the time axis of one and the title of the other.
	chartSpace = 44
	// statesHeight and linesHeight are the heights of the charts.
	statesHeight, linesHeight = 150, 56
)

// charts draws the looks of an incident.
func (p page) charts(n *Incident) charts {
	points := n.Points
	if len(points) == 0 {
		return charts{}
	}
	last := points[len(points)-1].At.Add(max(n.Front.Interval, time.Second))
	drawn := charts{Axis: axisOf(p.teller, Span{points[0].At, last}, chartLeft), Height: chartsTop}
	for _, c := range []chart{p.states(drawn.Axis, n), p.queue(drawn.Axis, n), p.feedAge(drawn.Axis, n)} {
		if len(c.Areas)+len(c.Line) == 0 {
			continue
		}
		c.Y = drawn.Height
		drawn.Height += c.Height + chartSpace
		drawn.Charts = append(drawn.Charts, c)
	}
	drawn.Height -= chartSpace / 2
	for i, point := range points {
		from, to := drawn.Axis.x(point.At), drawn.Axis.x(n.end(i))
		drawn.Hover = append(drawn.Hover, hover{from, max(tenth(to-from), 1), p.cells(point)})
	}
	from, to := drawn.Axis.x(n.From), drawn.Axis.x(n.To)
	if !n.Over {
		to = pageWidth
	}
	drawn.During = hover{X: from, Width: tenth(to - from)}
	for _, restart := range n.Restarts {
		if x := drawn.Axis.x(restart.At); x >= chartLeft && x <= pageWidth {
			text := fmt.Sprintf(p.Labels["restart"], p.Time(restart.At))
			drawn.RestartLines = append(drawn.RestartLines, tick{x, text})
		}
	}
	return drawn
}

// Anchor says on which side of a line its label has room.
func (t tick) Anchor() string {
	if t.X > pageWidth/2 {
		return "end"
	}
	return "start"
}

// Shift is the distance from the line to its label.
func (t tick) Shift() int {
	const space = 5
	if t.Anchor() == "end" {
		return -space
	}
	return space
}

// end returns until when point i holds: until the next, or for one look if that is a gap.
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
		queue = p.Labels["queue"] + " " + p.queueOf(point)
	}
	if point.FeedAge != nil {
		age = fmt.Sprintf("%s %s s", p.Labels["age"], digits(*point.FeedAge))
	}
	return []string{p.Time(point.At), point.Status.String(), p.List(point.States), queue, age}
}

// queueOf returns the accept queue of a point, and its backlog if that is known.
func (p page) queueOf(point Point) string {
	if point.Backlog == nil {
		return fmt.Sprint(*point.Queue)
	}
	return fmt.Sprintf(p.Labels["of"], *point.Queue, *point.Backlog)
}

// digits returns a value with as many digits as one reads.
func digits(value float64) string {
	if value >= 100 {
		return strconv.FormatFloat(value, 'f', 0, 64)
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}

// stacked is the states of the charts, from the bottom up: the abnormal ones are below.
var stacked = []tcp.State{tcp.TimeWait, tcp.CloseWait, tcp.FinWait1, tcp.FinWait2, tcp.SynRecv, tcp.LastAck,
	tcp.Closing, tcp.SynSent, tcp.Close, tcp.Established}

// pattern is how the areas of a state look, so that they can be told without colours.
type pattern struct {
	Name        string
	Angle, Line int
}

// Patterns has one for every state. ESTABLISHED is plain.
func (p page) Patterns() []pattern {
	var patterns []pattern
	for i, s := range stacked {
		line := 1 + i%3
		if s == tcp.Established {
			line = 0
		}
		patterns = append(patterns, pattern{s.String(), (i + 1) * 45, line})
	}
	return patterns
}

// states returns the chart of the states, stacked.
func (p page) states(a axis, n *Incident) chart {
	c := chart{Title: p.Labels["states"], Height: statesHeight}
	base, most := make([]float64, len(n.Points)), 1.0
	for _, point := range n.Points {
		sum := 0.0
		for _, s := range stacked {
			sum += point.count(s)
		}
		most = max(most, sum)
	}
	c.Top = fmt.Sprint(most)
	for _, s := range stacked {
		var path strings.Builder
		for i, point := range n.Points {
			value := point.count(s)
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

// count returns the number of sockets in a state.
func (p Point) count(s tcp.State) float64 {
	for _, state := range p.States {
		if state.Name == s.String() {
			return float64(state.N)
		}
	}
	return 0
}

// TickY is where the labels of the time axis are.
func (c chart) TickY() int { return c.Height + 13 }

// y returns the place of a value in the chart.
func (c chart) y(value, most float64) float64 { return tenth((1 - value/most) * float64(c.Height)) }

// queue returns the chart of the accept queue: its share of the backlog, which another process
// may set to another value. Without the backlog it is a number.
func (p page) queue(a axis, n *Incident) chart {
	c := chart{Title: p.Labels["queueChart"], Height: linesHeight}
	known := !slices.ContainsFunc(n.Points, func(p Point) bool {
		return p.Queue != nil && (p.Backlog == nil || *p.Backlog == 0)
	})
	var fullest Point
	share := func(p Point) *float64 {
		if p.Queue == nil || !known {
			return p.Queue
		}
		percent := *p.Queue / *p.Backlog * 100
		return &percent
	}
	for _, point := range n.Points {
		if value := share(point); value != nil && (fullest.Queue == nil || *value > *share(fullest)) {
			fullest = point
		}
	}
	if fullest.Queue == nil {
		return chart{}
	}
	most := max(*share(fullest), 1)
	c.Top = digits(most)
	if *fullest.Queue > 0 {
		c.Most = fmt.Sprintf(p.Labels["most"], p.queueOf(fullest), p.Time(fullest.At))
	}
	if known {
		// A queue may hold one more than its backlog. Up to that the top of the scale is the backlog.
		const over = 105
		if most <= over {
			most = 100
		}
		c.Top = digits(most) + " %"
		y := c.y(100, most)
		backlog := fmt.Sprintf("M%g %gH%d", a.Left, y, pageWidth)
		c.Line = append(c.Line, shape{p.Labels["backlog"], "backlog", backlog})
	} else {
		c.Title = p.Labels["queueAlone"]
	}
	c.Line = append(c.Line, shape{p.Labels["queue"], "queue", c.steps(a, n, most, share)})
	return c
}

// feedAge returns the chart of the feed's age.
func (p page) feedAge(a axis, n *Incident) chart {
	c := chart{Title: p.Labels["ageChart"], Height: linesHeight}
	var oldest Point
	for _, point := range n.Points {
		if point.FeedAge != nil && (oldest.FeedAge == nil || *point.FeedAge > *oldest.FeedAge) {
			oldest = point
		}
	}
	if oldest.FeedAge == nil {
		return chart{}
	}
	most := max(*oldest.FeedAge, 1)
	c.Top = digits(most) + " s"
	c.Most = fmt.Sprintf(p.Labels["most"], digits(*oldest.FeedAge)+" s", p.Time(oldest.At))
	age := func(p Point) *float64 { return p.FeedAge }
	c.Line = []shape{{p.Labels["age"], "age", c.steps(a, n, most, age)}}
	return c
}

// steps draws the values that are known as one line with steps. It ends where no value is known.
func (c *chart) steps(a axis, n *Incident, most float64, value func(Point) *float64) string {
	var path strings.Builder
	var end time.Time // of the line so far
	for i, point := range n.Points {
		v := value(point)
		if v == nil {
			continue
		}
		if y := c.y(*v, most); point.At.Equal(end) {
			fmt.Fprintf(&path, "V%g", y)
		} else {
			fmt.Fprintf(&path, "M%g %g", a.x(point.At), y)
		}
		end = n.end(i)
		fmt.Fprintf(&path, "H%g", a.x(end))
	}
	return path.String()
}
