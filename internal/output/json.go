package output

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// JSON returns the report as one object on one line. What is not known is null.
func JSON(r Report, style Style) []byte {
	clients := r.counted().Clients
	return r.json(pointers(clients[:min(style.Top, len(clients))]), noLimit, noLimit)
}

const noLimit = math.MaxInt

// Limits of a line of the log. With them, and the longest names and port lists, a line is shorter than
// the 1 MiB that front_report reads.
const (
	maxLoggedClients = 200
	// With more ports than maxLoggedPorts, by_port is left out: a part of it would not add up to the states.
	maxLoggedPorts = 200
	// maxLoggedListeners is more than the SO_REUSEPORT sockets of any front.
	maxLoggedListeners = 1000
)

// LogLine returns the report as JSON does, with at most maxLoggedClients clients: first those with most
// abnormal sockets, then those with most sessions. Above the limits it leaves out by_port, and the listeners
// with the highest addresses: every line has the same ones, so front_report sees a restart.
func LogLine(r Report) []byte {
	clients := pointers(r.counted().Clients)
	slices.SortStableFunc(clients, func(a, b *tally.Client) int {
		return cmp.Or(cmp.Compare(b.Abnormal, a.Abnormal), cmp.Compare(b.Sessions, a.Sessions))
	})
	return r.json(clients[:min(maxLoggedClients, len(clients))], maxLoggedPorts, maxLoggedListeners)
}

func pointers(clients []tally.Client) []*tally.Client {
	list := make([]*tally.Client, len(clients))
	for i := range clients {
		list[i] = &clients[i]
	}
	return list
}

// jsonFormat is the number of the format. A change that would mislead older readers raises it.
const jsonFormat = 1

// maxJSONReason is how many characters of the reason and the remarks JSON has: far more than the
// other formats, so that nothing is cut in practice.
const maxJSONReason = 8 << 10

// json returns the report on one line, with only these clients. It has the members that
// docs/answer.schema.json describes.
func (r Report) json(clients []*tally.Client, maxPorts, maxListeners int) []byte {
	counted := r.counted()
	const usual, ofClient = 4 << 10, 300 // bytes: of an answer without clients, and of a client
	t := make(jsonText, 0, usual+ofClient*len(clients))
	t.open("", '{')
	t.text("name", r.Name)
	t.text("ports", r.Ports.String())
	t.text("status", statusWord(r.Status()))
	number(&t, "exit_code", int(r.Status()), true)
	t.text("reason", line(r.Reason()+r.hint()+r.remark(), maxJSONReason))
	r.jsonDiagnosis(&t)
	r.jsonMetrics(&t)
	t.open("lower_bounds", '[')
	lowerBounds, _ := r.lowerBounds()
	for _, metric := range lowerBounds {
		t.text("", metric)
	}
	t.close(']')
	r.jsonStates(&t, counted.States)
	if ports := r.byPort(); ports != nil && len(ports) <= maxPorts {
		r.jsonPorts(&t, ports)
	}
	number(&t, "excluded", r.Excluded, r.Result != nil)
	t.flag("out_of_session", r.Outside != "")
	t.open("clients", '[')
	for _, c := range clients {
		r.jsonClient(&t, c)
	}
	t.close(']')
	number(&t, "clients_omitted", len(counted.Clients)-len(clients), counted.Values[tally.Clients].Known())
	t.open("listeners", '[')
	for _, l := range counted.Listeners[:min(maxListeners, len(counted.Listeners))] {
		jsonListener(&t, l)
	}
	t.close(']')
	r.jsonProcess(&t)
	t.text("process_unknown", r.OwnerUnknown)
	t.text("source", r.source())
	t.text("host", r.Look.Host)
	t.text("time", r.Look.Time.Format(time.RFC3339))
	t.text("service", r.Service)
	t.text("version", r.Version)
	number(&t, "format", jsonFormat, true)
	t.close('}')
	return append(t, '\n')
}

func (r Report) jsonDiagnosis(t *jsonText) {
	if r.Result == nil {
		t.null("diagnosis")
		return
	}
	t.open("diagnosis", '{')
	t.text("code", string(r.Diagnosis.Code))
	t.text("text", cmp.Or(strings.TrimPrefix(r.hint(), " - "), r.Diagnosis.Text))
	t.open("evidence", '[')
	for _, e := range r.Diagnosis.Evidence {
		t.open("", '{')
		t.text("metric", e.Metric)
		t.text("value", e.Value)
		t.text("why", e.Why)
		t.close('}')
	}
	t.close(']')
	t.close('}')
}

func (r Report) jsonMetrics(t *jsonText) {
	values := r.counted().Values
	t.open("metrics", '{')
	for m := range r.metricsEnd() {
		number(t, m.String(), values[m].N, values[m].Known())
	}
	t.close('}')
	t.open("thresholds", '{')
	for m := range r.metricsEnd() {
		warning, warns := r.Policy.Warning[m]
		critical, alarms := r.Policy.Critical[m]
		if !warns && !alarms {
			continue
		}
		t.open(m.String(), '{')
		t.textIf("warning", warning.String(), warns)
		t.textIf("critical", critical.String(), alarms)
		t.close('}')
	}
	t.close('}')
}

