package output

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/verdict"
)

// Limits of the text, in characters. The text of the first line is short so that its perfdata
// fits into the 1 KiB packets of old NRPEs as far as it can.
const (
	maxText    = 199
	maxFailure = 900 // of a first line without perfdata, whose reason may quote a line
	minReason  = 90  // what the tail leaves for the status and the reason
	maxRemark  = 110
	maxHint    = 109
	maxDetail  = 500 // of a line of -v
)

// Limits of the whole output, in bytes. Nagios Core keeps 8 KiB of a plugin's output
// (MAX_PLUGIN_OUTPUT_LENGTH).
const (
	maxOutput    = 8 << 10
	lastLineRoom = 60 // for the line that counts the lines left out
)

// Nagios returns the service output with perfdata on the first line, where no truncation can
// lose it, and then the details. Only the words of the states come from go-nagios: the library
// sorts metrics, puts them after the details, and quotes every label.
func Nagios(r Report, style Style) []byte {
	var b strings.Builder
	head := r.Service + " " + statusWord(r.Status()) + ": " + r.Reason()
	limit := maxText
	if r.Result == nil {
		limit = maxFailure
		if strings.ContainsAny(head, "|<>") { // it may quote them, and line replaces them
			head += " ('/', '(' and ')' may stand for a pipe or an angle bracket)"
		}
	}
	tail := r.tail(limit - utf8.RuneCountInString(head))
	b.WriteString(line(head, limit-utf8.RuneCountInString(tail)) + tail)
	if r.Result != nil {
		b.WriteString(" |" + r.perfdata())
	}
	b.WriteByte('\n')
	if style.Verbose > 0 && r.Result != nil {
		writeLines(&b, r.details(style))
	}
	return []byte(b.String())
}

// tail returns the hint and the remark. Why an accept queue was not judged, and the folder of a recording,
// are in it only if room characters are enough for all: -v says them too.
func (r Report) tail(room int) string {
	hint, remark := r.hint(), r.remark()
	if hint != "" {
		hint = " " + line(hint, maxHint)
	}
	const worthCutting = 10 // characters of a folder
	room = min(room, maxText-minReason)
	if utf8.RuneCountInString(hint+remark) > room {
		remark = strings.Replace(remark, r.whyNotJudged(), "", 1)
	}
	if kind, file, isFile := strings.Cut(r.Look.Source, ":"); isFile && utf8.RuneCountInString(hint+remark) > room {
		if folder := strings.LastIndexByte(file, '/'); folder > worthCutting {
			remark = strings.Replace(remark, r.Look.Source, kind+":..."+file[folder:], 1)
		}
	}
	return cut(hint+line(remark, maxRemark), maxText-minReason)
}

// perfdata returns every known metric, each after a blank. It leaves out the others, since most readers
// take "U", an unknown value, for an error. Some readers keep the quotes of a label, so no label needs
// quotes. Some drop ranges that begin with '@', so the ranges are the plainest.
func (r Report) perfdata() string {
	var b strings.Builder
	plain := func(ranges verdict.Thresholds, m tally.Metric) string {
		if limit, set := ranges[m]; set {
			return limit.Plain(m.Whole()).String()
		}
		return ""
	}
	for m := range r.metricsEnd() {
		if v := r.Result.Values[m]; v.Known() {
			fmt.Fprintf(&b, " %s=%s;%s;%s;0", m, v.Text(m), plain(r.Policy.Warning, m), plain(r.Policy.Critical, m))
		}
	}
	return b.String()
}

// unknownMetrics returns the metrics that are not known, those with the same reason together.
func (r Report) unknownMetrics() []string {
	names, reasons := map[string][]string{}, []string{}
	for m := range r.metricsEnd() {
		if v := r.Result.Values[m]; !v.Known() {
			if names[v.Unknown] == nil {
				reasons = append(reasons, v.Unknown)
			}
			names[v.Unknown] = append(names[v.Unknown], m.String())
		}
	}
	for i, why := range reasons {
		reasons[i] = "not known: " + strings.Join(names[why], ", ") + ": " + why
	}
	return reasons
}

