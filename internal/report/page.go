package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// WritePage writes the story as one self-contained page of HTML: without scripts, and without
// anything from elsewhere.
func (l *Language) WritePage(w io.Writer, s *Story) error {
	t := l.tell(s)
	p := page{teller: t, Axis: axisOf(t, Span{s.From, s.To}, stripLeft)}
	for _, f := range s.Fronts {
		p.addRow(f)
	}
	for i, n := range s.Incidents {
		p.Parts = append(p.Parts, p.part(i, n))
	}
	return pageTemplate.Execute(w, p)
}

// page is what the template shows. Lengths are in units of which the page is pageWidth wide.
type page struct {
	teller
	Axis    axis // of the strips
	Rows    []row
	RowsEnd int // the bottom of the last strip
	Parts   []part
}

const (
	pageWidth = 1000
	// stripLeft is the room for the names of the fronts, chartLeft that for the numbers of charts.
	stripLeft, chartLeft = 190, 60
)

// Height is that of all strips and their time axis.
func (p page) Height() int { return p.RowsEnd + 24 }

// GridEnd and TickY are where the lines of the time axis end, and where its labels are.
func (p page) GridEnd() int { return p.RowsEnd + 4 }
func (p page) TickY() int   { return p.RowsEnd + 18 }

// ChartLeft is the left end of the charts, LabelX the right end of their numbers, and ChartsTop
// the upper end of the first one.
func (p page) ChartLeft() int { return chartLeft }
func (p page) ChartsTop() int { return chartsTop }
func (p page) LabelX() int    { return chartLeft - 6 }

// Colon and Stop are the punctuation of the language.
func (p page) Colon() string { return p.colon }
func (p page) Stop() string  { return p.stop }

// Head returns the paragraphs above the strips: the summary without the indented lines.
func (p page) Head() []string { return p.summary(false) }

// Lines returns the indented lines of the summary: the fronts, and what was skipped.
func (p page) Lines() []string { return p.summary(true) }

func (p page) summary(indented bool) []string {
	var lines []string
	for _, line := range p.Summary() {
		if strings.HasPrefix(line, "  ") == indented {
			lines = append(lines, line)
		}
	}
	return lines
}

// part is an incident on the page.
type part struct {
	*Incident
	Number    int
	Title     string
	Whose     string // whose trouble it is, by the diagnosis
	Reasons   string // what supports that
	Row       []string
	Sentences []string
	Table     [][]cell
	Key       []string // what the signs of the table mean
	MoreText  string   // how many clients are not in the table
	charts
}

func (p page) part(i int, n *Incident) part {
	part := part{Incident: n, Number: i + 1, Title: p.Title(i), Sentences: p.Sentences(n), charts: p.charts(n)}
	part.Whose, part.Reasons = p.whose(n)
	part.Row = p.overview(n, part.Whose)
	if len(n.Clients) > 0 {
		part.Sentences = part.Sentences[:len(part.Sentences)-1] // the table has a heading
		part.Table, part.Key = p.table(n)
	}
	if n.More > 0 {
		part.MoreText = fmt.Sprintf(p.moreClients, n.More) + p.stop
	}
	return part
}
