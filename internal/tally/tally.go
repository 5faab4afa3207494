// Package tally turns a stream of sockets into the metrics of a front. It is
// pure: it knows no source, no clock and no threshold.
package tally

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"frontsockets/internal/tcp"
)

// Rules say how sockets are counted.
type Rules struct {
	// Normal is the states that are not abnormal.
	Normal tcp.StateSet
	// StalledAfter is the age of the last data sent from which a client is stalled.
	StalledAfter time.Duration
}

// Client is one remote IP address and its sessions with the front.
type Client struct {
	Addr     netip.Addr
	Sessions int
	Abnormal int
	States   [tcp.NumStates]int

	// Retransmitting and Probing count its sockets on which a segment is sent again, or
	// which wait for it to open its window. Unread and Unsent are the bytes that wait in
	// its ESTABLISHED sockets, Stalled counts those to which nothing was sent for
	// Rules.StalledAfter, and SentAgo is how long ago data was sent to any of them.
	Retransmitting, Probing, Stalled int
	Unread, Unsent                   uint64
	SentAgo                          time.Duration
}

// Listener is one listening socket of the front.
type Listener struct {
	Local netip.AddrPort
	Known tcp.Facts
	Inode uint64
	// Queue is the accept queue: connections the front has not accepted yet.
	// Backlog is its limit. Drops counts the connections that were dropped.
	Queue, Backlog, Drops uint32
}

// Overflows tells whether the kernel drops connections now: it lets the accept
// queue grow one over the backlog (sk_acceptq_is_full in net/sock.h).
func (l Listener) Overflows() bool {
	return l.Known.Has(tcp.KnowsRecvQ|tcp.KnowsBacklog) && l.Queue > l.Backlog
}

// Tally counts sockets. Its size grows with the clients of the front only.
type Tally struct {
	rules     Rules
	states    [tcp.NumStates]int
	clients   map[netip.Addr]*Client
	listeners []Listener

	earlier     *Earlier
	interval    time.Duration
	dropped     uint32 // most of one listener, since earlier
	reconnects  int
	stuckUnread int

	waiting    Waiting
	served     Served
	unreadEnds UnreadEnds

	unreadLong, synRetransmits int
	resent                     bool // feedAge is that of a socket which sends a segment again

	abnormal, mptcp, unaccepted, unread, unsent, retransmitting, stalled int
	unreadBytes, unsentBytes                                             uint64
	feedAge                                                              time.Duration

	// What the source told of every socket, every listener, every established one.
	allKnow, listenersKnow, establishedKnow tcp.Facts
}

// New is an empty tally.
func New(rules Rules) *Tally {
	return &Tally{
		rules:           rules,
		clients:         map[netip.Addr]*Client{},
		allKnow:         ^tcp.Facts(0),
		listenersKnow:   ^tcp.Facts(0),
		establishedKnow: ^tcp.Facts(0),
	}
}

// Add counts one socket of the front. It keeps nothing of s.
func (t *Tally) Add(s *tcp.Socket) {
	abnormal := !t.rules.Normal.Has(s.State)
	t.states[s.State]++
	if abnormal {
		t.abnormal++
	}
	t.allKnow &= s.Known
	if s.Retransmits > 0 {
		t.retransmitting++
	}
	if s.State == tcp.Listen {
		t.listenersKnow &= s.Known
		t.listeners = append(t.listeners, Listener{s.Local, s.Known, s.Inode, s.RecvQ, s.SendQ, s.Drops})
		if t.earlier != nil {
			if before, there := t.earlier.drops[listenerID{s.Local, s.Inode}]; there {
				t.dropped = max(t.dropped, s.Drops-before)
			}
		}
		return
	}
	if s.State == tcp.Established {
		t.addEstablished(s)
	}
	if s.MPTCP {
		t.mptcp++
	}
	if s.Inode == 0 && s.Known.Has(tcp.KnowsInode|tcp.KnowsLastDataSent) && (s.State == tcp.Established || s.State == tcp.CloseWait) {
		t.waiting.N++
		t.waiting.Longest = max(t.waiting.Longest, s.LastDataSent)
	}
	if s.State == tcp.SynRecv && s.Retransmits > 0 {
		t.synRetransmits++
	}
	if s.State == tcp.CloseWait && s.RecvQ > 0 {
		t.unreadEnds.N++
		t.unreadEnds.SentAgo = max(t.unreadEnds.SentAgo, s.LastDataSent)
	}
	if t.earlier != nil {
		t.compare(s)
	}
	addr := s.Remote.Addr()
	if addr.IsUnspecified() {
		return // bound or closed, and nobody's session
	}
	c := t.clients[addr]
	if c == nil {
		c = &Client{Addr: addr}
		t.clients[addr] = c
	}
	c.Sessions++
	c.States[s.State]++
	if abnormal {
		c.Abnormal++
	}
	if s.Retransmits > 0 && s.State != tcp.SynRecv {
		c.Retransmitting++
	}
	if s.Probing {
		c.Probing++
	}
	if s.State == tcp.Established {
		c.Unread += uint64(s.RecvQ)
		c.Unsent += uint64(s.SendQ)
		if s.LastDataSent >= t.rules.StalledAfter {
			c.Stalled++
		}
		if c.States[tcp.Established] == 1 || s.LastDataSent < c.SentAgo {
			c.SentAgo = s.LastDataSent
		}
	}
}

