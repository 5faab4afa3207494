package diagnosis

import (
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
	// confirms reports whether the second look finds the same. It is nil if one look is enough.
	confirms func(observation) bool
	// phrase is the hint at the end of the first line, in which N stands for a number.
	phrase string
	// doubt is the phrase until a second look confirms it. It is empty if nothing is said until then.
	doubt string
	// fill puts the numbers into a phrase. It is nil for one without a number.
	fill     func(o observation, phrase string) string
	evidence func(observation) []Evidence
	// client returns Diagnosis.Client. It is nil for the rules that leave it unset.
	client func(observation) netip.Addr
	// askOwner says that it would help to know the process that listens.
	askOwner bool
	// anyPort says to try the rule on each of several ports alone, too: each may have its own process, and
	// what one of them does says nothing of the others.
	anyPort bool
}

// rules are tried in order, the most certain first. The last one always holds.
var rules = []rule{
	{code: Down, holds: observation.nothingListens, phrase: phraseNoListener, fill: noListener,
		evidence: metrics(measured{tally.Listeners, "nobody can connect"})},
	{code: Hung, holds: observation.notAccepting, confirms: observation.acceptedNone, phrase: "the front does not accept",
		evidence: observation.acceptQueue, askOwner: true, anyPort: true},
	{code: Hung, holds: observation.mostUnread, confirms: observation.readNone, phrase: phraseNotReading,
		evidence: metrics(measured{tally.Unread, "sessions with bytes that the front has not read"},
			measured{tally.UnreadBytes, "wait to be read"}), askOwner: true, anyPort: true},
	{code: Unclear, holds: observation.closesUnreadWithoutTimes, evidence: observation.withoutTimes, anyPort: true},
	{code: Unclear, holds: observation.closesUnreadOthersIdle, confirms: observation.closesStayUnread,
		evidence: observation.unreadCloses, askOwner: true, anyPort: true},
	{code: Hung, holds: observation.closesUnread, confirms: observation.closesStayUnread, phrase: phraseNotReading,
		evidence: observation.unreadCloses, askOwner: true, anyPort: true},
	{code: Unclear, holds: observation.frontMayNotRead, evidence: observation.readUnknown, anyPort: true},
	{code: SynBacklog, holds: observation.halfOpen, phrase: "half-open connections pile up",
		evidence: observation.halfOpenSockets},
	{code: ClientLoop, holds: observation.zeroWindowsFromOneClient, phrase: phraseDoesNotRead,
		evidence: observation.zeroWindow, client: observation.zeroWindowAddr},
	{code: FeedStalled, holds: observation.feedStopped, phrase: "feed stalled for N s", fill: number(tally.FeedAge),
		evidence: observation.stalledClients},
	{code: FeedStalled, holds: observation.mostStalled, phrase: "feed stalled for N % of the clients",
		fill: number(tally.StalledPct), evidence: observation.stalledClients},
	{code: CrashLoop, holds: observation.crashLoop, confirms: observation.stillDisconnecting,
		phrase: "the front disconnects every client", evidence: observation.disconnected},
	{code: NotClosing, holds: observation.notClosing, confirms: observation.closesStay, phrase: "the front does not close",
		evidence: metrics(measured{tally.CloseWait, "clients that closed, and the front has not"},
			measured{tally.AcceptQueue, "wait to be accepted"}), anyPort: true},
	{code: Network, holds: observation.oneClientIsCutOff, phrase: "the way to one client is cut off",
		evidence: observation.lostSegments, client: observation.cutOffAddr},
	{code: ClientLoop, holds: observation.oneClientLoops, confirms: observation.stillLoops,
		phrase: "one client looping, N % of them", doubt: phraseMayLoop,
		fill: number(tally.TopClientPct), evidence: observation.loopingClient},
	{code: Unclear, holds: observation.oneClientMayLoop, phrase: phraseMayLoop,
		fill: number(tally.TopClientPct), evidence: observation.maybeLooping},
	{code: ClientLoop, holds: observation.oneClientDoesNotClose, phrase: "one client does not close",
		evidence: metrics(measured{tally.FinWait2, "sessions that the front has closed, and the client has not"}),
		client:   observation.topClient},
	{code: Network, holds: observation.severalRetransmit, phrase: "network trouble toward N clients",
		fill: clientsAndSubnet, evidence: observation.lostSegments},
	{code: ClientLoop, holds: observation.oneClientDoesNotRead, phrase: phraseDoesNotRead,
		evidence: observation.zeroWindow, client: observation.zeroWindowAddr},
	{code: Down, holds: observation.someListenerMissing, phrase: phraseNoListener, fill: noListener,
		evidence: observation.missingListeners},
	{code: Unclear, holds: observation.abnormalUnknown, evidence: observation.whyUnknown},
	{code: Unclear, holds: observation.mostClientsDoNotRead, evidence: observation.zeroWindows},
	{code: Unclear, holds: observation.clientMayNotRead, evidence: observation.windowTimesUnknown},
	{code: Healthy, holds: observation.fewAbnormal, evidence: metrics()},
	{code: MassLogoff, holds: observation.massLogoff, phrase: "many clients logged off",
		evidence: metrics(measured{tally.TimeWait, "sessions that were closed in order"},
			measured{tally.AbnormalClients, "clients that closed them"})},
	{code: Unclear, holds: func(observation) bool { return true }, phrase: "unclear trouble",
		evidence: observation.noPattern},
}

