package tally

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"frontsockets/internal/tcp"
)

// Metric names one number about a front. The order is the order of all output. To add
// one, add its name here and its entry to metrics.
type Metric int

// The metrics of one look.
const (
	Abnormal Metric = iota
	Established
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	Close
	CloseWait
	LastAck
	Closing
	Clients
	AbnormalClients
	TopClient
	TopClientPct
	Listeners
	AcceptQueue
	AcceptQueuePct
	Unaccepted
	Unread
	UnreadBytes
	Unsent
	UnsentBytes
	Retransmitting
	Stalled
	StalledPct
	FeedAge
	ZeroWindow
	RequestAge
	RTT

	// The metrics of two looks.
	ListenDrops
	Reconnects
	UnreadStuck

	// NumMetrics is how many metrics there are.
	NumMetrics

	// OneLook is the end of the metrics of one look.
	OneLook = ListenDrops
)

// definition is what there is to know of a metric. Help, documents, perfdata, JSON and the
// Zabbix templates are made from it.
type definition struct {
	name, unit, help string
	compute          func(*Tally, *Result) Value
	// state is the state whose sockets the metric counts, or 0.
	state tcp.State
	// rate says that the metric is a number per second.
	rate bool
	// needs is the fact that the sockets must provide, or the metric is unknown.
	needs need
	// sees is the states that the source must see, or the metric is unknown.
	sees neededStates
	// isShare says that the metric is a part of a whole. If either is a lower bound, the share is
	// unknown: more sockets may make it larger or smaller.
	isShare bool
	// ofSessions says that the metric depends on the state or the unread bytes of the
	// session, which subflows of MPTCP hide.
	ofSessions bool
}

// need is a fact that every socket in scope must provide, and its name. shownBy says who provides it.
type need struct {
	scope         scope
	facts         tcp.Facts
	name, shownBy string
}

// scope is the sockets whose facts a metric needs.
type scope int

const (
	ofAll scope = iota
	ofListeners
	ofEstablished
	ofListenersTwice // in both looks
	numScopes
)

var (
	clientAddress    = need{ofAll, tcp.FactClient, "the client's whole address", "netstat -W does, on macOS -l"}
	retransmits      = need{ofAll, tcp.FactRetransmits, "retransmits or zero windows", sockdiag}
	acceptQueue      = need{ofListeners, tcp.FactRecvQ, "the accept queue", sockdiagOrSS}
	backlog          = need{ofListeners, tcp.FactRecvQ | tcp.FactBacklog, "the backlog", sockdiagOrSS}
	dropsTwice       = need{ofListenersTwice, tcp.FactDrops, "drops", sockdiag}
	inodes           = need{ofEstablished, tcp.FactInode, "who owns a socket", sockdiag}
	receiveQueue     = need{ofEstablished, tcp.FactRecvQ, "Recv-Q", sockdiagOrSS}
	readBytes        = need{ofEstablished, tcp.FactRecvQ | tcp.FactLastDataSent, "when or what the front read", sockdiag}
	sendQueue        = need{ofEstablished, tcp.FactSendQ, "Send-Q", sockdiagOrSS}
	lastDataSent     = need{ofEstablished, tcp.FactLastDataSent, "when data was last sent", sockdiagOrSSInfo}
	lastDataReceived = need{ofEstablished, tcp.FactLastDataSent, "when data was last received", sockdiagOrSSInfo}
	roundTripTime    = need{ofEstablished, tcp.FactRTT, "round-trip times", sockdiagOrSSInfo}
	everyState       = neededStates{func(Rules) tcp.StateSet { return ^tcp.Set(tcp.Listen) }, "the sockets of all states"}
	listening        = neededStates{func(Rules) tcp.StateSet { return tcp.Set(tcp.Listen) }, "listeners"}
	abnormalStates   = neededStates{func(r Rules) tcp.StateSet { return ^r.Normal }, "the sockets of all abnormal states"}
)

// What provides a fact, on Linux: the live source, and a capture.
const (
	sockdiag         = "sockdiag does"
	sockdiagOrSS     = "sockdiag and ss -tan do"
	sockdiagOrSSInfo = "sockdiag and ss -tani do"
)

// missing returns why the fact is unknown. provides is what the source can provide.
func (n need) missing(provides tcp.Facts) string {
	if provides.Has(n.facts) {
		return "not every socket shows " + n.name
	}
	return "this source does not show " + n.name + " (" + n.shownBy + ")"
}

