// Package tally counts a stream of sockets and computes the metrics of a front. It knows
// no source, no clock and no threshold.
package tally

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"frontsockets/internal/tcp"
)

// Rules say how sockets are counted.
type Rules struct {
	// Normal is the states that are not abnormal.
	Normal tcp.StateSet
	// StalledAfter is the age of the last data sent at which a client counts as stalled.
	StalledAfter time.Duration
	// Ports are the ports of the front. Without them every socket counts as the front's.
	Ports tcp.Ports
	// Shared is the addresses behind which there are many clients: NAT, a proxy.
	Shared []netip.Prefix
	// ByPort says to count the sockets of each local port too.
	ByPort bool
}

// MinimumWait is how long a connection must wait, or bytes stay unread, to be suspicious in one look. It is
// longer than a burst of logins or a busy moment takes.
const MinimumWait = 2 * time.Second

// Client is one remote IP address and its sessions with the front.
type Client struct {
	Addr netip.Addr
	// Shared says that there are many clients behind the address (Rules.Shared).
	Shared   bool
	Sessions int
	Abnormal int
	States   [tcp.NumStates]int

	// Retransmitting counts its sockets that retransmit. Handshakes do not count: they are no
	// sessions yet. ZeroWindow counts those whose client takes no more data. NotReading: see Signs.
	Retransmitting, ZeroWindow, NotReading int
	// The fields from here to RTT are of its ESTABLISHED sockets only. Stalled counts those that
	// were sent nothing for Rules.StalledAfter.
	Stalled                  int
	UnreadBytes, UnsentBytes uint64
	// FeedAge is the time since data was sent to any of them, RequestAge since any of them
	// sent data. RTT is their median round-trip time, 0 if none was measured yet.
	FeedAge, RequestAge, RTT time.Duration

	// Reconnects counts its sessions that only the second of two looks saw. FirstClosed and
	// LastClosed are the ages of its oldest and youngest TIME_WAIT, if the source knows.
	Reconnects              int
	FirstClosed, LastClosed time.Duration
}

// clientTally is a client while its sockets are counted.
type clientTally struct {
	Client
	rtts rttList
}

// Listener is one listening socket of the front.
type Listener struct {
	Local netip.AddrPort
	Facts tcp.Facts
	Inode uint64
	UID   uint32
	// Queue is the accept queue: connections that the front has not accepted yet.
	// Backlog is its limit. Drops counts the connections that were dropped.
	Queue, Backlog, Drops uint32
	// MaxBacklog is the longest backlog that the system allows, if the listener's own is not
	// known. 0 is not known.
	MaxBacklog uint32
	// Before is the accept queue in the first of two looks. NotEmptied says that both looks found
	// connections in the queue, and that nothing shows that it was empty in between.
	Before     uint32
	NotEmptied bool
}

// Overflowing reports whether the kernel drops connections now: it lets the accept queue grow one over
// the backlog (sk_acceptq_is_full in net/sock.h). If the backlog is not known, a queue that has reached
// MaxBacklog counts as full.
func (l Listener) Overflowing() bool {
	if l.Facts.Has(tcp.FactRecvQ | tcp.FactBacklog) {
		return l.Queue > l.Backlog
	}
	return l.Facts.Has(tcp.FactRecvQ) && l.MaxBacklog > 0 && l.Queue >= l.MaxBacklog
}

// MayOverflow reports whether the listener's queue is not empty and its backlog not known.
func (l Listener) MayOverflow() bool {
	return l.Facts.Has(tcp.FactRecvQ) && !l.Facts.Has(tcp.FactBacklog) && l.Queue > 0
}

// Group is a number of sockets, and the time since data was sent to one of them.
type Group struct {
	N   int
	Age time.Duration
}

// add counts a socket. better chooses between two ages: oldest or youngest.
func (g *Group) add(age time.Duration, better func(a, b time.Duration) time.Duration) {
	if g.N++; g.N == 1 {
		g.Age = age
	}
	g.Age = better(g.Age, age)
}

func oldest(a, b time.Duration) time.Duration   { return max(a, b) }
func youngest(a, b time.Duration) time.Duration { return min(a, b) }

