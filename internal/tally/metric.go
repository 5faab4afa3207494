package tally

import (
	"fmt"
	"math"
	"strconv"
)

// Metric names one number about a front. The order is the order of all output.
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

var metrics = [NumMetrics]struct{ name, unit, help string }{
	Abnormal:        {"abnormal", "", "Sockets whose state is not normal."},
	Established:     {"established", "", "Sockets in state ESTABLISHED."},
	SynSent:         {"syn_sent", "", "Sockets in state SYN_SENT."},
	SynRecv:         {"syn_recv", "", "Sockets in state SYN_RECV."},
	FinWait1:        {"fin_wait1", "", "Sockets in state FIN_WAIT1."},
	FinWait2:        {"fin_wait2", "", "Sockets in state FIN_WAIT2."},
	TimeWait:        {"time_wait", "", "Sockets in state TIME_WAIT."},
	Close:           {"close", "", "Sockets in state CLOSE."},
	CloseWait:       {"close_wait", "", "Sockets in state CLOSE_WAIT."},
	LastAck:         {"last_ack", "", "Sockets in state LAST_ACK."},
	Closing:         {"closing", "", "Sockets in state CLOSING."},
	Clients:         {"clients", "", "Clients with any session."},
	AbnormalClients: {"abnormal_clients", "", "Clients with an abnormal socket."},
	TopClient:       {"top_client", "", "Most abnormal sockets of one client."},
	TopClientPct:    {"top_client_pct", "%", "Share of all abnormal sockets that one client has, in percent."},
	Listeners:       {"listeners", "", "Listening sockets."},
	AcceptQueue:     {"accept_queue", "", "Connections in the longest accept queue."},
	AcceptQueuePct:  {"accept_queue_pct", "%", "How full the fullest accept queue is, in percent of its backlog."},
	Unaccepted:      {"unaccepted", "", "ESTABLISHED sockets that no process owns yet."},
	Unread:          {"unread", "", "ESTABLISHED sockets with bytes that the front has not read."},
	UnreadBytes:     {"unread_bytes", "B", "Bytes that the front has not read, of ESTABLISHED sockets."},
	Unsent:          {"unsent", "", "ESTABLISHED sockets with bytes that the client has not acknowledged."},
	UnsentBytes:     {"unsent_bytes", "B", "Bytes that clients have not acknowledged, of ESTABLISHED sockets."},
	Retransmitting:  {"retransmitting", "", "Sockets that send a segment again."},
	Stalled:         {"stalled", "", "ESTABLISHED clients that were sent nothing for a while."},
	StalledPct:      {"stalled_pct", "%", "Share of the ESTABLISHED clients that were sent nothing for a while, in percent."},
	FeedAge:         {"feed_age", "s", "Seconds since data was sent to any ESTABLISHED client."},
	ListenDrops:     {"listen_drops", "", "Connections that a listener drops per second."},
	Reconnects:      {"reconnects", "", "Remote addresses and ports that were not there before."},
	UnreadStuck:     {"unread_stuck", "", "ESTABLISHED sockets whose unread bytes did not become fewer."},
}

// String is the metric's name in options, perfdata and JSON.
func (m Metric) String() string { return metrics[m].name }

// Unit is the perfdata unit of measurement: "", "%", "B" or "s".
func (m Metric) Unit() string { return metrics[m].unit }

// Help is what the metric means, a sentence.
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

// Value is what a metric came to.
type Value struct {
	// N is the number, in the metric's unit, drops in connections per second. Shares
	// have two decimals, seconds and rates three, so that what is judged is what is shown.
	N float64
	// Unknown is why there is no number; empty if there is one.
	Unknown string
	// Empty says that there is no number because there is nothing to measure.
	Empty bool
}

// Known tells whether there is a number.
func (v Value) Known() bool { return v.Unknown == "" }

// String is the number in plain decimals, or "U".
func (v Value) String() string {
	if !v.Known() {
		return "U"
	}
	return strconv.FormatFloat(v.N, 'f', -1, 64)
}

// Text is the number with the unit of its metric, or "U".
func (v Value) Text(m Metric) string {
	if !v.Known() {
		return "U"
	}
	return v.String() + m.Unit()
}

// Values holds a value for every metric.
type Values [NumMetrics]Value

// AllUnknown is the values of a look that failed.
func AllUnknown(why string) Values {
	var v Values
	for m := range v {
		v[m].Unknown = why
	}
	return v
}

func count(n int) Value { return Value{N: float64(n)} }

// share is part of whole in percent; of nothing, nothing is 0 %.
func share(part, whole int) Value {
	if whole == 0 {
		return Value{}
	}
	return Value{N: math.Round(float64(part)/float64(whole)*1e4) / 1e2}
}