// neededStates is a set of states that depends on the rules, and its name.
type neededStates struct {
	set  func(Rules) tcp.StateSet
	name string
}

var metrics = [NumMetrics]definition{
	Abnormal: {name: "abnormal", help: "Sockets whose state is not normal.",
		compute: func(t *Tally, _ *Result) Value { return count(t.abnormal) }, sees: abnormalStates, ofSessions: true},
	Established: inState(tcp.Established, "established", true),
	SynSent:     inState(tcp.SynSent, "syn_sent", false),
	SynRecv:     inState(tcp.SynRecv, "syn_recv", false),
	FinWait1:    inState(tcp.FinWait1, "fin_wait1", false),
	FinWait2:    inState(tcp.FinWait2, "fin_wait2", false),
	TimeWait:    inState(tcp.TimeWait, "time_wait", false),
	Close:       inState(tcp.Close, "close", false),
	CloseWait:   inState(tcp.CloseWait, "close_wait", true),
	LastAck:     inState(tcp.LastAck, "last_ack", false),
	Closing:     inState(tcp.Closing, "closing", false),
	Clients: {name: "clients", help: "Clients with any session.", needs: clientAddress, sees: everyState,
		compute: func(_ *Tally, r *Result) Value { return count(len(r.Clients)) }},
	AbnormalClients: {name: "abnormal_clients", help: "Clients with an abnormal socket.",
		compute: func(_ *Tally, r *Result) Value { return count(r.abnormalClients()) },
		needs:   clientAddress, sees: abnormalStates, ofSessions: true},
	TopClient: {name: "top_client", help: "Most abnormal sockets of one client.",
		compute: func(_ *Tally, r *Result) Value { return count(r.mostAbnormal()) },
		needs:   clientAddress, sees: abnormalStates, ofSessions: true},
	TopClientPct: {name: "top_client_pct", unit: "%",
		help:    "Share of all abnormal sockets that one client has, in percent.",
		compute: func(t *Tally, r *Result) Value { return share(r.mostAbnormal(), t.abnormal) },
		needs:   clientAddress, sees: abnormalStates, isShare: true, ofSessions: true},
	Listeners: {name: "listeners", state: tcp.Listen, help: "Listening sockets.",
		compute: func(t *Tally, _ *Result) Value { return count(len(t.listeners)) }, sees: listening},
	AcceptQueue: {name: "accept_queue", help: "Connections in the longest accept queue.",
		compute: longestQueue, needs: acceptQueue},
	AcceptQueuePct: {name: "accept_queue_pct", unit: "%",
		help:    "Share of its backlog that the fullest accept queue has, in percent.",
		compute: fullestQueue, needs: backlog},
	Unaccepted: {name: "unaccepted", help: "ESTABLISHED sockets that no process owns yet.",
		compute: func(t *Tally, _ *Result) Value { return count(t.unaccepted) }, needs: inodes},
	Unread: {name: "unread", help: "ESTABLISHED sockets with bytes that the front has not read.",
		compute: func(t *Tally, _ *Result) Value { return count(t.unread) }, needs: receiveQueue, ofSessions: true},
	UnreadBytes: {name: "unread_bytes", unit: "B", help: "Bytes that the front has not read, of ESTABLISHED sockets.",
		compute: func(t *Tally, _ *Result) Value { return Number(float64(t.unreadBytes)) },
		needs:   receiveQueue, ofSessions: true},
	Unsent: {name: "unsent", help: "ESTABLISHED sockets with bytes that the client has not acknowledged.",
		compute: func(t *Tally, _ *Result) Value { return count(t.unsent) }, needs: sendQueue},
	UnsentBytes: {name: "unsent_bytes", unit: "B",
		help:    "Bytes that clients have not acknowledged, of ESTABLISHED sockets.",
		compute: func(t *Tally, _ *Result) Value { return Number(float64(t.unsentBytes)) }, needs: sendQueue},
	Retransmitting: {name: "retransmitting", help: "Sockets that retransmit a segment.",
		compute: func(t *Tally, _ *Result) Value { return count(t.retransmitting) }, needs: retransmits},
	Stalled: {name: "stalled", help: "ESTABLISHED sockets that were sent nothing for --stalled-after.",
		compute: func(t *Tally, _ *Result) Value { return count(t.stalled) }, needs: lastDataSent},
	StalledPct: {name: "stalled_pct", unit: "%",
		help:    "Share of the ESTABLISHED sockets that were sent nothing for --stalled-after, in percent.",
		compute: func(t *Tally, _ *Result) Value { return share(t.stalled, t.states[tcp.Established]) }, needs: lastDataSent},
	FeedAge: {name: "feed_age", unit: "s", help: "Seconds since data was sent to any ESTABLISHED client.",
		compute: feedAge, needs: lastDataSent},
	ZeroWindow: {name: "zero_window", help: "Sessions whose client takes no more data.",
		compute: func(t *Tally, _ *Result) Value { return count(t.signs.ZeroWindows) }, needs: retransmits},
	RequestAge: {name: "request_age", unit: "s", help: "Seconds since any ESTABLISHED client sent data.",
		compute: requestAge, needs: lastDataReceived},
	RTT: {name: "rtt", unit: "s", help: "Median smoothed round-trip time of the ESTABLISHED sockets.",
		compute: medianRTT, needs: roundTripTime},
	ListenDrops: {name: "listen_drops", rate: true,
		help:    "Connections dropped per second, of the listener that drops most.",
		compute: dropsPerSecond, needs: dropsTwice},
	Reconnects: {name: "reconnects", help: "Remote addresses and ports that only the second look saw.",
		compute: func(t *Tally, _ *Result) Value { return count(t.reconnects) }, sees: everyState},
	UnreadStuck: {name: "unread_stuck", help: "ESTABLISHED sockets with unread bytes from which the front read nothing.",
		compute: func(t *Tally, _ *Result) Value { return count(t.signs.StuckUnread) }, needs: readBytes},
}

