// Package diagnosis says what kind of trouble the metrics of a front show, and whether the
// front is to blame. The kinds and the rules are tables; everything that explains a
// diagnosis to a person is made from them.
package diagnosis

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// Diagnosis is what is wrong, with the evidence.
type Diagnosis struct {
	Code Code
	// Text is the hint in a few words, or empty.
	Text     string
	Evidence []Evidence
	// AskOwner says that it would help to know the process that listens.
	AskOwner bool
	// Suspicion says that a second look must confirm the diagnosis: see Unconfirmed.
	Suspicion bool
	doubt     string // the Text until then
	// Port is the only port that it is about, or 0.
	Port uint16
	// InTheWay says in a few words what may keep a front that is down from starting.
	InTheWay string
	// Client is set if the diagnosis is about a client that can differ from the top client of the first
	// line. That line then ends with its address.
	Client netip.Addr
}

// Evidence is one measurement that supports a diagnosis.
type Evidence struct {
	Metric string // the metric's name, or what else was measured
	Value  string
	Why    string // what it means
}

// Numbers that decide. The lab found them (docs/LAB.md).
const (
	// minAbnormal is the least number of abnormal sockets that can show a pattern.
	minAbnormal = 10
	// minLoop is the least number of abnormal sockets of a client that may be looping: health checks
	// leave fewer behind.
	minLoop = 30
	// minLoopSpan is the least time between the first and the last close of a client that loops. Many
	// clients behind one address that log off together close within less.
	minLoopSpan = time.Second
	// minSessions is the least number of sessions that can decide, for a front with few of them.
	minSessions = 3
	// minClients is the least number of clients that can share a trouble.
	minClients = 2
	// minReturns is the least number of TIME_WAITs of a client that was disconnected again and again.
	minReturns = 3
	// loopingPct is the share, in percent of the closed sessions, up to which a client that loops may have
	// ESTABLISHED ones: with more, it may as well be many clients that log off.
	loopingPct = 10
	// crashSpan is the least time between the oldest and the youngest of these TIME_WAITs. recentClose
	// is the greatest age of the youngest while crashes, or a loop, go on.
	crashSpan, recentClose = 2 * time.Second, 5 * time.Second
	// agePrecision is how exact the ages of TIME_WAITs and the time between two looks are.
	agePrecision = 50 * time.Millisecond
	// A client that has dominantPct percent of the trouble is its cause.
	dominantPct = 70
	// majorityPct is the share, in percent, that counts as most.
	majorityPct = 50
	// retransmittingPct is the share of the sessions, in percent, from which retransmissions
	// mean the network: in a large population a few clients are always unreachable.
	retransmittingPct = 5
	// logoffPct is the share of the abnormal sockets, in percent, that a log-off closes.
	logoffPct = 80
	// sessionsPerLogoff is the most sessions that one client closes in a log-off, on
	// average; more are reconnects, or many clients behind one address.
	sessionsPerLogoff = 3
	// MinimumInterval is the least time between two looks that blame the front. A healthy front
	// may accept only two clients a second, read in batches, or pause for half a second.
	MinimumInterval = time.Second
	// A front that serves sends to somebody at least once in this time.
	heartbeat = time.Second
	// subnetBits4 and subnetBits6 are the prefix lengths of what we call one subnet.
	subnetBits4, subnetBits6 = 24, 64
)

// Diagnose returns the diagnosis of the first rule that holds. feed says that the front sends data all
// the time. owner is the process that listens, or nil if it is not known. A fact that is not known
// supports no rule.
//
// A rule with confirms needs a second look, MinimumInterval after the first, which finds the same
// sockets stuck. Until then its diagnosis is a Suspicion. The caller looks again and
// diagnoses that look, or calls Unconfirmed.
func Diagnose(r tally.Result, ports tcp.Ports, feed bool, owner *tcp.Process) Diagnosis {
	rule, o := firstRule(observation{Result: r, missing: r.PortsWithoutListener(ports), feed: feed, owner: owner})
	d := Diagnosis{Code: rule.code, Text: rule.phrase, Port: o.port}
	d.Evidence = slices.DeleteFunc(rule.evidence(o), func(e Evidence) bool { return e.Value == notKnown })
	if o.port > 0 {
		d.Evidence = append(d.Evidence, Evidence{"port", fmt.Sprint(o.port), "these are its sockets only"})
	}
	if rule.fill != nil {
		d.Text = rule.fill(o, rule.phrase)
	}
	if rule.doubt != "" {
		d.doubt = rule.fill(o, rule.doubt)
	}
	if rule.client != nil {
		d.Client = rule.client(o)
	}
	recorded := o.Interval == 0
	tooSoon := !o.Compared || !recorded && o.Interval < MinimumInterval
	d.Suspicion = rule.confirms != nil && tooSoon
	d.AskOwner = rule.askOwner && owner == nil && !d.Suspicion
	if d.Code == Hung && owner != nil {
		d.addOwner(owner)
	}
	return d
}