// Phrases that stand in more than one place.
const (
	phraseNoListener       = "nothing listens on port N"
	phraseNotReading       = "the front does not read"
	phraseDoesNotRead      = "one client does not read"
	phraseMayLoop          = "one client looping, or many behind one address, N % of them"
	phraseOutOfDescriptors = "the front is out of descriptors"
	phraseServiceManager   = "no process serves the listener of the service manager"
)

// observation is what the rules look at.
type observation struct {
	tally.Result
	missing []uint16 // ports on which nothing listens
	feed    bool     // the front sends data all the time
	owner   *tcp.Process
	port    uint16 // the only one that is looked at, or 0
}

// number returns a fill that puts the value of a metric into the phrase.
func number(m tally.Metric) func(observation, string) string {
	return func(o observation, phrase string) string {
		return strings.Replace(phrase, "N", o.Values[m].String(), 1)
	}
}

func noListener(o observation, _ string) string { return NoListener(o.missing) }

func clientsAndSubnet(o observation, phrase string) string {
	clients, _ := o.retransmitting()
	text := strings.Replace(phrase, "N", fmt.Sprint(len(clients)), 1)
	if subnet, one := commonSubnet(clients); one {
		text += " of " + subnet.String()
	}
	return text
}

// measured is a metric, and what its value means.
type measured struct {
	metric tally.Metric
	why    string
}

// metrics returns an evidence function for the metrics.
func metrics(shown ...measured) func(observation) []Evidence {
	return func(o observation) []Evidence {
		var list []Evidence
		for _, m := range shown {
			list = append(list, o.evidence(m.metric, m.why))
		}
		return list
	}
}

// notKnown is the value of evidence that is left out.
const notKnown = ""

func (o observation) evidence(m tally.Metric, why string) Evidence {
	if !o.Values[m].Known() {
		return Evidence{m.String(), notKnown, why}
	}
	return Evidence{m.String(), o.Values[m].Text(m), why}
}

// atLeast reports whether a metric is known to be n or more.
func (o observation) atLeast(m tally.Metric, n float64) bool {
	return o.Values[m].Known() && o.Values[m].N >= n
}

// isShare reports whether part is at least pct percent of a metric.
func (o observation) isShare(part int, of tally.Metric, pct float64) bool {
	return percent(float64(part), o.Values[of].N) >= pct
}

func percent(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole * 100
}

func (o observation) missingListeners() []Evidence {
	return []Evidence{o.evidence(tally.Listeners, fmt.Sprintf("and none on %d of the ports", len(o.missing)))}
}

func (o observation) nothingListens() bool      { return len(o.Listeners) == 0 && len(o.missing) > 0 }
func (o observation) someListenerMissing() bool { return len(o.missing) > 0 }