func (t *Tally) addEstablished(s *tcp.Socket) {
	t.establishedKnow &= s.Known
	if s.Inode == 0 {
		t.unaccepted++
	}
	if s.RecvQ > 0 {
		t.unread++
		t.unreadBytes += uint64(s.RecvQ)
	}
	if s.SendQ > 0 {
		t.unsent++
		t.unsentBytes += uint64(s.SendQ)
	}
	if s.LastDataSent >= t.rules.StalledAfter {
		t.stalled++
	}
	if s.RecvQ > 0 && s.Known.Has(tcp.KnowsLastDataSent) && s.LastDataReceived >= Patience {
		t.unreadLong++
	}
	// A segment that is sent again counts as sent just now, and is old data: such sockets
	// speak only if there are no others.
	resent := s.Retransmits > 0
	if s.Inode != 0 && s.Known.Has(tcp.KnowsLastDataSent) && !resent {
		t.served.N++
		if t.served.N == 1 || s.LastDataSent < t.served.SentAgo {
			t.served.SentAgo = s.LastDataSent
		}
	}
	first := t.states[tcp.Established] == 1
	if first || t.resent && !resent || t.resent == resent && s.LastDataSent < t.feedAge {
		t.feedAge, t.resent = s.LastDataSent, resent
	}
}

// Result is a finished tally.
type Result struct {
	Values Values
	Rules  Rules
	// Blind is the states whose sockets the source cannot see.
	Blind tcp.StateSet
	// States counts the sockets per state; those in Blind are unknown, not 0.
	States [tcp.NumStates]int
	// Clients is sorted by abnormal sockets, most first, then by those with a zero window,
	// those that retransmit, and by address. It is empty
	// if the source does not tell all their addresses.
	Clients []Client
	// Listeners is sorted by address and port.
	Listeners []Listener
	// Waiting is the connections that the front has not accepted, as far as the source
	// tells which these are and since when.
	Waiting Waiting
	// Served is the connections that the front has accepted, of those that are ESTABLISHED.
	Served Served
	// UnreadEnds is the CLOSE_WAIT sockets of which the front has not even read that the
	// client closed: that end counts as a byte of Recv-Q.
	UnreadEnds UnreadEnds
	// UnreadLong is the ESTABLISHED sockets with bytes that the front has not read for
	// Patience. SynRetransmits is the SYN_RECV ones whose client has not answered yet.
	UnreadLong, SynRetransmits int
	// Sampled says that this was the second of two looks.
	Sampled bool
}

// Patience is how long nothing has to happen until it means something: longer than a
// burst of logins or a busy moment takes.
const Patience = 2 * time.Second

// Served is connections that have an owner.
type Served struct {
	N int
	// SentAgo is how long ago data was sent to any of them.
	SentAgo time.Duration
}

// UnreadEnds is sessions that clients closed, and the front did not notice.
type UnreadEnds struct {
	N int
	// SentAgo is how long ago data was sent to the one that was neglected longest.
	SentAgo time.Duration
}

// Waiting is connections that were made and not accepted, by clients that may have
// given up since: ESTABLISHED or CLOSE_WAIT without an owner.
type Waiting struct {
	N int
	// Longest is how long ago the first of them was made.
	Longest time.Duration
}

