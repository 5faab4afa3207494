package diagnosis

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// rule recognises one kind of trouble.
type rule struct {
	code  Code
	holds func(observation) bool
	// phrase is the hint at the end of the first line, in which N stands for a number.
	phrase string
	// text puts the numbers into the phrase. Without it the phrase is said as it is.
	text     func(o observation, phrase string) string
	evidence func(observation) []Evidence
	// client returns the client that the diagnosis is about, if the phrase does not name it.
	client func(observation) netip.Addr
	// askOwner says that it would help to know the process that listens.
	askOwner bool
}

// rules are tried in order, the most certain first. The last one always holds.
var rules = []rule{
	{code: Down, holds: observation.nothingListens, phrase: phraseNoListener, text: noListener,
		evidence: metric(tally.Listeners, "nobody can connect")},
	{code: Hung, holds: observation.notAccepting, phrase: "the front does not accept",
		evidence: observation.acceptQueue, askOwner: true},
	{code: Hung, holds: observation.notReading, phrase: phraseNotReading,
		evidence: metrics(tally.Unread, "sessions with bytes that the front has not read", tally.UnreadBytes, "wait to be read"),
		askOwner: true},
	{code: Unclear, holds: observation.closesUnreadButOthersQuiet, evidence: observation.unreadCloses, askOwner: true},
	{code: Hung, holds: observation.closesUnread, phrase: phraseNotReading, evidence: observation.unreadCloses, askOwner: true},
	{code: SynBacklog, holds: observation.halfOpen, phrase: "half-open connections pile up",
		evidence: observation.halfOpenSockets},
	{code: FeedStalled, holds: observation.feedStopped, phrase: "feed stalled for N s", text: number(tally.FeedAge),
		evidence: observation.stalledClients},
	{code: FeedStalled, holds: observation.mostStalled, phrase: "feed stalled for N % of the clients", text: number(tally.StalledPct),
		evidence: observation.stalledClients},
	{code: NotClosing, holds: observation.notClosing, phrase: "the front does not close",
		evidence: metrics(tally.CloseWait, "clients that closed, and the front has not", tally.AcceptQueue, "wait to be accepted")},
	{code: ClientLoop, holds: observation.oneLoops, phrase: "one client looping, N % of them", text: number(tally.TopClientPct),
		evidence: observation.loopingClient},
	{code: Network, holds: observation.severalRetransmit, phrase: "network trouble toward N clients", text: unreachable,
		evidence: metrics(tally.Retransmitting, "sockets whose segments are not acknowledged",
			tally.UnsentBytes, "wait for an acknowledgement")},
	{code: ClientLoop, holds: observation.oneDoesNotRead, phrase: "one client does not read",
		evidence: observation.zeroWindow, client: observation.zeroWindowAddr},
	{code: Down, holds: observation.someListenerMissing, phrase: phraseNoListener, text: noListener,
		evidence: metric(tally.Listeners, "and one port has none")},
	{code: Unclear, holds: observation.abnormalUnknown, evidence: observation.whyUnknown},
	{code: Healthy, holds: observation.fewAbnormal, evidence: nothing},
	{code: MassLogoff, holds: observation.massLogoff, phrase: "many clients logged off",
		evidence: metrics(tally.TimeWait, "sessions that were closed in order", tally.AbnormalClients, "clients that they were of")},
	{code: Unclear, holds: func(observation) bool { return true }, phrase: "unclear trouble",
		evidence: metric(tally.Abnormal, "sockets in no common pattern")},
}

// Phrases that stand in more than one place.
const (
	phraseNoListener       = "nothing listens on port N"
	phraseNotReading       = "the front does not read"
	phraseOutOfDescriptors = "the front is out of descriptors"
)

// observation is what the rules look at.
type observation struct {
	tally.Result
	missing []uint16 // ports on which nothing listens
	feed    bool     // the front sends data all the time
	owner   *tcp.Process
}

// number puts the value of a metric into a phrase.
func number(m tally.Metric) func(observation, string) string {
	return func(o observation, phrase string) string {
		return strings.Replace(phrase, "N", o.Values[m].String(), 1)
	}
}

func noListener(o observation, _ string) string { return NoListener(o.missing) }

func unreachable(o observation, phrase string) string {
	clients, _ := o.retransmitting()
	text := strings.Replace(phrase, "N", fmt.Sprint(len(clients)), 1)
	if subnet, one := commonSubnet(clients); one {
		text += " of " + subnet.String()
	}
	return text
}

func nothing(observation) []Evidence { return nil }

// metric returns one metric as evidence.
func metric(m tally.Metric, why string) func(observation) []Evidence {
	return func(o observation) []Evidence { return []Evidence{o.evidence(m, why)} }
}

// metrics returns two metrics as evidence.
func metrics(m tally.Metric, why string, other tally.Metric, whyOther string) func(observation) []Evidence {
	return func(o observation) []Evidence {
		return []Evidence{o.evidence(m, why), o.evidence(other, whyOther)}
	}
}