// Tally counts sockets. Its size grows with the sockets of the front, not with those of other programs.
type Tally struct {
	rules     Rules
	states    [tcp.NumStates]int
	clients   map[netip.Addr]*clientTally
	listeners []Listener
	ports     map[uint16]*Port // nil unless Rules.ByPort

	abnormal, mptcp, unaccepted, unread, unsent, retransmitting, stalled int

	unreadBytes, unsentBytes uint64

	feedAge time.Duration
	// retransmitted says that feedAge is that of a socket which sends a segment again.
	retransmitted bool
	// requestAge is the time since an ESTABLISHED client sent data.
	requestAge time.Duration

	// The first look, if there was one, the time since, and what changed. Dropped is the
	// most that one listener dropped.
	baseline     *Baseline
	interval     time.Duration
	dropped      uint32
	reconnects   int
	stillWaiting map[uint16]int // connections that wait to be accepted as before, by local port

	signs Signs
	// suspectBaseline has the suspects of this look. The next look may be compared with it.
	suspectBaseline *Baseline
	local           localPrograms

	// What every socket, every listener and every established socket provided.
	all, ofListeners, ofEstablished tcp.Facts
}

// Signs are the counts and facts that a diagnosis needs besides the metrics.
type Signs struct {
	// Waiting is the connections that the front has not accepted: ESTABLISHED or
	// CLOSE_WAIT without an owner. Its age is that of the oldest.
	Waiting Group
	// Served is the ESTABLISHED connections that the front has accepted. Its age is the
	// time since data was sent to any of them.
	Served Group
	// UnreadCloses is the CLOSE_WAIT sockets whose close the front has not read: it counts
	// as a byte of Recv-Q. Its age is that of the one neglected longest.
	UnreadCloses Group
	// UnreadLong counts the ESTABLISHED sockets with bytes that the front has not read
	// for MinimumWait.
	UnreadLong int
	// SynRetransmits counts the SYN_RECV sockets whose client did not answer the first time.
	SynRetransmits int
	// Unfed counts the stalled sockets to which the front could have sent. The front has accepted
	// them, and they have no retransmission, no zero window and no old data without an
	// acknowledgement. FeedBlocked says that the front could have sent to no ESTABLISHED socket, so
	// the age of the feed is the fault of the network or of the clients.
	Unfed       int
	FeedBlocked bool
	// ZeroWindows counts the sessions whose client takes no more data. NotReading counts those of them to
	// which nothing was sent for MinimumWait: a client that reads slowly closes its window for moments.
	ZeroWindows, NotReading int
	// RetransmittingClose counts the sockets in FIN_WAIT1, LAST_ACK and CLOSING that
	// retransmit: their close does not arrive.
	RetransmittingClose int
	// HasTimes says that every ESTABLISHED socket told when data was last sent.
	// HasBytesRead says the same of what the front has read.
	HasTimes, HasBytesRead bool

	// Compared says that there was an earlier look, an Interval ago.
	Compared bool
	Interval time.Duration
	// What has not changed since: connections that still wait to be accepted, sessions with the
	// same bytes unread, sockets in CLOSE_WAIT and FIN_WAIT2, and those of CLOSE_WAIT whose
	// close is unread.
	StuckWaiting, StuckUnread, StuckCloseWait, StuckFinWait2, StuckUnreadClose int
	// What the front did since: connections that it accepted, sessions from which it read, and
	// sessions that it closed.
	Accepted, Read, Closed int
}

// New returns an empty tally. baseline is that of an earlier look, made an interval before, or nil.
// Both kinds of Baseline are allowed.
func New(rules Rules, baseline *Baseline, interval time.Duration) *Tally {
	t := &Tally{
		rules:           rules,
		clients:         map[netip.Addr]*clientTally{},
		suspectBaseline: newSuspectBaseline(),
		baseline:        baseline,
		interval:        interval,
		stillWaiting:    map[uint16]int{},
		all:             ^tcp.Facts(0),
		ofListeners:     ^tcp.Facts(0),
		ofEstablished:   ^tcp.Facts(0),
	}
	if rules.ByPort {
		t.ports = map[uint16]*Port{}
	}
	return t
}