// abnormalUnknown reports whether the number of abnormal sockets is not known, or is a lower bound that
// is too low to decide.
func (o observation) abnormalUnknown() bool {
	v := o.Values[tally.Abnormal]
	return !v.Known() || v.LowerBound != "" && o.fewAbnormal()
}
func (o observation) fewAbnormal() bool { return o.Values[tally.Abnormal].N < minAbnormal }

func (o observation) whyUnknown() []Evidence {
	v := o.Values[tally.Abnormal]
	if !v.Known() {
		return []Evidence{{tally.Abnormal.String(), "unknown", v.Unknown}}
	}
	return []Evidence{o.evidence(tally.Abnormal, v.LowerBound)}
}

// notAccepting reports whether an accept queue overflows, or a connection has waited in it
// for longer than a burst of logins takes.
func (o observation) notAccepting() bool {
	long := o.Waiting.N > 0 && o.Waiting.Age >= tally.MinimumWait || o.StuckWaiting > 0 && o.Interval >= tally.MinimumWait
	return long && o.atLeast(tally.AcceptQueue, 1) || slices.ContainsFunc(o.Listeners, tally.Listener.Overflowing)
}

// acceptedNone reports whether the same connections wait, and the front accepted none of
// them: one that accepts slowly has old ones in its queue at any moment.
func (o observation) acceptedNone() bool { return o.StuckWaiting > 0 && o.Accepted == 0 }

func (o observation) acceptQueue() []Evidence {
	list := []Evidence{
		o.evidence(tally.AcceptQueue, "connections that the front has not accepted"),
		o.evidence(tally.AcceptQueuePct, "of its backlog; over 100 % the kernel drops more"),
	}
	if o.Waiting.N > 0 {
		wait := o.Waiting.Age.Round(time.Millisecond).String()
		list = append(list, Evidence{"longest wait", wait, "since the oldest of them was made"})
	}
	if o.Compared {
		before := "at the look before"
		if o.Interval > 0 { // a recording does not tell it
			before = o.Interval.Round(time.Millisecond).String() + " before"
		}
		why := "the same connections as " + before + "; none was accepted since"
		list = append(list, Evidence{"still waiting", fmt.Sprint(o.StuckWaiting), why})
	}
	if o.Sampled && o.port == 0 { // it is not known for one port
		list = append(list, o.evidence(tally.ListenDrops, "connections dropped per second"))
	}
	return list
}

// mostUnread reports whether half of the sessions have bytes that the front has not read. A
// front that reads in batches always has some.
func (o observation) mostUnread() bool {
	n := int(o.Values[tally.Unread].N)
	return n >= minSessions && o.isShare(n, tally.Established, majorityPct)
}

// readNone reports whether half of the sessions still have the same bytes unread, and the front
// read nothing in between.
func (o observation) readNone() bool {
	return o.StuckUnread >= minSessions && o.isShare(o.StuckUnread, tally.Established, majorityPct) && o.Read == 0
}

// frontMayNotRead reports whether half of the sessions have unread bytes, and the source does not
// tell whether the front reads.
func (o observation) frontMayNotRead() bool {
	return o.mostUnread() && o.Compared && !o.HasBytesRead && o.Read == 0
}

func (o observation) readUnknown() []Evidence {
	return []Evidence{
		o.evidence(tally.Unread, "sessions with bytes that the front has not read"),
		{"missing", "when or what the front read", "this source does not tell whether it reads"},
	}
}

// closesUnread reports whether most clients have closed, and the front has not read their closes and has
// sent nothing to anybody since. If no other client is left, a few are enough.
func (o observation) closesUnread() bool {
	enough := minAbnormal
	if o.Served.N == 0 && o.Values[tally.Established].N == 0 {
		enough = minSessions
	}
	n := o.UnreadCloses.N
	sessions := o.Values[tally.CloseWait].N + o.Values[tally.Established].N
	return n >= enough && percent(float64(n), sessions) >= majorityPct && !o.serving()
}

// closesUnreadWithoutTimes reports closesUnread for a front with other clients, if the source does not
// tell whether it serves them.
func (o observation) closesUnreadWithoutTimes() bool {
	return o.closesUnread() && o.Values[tally.Established].N > 0 && !o.HasTimes
}

