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
	// needs is the facts that every socket in scope must provide, or the metric is unknown.
	// Missing is what is not known then, in words.
	scope   scope
	needs   tcp.Facts
	missing string
	// states is the states that the source must see, or the metric is unknown. Hidden is
	// what it does not see then, in words.
	states func(Rules) tcp.StateSet
	hidden string
	// ofSessions says that the metric depends on the state or the unread bytes of the
	// session, which subflows of MPTCP hide.
	ofSessions bool
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

var metrics = [NumMetrics]definition{
	Abnormal: {
		name: "abnormal", help: "Sockets whose state is not normal.",
		compute: func(t *Tally, _ *Result) Value { return count(t.abnormal) },
		states:  abnormalStates, hidden: allAbnormal, ofSessions: true,
	},
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
	Clients: {
		name: "clients", help: "Clients with any session.",
		compute: func(_ *Tally, r *Result) Value { return count(len(r.Clients)) },
		needs:   tcp.FactClient, missing: clientAddresses, states: everyState, hidden: "the sockets of all states",
	},
	AbnormalClients: {
		name: "abnormal_clients", help: "Clients with an abnormal socket.",
		compute: func(_ *Tally, r *Result) Value { return count(r.abnormalClients()) },
		needs:   tcp.FactClient, missing: clientAddresses, states: abnormalStates, hidden: allAbnormal, ofSessions: true,
	},
	TopClient: {
		name: "top_client", help: "Most abnormal sockets of one client.",
		compute: func(_ *Tally, r *Result) Value { return count(r.mostAbnormal()) },
		needs:   tcp.FactClient, missing: clientAddresses, states: abnormalStates, hidden: allAbnormal, ofSessions: true,
	},
	TopClientPct: {
		name: "top_client_pct", unit: "%", help: "Share of all abnormal sockets that one client has, in percent.",
		compute: func(t *Tally, r *Result) Value { return share(r.mostAbnormal(), t.abnormal) },
		needs:   tcp.FactClient, missing: clientAddresses, states: abnormalStates, hidden: allAbnormal, ofSessions: true,
	},
	Listeners: {
		name: "listeners", state: tcp.Listen, help: "Listening sockets.",
		compute: func(t *Tally, _ *Result) Value { return count(len(t.listeners)) },
	},
	AcceptQueue: {
		name: "accept_queue", help: "Connections in the longest accept queue.",
		compute: longestQueue,
		scope:   ofListeners, needs: tcp.FactRecvQ, missing: "the accept queue",
	},
	AcceptQueuePct: {
		name: "accept_queue_pct", unit: "%", help: "Share of its backlog that the fullest accept queue has, in percent.",
		compute: fullestQueue,
		scope:   ofListeners, needs: tcp.FactRecvQ | tcp.FactBacklog, missing: "the backlog",
	},
	Unaccepted: {
		name: "unaccepted", help: "ESTABLISHED sockets that no process owns yet.",
		compute: func(t *Tally, _ *Result) Value { return count(t.unaccepted) },
		scope:   ofEstablished, needs: tcp.FactInode, missing: "inodes",
	},
	Unread: {
		name: "unread", help: "ESTABLISHED sockets with bytes that the front has not read.",
		compute: func(t *Tally, _ *Result) Value { return count(t.unread) },
		scope:   ofEstablished, needs: tcp.FactRecvQ, missing: "Recv-Q", ofSessions: true,
	},
	UnreadBytes: {
		name: "unread_bytes", unit: "B", help: "Bytes that the front has not read, of ESTABLISHED sockets.",
		compute: func(t *Tally, _ *Result) Value { return Number(float64(t.unreadBytes)) },
		scope:   ofEstablished, needs: tcp.FactRecvQ, missing: "Recv-Q", ofSessions: true,
	},
	Unsent: {
		name: "unsent", help: "ESTABLISHED sockets with bytes that the client has not acknowledged.",
		compute: func(t *Tally, _ *Result) Value { return count(t.unsent) },
		scope:   ofEstablished, needs: tcp.FactSendQ, missing: "Send-Q",
	},
	UnsentBytes: {
		name: "unsent_bytes", unit: "B", help: "Bytes that clients have not acknowledged, of ESTABLISHED sockets.",
		compute: func(t *Tally, _ *Result) Value { return Number(float64(t.unsentBytes)) },
		scope:   ofEstablished, needs: tcp.FactSendQ, missing: "Send-Q",
	},
	Retransmitting: {
		name: "retransmitting", help: "Sockets that send a segment again.",
		compute: func(t *Tally, _ *Result) Value { return count(t.retransmitting) },
		needs:   tcp.FactRetransmits, missing: "retransmits",
	},
	Stalled: {
		name: "stalled", help: "ESTABLISHED clients that were sent nothing for a while.",
		compute: func(t *Tally, _ *Result) Value { return count(t.stalled) },
		scope:   ofEstablished, needs: tcp.FactLastDataSent, missing: lastDataSent,
	},
	StalledPct: {
		name: "stalled_pct", unit: "%", help: "Share of the ESTABLISHED clients that were sent nothing for a while, in percent.",
		compute: func(t *Tally, _ *Result) Value { return share(t.stalled, t.states[tcp.Established]) },
		scope:   ofEstablished, needs: tcp.FactLastDataSent, missing: lastDataSent,
	},
	FeedAge: {
		name: "feed_age", unit: "s", help: "Seconds since data was sent to any ESTABLISHED client.",
		compute: feedAge,
		scope:   ofEstablished, needs: tcp.FactLastDataSent, missing: lastDataSent,
	},
	ListenDrops: {
		name: "listen_drops", rate: true, help: "Connections that a listener drops per second.",
		compute: dropsPerSecond,
		scope:   ofListenersTwice, needs: tcp.FactDrops, missing: "drops",
	},
	Reconnects: {
		name: "reconnects", help: "Remote addresses and ports that were not there before.",
		compute: func(t *Tally, _ *Result) Value { return count(t.reconnects) },
	},
	UnreadStuck: {
		name: "unread_stuck", help: "ESTABLISHED sockets whose unread bytes did not become fewer.",
		compute: func(t *Tally, _ *Result) Value { return count(t.stuckUnread) },
		scope:   ofEstablished, needs: tcp.FactRecvQ, missing: "Recv-Q",
	},
}