// Result works out the metrics of what a source saw that can know the facts in tells
// and cannot see the states in blind. A metric is unknown as soon as one of the sockets
// it is made of did not tell what it needs.
func (t *Tally) Result(tells tcp.Facts, blind tcp.StateSet) Result {
	all, listeners, established := t.allKnow&tells, t.listenersKnow&tells, t.establishedKnow&tells
	r := Result{Rules: t.rules, Blind: blind, States: t.states, Listeners: t.listeners}
	abnormalClients := 0
	for _, c := range t.clients {
		if !all.Has(tcp.KnowsClient) {
			break // some of these are not what they seem
		}
		r.Clients = append(r.Clients, *c)
		if c.Abnormal > 0 {
			abnormalClients++
		}
	}
	slices.SortFunc(r.Clients, func(a, b Client) int {
		return cmp.Or(cmp.Compare(b.Abnormal, a.Abnormal), cmp.Compare(b.Probing, a.Probing), cmp.Compare(b.Retransmitting, a.Retransmitting), a.Addr.Compare(b.Addr))
	})
	slices.SortStableFunc(r.Listeners, func(a, b Listener) int { return a.Local.Compare(b.Local) })

	top := 0
	if len(r.Clients) > 0 {
		top = r.Clients[0].Abnormal
	}
	var queue, fullest = 0, Value{}
	for _, l := range t.listeners {
		queue = max(queue, int(l.Queue))
		fullest.N = max(fullest.N, share(int(l.Queue), max(int(l.Backlog), 1)).N)
	}

	v := &r.Values
	for m, state := range metricStates {
		v[m] = count(t.states[state])
		if blind.Has(state) {
			v[m].Unknown = "this source does not see all sockets in state " + state.String()
		}
	}
	v[Abnormal] = count(t.abnormal)
	v[Clients] = known(count(len(r.Clients)), all, tcp.KnowsClient, "the addresses of all clients")
	v[AbnormalClients] = known(count(abnormalClients), all, tcp.KnowsClient, "the addresses of all clients")
	v[TopClient] = known(count(top), all, tcp.KnowsClient, "the addresses of all clients")
	v[TopClientPct] = known(share(top, t.abnormal), all, tcp.KnowsClient, "the addresses of all clients")
	if blind != 0 {
		v[Clients].Unknown = "this source does not see the sockets of all states"
		if blind&^t.rules.Normal != 0 {
			for _, m := range []Metric{Abnormal, AbnormalClients, TopClient, TopClientPct} {
				v[m].Unknown = "this source does not see the sockets of all abnormal states"
			}
		}
	}
	v[Listeners] = count(len(t.listeners))
	v[AcceptQueue] = known(count(queue), listeners, tcp.KnowsRecvQ, "the accept queue")
	v[AcceptQueuePct] = known(fullest, listeners, tcp.KnowsRecvQ|tcp.KnowsBacklog, "the backlog")
	v[Unaccepted] = known(count(t.unaccepted), established, tcp.KnowsInode, "inodes")
	v[Unread] = known(count(t.unread), established, tcp.KnowsRecvQ, "Recv-Q")
	v[UnreadBytes] = known(Value{N: float64(t.unreadBytes)}, established, tcp.KnowsRecvQ, "Recv-Q")
	v[Unsent] = known(count(t.unsent), established, tcp.KnowsSendQ, "Send-Q")
	v[UnsentBytes] = known(Value{N: float64(t.unsentBytes)}, established, tcp.KnowsSendQ, "Send-Q")
	v[Retransmitting] = known(count(t.retransmitting), all, tcp.KnowsRetransmits, "retransmits")
	v[Stalled] = known(count(t.stalled), established, tcp.KnowsLastDataSent, "when data was last sent")
	r.Waiting, r.Served, r.UnreadEnds = t.waiting, t.served, t.unreadEnds
	r.UnreadLong, r.SynRetransmits = t.unreadLong, t.synRetransmits
	t.sampled(&r, listeners, established)
	v[StalledPct] = known(share(t.stalled, t.states[tcp.Established]), established, tcp.KnowsLastDataSent, "when data was last sent")
	v[FeedAge] = known(Value{N: math.Round(t.feedAge.Seconds()*1e3) / 1e3}, established, tcp.KnowsLastDataSent, "when data was last sent")
	if t.states[tcp.Established] == 0 {
		v[FeedAge].Empty = v[FeedAge].Known()
		v[FeedAge].Unknown = "no client is established"
	}
	if t.mptcp > 0 { // an MPTCP session can hang in CLOSE_WAIT on ESTABLISHED subflows
		for _, m := range []Metric{Abnormal, AbnormalClients, TopClient, TopClientPct, Established, CloseWait, Unread, UnreadBytes} {
			v[m].Unknown = fmt.Sprintf("%d of the sockets are subflows of MPTCP, which hide the state of the session", t.mptcp)
		}
	}
	return r
}

// metricStates are the metrics that count one state.
var metricStates = map[Metric]tcp.State{
	Established: tcp.Established, SynSent: tcp.SynSent, SynRecv: tcp.SynRecv,
	FinWait1: tcp.FinWait1, FinWait2: tcp.FinWait2, TimeWait: tcp.TimeWait,
	Close: tcp.Close, CloseWait: tcp.CloseWait, LastAck: tcp.LastAck, Closing: tcp.Closing,
}

func known(v Value, have, need tcp.Facts, what string) Value {
	if !have.Has(need) {
		v.Unknown = "this source does not tell " + what
	}
	return v
}

// Silent is the ports among those asked for on which nothing listens.
func (r Result) Silent(ports tcp.Ports) []uint16 {
	listening := map[uint16]bool{}
	for _, l := range r.Listeners {
		listening[l.Local.Port()] = true
	}
	var silent []uint16
	for port := range ports.All {
		if !listening[port] {
			silent = append(silent, port)
		}
	}
	return silent
}