func (o observation) withoutTimes() []Evidence {
	return append(o.unreadCloses(),
		Evidence{"missing", "the time of the last data sent",
			"this source does not tell whether the front serves the others"})
}

// closesUnreadOthersIdle reports closesUnread for a front with other clients. There may be nothing to
// send to them, so the front may be well.
func (o observation) closesUnreadOthersIdle() bool {
	return o.closesUnread() && o.Served.N > 0 && !isStopped(o.owner)
}

// closesStayUnread reports whether the front read and closed nothing between two looks.
func (o observation) closesStayUnread() bool {
	return o.StuckUnreadClose >= minSessions && o.Read == 0 && o.Closed == 0
}

// serving reports whether the front has sent data to somebody just now, and later than to
// those whose close it has not read.
func (o observation) serving() bool {
	return o.Served.N > 0 && o.Served.Age < tally.MinimumWait && o.Served.Age+heartbeat < o.UnreadCloses.Age
}

func (o observation) unreadCloses() []Evidence {
	return []Evidence{
		o.evidence(tally.CloseWait, "clients that closed"),
		{"closed, unread", fmt.Sprint(o.UnreadCloses.N),
			"sessions whose client has closed and whose close the front has not read"},
	}
}

// halfOpen reports whether most abnormal sockets are handshakes, and half of them had to be
// answered again.
func (o observation) halfOpen() bool {
	handshakes := int(o.Values[tally.SynRecv].N)
	return o.atLeast(tally.SynRecv, minAbnormal) && o.isShare(handshakes, tally.Abnormal, majorityPct) &&
		o.isShare(o.SynRetransmits, tally.SynRecv, majorityPct)
}

func (o observation) halfOpenSockets() []Evidence {
	return []Evidence{
		o.evidence(tally.SynRecv, "handshakes that their clients do not complete"),
		{"asked again", fmt.Sprint(o.SynRetransmits), "of them were sent the second SYN-ACK"},
		o.evidence(tally.AcceptQueue, "wait to be accepted"),
	}
}

// feedStopped reports whether nobody was sent data, though somebody could be: neither the
// network nor a closed window keeps the data back.
func (o observation) feedStopped() bool {
	return o.feed && o.atLeast(tally.FeedAge, o.Rules.StalledAfter.Seconds()) && !o.FeedBlocked
}

// mostStalled reports whether most clients are sent nothing. New ones still get their
// greeting, so feed_age stays low.
func (o observation) mostStalled() bool {
	unfed := o.Unfed
	if o.Waiting.N == 0 { // a source without inodes does not tell which of them wait to be accepted
		unfed -= int(min(o.Values[tally.AcceptQueue].N, float64(unfed))) // an int of 32 bits overflows
	}
	return o.feed && o.HasTimes && unfed >= minSessions && o.isShare(unfed, tally.Established, dominantPct)
}

func (o observation) stalledClients() []Evidence {
	return []Evidence{
		o.evidence(tally.FeedAge, "since any client was sent data"),
		o.evidence(tally.StalledPct, fmt.Sprintf("of the clients were sent nothing for %s", o.Rules.StalledAfter)),
		o.evidence(tally.Established, "clients stay connected"),
		o.evidence(tally.AcceptQueue, "wait to be accepted"),
	}
}

// crashLoop reports whether the front closes the sessions of most clients again and again,
// and nobody stays.
func (o observation) crashLoop() bool {
	served := o.Values[tally.Established].N - o.Values[tally.Unaccepted].N
	return o.HasTimes && served <= 0 && o.atLeast(tally.TimeWait, minAbnormal) && o.returning() >= minClients &&
		o.isShare(o.returning(), tally.AbnormalClients, majorityPct)
}

// stillDisconnecting reports whether the front has closed sessions since the look before. That look saw no
// session, so these are new. After a log-off nobody comes back.
func (o observation) stillDisconnecting() bool {
	if o.Sampled {
		return o.atLeast(tally.Reconnects, minClients)
	}
	return slices.ContainsFunc(o.Clients, o.closedSince)
}