const (
	clientAddresses = "the addresses of all clients"
	allAbnormal     = "the sockets of all abnormal states"
	lastDataSent    = "the time of the last data sent"
)

// inState defines the metric that counts the sockets in one state.
func inState(s tcp.State, name string, ofSessions bool) definition {
	return definition{
		name: name, state: s, help: "Sockets in state " + strings.ToUpper(name) + ".",
		compute: func(t *Tally, _ *Result) Value { return count(t.states[s]) },
		states:  func(Rules) tcp.StateSet { return tcp.Set(s) }, hidden: "all sockets in state " + name, ofSessions: ofSessions,
	}
}

func everyState(Rules) tcp.StateSet { return ^tcp.StateSet(0) }

func abnormalStates(r Rules) tcp.StateSet { return ^r.Normal }

func longestQueue(t *Tally, _ *Result) Value {
	longest := 0
	for _, l := range t.listeners {
		longest = max(longest, int(l.Queue))
	}
	return count(longest)
}

func fullestQueue(t *Tally, _ *Result) Value {
	fullest := Number(0)
	for _, l := range t.listeners {
		fullest.N = max(fullest.N, share(int(l.Queue), max(int(l.Backlog), 1)).N)
	}
	return fullest
}

func feedAge(t *Tally, _ *Result) Value {
	if t.states[tcp.Established] == 0 {
		return Value{Unknown: "no client is established", Empty: true}
	}
	return Number(toMillis(t.feedAge.Seconds()))
}

func dropsPerSecond(t *Tally, _ *Result) Value {
	return Number(toMillis(float64(t.dropped) / t.interval.Seconds()))
}

// value computes the metric, or says why it is unknown. Provided is the facts that all
// sockets of each scope provide, hidden the states that the source cannot see.
func (m Metric) value(t *Tally, r *Result, provided [numScopes]tcp.Facts, hidden tcp.StateSet) Value {
	d := &metrics[m]
	switch {
	case d.compute == nil:
		return unknown("nobody computes it")
	case m >= OneLook && t.baseline == nil:
		return unknown("it takes two looks (--sample)")
	case d.ofSessions && t.mptcp > 0: // an MPTCP session can hang in CLOSE_WAIT on ESTABLISHED subflows
		return unknown(fmt.Sprintf("%d of the sockets are subflows of MPTCP, which hide the state of the session", t.mptcp))
	case d.states != nil && hidden&d.states(t.rules) != 0:
		return unknown("this source does not see " + d.hidden)
	}
	v := d.compute(t, r)
	if !provided[d.scope].Has(d.needs) {
		why := "this source does not provide " + d.missing
		if !v.Known() {
			why = v.Unknown
		}
		return unknown(why)
	}
	return v
}

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
	// have two decimals, seconds and rates three, so that what is judged is what is shown.
	N float64
	// Unknown is why there is no number.
	Unknown string
	// Empty says that there is no number because there is nothing to measure.
	Empty bool

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

func count(n int) Value { return Number(float64(n)) }

// share returns part of whole in percent; of nothing, nothing is 0 %.
func share(part, whole int) Value {
	if whole == 0 {
		return Number(0)
	}
	return Number(math.Round(float64(part)/float64(whole)*1e4) / 1e2)
}

// toMillis rounds to three decimals.
func toMillis(n float64) float64 { return math.Round(n*1e3) / 1e3 }