// Add counts one socket of the front, and sets its Progress if there was a look before. It keeps no
// pointer to s.
func (t *Tally) Add(s *tcp.Socket) {
	t.local.note(s)
	if t.baseline != nil && s.State != tcp.Listen {
		t.baseline.Compare(s, t.interval)
	}
	if t.local.hold(s, t.rules.Ports) {
		return
	}
	t.count(s)
}

func (t *Tally) count(s *tcp.Socket) {
	t.states[s.State]++
	if t.isAbnormal(s) {
		t.abnormal++
	}
	if t.ports != nil {
		t.addToPort(s)
	}
	t.all &= s.Facts
	if s.Retransmits > 0 {
		t.retransmitting++
	}
	if s.State == tcp.Listen {
		t.addListener(s)
		return
	}
	if s.State == tcp.Established {
		t.addEstablished(s)
	}
	if s.MPTCP {
		t.mptcp++
	}
	if isSuspect(s) {
		t.suspectBaseline.Add(s)
	}
	if s.Progress == tcp.ProgressStuck && isWaiting(s) {
		t.stillWaiting[s.Local.Port()]++
	}
	t.signs.add(s)
	if !s.Remote.Addr().IsUnspecified() { // a bound or closed socket is nobody's session
		t.addToClient(s)
	}
}

func (t *Tally) isAbnormal(s *tcp.Socket) bool { return !t.rules.Normal.Has(s.State) }

func (t *Tally) addListener(s *tcp.Socket) {
	t.ofListeners &= s.Facts
	t.listeners = append(t.listeners, Listener{
		Local: s.Local, Facts: s.Facts, Inode: s.Inode, UID: s.UID, Queue: s.RecvQ, Backlog: s.SendQ, Drops: s.Drops,
	})
	t.suspectBaseline.Add(s)
	if t.baseline != nil {
		if before, there := t.baseline.drops[listenerID{s.Local, s.Inode}]; there {
			t.dropped = max(t.dropped, s.Drops-before)
		}
	}
}

// SuspectBaseline returns the baseline of this look, for the next look. It has the listeners and the
// sessions that wait for the front.
func (t *Tally) SuspectBaseline() *Baseline { return t.suspectBaseline }

// isNew reports whether only the second of two looks saw the session.
func (t *Tally) isNew(s *tcp.Socket) bool {
	if t.baseline == nil || !t.baseline.hasEverySession {
		return false
	}
	_, there := t.baseline.sessions[s.Pair()]
	return !there
}

func (t *Tally) addEstablished(s *tcp.Socket) {
	t.ofEstablished &= s.Facts
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
	// A source without timers does not see retransmissions. There, old data without an
	// acknowledgement shows that the front did send.
	unacknowledged := s.SendQ > 0 && s.LastDataSent >= t.rules.StalledAfter
	blocked := s.Retransmits > 0 || s.ZeroWindow || unacknowledged
	if s.LastDataSent >= t.rules.StalledAfter {
		t.stalled++
		if !blocked && !isWaiting(s) {
			t.signs.Unfed++
		}
	}
	first := t.states[tcp.Established] == 1
	t.signs.FeedBlocked = blocked && (first || t.signs.FeedBlocked)
	// A segment that is sent again counts as sent just now, but its data is old. A socket that
	// retransmits sets the age only if no other socket does.
	retransmits := s.Retransmits > 0
	if first || s.LastDataReceived < t.requestAge {
		t.requestAge = s.LastDataReceived
	}
	younger := t.retransmitted == retransmits && s.LastDataSent < t.feedAge
	if first || t.retransmitted && !retransmits || younger {
		t.feedAge, t.retransmitted = s.LastDataSent, retransmits
	}
}

// isNotReading reports whether the client's window was closed for MinimumWait. The probes of a closed window
// carry no data.
func isNotReading(s *tcp.Socket) bool {
	return s.ZeroWindow && s.Facts.Has(tcp.FactLastDataSent) && s.LastDataSent >= MinimumWait
}