// jsonStates writes the counts of all states, null where the source cannot see them.
func (r Report) jsonStates(t *jsonText, counts [tcp.NumStates]int) {
	t.open("states", '{')
	for s := tcp.Established; s < tcp.NumStates; s++ {
		number(t, s.String(), counts[s], r.Result != nil && !r.Result.HiddenStates.Has(s))
	}
	t.close('}')
}

func (r Report) jsonPorts(t *jsonText, ports []port) {
	t.open("by_port", '{')
	for _, p := range ports {
		t.open(strconv.Itoa(int(p.number)), '{')
		r.jsonStates(t, p.states)
		number(t, "abnormal", p.abnormal.N, p.abnormal.Known())
		number(t, "listeners", p.listeners, true)
		number(t, "accept_queue", p.queue.N, p.queue.Known())
		t.close('}')
	}
	t.close('}')
}

func (r Report) jsonClient(t *jsonText, c *tally.Client) {
	knows := func(m tally.Metric) bool { return r.Result.Values[m].Known() }
	established := c.States[tcp.Established] > 0
	t.open("", '{')
	t.text("address", c.Addr.String())
	t.text("name", r.nameOf(c.Addr))
	number(t, "sessions", c.Sessions, true)
	number(t, "abnormal", c.Abnormal, true)
	t.open("states", '{')
	for s, n := range c.States {
		if n > 0 {
			number(t, tcp.State(s).String(), n, true)
		}
	}
	t.close('}')
	number(t, "unread_bytes", c.UnreadBytes, knows(tally.Unread))
	number(t, "unsent_bytes", c.UnsentBytes, knows(tally.Unsent))
	number(t, "retransmitting", c.Retransmitting, knows(tally.Retransmitting))
	number(t, "zero_window", c.ZeroWindow, knows(tally.Retransmitting))
	number(t, "stalled", c.Stalled, knows(tally.Stalled))
	number(t, "feed_age", c.FeedAge.Seconds(), established && knows(tally.Stalled))
	number(t, "request_age", c.RequestAge.Seconds(), established && knows(tally.RequestAge))
	number(t, "rtt", c.RTT.Seconds(), c.RTT > 0 && knows(tally.RTT))
	t.close('}')
}

func jsonListener(t *jsonText, l tally.Listener) {
	t.open("", '{')
	t.text("address", l.Local.Addr().String())
	number(t, "port", l.Local.Port(), true)
	number(t, "accept_queue", l.Queue, l.Facts.Has(tcp.FactRecvQ))
	number(t, "backlog", l.Backlog, l.Facts.Has(tcp.FactBacklog))
	number(t, "drops", l.Drops, l.Facts.Has(tcp.FactDrops))
	number(t, "inode", l.Inode, l.Facts.Has(tcp.FactInode))
	t.close('}')
}

func (r Report) jsonProcess(t *jsonText) {
	p := r.Owner
	if p == nil || r.Result == nil {
		t.null("process")
		return
	}
	t.open("process", '{')
	number(t, "pid", p.PID, true)
	t.text("name", p.Name)
	t.text("state", p.State)
	number(t, "cpu_pct", math.Round(p.CPU*10)/10, true)
	number(t, "threads", p.Threads, true)
	number(t, "descriptors", p.Descriptors, true)
	number(t, "descriptor_limit", p.DescriptorLimit, true)
	t.text("started", p.Started.Format(time.RFC3339))
	t.close('}')
}

// jsonText is JSON that grows member by member. encoding/json examines every type anew in each process,
// which took more time than the rest of a line of --log.
type jsonText []byte

// member begins a member of an object or, with an empty name, an item of a list. The names
// need no escapes.
func (t *jsonText) member(name string) {
	if n := len(*t); n > 0 && (*t)[n-1] != '{' && (*t)[n-1] != '[' {
		*t = append(*t, ',')
	}
	if name != "" {
		*t = append(*t, '"')
		*t = append(*t, name...)
		*t = append(*t, `":`...)
	}
}

func (t *jsonText) open(name string, bracket byte) {
	t.member(name)
	*t = append(*t, bracket)
}

func (t *jsonText) close(bracket byte) { *t = append(*t, bracket) }

func (t *jsonText) text(name, s string) {
	t.member(name)
	*t = gjson.AppendJSONString(*t, s)
}

func (t *jsonText) null(name string) {
	t.member(name)
	*t = append(*t, "null"...)
}

// textIf writes null if there is no such text.
func (t *jsonText) textIf(name, s string, exists bool) {
	if exists {
		t.text(name, s)
	} else {
		t.null(name)
	}
}

func (t *jsonText) flag(name string, b bool) {
	t.member(name)
	*t = strconv.AppendBool(*t, b)
}

// number writes a number, which must not be negative, or null if it is not known.
func number[N int | int32 | uint16 | uint32 | uint64 | float64](t *jsonText, name string, n N, known bool) {
	if !known {
		t.null(name)
		return
	}
	t.member(name)
	if f, isFloat := any(n).(float64); isFloat {
		*t = strconv.AppendFloat(*t, f, 'f', -1, 64)
	} else {
		*t = strconv.AppendUint(*t, uint64(n), 10)
	}
}