// firstRule returns the first rule that holds, and the view in which it does: of all ports, or of one.
func firstRule(all observation) (rule, observation) {
	views := []observation{all}
	for _, port := range slices.Sorted(maps.Keys(all.Ports)) {
		one := all
		one.Result, one.port = all.OnePort(port), port
		views = append(views, one)
	}
	for _, r := range rules {
		for _, o := range views {
			if r.holds(o) && (r.confirms == nil || !o.Compared || r.confirms(o)) {
				return r, o
			}
			if !r.anyPort {
				break
			}
		}
	}
	panic("the last rule always holds")
}

// Unconfirmed returns what is left of a suspicion when there is no second look.
func (d Diagnosis) Unconfirmed() Diagnosis {
	if !d.Suspicion {
		return d
	}
	missing := Evidence{"missing", "a second look", "one look cannot tell whether it is " + string(d.Code)}
	return Diagnosis{Code: Unclear, Text: d.doubt, Evidence: append(d.Evidence, missing)}
}

// addOwner adds what the process shows to a diagnosis of Hung.
func (d *Diagnosis) addOwner(p *tcp.Process) {
	name := fmt.Sprintf("process %d (%s)", p.PID, p.Name)
	switch {
	case slices.Contains(serviceManagers, p.Name):
		d.Code, d.Text = CrashLoop, phraseServiceManager
	case p.DescriptorLimit > 0 && p.Descriptors+1 >= p.DescriptorLimit:
		d.Code, d.Text = OutOfDescriptors, phraseOutOfDescriptors
	}
	if isStopped(p) { // at its limit or not: a higher limit does not make it run
		d.Text += fmt.Sprintf(", %s is in state %s", name, p.State)
	}
	d.Evidence = append(d.Evidence,
		Evidence{"descriptors", fmt.Sprintf("%d of %d", p.Descriptors, p.DescriptorLimit), "open in " + name},
		Evidence{"process state", p.State, "of " + name},
		Evidence{"cpu", fmt.Sprintf("%.0f%%", p.CPU), "of one processor"})
}

// serviceManagers are the programs that listen for a service before it runs.
var serviceManagers = []string{"systemd", "inetd", "xinetd"}

// PortInUse adds to a diagnosis of Down that process p has a session on the port. p may be the front
// itself, which has lost its listener. If err is not nil, p is not known, and err says why.
func (d Diagnosis) PortInUse(session tcp.Socket, p tcp.Process, err error) Diagnosis {
	name := fmt.Sprintf("process %d (%s)", p.PID, p.Name)
	if err != nil {
		name = "a process"
		if session.Facts.Has(tcp.FactUID) {
			name = fmt.Sprintf("a process of uid %d", session.UID)
		}
		d.Evidence = append(d.Evidence, Evidence{"process", "not known", err.Error()})
	}
	port := session.Local.Port()
	d.InTheWay = name + " uses the port; if not the front, end it and set ip_local_reserved_ports"
	d.Evidence = append(d.Evidence, Evidence{fmt.Sprintf("port %d", port), name, fmt.Sprintf(
		"a session to %s has it as its local port: a front that starts gets EADDRINUSE; to prevent that, add %d to"+
			" net.ipv4.ip_local_reserved_ports", session.Remote, port)})
	return d
}

// isStopped reports whether a process cannot run.
func isStopped(p *tcp.Process) bool {
	return p != nil && (p.State == "stop" || p.State == "blocked" || p.State == "zombie")
}

// NoListener returns the words for ports on which nothing listens.
func NoListener(ports []uint16) string {
	text := fmt.Sprintf("nothing listens on port %d", ports[0])
	if n := len(ports); n > 1 {
		text += fmt.Sprintf(" and %d more", n-1)
	}
	return text
}
