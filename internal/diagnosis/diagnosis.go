package verdict

import (
	"fmt"
	"net/netip"
	"time"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// Code is the kind of trouble.
type Code string

// The codes.
const (
	Healthy          Code = "healthy"
	Down             Code = "down"               // nothing listens
	Hung             Code = "hung"               // not accepting, or not reading
	OutOfDescriptors Code = "out_of_descriptors" // hung, and that is why
	FeedStalled      Code = "feed_stalled"       // clients stay and are sent nothing
	NotClosing       Code = "not_closing"        // serves, and leaves CLOSE_WAIT behind
	ClientLoop       Code = "client_loop"        // one client makes most of the trouble
	Network          Code = "network"            // segments are not acknowledged
	SynBacklog       Code = "syn_backlog"        // half-open connections pile up
	MassLogoff       Code = "mass_logoff"        // many clients closed in order
	Unclear          Code = "unclear"            // trouble, and the evidence does not decide
)

// Diagnosis is a hint at the kind of trouble. It changes no status.
type Diagnosis struct {
	Code Code
	// Text is the hint in a few words.
	Text     string
	Evidence []Evidence
	// AskOwner says that it would help to know the listener's owner.
	AskOwner bool
	// Client is whom the text is about, if it is one client and the text does not say.
	Client netip.Addr
}

// Evidence is one thing that speaks for a diagnosis.
type Evidence struct {
	Metric string // the metric's name, or what else was measured
	Value  string
	Why    string // what it means
}

// When there is trouble of a kind. These were found by the lab; nothing in the kernel
// says so.
const (
	few   = 10 // sockets: fewer have no shape
	loops = 30 // sockets of one client: health checks leave fewer
	most  = 70 // percent: one client's part if it is his trouble
	half  = 50 // percent
)

// Diagnose says what kind of trouble the sockets show. A front with a feed sends data
// all the time. The listener's owner may be nil, if it is not known. What is not known
// speaks for nothing, and where nothing speaks the answer is Unclear.
func Diagnose(r tally.Result, ports tcp.Ports, feed bool, owner *tcp.Process) Diagnosis {
	e := exhibit{r, r.Values}
	silent := silent(Policy{}, ports, r)
	switch {
	case len(r.Listeners) == 0 && len(silent) > 0:
		return e.say(Down, silent[0].Text, e.of(tally.Listeners, "nobody can connect"))
	case e.notAccepting():
		return e.hung("the front does not accept", owner, e.accepting()...)
	case e.notReading():
		return e.hung("the front does not read", owner, e.of(tally.Unread, "sessions with bytes that the front has not read"), e.of(tally.UnreadBytes, "wait to be read"))
	case e.unreadEnds() && !e.serving():
		ends := []Evidence{e.of(tally.CloseWait, "clients that closed"), {"unread ends", fmt.Sprint(r.UnreadEnds.N), "of them the front has not even read that"}}
		if r.Served.N > 0 && !stopped(owner) { // who is still there may just be quiet
			d := e.say(Unclear, "", ends...)
			d.AskOwner = owner == nil
			return d
		}
		return e.hung("the front does not read", owner, ends...)
	case e.atLeast(tally.SynRecv, few) && e.share(tally.SynRecv) >= half && percent(float64(r.SynRetransmits), e.v[tally.SynRecv].N) >= half:
		return e.say(SynBacklog, "half-open connections pile up", e.of(tally.SynRecv, "handshakes that their clients do not complete"), Evidence{"asked again", fmt.Sprint(r.SynRetransmits), "of them were sent the second SYN-ACK"}, e.of(tally.AcceptQueue, "wait to be accepted"))
	case feed && e.atLeast(tally.FeedAge, r.Rules.StalledAfter.Seconds()):
		return e.say(FeedStalled, fmt.Sprintf("feed stalled for %s s", r.Values[tally.FeedAge]), e.stalled()...)
	case feed && e.atLeast(tally.Stalled, 3) && e.atLeast(tally.StalledPct, most): // new clients still get their greeting
		return e.say(FeedStalled, fmt.Sprintf("feed stalled for %s %% of the clients", r.Values[tally.StalledPct]), e.stalled()...)
	case e.atLeast(tally.CloseWait, few+e.v[tally.AcceptQueue].N) && e.share(tally.CloseWait) >= half: // who is in the queue may have closed too
		return e.say(NotClosing, "the front does not close", e.of(tally.CloseWait, "clients that closed, and the front has not"), e.of(tally.AcceptQueue, "wait to be accepted"))
	case e.atLeast(tally.TopClient, loops) && e.atLeast(tally.TopClientPct, most):
		return e.say(ClientLoop, fmt.Sprintf("one client looping, %s %% of them", e.v[tally.TopClientPct]),
			e.of(tally.TopClient, "abnormal sockets of "+e.Clients[0].Addr.String()), e.of(tally.TopClientPct, "of all abnormal sockets"))
	}
	if d, found := e.network(); found {
		return d
	}
	abnormal := e.v[tally.Abnormal]
	if d, found := e.silentClient(); found && !e.atLeast(tally.Abnormal, few) {
		return d
	}
	switch {
	case len(silent) > 0:
		return e.say(Down, silent[0].Text, e.of(tally.Listeners, "and one port has none"))
	case !abnormal.Known():
		return e.say(Unclear, "", e.of(tally.Abnormal, abnormal.Unknown))
	case abnormal.N < few:
		return e.say(Healthy, "")
	case e.massLogoff():
		return e.say(MassLogoff, "many clients logged off", e.of(tally.TimeWait, "sessions that were closed in order"), e.of(tally.AbnormalClients, "clients that they were of"))
	}
	return e.say(Unclear, "unclear trouble", e.of(tally.Abnormal, "sockets in no common pattern"))
}

// Of is the diagnosis beside a verdict: what is a problem is not healthy.
func (d Diagnosis) Of(v Verdict) Diagnosis {
	if d.Code == Healthy && v.Status != OK {
		p := v.Problems[0]
		return Diagnosis{Code: Unclear, Evidence: []Evidence{{"problem", p.Short, p.Text}}}
	}
	return d
}

// exhibit is what there is to show.
type exhibit struct {
	tally.Result
	v tally.Values
}

func (e exhibit) say(code Code, text string, evidence ...Evidence) Diagnosis {
	return Diagnosis{Code: code, Text: text, Evidence: evidence}
}

func (e exhibit) of(m tally.Metric, why string) Evidence {
	return Evidence{m.String(), e.v[m].Text(m), why}
}

// atLeast tells whether a metric is known to be so large.
func (e exhibit) atLeast(m tally.Metric, n float64) bool { return e.v[m].Known() && e.v[m].N >= n }

// share is a metric's part of the abnormal sockets in percent.
func (e exhibit) share(m tally.Metric) float64 { return percent(e.v[m].N, e.v[tally.Abnormal].N) }

func percent(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole * 100
}

// notAccepting: an accept queue that overflows, or a connection in it that waits for
// longer than a burst of logins takes.
func (e exhibit) notAccepting() bool {
	for _, l := range e.Listeners {
		if l.Overflows() {
			return true
		}
	}
	return e.Waiting.N > 0 && e.Waiting.Longest >= tally.Patience && e.atLeast(tally.AcceptQueue, 1)
}

func (e exhibit) accepting() []Evidence {
	list := []Evidence{e.of(tally.AcceptQueue, "connections that the front has not accepted"), e.of(tally.AcceptQueuePct, "of its backlog; over 100 % the kernel drops more")}
	if e.Waiting.N > 0 {
		list = append(list, Evidence{"longest wait", e.Waiting.Longest.Round(time.Millisecond).String(), "since the oldest of them was made"})
	}
	if e.Sampled {
		list = append(list, e.of(tally.ListenDrops, "connections dropped per second"))
	}
	return list
}

func (e exhibit) stalled() []Evidence {
	return []Evidence{
		e.of(tally.FeedAge, "since any client was sent data"), e.of(tally.StalledPct, fmt.Sprintf("of the clients were sent nothing for %s", e.Rules.StalledAfter)),
		e.of(tally.Established, "clients stay connected"), e.of(tally.AcceptQueue, "wait to be accepted"),
	}
}

// notReading: half of the clients have bytes waiting, and for some time. With two looks
// these are the same bytes, or more.
func (e exhibit) notReading() bool {
	n := e.UnreadLong
	if e.Sampled && e.v[tally.UnreadStuck].Known() {
		n = max(n, int(e.v[tally.UnreadStuck].N))
	}
	return n >= 3 && percent(float64(n), e.v[tally.Established].N) >= half
}

// unreadEnds: most of those that the front is to read from have closed, and it has not
// read that. Where nobody else is left a few will do.
func (e exhibit) unreadEnds() bool {
	enough := few
	if e.Served.N == 0 && e.v[tally.Established].N == 0 {
		enough = 3
	}
	return e.UnreadEnds.N >= enough && percent(float64(e.UnreadEnds.N), e.v[tally.CloseWait].N+e.v[tally.Established].N) >= half
}

// serving: somebody with an owner was sent data just now, and the ends are unread for
// longer than that, by more than the beat of a feed.
func (e exhibit) serving() bool {
	const beat = time.Second
	return e.Served.N > 0 && e.Served.SentAgo < tally.Patience && e.Served.SentAgo+beat < e.UnreadEnds.SentAgo
}

// stopped tells whether a process can do nothing.
func stopped(p *tcp.Process) bool {
	return p != nil && (p.State == "stop" || p.State == "blocked" || p.State == "zombie")
}

// hung adds what is known of the process.
func (e exhibit) hung(text string, p *tcp.Process, evidence ...Evidence) Diagnosis {
	d := e.say(Hung, text, evidence...)
	if p == nil {
		d.AskOwner = true
		return d
	}
	name := fmt.Sprintf("process %d (%s)", p.PID, p.Name)
	switch {
	case p.DescriptorLimit > 0 && p.Descriptors+1 >= p.DescriptorLimit:
		d.Code, d.Text = OutOfDescriptors, "the front is out of descriptors"
	case stopped(p):
		d.Text += fmt.Sprintf(", %s is in state %s", name, p.State)
	}
	d.Evidence = append(d.Evidence,
		Evidence{"descriptors", fmt.Sprintf("%d of %d", p.Descriptors, p.DescriptorLimit), "open in " + name},
		Evidence{"process state", p.State, "of " + name},
		Evidence{"cpu", fmt.Sprintf("%.0f%%", p.CPU), "of one processor"})
	return d
}

// network: segments to several clients are sent again and again. A few of many clients
// always are away.
func (e exhibit) network() (Diagnosis, bool) {
	var clients []netip.Addr
	sockets := 0
	for _, c := range e.Clients {
		if c.Retransmitting > 0 {
			clients = append(clients, c.Addr)
			sockets += c.Retransmitting
		}
	}
	if !e.v[tally.Retransmitting].Known() || len(clients) < 2 || sockets < 3 || percent(float64(sockets), e.v[tally.Established].N) < 5 {
		return Diagnosis{}, false
	}
	text := fmt.Sprintf("network trouble toward %d clients", len(clients))
	if subnet, one := commonSubnet(clients); one {
		text += " of " + subnet.String()
	}
	return e.say(Network, text, e.of(tally.Retransmitting, "sockets whose segments are not acknowledged"), e.of(tally.UnsentBytes, "wait for an acknowledgement")), true
}

// commonSubnet is the /24, or /64 of IPv6, that all addresses are in, if they are.
func commonSubnet(clients []netip.Addr) (netip.Prefix, bool) {
	bits := 24
	if clients[0].Is6() {
		bits = 64
	}
	subnet, err := clients[0].Prefix(bits)
	for _, c := range clients {
		if err != nil || !subnet.Contains(c) {
			return netip.Prefix{}, false
		}
	}
	return subnet, true
}

// silentClient: one client alone does not read.
func (e exhibit) silentClient() (Diagnosis, bool) {
	probing, silent := 0, -1
	for i, c := range e.Clients {
		probing += c.Probing
		if c.Probing > 0 && (silent < 0 || c.Probing > e.Clients[silent].Probing) {
			silent = i
		}
	}
	if silent < 0 || percent(float64(e.Clients[silent].Probing), float64(probing)) < most {
		return Diagnosis{}, false
	}
	c := e.Clients[silent]
	d := e.say(ClientLoop, "one client does not read",
		Evidence{"zero window", fmt.Sprint(c.Probing), "sessions of " + c.Addr.String() + " that take no more data"},
		Evidence{tally.UnsentBytes.String(), fmt.Sprintf("%dB", c.Unsent), "wait for " + c.Addr.String()})
	d.Client = c.Addr
	return d, true
}

// massLogoff: closed in order, and many clients' sessions, once each. Where they come
// back over and over, or may be many behind one address, it is not that clear.
func (e exhibit) massLogoff() bool {
	closed := 0
	for _, state := range []tcp.State{tcp.TimeWait, tcp.FinWait1, tcp.FinWait2, tcp.LastAck, tcp.Closing} {
		closed += e.States[state]
	}
	if percent(float64(closed), e.v[tally.Abnormal].N) < 80 || !e.atLeast(tally.AbnormalClients, 3) {
		return false
	}
	if e.Sampled {
		return e.v[tally.Reconnects].N < 3
	}
	return float64(closed) <= 3*e.v[tally.AbnormalClients].N
}