func (o observation) evidence(m tally.Metric, why string) Evidence {
	return Evidence{m.String(), o.Values[m].Text(m), why}
}

// atLeast reports whether a metric is known to be n or more.
func (o observation) atLeast(m tally.Metric, n float64) bool {
	return o.Values[m].Known() && o.Values[m].N >= n
}

// isShare reports whether part is at least pct percent of a metric.
func (o observation) isShare(part float64, of tally.Metric, pct float64) bool {
	return percent(part, o.Values[of].N) >= pct
}

func percent(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole * 100
}

func (o observation) nothingListens() bool      { return len(o.Listeners) == 0 && len(o.missing) > 0 }
func (o observation) someListenerMissing() bool { return len(o.missing) > 0 }

// abnormalUnknown reports whether nobody can say that there are few abnormal sockets.
func (o observation) abnormalUnknown() bool {
	v := o.Values[tally.Abnormal]
	return !v.Known() || v.LowerBound != "" && o.fewAbnormal()
}
func (o observation) fewAbnormal() bool { return o.Values[tally.Abnormal].N < minAbnormal }

func (o observation) whyUnknown() []Evidence {
	return []Evidence{o.evidence(tally.Abnormal, cmp.Or(o.Values[tally.Abnormal].Unknown, o.Values[tally.Abnormal].LowerBound))}
}

// notAccepting reports whether an accept queue overflows, or a connection has waited in it
// for longer than a burst of logins takes.
func (o observation) notAccepting() bool {
	waiting := o.Waiting.N > 0 && o.Waiting.Age >= tally.MinimumWait && o.atLeast(tally.AcceptQueue, 1)
	return waiting || slices.ContainsFunc(o.Listeners, tally.Listener.Overflowing)
}

func (o observation) acceptQueue() []Evidence {
	list := []Evidence{
		o.evidence(tally.AcceptQueue, "connections that the front has not accepted"),
		o.evidence(tally.AcceptQueuePct, "of its backlog; over 100 % the kernel drops more"),
	}
	if o.Waiting.N > 0 {
		list = append(list, Evidence{"longest wait", o.Waiting.Age.Round(time.Millisecond).String(), "since the oldest of them was made"})
	}
	if o.Sampled {
		list = append(list, o.evidence(tally.ListenDrops, "connections dropped per second"))
	}
	return list
}

// notReading reports whether half of the clients have had bytes waiting for some time. With
// two looks these are the same bytes, or more.
func (o observation) notReading() bool {
	n := float64(o.UnreadLong)
	if stuck := o.Values[tally.UnreadStuck]; stuck.Known() {
		n = max(n, stuck.N)
	}
	return n >= minSessions && o.isShare(n, tally.Established, majorityPct)
}

// closesUnread reports whether most of the sessions that the front is to read from have
// closed, and it has neither read that nor served anybody since. Where nobody else is left
// a few are enough.
func (o observation) closesUnread() bool {
	enough := minAbnormal
	if o.Served.N == 0 && o.Values[tally.Established].N == 0 {
		enough = minSessions
	}
	n := o.UnreadCloses.N
	sessions := o.Values[tally.CloseWait].N + o.Values[tally.Established].N
	return n >= enough && percent(float64(n), sessions) >= majorityPct && !o.serving()
}

// closesUnreadButOthersQuiet is closesUnread where other clients stay: these may have
// nothing to be sent, and the front may be well.
func (o observation) closesUnreadButOthersQuiet() bool {
	return o.closesUnread() && o.Served.N > 0 && !isStopped(o.owner)
}

// serving reports whether the front has sent data to somebody just now, and later than to
// those whose close it has not read.
func (o observation) serving() bool {
	return o.Served.N > 0 && o.Served.Age < tally.MinimumWait && o.Served.Age+heartbeat < o.UnreadCloses.Age
}

func (o observation) unreadCloses() []Evidence {
	return []Evidence{
		o.evidence(tally.CloseWait, "clients that closed"),
		{"closed, unread", fmt.Sprint(o.UnreadCloses.N), "sessions whose client has closed and whose close the front has not read"},
	}
}

// halfOpen reports whether most abnormal sockets are handshakes, and half of them had to be
// answered again.
func (o observation) halfOpen() bool {
	half := o.Values[tally.SynRecv]
	return o.atLeast(tally.SynRecv, minAbnormal) && o.isShare(half.N, tally.Abnormal, majorityPct) &&
		o.isShare(float64(o.SynRetransmits), tally.SynRecv, majorityPct)
}

func (o observation) halfOpenSockets() []Evidence {
	return []Evidence{
		o.evidence(tally.SynRecv, "handshakes that their clients do not complete"),
		{"asked again", fmt.Sprint(o.SynRetransmits), "of them were sent the second SYN-ACK"},
		o.evidence(tally.AcceptQueue, "wait to be accepted"),
	}
}

