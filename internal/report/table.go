package report

import (
	"fmt"
	"slices"
	"strings"

	"frontsockets/internal/diagnosis"
)

// overview returns the row of an incident in the table of all incidents. Its number comes before.
func (p page) overview(n *Incident, whose string) []string {
	to, duration := p.Labels["open"], ""
	if n.Over {
		to, duration = p.Time(n.To), p.Duration(n.Duration())
	}
	return []string{n.Front.Title, p.Time(n.From), to, duration, n.Worst.String(), p.Code(n.Code), whose}
}

// whose returns whose trouble an incident is by its diagnosis, and what the comparison of its
// clients with other fronts adds.
func (p page) whose(n *Incident) (whose, reasons string) {
	blame := diagnosis.NotSure
	for _, kind := range diagnosis.Kinds {
		if string(kind.Code) == n.Code {
			blame = kind.Blame
		}
	}
	whose = p.blames[blame]
	switch {
	case len(n.Clients) == 0:
	case blame == diagnosis.Front:
		well := 0
		for _, c := range n.Clients {
			if c.Verdict == TheFront {
				well++
			}
		}
		if well > 0 {
			reasons = fmt.Sprintf(p.compared, well, len(n.Clients))
		}
	case n.Disagrees():
		return p.blames[diagnosis.Front], fmt.Sprintf(p.disagree, p.Who(n.Clients[0]))
	case blame == diagnosis.Client:
		whose = fmt.Sprintf(p.theClient, p.Who(n.Clients[0]))
		reasons = p.clientVerdicts[n.Clients[0].Verdict]
	}
	return whose, reasons
}

// cell is a cell of the table of clients.
type cell struct {
	Text, Class string
	// Spoken is read aloud and shown under the pointer instead of a Text that is short.
	Spoken string
}

// table returns how the clients fared, here and at the fronts where the log lists one of them,
// and what its signs mean.
func (p page) table(n *Incident) (table [][]cell, key []string) {
	header := []cell{{Text: p.Labels["client"]}, {Text: n.Front.Title}}
	decided := slices.ContainsFunc(n.Clients, func(c *Client) bool { return c.Verdict != NoVerdict })
	if decided {
		header = append(header, cell{Text: p.Labels["verdict"]})
	}
	var shown []int
	for i, o := range n.Others {
		if !slices.ContainsFunc(n.Clients, func(c *Client) bool { return c.There[i].Seen == Listed }) {
			continue
		}
		shown = append(shown, i)
		title := cell{Text: o.Front.Title}
		if o.Status != OK {
			title.Text += " " + o.Status.String()
		}
		header = append(header, title)
	}
	table, signs := [][]cell{header}, map[string]bool{}
	for _, c := range n.Clients {
		line := []cell{{Text: p.Who(c)}, p.here(c.Here)}
		if decided {
			verdict := cell{Text: p.shortVerdicts[c.Verdict], Class: "whom", Spoken: p.verdicts[c.Verdict]}
			if c.Verdict == NoVerdict {
				verdict.Text = p.Labels["undecided"]
			}
			line = append(line, verdict)
		}
		for _, i := range shown {
			there, sign := p.there(c.There[i])
			signs[sign] = true
			line = append(line, there)
		}
		table = append(table, line)
	}
	for _, sign := range []string{signWell, signIll, signNoSession, signNotListed, signNoLook} {
		if signs[sign] {
			key = append(key, sign+" "+p.signs[sign])
		}
	}
	return table, key
}

// The signs of the table. Each has its own shape, so that it can be told without colours.
const signWell, signIll, signNoSession, signNotListed, signNoLook = "✓", "✗", "–", "?", "∅"

// here returns the cell of a client at the front of the incident, in full.
func (p page) here(f Fare) cell {
	c := cell{Text: p.Fare(f), Class: "here"}
	if f.Seen == Listed { // a line does not end between a number and its state
		const hardSpace = "\u00a0"
		c.Text = strings.ReplaceAll(strings.ReplaceAll(c.Text, " ", hardSpace), ","+hardSpace, ", ")
	}
	if f.Ill {
		c.Text, c.Class = signIll+" "+c.Text, "here ill"
	}
	return c
}

// there returns the cell of a client at another front: a sign and a number, because there may
// be many fronts.
func (p page) there(f Fare) (c cell, sign string) {
	c = cell{Text: p.Fare(f)}
	switch {
	case f.Well:
		sessions := 0
		for _, s := range f.States {
			sessions += s.N
		}
		return cell{fmt.Sprintf("%s %d", signWell, sessions), "well", c.Text}, signWell
	case f.Ill:
		c.Text, c.Class = signIll+" "+c.Text, "ill"
		return c, signIll
	case f.Seen == Listed:
		return c, ""
	}
	sign = map[Seen]string{NoSession: signNoSession, NotListed: signNotListed, NoLook: signNoLook}[f.Seen]
	return cell{sign, "", c.Text}, sign
}