// timeWaitFull is why a count is a lower bound.
const timeWaitFull = "the kernel keeps no more TIME_WAIT (tcp_max_tw_buckets)"

// inState defines the metric that counts the sockets in one state.
func inState(s tcp.State, name string, ofSessions bool) definition {
	return definition{
		name: name, state: s, help: "Sockets in state " + strings.ToUpper(name) + ".", ofSessions: ofSessions,
		compute: func(t *Tally, _ *Result) Value { return count(t.states[s]) },
		sees:    neededStates{func(Rules) tcp.StateSet { return tcp.Set(s) }, "all sockets in state " + name},
	}
}

func longestQueue(t *Tally, _ *Result) Value {
	longest := uint32(0)
	for _, l := range t.listeners {
		longest = max(longest, l.Queue)
	}
	return Number(float64(longest))
}

func fullestQueue(t *Tally, _ *Result) Value {
	fullest := Number(0)
	for _, l := range t.listeners {
		fullest.N = max(fullest.N, share(l.Queue, max(l.Backlog, 1)).N)
	}
	return fullest
}

func feedAge(t *Tally, _ *Result) Value {
	if t.states[tcp.Established] == 0 {
		return noneEstablished
	}
	return Number(toMillis(t.feedAge.Seconds()))
}

func requestAge(t *Tally, _ *Result) Value {
	if t.states[tcp.Established] == 0 {
		return noneEstablished
	}
	return Number(toMillis(t.requestAge.Seconds()))
}

// medianRTT leaves out the sockets whose round-trip time was not measured yet.
func medianRTT(t *Tally, _ *Result) Value {
	if t.states[tcp.Established] == 0 {
		return noneEstablished
	}
	rtt, measured := t.medianRTT()
	if !measured {
		return unknown("no round-trip time was measured yet")
	}
	return Number(rtt.Seconds())
}

func dropsPerSecond(t *Tally, _ *Result) Value {
	return Number(toMillis(float64(t.dropped) / t.interval.Seconds()))
}

