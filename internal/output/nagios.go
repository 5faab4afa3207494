package output

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/atc0005/go-nagios"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/verdict"
)

// Limits of the service output. Nagios Core keeps 8 KiB of a plugin's output
// (MAX_PLUGIN_OUTPUT_LENGTH); the text of the first line stays short so that its
// perfdata survives the 1 KiB packets of old NRPEs as far as it can.
const (
	maxText   = 199
	maxRemark = 110
	maxHint   = 109
	maxOutput = 8 << 10
)

// Nagios renders service output with perfdata on the first line, so that no
// truncation can lose it, and details behind it. go-nagios gives the states and
// the perfdata fields; its own page would sort the metrics and put long output
// before them.
func Nagios(r Report, style Style) []byte {
	var b strings.Builder
	// Whatever else is cut, these are not.
	tail := line(r.remark(), maxRemark)
	if hint := r.hint(); hint != "" {
		tail = " " + line(hint, maxHint) + tail
	}
	const head = 90 // at least, for the status and the reason
	tail = cut(tail, maxText-head)
	b.WriteString(line(r.Service+" "+statusWord(r.Status())+": "+r.Reason(), maxText-utf8.RuneCountInString(tail)) + tail)
	if !r.Usage {
		b.WriteString(" |")
		values := r.values()
		for m, v := range values[:r.metrics()] {
			// Empty fields at the end may be left out, and NRPE packets are small.
			b.WriteString(strings.TrimRight(perfdata(tally.Metric(m), v, r.Policy).String(), ";"))
		}
	}
	b.WriteByte('\n')
	if style.Verbose > 0 && r.Result != nil {
		details(&b, r, style)
	}
	return []byte(b.String())
}

func perfdata(m tally.Metric, v tally.Value, p verdict.Policy) nagios.PerformanceData {
	d := nagios.PerformanceData{Label: m.String(), Value: v.String(), Min: "0"}
	if v.Known() {
		d.UnitOfMeasurement = m.Unit()
	}
	if limit, set := p.Warning[m]; set {
		d.Warn = limit.String()
	}
	if limit, set := p.Critical[m]; set {
		d.Crit = limit.String()
	}
	return d
}

// details writes the lines of -v, as many as fit.
func details(b *strings.Builder, r Report, style Style) {
	const last = 60 // room for the line that says what was left out
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, line(fmt.Sprintf(format, args...), 500)) }

	add("source: %s", r.source())
	if r.Session != "" {
		add("session: %s", r.Session)
	}
	if len(r.Exclude) > 0 {
		add("%s: %s", r.excluded(), strings.Trim(fmt.Sprint(r.Exclude), "[]"))
	}
	for _, p := range r.Verdict.Problems {
		add("%s: %s", statusWord(p.Status), p.Text)
	}
	if r.SaveError != "" {
		add("%s: %s", statusWord(verdict.Unknown), r.SaveError)
	}
	if d := r.Diagnosis; d.Code != "" {
		add("diagnosis: %s", d.Code)
		for _, e := range d.Evidence {
			add("evidence: %s %s, %s", e.Metric, e.Value, e.Why)
		}
	}
	if p := r.Owner; p != nil {
		add("process %d (%s): state %s, %.0f%% CPU, %d threads, %d of %d descriptors, started %s", p.PID, p.Name, p.State, p.CPU, p.Threads, p.Descriptors, p.DescriptorLimit, p.Started.Format(time.RFC3339))
	} else if r.OwnerUnknown != "" {
		add("process unknown: %s", r.OwnerUnknown)
	}
	for _, p := range r.byPort() {
		add("%s", p)
	}
	if n := len(r.Result.LeftOut); n > 0 {
		add("left out: %s of local programs that use port %s as their source port",
			plural(tally.Number(float64(n)), "socket"), r.leftOutPorts())
	}
	for _, l := range r.Result.Listeners {
		add("listener %s: %s", l.Local, queue(l))
	}
	top := style.Top
	if style.Verbose > 1 {
		top = len(r.Result.Clients)
	}
	for i, c := range r.Result.Clients {
		if i == top {
			add("%s", plural(tally.Number(float64(len(r.Result.Clients)-top)), "more client"))
			break
		}
		add("client %s: %d abnormal of %d (%s)%s", r.who(c.Addr), c.Abnormal, c.Sessions, states(c.States, 0), waits(c))
	}
	for i, l := range lines {
		if b.Len()+len(l)+1 > maxOutput-last {
			fmt.Fprintf(b, "%d more lines\n", len(lines)-i)
			return
		}
		b.WriteString(l + "\n")
	}
}

// leftOutPorts returns the ports of the sockets that are not the front's.
func (r Report) leftOutPorts() tcp.Ports {
	var ports tcp.Ports
	for _, port := range slices.Compact(slices.Sorted(slices.Values(r.Result.LeftOut))) {
		ports = append(ports, tcp.PortRange{Lo: port, Hi: port})
	}
	return ports
}

// waits is what waits for a client, or for the front to read it.
func waits(c tally.Client) string {
	var s string
	for _, part := range []struct {
		n    uint64
		text string
	}{
		{c.UnreadBytes, "%d bytes unread"}, {c.UnsentBytes, "%d bytes unsent"}, {uint64(c.Retransmitting), "%d retransmitting"},
		{uint64(c.ZeroWindow), "%d with a zero window"}, {uint64(c.Stalled), "%d stalled"},
	} {
		if part.n > 0 {
			s += ", " + fmt.Sprintf(part.text, part.n)
		}
	}
	if c.Stalled > 0 {
		s += fmt.Sprintf(", last data sent %s ago", c.FeedAge)
	}
	return s
}

func queue(l tally.Listener) string {
	if !l.Facts.Has(tcp.FactRecvQ) {
		return "accept queue unknown"
	}
	s := fmt.Sprintf("accept queue %d", l.Queue)
	if l.Facts.Has(tcp.FactBacklog) {
		s += fmt.Sprintf(" of %d", l.Backlog)
	}
	if l.Facts.Has(tcp.FactDrops) {
		s += fmt.Sprintf(", %d drops since it listens", l.Drops)
	}
	return s
}