// closedSince reports whether a session of the client was closed since the look before.
func (o observation) closedSince(c tally.Client) bool {
	return c.States[tcp.TimeWait] > 0 && c.LastClosed < max(o.Interval, MinimumInterval)-agePrecision
}

// returning counts the clients that were disconnected again and again, and just now.
func (o observation) returning() int {
	n := 0
	for _, c := range o.Clients {
		if c.States[tcp.TimeWait] >= minReturns && c.FirstClosed-c.LastClosed >= crashSpan && c.LastClosed <= recentClose {
			n++
		}
	}
	return n
}

func (o observation) disconnected() []Evidence {
	return []Evidence{
		o.evidence(tally.TimeWait, "sessions that the front has closed"),
		{"returning clients", fmt.Sprint(o.returning()), "were disconnected again and again"},
		o.evidence(tally.Established, "sessions"),
	}
}

// notClosing reports whether CLOSE_WAIT sockets pile up. Connections in the accept queue do not count:
// their clients may have closed too, but the front cannot close them yet. If the source does not tell
// whether the front serves, the front must have read most of the closes.
func (o observation) notClosing() bool {
	closed := o.Values[tally.CloseWait]
	queue := o.Values[tally.AcceptQueue]
	reads := o.HasTimes || o.isShare(int(closed.N)-o.UnreadCloses.N, tally.CloseWait, majorityPct)
	return queue.Known() && o.atLeast(tally.CloseWait, minAbnormal+queue.N) && reads &&
		o.isShare(int(closed.N), tally.Abnormal, majorityPct)
}

// closesStay reports whether most CLOSE_WAIT sockets were there at the look before.
func (o observation) closesStay() bool {
	return o.StuckCloseWait >= minAbnormal && o.isShare(o.StuckCloseWait, tally.CloseWait, majorityPct)
}

// oneClientLoops reports whether one client has most of the abnormal sockets, and comes back.
func (o observation) oneClientLoops() bool {
	if !o.oneClientDominates() {
		return false
	}
	comesBack, _ := o.comesBack(o.Clients[0])
	return comesBack
}

// stillLoops reports whether the client goes on: a session was closed since the look before, or not longer
// ago than usual. With --sample it has made new sessions between the looks.
func (o observation) stillLoops() bool {
	c := o.Clients[0]
	return o.Sampled || o.closedSince(c) || c.LastClosed <= usualGap(c)
}

// usualGap returns within what time the next session of a client is usually closed.
func usualGap(c tally.Client) time.Duration {
	const usual = 2 // times the mean
	return usual * (c.FirstClosed - c.LastClosed) / time.Duration(max(c.States[tcp.TimeWait]-1, 1))
}

// oneClientMayLoop reports whether one client has most of the abnormal sockets, and may come back. Many clients
// behind one address that log off leave the same sockets.
func (o observation) oneClientMayLoop() bool {
	if !o.oneClientDominates() {
		return false
	}
	comesBack, known := o.comesBack(o.Clients[0])
	return comesBack || !known
}

// oneClientDominates reports whether one client has most of the abnormal sockets.
func (o observation) oneClientDominates() bool {
	if !o.atLeast(tally.TopClient, minLoop) || !o.atLeast(tally.TopClientPct, dominantPct) {
		return false
	}
	made := o.closed(o.Clients[0].States) - o.Clients[0].Retransmitting
	return made >= minLoop && o.isShare(made, tally.Abnormal, dominantPct)
}

// closed counts the sockets of sessions that were closed in order, or are about to be. If the source
// does not tell what retransmits, only TIME_WAIT counts: another close may never arrive.
func (o observation) closed(states [tcp.NumStates]int) int {
	n := states[tcp.TimeWait]
	if o.Values[tally.Retransmitting].Known() {
		n += states[tcp.FinWait1] + states[tcp.LastAck] + states[tcp.Closing]
	}
	return n
}