func (o observation) feedStopped() bool {
	return o.feed && o.atLeast(tally.FeedAge, o.Rules.StalledAfter.Seconds())
}

// mostStalled reports whether most clients are sent nothing. New ones still get their
// greeting, so feed_age stays low.
func (o observation) mostStalled() bool {
	return o.feed && o.atLeast(tally.Stalled, minSessions) && o.atLeast(tally.StalledPct, dominantPct)
}

func (o observation) stalledClients() []Evidence {
	return []Evidence{
		o.evidence(tally.FeedAge, "since any client was sent data"),
		o.evidence(tally.StalledPct, fmt.Sprintf("of the clients were sent nothing for %s", o.Rules.StalledAfter)),
		o.evidence(tally.Established, "clients stay connected"),
		o.evidence(tally.AcceptQueue, "wait to be accepted"),
	}
}

// notClosing reports whether CLOSE_WAIT sockets pile up. Those still in the accept queue may
// have closed too, and are not the front's to close.
func (o observation) notClosing() bool {
	return o.atLeast(tally.CloseWait, minAbnormal+o.Values[tally.AcceptQueue].N) &&
		o.isShare(o.Values[tally.CloseWait].N, tally.Abnormal, majorityPct)
}

func (o observation) oneLoops() bool {
	return o.atLeast(tally.TopClient, minLoop) && o.atLeast(tally.TopClientPct, dominantPct)
}

func (o observation) loopingClient() []Evidence {
	return []Evidence{
		o.evidence(tally.TopClient, "abnormal sockets of "+o.Clients[0].Addr.String()),
		o.evidence(tally.TopClientPct, "of all abnormal sockets"),
	}
}

// severalRetransmit reports whether segments to several clients are sent again and again.
func (o observation) severalRetransmit() bool {
	clients, sockets := o.retransmitting()
	return o.Values[tally.Retransmitting].Known() && len(clients) >= minClients && sockets >= minSessions &&
		o.isShare(float64(sockets), tally.Established, retransmittingPct)
}

// retransmitting returns the clients with sockets that retransmit, and how many these are.
func (o observation) retransmitting() (clients []netip.Addr, sockets int) {
	for _, c := range o.Clients {
		if c.Retransmitting > 0 {
			clients = append(clients, c.Addr)
			sockets += c.Retransmitting
		}
	}
	return clients, sockets
}

// commonSubnet returns the subnet that all addresses are in, if there is one.
func commonSubnet(clients []netip.Addr) (netip.Prefix, bool) {
	bits := subnetBits4
	if clients[0].Is6() {
		bits = subnetBits6
	}
	subnet, err := clients[0].Prefix(bits)
	for _, c := range clients {
		if err != nil || !subnet.Contains(c) {
			return netip.Prefix{}, false
		}
	}
	return subnet, true
}

// oneDoesNotRead reports whether the zero windows are one client's, and little else is wrong.
func (o observation) oneDoesNotRead() bool {
	_, found := o.zeroWindowClient()
	return found && !o.atLeast(tally.Abnormal, minAbnormal)
}

// zeroWindowClient returns the client that has most of the zero windows, if one has.
func (o observation) zeroWindowClient() (client tally.Client, found bool) {
	all := 0
	for _, c := range o.Clients {
		all += c.ZeroWindow
		if c.ZeroWindow > client.ZeroWindow {
			client = c
		}
	}
	return client, client.ZeroWindow > 0 && percent(float64(client.ZeroWindow), float64(all)) >= dominantPct
}

func (o observation) zeroWindowAddr() netip.Addr {
	c, _ := o.zeroWindowClient()
	return c.Addr
}

func (o observation) zeroWindow() []Evidence {
	c, _ := o.zeroWindowClient()
	return []Evidence{
		{"zero window", fmt.Sprint(c.ZeroWindow), "sessions of " + c.Addr.String() + " that take no more data"},
		{tally.UnsentBytes.String(), fmt.Sprintf("%dB", c.UnsentBytes), "wait for " + c.Addr.String()},
	}
}

// massLogoff reports whether many clients closed in order, once each. Where they come back
// again and again, or may be many behind one address, it is not that clear.
func (o observation) massLogoff() bool {
	closed := 0
	for _, state := range []tcp.State{tcp.TimeWait, tcp.FinWait1, tcp.FinWait2, tcp.LastAck, tcp.Closing} {
		closed += o.States[state]
	}
	if !o.isShare(float64(closed), tally.Abnormal, logoffPct) || !o.atLeast(tally.AbnormalClients, minSessions) {
		return false
	}
	if o.Sampled {
		return o.Values[tally.Reconnects].N < minSessions
	}
	return float64(closed) <= sessionsPerLogoff*o.Values[tally.AbnormalClients].N
}