func (signs *Signs) add(s *tcp.Socket) {
	hasTimes := s.Facts.Has(tcp.FactLastDataSent)
	established, closeWait := s.State == tcp.Established, s.State == tcp.CloseWait
	if hasTimes && isWaiting(s) {
		signs.Waiting.add(s.LastDataSent, oldest)
	}
	if hasTimes && established && s.Inode != 0 && s.Retransmits == 0 {
		signs.Served.add(s.LastDataSent, youngest)
	}
	if closeWait && s.RecvQ > 0 {
		signs.UnreadCloses.add(s.LastDataSent, oldest)
	}
	if established && s.RecvQ > 0 && hasTimes && s.LastDataReceived >= MinimumWait {
		signs.UnreadLong++
	}
	if s.ZeroWindow {
		signs.ZeroWindows++
	}
	if isNotReading(s) {
		signs.NotReading++
	}
	if s.Retransmits > 0 && s.State == tcp.SynRecv {
		signs.SynRetransmits++
	}
	closing := s.State == tcp.FinWait1 || s.State == tcp.LastAck || s.State == tcp.Closing
	if s.Retransmits > 0 && closing {
		signs.RetransmittingClose++
	}
	signs.addProgress(s)
}

// addProgress counts a socket by what the front did for it since the look before.
func (signs *Signs) addProgress(s *tcp.Socket) {
	switch s.Progress {
	case tcp.ProgressAccepted:
		signs.Accepted++
	case tcp.ProgressRead:
		signs.Read++
	case tcp.ProgressClosed:
		signs.Closed++
	case tcp.ProgressStuck:
		switch {
		case isWaiting(s):
			signs.StuckWaiting++
		case s.State == tcp.Established:
			signs.StuckUnread++
		case s.State == tcp.FinWait2:
			signs.StuckFinWait2++
		default:
			signs.StuckCloseWait++
			if s.RecvQ > 0 {
				signs.StuckUnreadClose++
			}
		}
	}
}

func (t *Tally) addToClient(s *tcp.Socket) {
	addr := s.Remote.Addr()
	c := t.clients[addr]
	if c == nil {
		c = &clientTally{Client: Client{Addr: addr}}
		t.clients[addr] = c
	}
	c.Sessions++
	c.States[s.State]++
	if t.isAbnormal(s) {
		c.Abnormal++
	}
	if s.Retransmits > 0 && s.State != tcp.SynRecv && s.State != tcp.SynSent {
		c.Retransmitting++
	}
	if s.ZeroWindow {
		c.ZeroWindow++
	}
	if isNotReading(s) {
		c.NotReading++
	}
	if t.isNew(s) {
		t.reconnects++
		c.Reconnects++
	}
	if s.State == tcp.TimeWait {
		if c.States[tcp.TimeWait] == 1 {
			c.FirstClosed, c.LastClosed = s.Closed, s.Closed
		}
		c.FirstClosed, c.LastClosed = max(c.FirstClosed, s.Closed), min(c.LastClosed, s.Closed)
	}
	if s.State != tcp.Established {
		return
	}
	c.UnreadBytes += uint64(s.RecvQ)
	c.UnsentBytes += uint64(s.SendQ)
	if s.LastDataSent >= t.rules.StalledAfter {
		c.Stalled++
	}
	first := c.States[tcp.Established] == 1
	if first || s.LastDataSent < c.FeedAge {
		c.FeedAge = s.LastDataSent
	}
	if first || s.LastDataReceived < c.RequestAge {
		c.RequestAge = s.LastDataReceived
	}
	if s.RTT > 0 {
		c.rtts.add(s.RTT)
	}
}

// Result is a finished tally.
type Result struct {
	Signs
	Values Values
	Rules  Rules
	// HiddenStates is the states whose sockets the source cannot see.
	HiddenStates tcp.StateSet
	// States counts the sockets in each state; those in HiddenStates are unknown, not 0.
	States [tcp.NumStates]int
	// Clients is sorted by abnormal sockets, most first, then by those with a zero window,
	// by those that retransmit, and by address. It is empty if the source does not provide
	// the addresses of all of them.
	Clients []Client
	// Listeners is sorted by address and port.
	Listeners []Listener
	// Ports is the sockets of each local port that has any, nil unless Rules.ByPort.
	Ports map[uint16]*Port
	// Sampled says that this was the second of two looks.
	Sampled bool
	// LeftOut has the local ports of the sockets that are not the front's, one for each: local
	// programs use these ports as their source ports.
	LeftOut []uint16
	// PortSessions has one socket that a process has open for each port that has such sessions.
	PortSessions map[uint16]tcp.Socket
}