// comesBack reports whether a client makes new sessions again and again, and whether the
// source tells.
func (o observation) comesBack(c tally.Client) (comesBack, known bool) {
	switch {
	case c.Shared: // many clients behind one address
		return false, true
	case o.Sampled:
		return c.Reconnects > 0, true
	case c.FirstClosed == 0: // the source does not know the ages of TIME_WAITs
		return false, false
	case c.FirstClosed-c.LastClosed < minLoopSpan || c.LastClosed > recentClose:
		return false, true
	}
	// While many clients behind one address log off, some of them are still there.
	comesBack = percent(float64(c.States[tcp.Established]), float64(c.States[tcp.TimeWait])) <= loopingPct
	return comesBack, comesBack
}

func (o observation) loopingClient() []Evidence {
	return []Evidence{
		o.evidence(tally.TopClient, "abnormal sockets of "+o.Clients[0].Addr.String()),
		o.evidence(tally.TopClientPct, "of all abnormal sockets"),
	}
}

func (o observation) maybeLooping() []Evidence {
	return append(o.loopingClient(),
		Evidence{"missing", "--sample, or the times of the closes", "would tell whether the client comes back"})
}

// oneClientDoesNotClose reports whether most abnormal sockets are one client's in FIN_WAIT2, and already were at
// the look before. Only --sample sees that: FIN_WAIT2 alone is no reason for a second look.
func (o observation) oneClientDoesNotClose() bool {
	return o.atLeast(tally.TopClient, minAbnormal) && o.atLeast(tally.TopClientPct, dominantPct) &&
		o.isShare(min(o.StuckFinWait2, o.Clients[0].States[tcp.FinWait2]), tally.Abnormal, dominantPct)
}

func (o observation) topClient() netip.Addr { return o.Clients[0].Addr }

// severalRetransmit reports whether segments to several clients are sent again and again.
func (o observation) severalRetransmit() bool {
	clients, sockets := o.retransmitting()
	return o.Values[tally.Retransmitting].Known() && len(clients) >= minClients && sockets >= minSessions &&
		percent(float64(sockets), o.sessions()) >= retransmittingPct
}

// oneClientIsCutOff reports whether most sessions retransmit, or most of the abnormal sockets do,
// and all that retransmit are one client's.
func (o observation) oneClientIsCutOff() bool {
	clients, sockets := o.retransmitting()
	most := percent(float64(sockets), o.sessions()) >= majorityPct ||
		o.atLeast(tally.Abnormal, minAbnormal) && o.isShare(o.RetransmittingClose, tally.Abnormal, dominantPct)
	return o.Values[tally.Retransmitting].Known() && len(clients) == 1 && sockets >= minSessions && most
}

func (o observation) cutOffAddr() netip.Addr {
	clients, _ := o.retransmitting()
	return clients[0]
}

func (o observation) lostSegments() []Evidence {
	return metrics(measured{tally.Retransmitting, "sockets whose segments are not acknowledged"},
		measured{tally.UnsentBytes, "wait for an acknowledgement"})(o)
}