// value computes the metric, or says why it is unknown. provided has the facts that all sockets of each
// scope provide; look says what the source could see.
func (m Metric) value(t *Tally, r *Result, provided [numScopes]tcp.Facts, look tcp.Look) Value {
	d, hidden := &metrics[m], look.HiddenStates
	switch {
	case d.compute == nil:
		return unknown("nobody computes it")
	case m >= OneLook && !r.Sampled:
		return unknown("it takes two looks (--sample)")
	case d.ofSessions && t.mptcp > 0: // an MPTCP session can hang in CLOSE_WAIT on ESTABLISHED subflows
		return unknown(fmt.Sprintf("%d of the sockets are subflows of MPTCP, which hide the state of the session", t.mptcp))
	case d.sees.set != nil && hidden&d.sees.set(t.rules) != 0:
		return unknown(notSeen(hidden, d.sees.name))
	case (d.needs.scope == ofListeners || d.needs.scope == ofListenersTwice) && hidden.Has(tcp.Listen):
		return unknown(notSeen(hidden, "listeners"))
	case d.needs.scope == ofEstablished && hidden.Has(tcp.Established):
		return unknown(notSeen(hidden, "established sockets"))
	}
	v := d.compute(t, r)
	if !provided[d.needs.scope].Has(d.needs.facts) && v != noneEstablished {
		return unknown(d.needs.missing(look.Provides))
	}
	if v.Known() && d.sees.set != nil && look.LowerBound&d.sees.set(t.rules) != 0 {
		if d.isShare {
			return unknown(timeWaitFull)
		}
		v.LowerBound = timeWaitFull
	}
	return v
}

// notSeen returns why sockets are unknown, and what to do. Only a capture leaves out listeners, or all
// sessions.
func notSeen(hidden tcp.StateSet, what string) string {
	switch {
	case hidden == everySession|tcp.Set(tcp.Listen):
		return "the capture has no row of TCP: its host has no sockets, or rows were left out"
	case hidden == everySession:
		return "the capture shows only listeners (was it made with -l, or was there no session?)"
	case hidden.Has(tcp.Listen):
		return "the capture does not show " + what + " (netstat -an and ss -tan do)"
	}
	return "this source does not show " + what + " (a capture of netstat -an does)"
}

// everySession is the states of sessions.
const everySession tcp.StateSet = 1<<tcp.NumStates - 2 - 1<<tcp.Listen

// String returns the metric's name in options, perfdata and JSON.
func (m Metric) String() string { return metrics[m].name }

// Unit returns the perfdata unit of measurement: "", "%", "B" or "s".
func (m Metric) Unit() string { return metrics[m].unit }

// State returns the state whose sockets the metric counts, or 0 if it counts something else.
func (m Metric) State() tcp.State { return metrics[m].state }

// Whole reports whether the metric has integers only: it counts sockets, clients or bytes.
func (m Metric) Whole() bool {
	d := &metrics[m]
	return !d.rate && (d.unit == "" || d.unit == "B")
}

// Help returns what the metric means, a sentence.
func (m Metric) Help() string { return metrics[m].help }

// ParseMetric finds a metric by its name.
func ParseMetric(name string) (Metric, error) {
	for m := range NumMetrics {
		if metrics[m].name == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("'%s' is not a metric", name)
}

// Value is the value of a metric. The zero Value is unknown.
type Value struct {
	// N is the number, in the metric's unit, drops in connections per second. Shares
	// have two decimals, ages and rates three, round-trip times six, so that what is judged is
	// what is shown.
	N float64
	// Unknown is why there is no number.
	Unknown string
	// LowerBound is why the number may be larger than N, or empty.
	LowerBound string

	known bool
}

// Number returns a known value.
func Number(n float64) Value { return Value{N: n, known: true} }

func unknown(why string) Value { return Value{Unknown: why} }

// Known reports whether there is a number.
func (v Value) Known() bool { return v.known }

// String returns the number in plain decimals, or "U".
func (v Value) String() string {
	if !v.known {
		return "U"
	}
	return strconv.FormatFloat(v.N, 'f', -1, 64)
}

// Text returns the number with the unit of its metric, or "U".
func (v Value) Text(m Metric) string {
	if !v.known {
		return "U"
	}
	return v.String() + m.Unit()
}

// Values holds a value for every metric.
type Values [NumMetrics]Value

// AllUnknown returns the values of a look that failed.
func AllUnknown(why string) Values {
	var v Values
	for m := range v {
		v[m].Unknown = why
	}
	return v
}

// noneEstablished is the value of a metric that has no socket to measure.
var noneEstablished = unknown("no client is established")

func count(n int) Value { return Number(float64(n)) }

// share returns part of whole in percent; 0 of 0 is 0 %.
func share[N int | uint32](part, whole N) Value {
	if whole == 0 {
		return Number(0)
	}
	return Number(math.Round(float64(part)/float64(whole)*1e4) / 1e2)
}

// toMillis rounds to three decimals.
func toMillis(n float64) float64 { return math.Round(n*1e3) / 1e3 }