// Result computes the metrics. look describes the look whose sockets were added. A metric is unknown
// if one of its sockets lacks a fact that it needs.
func (t *Tally) Result(look tcp.Look) Result {
	t.countHeld()
	r := Result{
		Signs: t.signs, Rules: t.rules, HiddenStates: look.HiddenStates,
		States: t.states, Listeners: t.listeners, Ports: t.ports, Sampled: t.baseline != nil && t.baseline.hasEverySession,
		LeftOut: t.local.leftOut, PortSessions: t.local.users,
	}
	r.Compared, r.Interval = t.baseline != nil || look.Compared, t.interval
	provided := [numScopes]tcp.Facts{
		ofAll:         t.all & look.Provides,
		ofListeners:   t.ofListeners & look.Provides,
		ofEstablished: t.ofEstablished & look.Provides,
	}
	r.HasTimes = provided[ofEstablished].Has(tcp.FactLastDataSent)
	r.HasBytesRead = provided[ofEstablished].Has(tcp.FactBytesRead)
	if r.Sampled {
		provided[ofListenersTwice] = provided[ofListeners] & t.baseline.facts
	}
	if provided[ofAll].Has(tcp.FactClient) { // without it some addresses are wrong
		r.Clients = t.sortedClients()
	}
	t.completeListeners(r.Listeners, look)
	slices.SortStableFunc(r.Listeners, func(a, b Listener) int { return a.Local.Compare(b.Local) })
	for _, l := range r.Listeners {
		if p := t.ports[l.Local.Port()]; p != nil {
			p.Listeners = append(p.Listeners, l)
		}
	}
	for m := range NumMetrics {
		r.Values[m] = m.value(t, &r, provided, look)
	}
	return r
}

// completeListeners adds somaxconn, and what the look before says of the queue.
func (t *Tally) completeListeners(listeners []Listener, look tcp.Look) {
	for i := range listeners {
		l := &listeners[i]
		if !l.Facts.Has(tcp.FactBacklog) {
			l.MaxBacklog = look.MaxBacklog
		}
		if t.baseline != nil {
			l.Before, l.NotEmptied = t.baseline.queue(*l, t.stillWaiting[l.Local.Port()])
		}
	}
}

// sortedClients returns the clients in the order of Result.Clients.
func (t *Tally) sortedClients() []Client {
	clients := make([]Client, 0, len(t.clients))
	for _, c := range t.clients {
		c.RTT, _ = median(c.rtts.values)
		c.Shared = tcp.Within(t.rules.Shared, c.Addr)
		clients = append(clients, c.Client)
	}
	slices.SortFunc(clients, func(a, b Client) int {
		return cmp.Or(cmp.Compare(b.Abnormal, a.Abnormal), cmp.Compare(b.ZeroWindow, a.ZeroWindow),
			cmp.Compare(b.Retransmitting, a.Retransmitting), a.Addr.Compare(b.Addr))
	})
	return clients
}

// mostAbnormal returns the abnormal sockets of the client that has most.
func (r *Result) mostAbnormal() int {
	if len(r.Clients) == 0 {
		return 0
	}
	return r.Clients[0].Abnormal
}

func (r *Result) abnormalClients() int {
	n := 0
	for _, c := range r.Clients {
		if c.Abnormal > 0 {
			n++
		}
	}
	return n
}

// PortsWithoutListener returns the ports among those asked for on which nothing listens. It
// returns none if the source does not see listeners.
func (r Result) PortsWithoutListener(ports tcp.Ports) []uint16 {
	if r.HiddenStates.Has(tcp.Listen) {
		return nil
	}
	listening := map[uint16]bool{}
	for _, l := range r.Listeners {
		listening[l.Local.Port()] = true
	}
	var missing []uint16
	for port := range ports.All {
		if !listening[port] {
			missing = append(missing, port)
		}
	}
	return missing
}