// sessions returns the number of sockets that can retransmit data or a close.
func (o observation) sessions() float64 {
	n := 0
	for _, s := range []tcp.State{tcp.Established, tcp.CloseWait, tcp.FinWait1, tcp.LastAck, tcp.Closing} {
		n += o.States[s]
	}
	return float64(n)
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

// mostClientsDoNotRead reports whether most clients take no more data.
func (o observation) mostClientsDoNotRead() bool {
	return o.NotReading >= minSessions && o.isShare(o.NotReading, tally.Established, majorityPct)
}

// clientMayNotRead reports whether a window is closed, and the source does not tell for how long: that of a
// client that reads slowly is closed for moments.
func (o observation) clientMayNotRead() bool { return o.ZeroWindows > 0 && !o.HasTimes }

func (o observation) windowTimesUnknown() []Evidence {
	return []Evidence{
		{"zero window", fmt.Sprint(o.ZeroWindows), "sessions whose client takes no more data"},
		{"missing", "the time of the last data sent", "would tell for how long"},
	}
}

// zeroWindowsFromOneClient reports mostClientsDoNotRead if most of these windows are one client's, such as a
// proxy's.
func (o observation) zeroWindowsFromOneClient() bool {
	_, found := o.zeroWindowClient()
	return found && o.mostClientsDoNotRead()
}

// oneClientDoesNotRead reports whether most of the windows that stay closed are one client's, and little else is
// wrong.
func (o observation) oneClientDoesNotRead() bool {
	_, found := o.zeroWindowClient()
	return found && !o.atLeast(tally.Abnormal, minAbnormal)
}

// zeroWindowClient returns the client that has most of the windows that stay closed, if one has.
func (o observation) zeroWindowClient() (client tally.Client, found bool) {
	for _, c := range o.Clients {
		if c.NotReading > client.NotReading {
			client = c
		}
	}
	share := percent(float64(client.NotReading), float64(o.NotReading))
	return client, share >= dominantPct
}

func (o observation) zeroWindowAddr() netip.Addr {
	c, _ := o.zeroWindowClient()
	return c.Addr
}

func (o observation) zeroWindows() []Evidence {
	return []Evidence{
		{"zero window", fmt.Sprint(o.NotReading), "sessions that have taken no data for " + tally.MinimumWait.String() +
			" or longer"},
		o.evidence(tally.UnsentBytes, "wait for the clients"),
	}
}

// zeroWindow is the evidence about the client of zeroWindowClient.
func (o observation) zeroWindow() []Evidence {
	c, _ := o.zeroWindowClient()
	return []Evidence{
		{"zero window", fmt.Sprint(c.NotReading), "sessions of " + c.Addr.String() + " that have taken no data for " +
			tally.MinimumWait.String() + " or longer"},
		{tally.UnsentBytes.String(), fmt.Sprintf("%dB", c.UnsentBytes), "wait for " + c.Addr.String()},
	}
}

// noPattern returns the number of abnormal sockets, and what this look does not tell.
func (o observation) noPattern() []Evidence {
	list := metrics(measured{tally.Abnormal, "sockets that fit no other diagnosis"})(o)
	undated := func(c tally.Client) bool { return c.States[tcp.TimeWait] > 0 && c.FirstClosed == 0 }
	for _, fact := range []struct {
		missing    bool
		value, why string
	}{
		{slices.ContainsFunc(o.Clients, undated), "the times of the closes", "who comes back again and again"},
		{!o.Values[tally.Listeners].Known(), "the listeners", "whether the front is still there"},
		{!o.Values[tally.Retransmitting].Known(), "retransmissions", "whether closes and handshakes arrive"},
		{!o.Values[tally.AcceptQueue].Known(), "the accept queue", "whether the front accepts"},
		{o.States[tcp.FinWait2] > 0 && !o.Sampled, "--sample", "whether the clients still do not close"},
	} {
		if fact.missing {
			list = append(list, Evidence{"missing", fact.value, "would tell " + fact.why})
		}
	}
	return list
}

// massLogoff reports whether many clients closed in order, once each. It is not a log-off if clients
// come back, if many may be behind one address, or if their close does not arrive. A front that has ended
// leaves the same sockets, so its listener must be known.
func (o observation) massLogoff() bool {
	closed := o.closed(o.States) - o.RetransmittingClose
	if !o.Values[tally.Listeners].Known() || !o.isShare(closed, tally.Abnormal, logoffPct) ||
		!o.atLeast(tally.AbnormalClients, minSessions) {
		return false
	}
	returned := o.mayHaveReturned()
	few := float64(closed) <= sessionsPerLogoff*o.Values[tally.AbnormalClients].N
	once := few && !o.isShare(returned, tally.AbnormalClients, majorityPct)
	if o.Sampled {
		return o.Values[tally.Reconnects].N < minSessions && (once || returned == 0)
	}
	return once
}

// mayHaveReturned counts the clients whose sessions were closed at different times, or at times that are
// not known, and which may be closed again. Two looks a moment apart do not see clients that wait before they
// come back.
func (o observation) mayHaveReturned() int {
	n := 0
	for _, c := range o.Clients {
		goesOn := c.FirstClosed-c.LastClosed >= crashSpan && c.LastClosed <= max(recentClose, usualGap(c))
		if c.States[tcp.TimeWait] > 1 && (c.FirstClosed == 0 || goesOn) {
			n++
		}
	}
	return n
}
