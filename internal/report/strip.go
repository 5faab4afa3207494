package report

import (
	"fmt"
	"unicode/utf8"
)

// row is the strip of a front.
type row struct {
	Y        int // the bottom of its bars
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

// mark is the number of an incident above a strip.
type mark struct {
	X      float64
	Y      int
	Number int
	Title  string
}

const (
	// barHeight is that of the highest segments. Above them is markRoom if the front had an incident,
	// and rowSpace in any case.
	barHeight, markRoom, rowSpace = 18, 20, 12
	// markWidth is how far apart the marks of a strip are, so that none hides another. If they have not
	// so much room, they overlap.
	markWidth = 19
	// troubleWidth is how wide trouble is at least, so that one look of a day can be seen.
	troubleWidth = 2
)

var heights = map[Kind]int{KindOK: 6, KindWarning: 11, KindCritical: barHeight, KindUnknown: barHeight,
	KindClosed: barHeight, KindGap: 3}

// Legend explains the kinds of segments.
func (p page) Legend() []segment {
	var legend []segment
	for kind := KindOK; kind <= KindGap; kind++ {
		y := barHeight - heights[kind]
		legend = append(legend, segment{Kind: kind, Y: y, Height: heights[kind], Text: p.kinds[kind]})
	}
	return legend
}

// Stop reports whether the keyboard stops at the segment: at all trouble.
func (s segment) Stop() bool { return s.Kind != KindOK && s.Kind != KindClosed }

// Number returns the kind as a number, for a class.
func (k Kind) Number() int { return int(k) }

// Short returns as much of the title as there is room for.
func (r row) Short() string {
	const most = 24
	columns := 0
	for i, c := range r.Title {
		if columns++; c >= firstWide {
			columns++
		}
		if columns > most && i+utf8.RuneLen(c) < len(r.Title) {
			return r.Title[:i] + "…"
		}
	}
	return r.Title
}

// firstWide is the first character that is about as wide as two letters: those of Chinese,
// Japanese and Korean begin here.
const firstWide = '\u2e80'

// addRow adds the strip of a front.
func (p *page) addRow(f *Front) {
	r := row{Title: f.Title}
	for i, n := range p.Incidents {
		if n.Front == f {
			r.Marks = append(r.Marks, mark{X: p.Axis.x(n.From), Number: i + 1, Title: p.Title(i)})
		}
	}
	spread(r.Marks)
	r.Y = p.RowsEnd + rowSpace + barHeight
	if len(r.Marks) > 0 {
		r.Y += markRoom
	}
	for i := range r.Marks {
		r.Marks[i].Y = r.Y - barHeight - markRoom
	}
	for _, s := range f.Strip {
		r.Segments = append(r.Segments, p.segment(f, s, r.Y))
	}
	p.RowsEnd = r.Y
	p.Rows = append(p.Rows, r)
}

// spread moves marks that are too close apart: to the right, and back from the end of the strip.
func spread(marks []mark) {
	apart := min(markWidth, float64(pageWidth-stripLeft)/float64(max(len(marks), 1)))
	for i := 1; i < len(marks); i++ {
		marks[i].X = tenth(max(marks[i].X, marks[i-1].X+apart))
	}
	right := float64(pageWidth)
	for i := len(marks) - 1; i >= 0; i-- {
		room := apart
		if i == len(marks)-1 {
			room = markWidth
		}
		marks[i].X = tenth(min(marks[i].X, right-room))
		right = marks[i].X
	}
}

// segment draws a segment of a front's strip.
func (p *page) segment(f *Front, s Segment, bottom int) segment {
	height := heights[s.Kind]
	drawn := segment{X: p.Axis.x(s.From), Y: bottom - height, Height: height, Kind: s.Kind}
	least := 1.0
	if drawn.Stop() {
		least = troubleWidth
	}
	drawn.X = min(drawn.X, pageWidth-least)
	to := s.To
	if to.After(p.To) { // the last look holds for longer than the axis is
		to = p.To
	}
	drawn.Width = max(tenth(p.Axis.x(to)-drawn.X), least)
	drawn.Text = fmt.Sprintf("%s%s%s %s–%s", f.Title, p.colon, p.kinds[s.Kind], p.Time(s.From), p.Time(to))
	return drawn
}