// writeLines writes as many lines as fit, and the number of the others.
func writeLines(b *strings.Builder, lines []string) {
	for i, l := range lines {
		l = line(l, maxDetail)
		if b.Len()+len(l)+1 > maxOutput-lastLineRoom {
			fmt.Fprintf(b, "%d more lines\n", len(lines)-i)
			return
		}
		b.WriteString(l + "\n")
	}
}

// details returns the lines of -v.
func (r Report) details(style Style) []string {
	lines := []string{"source: " + r.source()}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if r.Session != "" {
		add("session: %s", r.Session)
	}
	if len(r.Exclude) > 0 {
		add("%s: %s", r.excluded(), strings.Trim(fmt.Sprint(r.Exclude), "[]"))
	}
	for _, p := range r.Verdict.Problems {
		add("%s: %s", statusWord(p.Status), p.Text)
	}
	if r.WriteError != "" {
		add("%s: %s", statusWord(verdict.Unknown), r.WriteError)
	}
	for _, note := range r.Notes { // the first line may cut it
		add("note: %s", note)
	}
	if r.Diagnosis.Code != "" {
		add("diagnosis: %s", r.Diagnosis.Code)
	}
	for _, e := range r.Diagnosis.Evidence {
		add("evidence: %s %s, %s", e.Metric, e.Value, e.Why)
	}
	if names, why := r.lowerBounds(); len(names) > 0 {
		add("there may be more than %s say: %s", strings.Join(names, ", "), why)
	}
	lines = append(lines, r.unknownMetrics()...)
	if r.notJudged() != "" {
		add("accept queue not judged: a full one would go unseen; on Linux use -s sockdiag, or see ss -ltn: it is full" +
			" if Recv-Q is over Send-Q")
	}
	if p := r.Owner; p != nil {
		add("process %d (%s): state %s, %.0f%% CPU, %d threads, %d of %d descriptors, started %s", p.PID, p.Name,
			p.State, p.CPU, p.Threads, p.Descriptors, p.DescriptorLimit, p.Started.Format(time.RFC3339))
	} else if r.OwnerUnknown != "" {
		add("process unknown: %s", r.OwnerUnknown)
	}
	if n := len(r.Result.LeftOut); n > 0 {
		add("left out: %s of local programs that use port %s as their source port",
			plural(tally.Number(float64(n)), "socket"), r.leftOutPorts())
	}
	for _, p := range r.byPort() {
		add("%s", p)
	}
	for _, l := range r.Result.Listeners {
		add("listener %s: %s", l.Local, queue(l))
	}
	clients := r.Result.Clients
	if style.Verbose == 1 && style.Top < len(clients) {
		clients = clients[:style.Top]
	}
	for _, c := range clients {
		add("client %s: %d abnormal of %d (%s)%s", r.who(c.Addr), c.Abnormal, c.Sessions, listStates(c.States, 0), waiting(c))
	}
	if more := len(r.Result.Clients) - len(clients); more > 0 {
		add("%s", plural(tally.Number(float64(more)), "more client"))
	}
	return lines
}

// leftOutPorts returns the ports of the sockets that are not the front's.
func (r Report) leftOutPorts() tcp.Ports {
	var ports tcp.Ports
	for _, port := range slices.Compact(slices.Sorted(slices.Values(r.Result.LeftOut))) {
		ports = append(ports, tcp.PortRange{Lo: port, Hi: port})
	}
	return ports
}

// waiting returns what waits for a client, or for the front to read it.
func waiting(c tally.Client) string {
	var s string
	add := func(n uint64, what string) {
		if n > 0 {
			s += fmt.Sprintf(", %d %s", n, what)
		}
	}
	add(c.UnreadBytes, "bytes unread")
	add(c.UnsentBytes, "bytes unsent")
	add(uint64(c.Retransmitting), "retransmitting")
	add(uint64(c.ZeroWindow), "with a zero window")
	add(uint64(c.Stalled), "stalled")
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
	} else {
		s += ", backlog unknown"
	}
	if l.Facts.Has(tcp.FactDrops) {
		s += fmt.Sprintf(", %d drops since it listens", l.Drops)
	}
	return s
}
