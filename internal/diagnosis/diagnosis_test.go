package diagnosis

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// group is n sockets alike, each of the next of some clients.
type group struct {
	n       int
	clients []string
	socket  tcp.Socket
}

func many(subnet string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s.%d", subnet, 1+i))
	}
	return all
}

func look(queue, backlog uint32, knows tcp.Facts, groups ...group) tally.Result {
	t := tally.New(tally.Rules{Normal: tcp.Set(tcp.Established, tcp.Listen), StalledAfter: 10 * time.Second}, nil, 0)
	local := netip.MustParseAddrPort("10.1.0.7:41213")
	if backlog > 0 {
		t.Add(&tcp.Socket{State: tcp.Listen, Facts: knows, Local: local, RecvQ: queue, SendQ: backlog})
	}
	port := uint16(1024)
	for _, g := range groups {
		for i := range g.n {
			port++
			s := g.socket
			s.Facts, s.Local = knows, local
			s.Remote = netip.AddrPortFrom(netip.MustParseAddr(g.clients[i%len(g.clients)]), port)
			if s.State == tcp.TimeWait {
				s.Closed += time.Second + time.Duration(i)*200*time.Millisecond
			}
			if !knows.Has(tcp.FactClosed) {
				s.Closed = 0
			}
			t.Add(&s)
		}
	}
	return t.Result(tcp.Look{Provides: knows})
}

const everything = ^tcp.Facts(0)

// What the lab's fronts look like in one look, and what is near to it and something else. A
// question mark is a suspicion.
func TestDiagnose(t *testing.T) {
	desks := many("10.1.2", 50)
	well := tcp.Socket{State: tcp.Established, Inode: 1, LastDataSent: 200 * time.Millisecond}
	stalled := tcp.Socket{State: tcp.Established, Inode: 1, LastDataSent: 11 * time.Second}
	unread := tcp.Socket{State: tcp.Established, Inode: 1, RecvQ: 80, LastDataReceived: 3 * time.Second}
	busy := tcp.Socket{State: tcp.Established, Inode: 1, RecvQ: 80, LastDataReceived: 2 * time.Millisecond}
	halfOpen := tcp.Socket{State: tcp.SynRecv, Retransmits: 1}
	queued := tcp.Socket{State: tcp.Established, LastDataSent: 3 * time.Second}
	gaveUp := tcp.Socket{State: tcp.CloseWait, LastDataSent: 5 * time.Second, RecvQ: 9}
	justIn := tcp.Socket{State: tcp.Established, LastDataSent: 30 * time.Millisecond}
	state := func(s tcp.State) tcp.Socket { return tcp.Socket{State: s, Inode: 1} }
	lost := tcp.Socket{State: tcp.Established, Inode: 1, Retransmits: 4, SendQ: 900}
	window := tcp.Socket{State: tcp.Established, Inode: 1, ZeroWindow: true, SendQ: 300_000, LastDataSent: 3 * time.Second}
	slow := window
	slow.LastDataSent = 300 * time.Millisecond
	unanswered := tcp.Socket{State: tcp.SynSent, Retransmits: 3}
	unacknowledged := tcp.Socket{State: tcp.Established, Inode: 1, SendQ: 80, LastDataSent: 12 * time.Second}
	full := &tcp.Process{PID: 77, Name: "mdfront", State: "running", Descriptors: 1024, DescriptorLimit: 1024, CPU: 99}
	fullAndStopped := &tcp.Process{PID: 77, Name: "mdfront", State: "stop", Descriptors: 1024, DescriptorLimit: 1024}
	asleep := &tcp.Process{PID: 77, Name: "front", State: "sleep", Descriptors: 300, DescriptorLimit: 1024}
	stopped := &tcp.Process{PID: 77, Name: "mdfront", State: "stop", Descriptors: 300, DescriptorLimit: 1024}

	for _, test := range []struct {
		name  string
		r     tally.Result
		trade bool
		owner *tcp.Process
		want  string // code and text
	}{
		{"quiet", look(0, 128, everything), false, nil, "healthy "},
		{"healthy", look(0, 128, everything, group{2000, desks, well}), false, nil, "healthy "},
		{"a burst of logins", look(90, 128, everything, group{200, desks, well}, group{90, desks, justIn}), false, nil,
			"healthy "},
		{"a few unread", look(0, 128, everything, group{200, desks, well}, group{20, desks, unread}), true, nil, "healthy "},
		{"a quiet trade front", look(0, 128, everything, group{20, desks, stalled}), true, nil, "healthy "},
		{"nine abnormal", look(0, 128, everything, group{9, desks, state(tcp.TimeWait)}), false, nil, "healthy "},
		{"down", look(0, 0, everything, group{5, desks, well}), false, nil, "down nothing listens on port 41213"},
		{"stopped, a long queue", look(129, 128, everything, group{129, desks, gaveUp}), false, stopped,
			"hung the front does not accept, process 77 (mdfront) is in state stop?"},
		{"stopped, soon", look(12, 4096, everything, group{40, desks, well}, group{12, desks, queued}), false, nil,
			"hung the front does not accept?"},
		{"accepts nothing, feed goes on", look(30, 4096, everything, group{300, desks, well}, group{30, desks, queued}),
			false, nil, "hung the front does not accept?"},
		{"spins without descriptors", look(30, 4096, everything, group{300, desks, well}, group{30, desks, queued}), false,
			full, "out_of_descriptors the front is out of descriptors?"},
		{"stopped without descriptors", look(30, 4096, everything, group{300, desks, well}, group{30, desks, queued}),
			false, fullAndStopped,
			"out_of_descriptors the front is out of descriptors, process 77 (mdfront) is in state stop?"},
		{"without descriptors and well", look(0, 128, everything, group{300, desks, well}), false, full, "healthy "},
		{"reads nothing", look(0, 128, everything, group{60, desks, unread}), true, nil, "hung the front does not read?"},
		{"frozen feed", look(0, 128, everything, group{60, desks, stalled}), false, nil,
			"feed_stalled feed stalled for 11 s"},
		{"frozen feed, new clients", look(0, 128, everything, group{60, desks, stalled}, group{5, desks, well}), false, nil,
			"feed_stalled feed stalled for 92.31 % of the clients"},
		{"some stalled", look(0, 128, everything, group{10, desks, stalled}, group{40, desks, well}), false, nil, "healthy "},
		{"does not close", look(0, 128, everything, group{60, desks, well}, group{100, desks,
			tcp.Socket{State: tcp.CloseWait, Inode: 1}}), false, nil, "not_closing the front does not close?"},
		{"closed by clients in the accept queue, a second ago", look(120, 128, everything, group{60, desks, well}, group{60,
			desks, justIn}, group{60, desks, tcp.Socket{State: tcp.CloseWait, LastDataSent: time.Second,
			RecvQ: 6}}), false, nil, "unclear unclear trouble"},
		{"does not close what it serves, ends unread", look(0, 128, everything, group{60, desks, well}, group{100, desks,
			tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1,
				LastDataSent: 4 * time.Second}}), false, nil, "not_closing the front does not close?"},
		{"ends unread, as long as nothing was sent", look(0, 128, everything, group{5, desks, well}, group{55, desks,
			tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1,
				LastDataSent: 900 * time.Millisecond}}), false, nil, "unclear ?"},
		{"stopped just now", look(9, 128, everything, group{9, desks, justIn},
			group{60, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1,
				RecvQ: 1}}), false, stopped, "hung the front does not read, process 77 (mdfront) is in state stop?"},
		{"a few ends unread at a quiet front", look(0, 128, everything, group{200, desks, stalled}, group{13, desks,
			tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1,
				LastDataSent: time.Hour}}), true, nil, "not_closing the front does not close?"},
		{"one loops", look(0, 128, everything, group{499, desks, well}, group{60, []string{"10.9.9.9"},
			state(tcp.TimeWait)}, group{13, desks, state(tcp.TimeWait)}), false, nil, "client_loop one client looping," +
			" 82.19 % of them?"},
		{"one looped until 20 s ago, or logged off", look(0, 128, everything, group{499, desks, well},
			group{60, []string{"10.9.9.9"}, tcp.Socket{State: tcp.TimeWait, Closed: 20 * time.Second}}), false, nil,
			"unclear unclear trouble"},
		{"one loops, and has other sessions", look(0, 128, everything, group{499, desks, well},
			group{5, []string{"10.9.9.9"}, well}, group{60, []string{"10.9.9.9"}, state(tcp.TimeWait)}), false, nil,
			"client_loop one client looping, 100 % of them?"},
		{"one loops, or is logging off behind one address", look(0, 128, everything, group{499, desks, well},
			group{40, []string{"10.9.9.9"}, well}, group{60, []string{"10.9.9.9"}, state(tcp.TimeWait)}), false, nil,
			"unclear one client looping, or many behind one address, 100 % of them"},
		{"one does not read", look(0, 128, everything, group{50, desks, well}, group{1, []string{"10.9.9.9"}, window}),
			false, nil, "client_loop one client does not read (10.9.9.9)"},
		{"one reads slowly", look(0, 128, everything, group{50, desks, well}, group{1, []string{"10.9.9.9"}, slow}),
			false, nil, "healthy "},
		{"all read slowly, behind one address", look(0, 128, everything, group{50, []string{"10.9.9.9"}, slow}),
			false, nil, "healthy "},
		{"a subnet is cut off", look(0, 128, everything, group{80, desks, well}, group{20, many("10.42.1", 20), lost}),
			false, nil, "network network trouble toward 20 clients of 10.42.1.0/24"},
		{"clients all over are cut off", look(0, 128, everything, group{80, desks, well},
			group{20, []string{"10.4.1.1", "10.5.1.1", "2001:db8::1"},
				lost}), false, nil, "network network trouble toward 3 clients"},
		{"one line is bad", look(0, 128, everything, group{80, desks, well}, group{5, []string{"10.4.1.1"}, lost}), false,
			nil, "healthy "},
		{"SYN flood", look(0, 128, everything, group{80, desks, well}, group{600, many("10.7.7", 200), halfOpen}), false,
			nil, "syn_backlog half-open connections pile up"},
		{"a burst over a long line", look(0, 128, everything, group{500, desks, well},
			group{40, desks, state(tcp.SynRecv)}), false, nil, "unclear unclear trouble"},
		{"busy", look(0, 128, everything, group{6, desks, busy}), true, nil, "hung the front does not read?"},
		{"a few clients of many are away", look(0, 128, everything, group{2000, desks, well},
			group{8, many("10.42.1", 8), lost}), false, nil, "healthy "},
		{"frozen, and a few are away", look(0, 128, everything, group{60, desks, stalled},
			group{3, many("10.42.1", 3), lost}), false, nil, "feed_stalled feed stalled for 11 s"},
		{"health checks", look(0, 128, everything, group{60, desks, well}, group{12, []string{"10.9.9.9"},
			state(tcp.TimeWait)}), false, nil, "unclear unclear trouble"},
		{"all log off, one is slow", look(0, 128, everything, group{200, many("10.1.3", 200), state(tcp.TimeWait)},
			group{1, []string{"10.9.9.9"}, window}), true, nil, "mass_logoff many clients logged off"},
		{"all are thrown out over and over", look(0, 128, everything, group{5, desks, well},
			group{700, many("10.1.3", 20), state(tcp.TimeWait)}), false, nil, "unclear unclear trouble"},
		{"all nine clients gave up", look(0, 128, everything, group{9, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1,
			RecvQ: 1}}), false, nil, "hung the front does not read?"},
		{"a leak at a quiet front", look(0, 128, everything, group{3, desks, stalled},
			group{12, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1,
				LastDataSent: time.Hour}}), true, asleep, "unclear ?"},
		{"all log off", look(0, 128, everything, group{200, many("10.1.3", 200), state(tcp.TimeWait)}), false, nil,
			"mass_logoff many clients logged off"},
		{"all are disconnected now and then", look(0, 128, everything, group{60, many("10.1.3", 20),
			state(tcp.TimeWait)}), false, nil, "crash_loop the front disconnects every client?"},
		{"all are disconnected now and then, and most are back", look(0, 128, everything,
			group{20, many("10.1.3", 20), well}, group{60, many("10.1.3", 20), state(tcp.TimeWait)}), false, nil,
			"unclear unclear trouble"},
		{"two sessions of each were closed, nobody knows when", look(0, 128, everything&^tcp.FactClosed,
			group{40, many("10.1.3", 20), state(tcp.TimeWait)}), false, nil, "unclear unclear trouble"},
		{"a bit of all", look(0, 128, everything, group{10, desks, state(tcp.TimeWait)},
			group{8, desks, state(tcp.CloseWait)}, group{9, desks, state(tcp.SynRecv)}), false, nil, "unclear unclear trouble"},

		{"accepts slowly, for more than ten seconds", look(0, 4096, everything, group{60, desks, well},
			group{190, desks, tcp.Socket{State: tcp.Established, LastDataSent: 11 * time.Second}}),
			false, nil, "healthy "},
		{"accepts slowly, no inodes", look(190, 4096, everything&^tcp.FactInode, group{60, desks, well},
			group{190, desks, tcp.Socket{State: tcp.Established, LastDataSent: 11 * time.Second}}),
			false, nil, "healthy "},
		{"the seed's story", look(0, 128, everything, group{5, desks, well},
			group{60, []string{"10.9.9.9"}, state(tcp.TimeWait)}, group{5, []string{"10.9.9.9"}, unanswered}),
			false, nil, "client_loop one client looping, 100 % of them?"},

		// What is not known speaks for nothing.
		{"no times", look(0, 128, everything&^tcp.FactLastDataSent, group{60, desks, stalled}), false, nil, "healthy "},
		{"a closed window, no times", look(0, 128, everything&^tcp.FactLastDataSent, group{50, desks, well},
			group{1, []string{"10.9.9.9"}, window}), false, nil, "unclear "},
		{"no inodes", look(12, 4096, everything&^tcp.FactInode, group{12, desks, queued}), false, nil, "healthy "},
		{"no backlog", look(129, 128, everything&^(tcp.FactBacklog|tcp.FactInode), group{60, desks, well}), false, nil,
			"healthy "},
		{"one loops, or logs off behind one address", look(0, 128, everything&^tcp.FactClosed, group{499, desks, well},
			group{60, []string{"10.9.9.9"}, state(tcp.TimeWait)}),
			false, nil, "unclear one client looping, or many behind one address, 100 % of them"},
		{"closes that are lost, no timers", look(0, 128, everything&^tcp.FactRetransmits, group{60, desks, well},
			group{40, many("10.1.3", 40), state(tcp.LastAck)}), false, nil, "unclear unclear trouble"},
		{"one client's closes, no queue", look(0, 128, tcp.FactClient, group{10, desks, well},
			group{30, []string{"10.9.9.9"}, state(tcp.CloseWait)}), false, nil, "unclear unclear trouble"},
		{"cut off for long, no timers", look(0, 128, everything&^tcp.FactRetransmits, group{40, desks, unacknowledged}),
			false, nil, "healthy "},
		{"a dead client, no timers", look(0, 128, everything&^tcp.FactRetransmits, group{60, desks, well},
			group{40, []string{"10.9.9.9"}, tcp.Socket{State: tcp.FinWait1, SendQ: 1, Retransmits: 3}}),
			false, nil, "unclear unclear trouble"},
		{"no timers", look(0, 128, everything&^tcp.FactRetransmits, group{80, desks, well},
			group{20, many("10.42.1", 20), lost}), false, nil, "healthy "},
		{"no clients", look(0, 128, everything&^tcp.FactClient, group{60, []string{"10.9.9.9"}, state(tcp.TimeWait)}),
			false, nil, "unclear unclear trouble"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := Diagnose(test.r, tcp.Ports{{Lo: 41213, Hi: 41213}}, !test.trade, test.owner)
			got := string(d.Code) + " " + d.Text
			if d.Client.IsValid() {
				got += " (" + d.Client.String() + ")"
			}
			if d.Suspicion {
				got += "?"
			}
			if got != test.want {
				t.Errorf("got %q, want %q; %v", got, test.want, d.Evidence)
			}
			if (d.Code == Healthy) != (len(d.Evidence) == 0) {
				t.Errorf("%s with evidence %v", d.Code, d.Evidence)
			}
			for _, e := range d.Evidence {
				if e.Metric == "" || e.Value == "" || strings.HasPrefix(e.Value, "U") || e.Why == "" {
					t.Errorf("evidence %+v", e)
				}
			}
		})
	}
}

// TestSecondLook: what a suspicion comes to when the same sockets are seen again.
func TestSecondLook(t *testing.T) {
	const apart = MinimumInterval
	type change func(s *tcp.Socket, i int)
	same := func(*tcp.Socket, int) {}
	few := []string{"10.1.2.3", "10.1.2.4", "10.1.2.5"}
	well := tcp.Socket{State: tcp.Established, Inode: 1, LastDataSent: 200 * time.Millisecond}
	queued := tcp.Socket{State: tcp.Established, LastDataSent: 3 * time.Second}
	unread := tcp.Socket{State: tcp.Established, Inode: 1, RecvQ: 80, BytesRead: 1000, LastDataReceived: time.Millisecond}
	leaked := tcp.Socket{State: tcp.CloseWait, Inode: 1, LastDataSent: time.Minute}
	timesOf := func(everyMs int) change { // TIME_WAITs of one client, so far apart
		return func(s *tcp.Socket, i int) { s.Closed = time.Duration(i/len(few)*everyMs) * time.Millisecond }
	}
	disconnected := tcp.Socket{State: tcp.TimeWait}
	for _, test := range []struct {
		name     string
		queue    uint32
		groups   []group
		between  change // what happens to the socket number i
		provides tcp.Facts
		want     string
	}{
		{"stuck in the accept queue", 20, []group{{60, few, well}, {20, few, queued}}, same, everything,
			"hung the front does not accept"},
		{"accepts ten a second", 77, []group{{60, few, well}, {77, few, queued}},
			func(s *tcp.Socket, i int) { // the oldest two
				if i == 60 || i == 61 {
					s.Inode = 9
				}
			}, everything, "healthy "},
		{"reads nothing", 0, []group{{10, few, unread}}, func(s *tcp.Socket, _ int) { s.RecvQ += 40 }, everything,
			"hung the front does not read"},
		{"reads in batches", 0, []group{{10, few, unread}},
			func(s *tcp.Socket, _ int) { s.RecvQ, s.BytesRead = 120, 5000 }, everything, "healthy "},
		{"reads one of ten", 0, []group{{10, few, unread}}, func(s *tcp.Socket, i int) {
			if i == 0 {
				s.BytesRead = 1080
			}
		}, everything, "healthy "},
		{"more to read, and the source does not tell what was read", 0, []group{{10, few, unread}},
			func(s *tcp.Socket, _ int) { s.RecvQ += 40 }, everything &^ tcp.FactBytesRead, "unclear "},
		{"a leak stays", 0, []group{{60, few, well}, {100, few, leaked}}, same, everything,
			"not_closing the front does not close"},
		{"closes slowly", 0, []group{{60, few, well}, {100, few, leaked}}, func(s *tcp.Socket, i int) {
			if i >= 65 {
				s.State = tcp.LastAck
			}
		}, everything, "unclear unclear trouble"},
		{"disconnects every client, over and over", 0, []group{{60, few, disconnected}}, timesOf(500), everything,
			"crash_loop the front disconnects every client"},
		{"one client, over and over", 0, []group{{60, few[:1], disconnected}}, timesOf(500), everything,
			"client_loop one client looping, 100 % of them"},
		{"one client, over and over, once a second", 0, []group{{40, few[:1], disconnected}},
			func(s *tcp.Socket, i int) { s.Closed = 1100*time.Millisecond + time.Duration(i)*time.Second }, everything,
			"client_loop one client looping, 100 % of them"},
		{"one client logged off two seconds ago", 0, []group{{60, few[:1], disconnected}},
			func(s *tcp.Socket, i int) {
				timesOf(500)(s, i)
				s.Closed += 2 * time.Second
			}, everything, "unclear one client looping, or many behind one address, 100 % of them"},
		{"all logged off, from three addresses, two seconds ago", 0, []group{{60, few, disconnected}},
			func(s *tcp.Socket, i int) {
				timesOf(500)(s, i)
				s.Closed += 2 * time.Second
			}, everything, "unclear unclear trouble"},
		{"disconnected every client a minute ago", 0, []group{{60, few, disconnected}}, func(s *tcp.Socket, i int) {
			timesOf(500)(s, i)
			s.Closed += 30 * time.Second
		}, everything, "unclear unclear trouble"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rules := tally.Rules{Normal: tcp.Set(tcp.Established, tcp.Listen), StalledAfter: 10 * time.Second}
			local := netip.MustParseAddrPort("10.1.0.7:41213")
			first := tally.New(rules, nil, 0)
			var second *tally.Tally
			for _, tl := range []*tally.Tally{first, nil} {
				if tl == nil {
					tl = tally.New(rules, first.SuspectBaseline(), apart)
					second = tl
				}
				tl.Add(&tcp.Socket{State: tcp.Listen, Facts: test.provides, Local: local, RecvQ: test.queue, SendQ: 4096})
				n := 0
				for _, g := range test.groups {
					for i := range g.n {
						s := g.socket
						s.Facts, s.Local = test.provides, local
						s.Remote = netip.AddrPortFrom(netip.MustParseAddr(g.clients[i%len(g.clients)]), uint16(1024+n))
						if tl == second {
							test.between(&s, n)
						}
						n++
						tl.Add(&s)
					}
				}
			}
			d := Diagnose(second.Result(tcp.Look{Provides: test.provides}), tcp.Ports{{Lo: 41213, Hi: 41213}}, false, nil)
			if got := string(d.Code) + " " + d.Text; got != test.want || d.Suspicion {
				t.Errorf("got %q, want %q; %v", got, test.want, d.Evidence)
			}
		})
	}
}

// TestListenersUnknown: sessions that were closed in order are no log-off if nobody can say whether
// the front still listens.
func TestListenersUnknown(t *testing.T) {
	for hidden, want := range map[tcp.StateSet]Code{0: MassLogoff, tcp.Set(tcp.Listen): Unclear} {
		tallied := tally.New(tally.Rules{Normal: tcp.Set(tcp.Established, tcp.Listen)}, nil, 0)
		local := netip.MustParseAddrPort("10.1.0.7:41213")
		if hidden == 0 {
			tallied.Add(&tcp.Socket{State: tcp.Listen, Facts: everything, Local: local, SendQ: 128})
		}
		for i := range byte(30) {
			remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 2, i}), 50_000)
			tallied.Add(&tcp.Socket{State: tcp.TimeWait, Facts: tcp.FactClient, Local: local, Remote: remote})
		}
		look := tcp.Look{Provides: tcp.FactClient, HiddenStates: hidden}
		d := Diagnose(tallied.Result(look), tcp.Ports{{Lo: 41213, Hi: 41213}}, true, nil)
		askFor := Evidence{"missing", "the listeners", "would tell whether the front is still there"}
		missing := slices.Contains(d.Evidence, askFor)
		if d.Code != want || missing != (want == Unclear) {
			t.Errorf("hidden %v: %s, %v, want %s", hidden, d.Code, d.Evidence, want)
		}
	}
}

// TestSeveralPorts: a front that hangs on one port is found, whatever the front on another port does.
// The diagnosis says which port it is about.
func TestSeveralPorts(t *testing.T) {
	const hangs, works = 41213, 41223
	stuck := func(s tcp.Socket) tcp.Socket { s.Progress = tcp.ProgressStuck; return s }
	moved := func(s tcp.Socket, p tcp.Progress) tcp.Socket { s.Progress = p; return s }
	waiting := tcp.Socket{State: tcp.Established, LastDataSent: 5 * time.Minute}
	unread := tcp.Socket{State: tcp.Established, Inode: 1, RecvQ: 80, LastDataReceived: time.Minute}
	closed := tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1, LastDataSent: time.Minute}
	leftOpen := tcp.Socket{State: tcp.CloseWait, Inode: 1, LastDataSent: time.Minute}
	well := tcp.Socket{State: tcp.Established, Inode: 1, LastDataSent: 100 * time.Millisecond}
	for _, test := range []struct {
		name             string
		hanging, working []tcp.Socket
		want             string
	}{
		{"one accepts", []tcp.Socket{stuck(waiting)}, []tcp.Socket{moved(well, tcp.ProgressAccepted)},
			"hung the front does not accept"},
		{"one reads", []tcp.Socket{stuck(unread)}, []tcp.Socket{moved(well, tcp.ProgressRead)},
			"hung the front does not read"},
		{"one of three reads", []tcp.Socket{stuck(unread)}, []tcp.Socket{well, well, well}, "hung the front does not read"},
		{"one closes", []tcp.Socket{stuck(closed)}, []tcp.Socket{moved(well, tcp.ProgressClosed)},
			"hung the front does not read"},
		{"one does not close", []tcp.Socket{stuck(leftOpen)},
			[]tcp.Socket{well, {State: tcp.TimeWait}, {State: tcp.TimeWait}}, "not_closing the front does not close"},
		{"all is well", []tcp.Socket{well}, []tcp.Socket{moved(well, tcp.ProgressAccepted)}, "healthy "},
	} {
		tallied := tally.New(tally.Rules{Normal: tcp.Set(tcp.Established, tcp.Listen), StalledAfter: 10 * time.Second,
			ByPort: true}, nil, 0)
		client := uint16(1024)
		for port, sockets := range map[uint16][]tcp.Socket{hangs: test.hanging, works: test.working} {
			local := netip.AddrPortFrom(netip.MustParseAddr("10.1.0.7"), port)
			queue := uint32(0)
			for _, s := range sockets {
				for range 20 {
					if port == works {
						s.RecvQ = 7
					}
					client++
					s.Facts, s.Local = everything, local
					s.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 2, byte(client)}), client)
					if s.State == tcp.Established && s.Inode == 0 {
						queue++
					}
					tallied.Add(&s)
				}
			}
			tallied.Add(&tcp.Socket{State: tcp.Listen, Facts: everything, Local: local, RecvQ: queue, SendQ: 128})
		}
		ports := tcp.Ports{{Lo: hangs, Hi: hangs}, {Lo: works, Hi: works}}
		d := Diagnose(tallied.Result(tcp.Look{Provides: everything, Compared: true}), ports, true, nil)
		if got := string(d.Code) + " " + d.Text; got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		aboutPort := Evidence{"port", "41213", "these are its sockets only"}
		if test.want != "healthy " && (!slices.Contains(d.Evidence, aboutPort) || d.Port != hangs) {
			t.Errorf("%s: the evidence %v does not name the port; %d", test.name, d.Evidence, d.Port)
		}
		bytes := Evidence{"unread_bytes", "1600B", "wait to be read"} // 20 of 80, those of this port
		if test.name == "one of three reads" && !slices.Contains(d.Evidence, bytes) {
			t.Errorf("%s: the evidence is %v", test.name, d.Evidence)
		}
	}
}

// TestEvidence: the evidence is about what was diagnosed, and leaves out what is not known.
func TestEvidence(t *testing.T) {
	mute := tcp.Socket{State: tcp.Established, Inode: 1, ZeroWindow: true, SendQ: 100, LastDataSent: 5 * time.Second}
	halfOpen := tcp.Socket{State: tcp.SynRecv, Retransmits: 1}
	abandoned := tcp.Socket{State: tcp.CloseWait}
	thrown := group{60, many("10.1.3", 20), tcp.Socket{State: tcp.TimeWait}}
	for _, test := range []struct {
		r    tally.Result
		want Diagnosis
	}{
		{look(0, 128, everything, group{30, many("10.1.2", 30), mute}), Diagnosis{Code: Unclear, Evidence: []Evidence{
			{"zero window", "30", "sessions that have taken no data for 2s or longer"},
			{"unsent_bytes", "3000B", "wait for the clients"},
		}}},
		{look(0, 128, everything&^tcp.FactRecvQ, group{30, many("10.1.2", 30), halfOpen}), Diagnosis{Code: SynBacklog,
			Evidence: []Evidence{
				{"syn_recv", "30", "handshakes that their clients do not complete"},
				{"asked again", "30", "of them were sent the second SYN-ACK"},
			}}},
		// Those that have given up in the accept queue do not make the others nobody.
		{look(5, 128, everything, group{5, many("10.1.2", 5), tcp.Socket{State: tcp.Established, Inode: 1}},
			group{5, many("10.1.2", 5), abandoned}, thrown), Diagnosis{Code: Unclear, Evidence: []Evidence{
			{"abnormal", "65", "sockets that fit no other diagnosis"}}}},
	} {
		d := Diagnose(test.r, tcp.Ports{{Lo: 41213, Hi: 41213}}, true, nil)
		if d.Code != test.want.Code || !slices.Equal(d.Evidence, test.want.Evidence) {
			t.Errorf("%s with %v, want %s with %v", d.Code, d.Evidence, test.want.Code, test.want.Evidence)
		}
	}
	d := Diagnose(look(0, 128, everything), tcp.Ports{{Lo: 41213, Hi: 41215}}, true, nil)
	if want := (Evidence{"listeners", "1", "and none on 2 of the ports"}); !slices.Contains(d.Evidence, want) {
		t.Errorf("%s with %v, want %v", d.Code, d.Evidence, want)
	}
}

// TestSecondLookTooSoon: a pause of a quarter of a second is no hang yet.
func TestSecondLookTooSoon(t *testing.T) {
	queued := tcp.Socket{State: tcp.Established, LastDataSent: 3 * time.Second}
	r := look(30, 4096, everything, group{30, many("10.1.2", 30), queued})
	r.Compared, r.StuckWaiting = true, 30
	for interval, suspicion := range map[time.Duration]bool{
		0: false, MinimumInterval / 4: true, MinimumInterval: false, // 0 is a recording's
	} {
		r.Interval = interval
		if d := Diagnose(r, tcp.Ports{{Lo: 41213, Hi: 41213}}, false, nil); d.Code != Hung || d.Suspicion != suspicion {
			t.Errorf("%s: %s, suspicion %v", interval, d.Code, d.Suspicion)
		}
	}
}

// TestMissing: trouble without a pattern says what the source does not tell.
func TestMissing(t *testing.T) {
	closed := group{20, []string{"10.1.2.3", "10.1.2.4"}, tcp.Socket{State: tcp.TimeWait, Closed: 20 * time.Second}}
	waits := group{20, []string{"10.1.2.3"}, tcp.Socket{State: tcp.FinWait2}}
	for want, r := range map[string]tally.Result{
		"": look(0, 128, everything, closed),
		"the times of the closes, retransmissions, the accept queue": look(0, 128, tcp.FactClient, closed),
		"--sample": look(0, 128, everything, waits),
	} {
		var missing []string
		d := Diagnose(r, tcp.Ports{{Lo: 41213, Hi: 41213}}, false, nil)
		for _, e := range d.Evidence {
			if e.Metric == "missing" {
				missing = append(missing, e.Value)
			}
		}
		if got := strings.Join(missing, ", "); d.Code != Unclear || got != want {
			t.Errorf("%s: got %q, want %q", d.Code, got, want)
		}
	}
}

// TestUnconfirmed: a suspicion without a second look blames nobody, and says what is missing.
func TestUnconfirmed(t *testing.T) {
	queued := tcp.Socket{State: tcp.Established, LastDataSent: 3 * time.Second}
	r := look(30, 4096, everything, group{30, many("10.1.2", 30), queued})
	d := Diagnose(r, tcp.Ports{{Lo: 41213, Hi: 41213}}, false, nil)
	if d.Code != Hung || !d.Suspicion || d.AskOwner {
		t.Errorf("%+v", d)
	}
	d = d.Unconfirmed()
	last := d.Evidence[len(d.Evidence)-1]
	if d.Code != Unclear || d.Text != "" || last != (Evidence{"missing", "a second look",
		"one look cannot tell whether it is hung"}) {
		t.Errorf("%+v", d)
	}
	if sure := Diagnose(look(0, 0, everything), tcp.Ports{{Lo: 41213, Hi: 41213}}, false,
		nil); sure.Unconfirmed().Code != Down {
		t.Errorf("%+v", sure)
	}
}

// TestLogoffSampled: two looks without a reconnect show a log-off, of many behind one address
// too. Where the clients' sessions were closed at different times, they may still come back.
func TestLogoffSampled(t *testing.T) {
	rules := tally.Rules{Normal: tcp.Set(tcp.Established, tcp.Listen), StalledAfter: 10 * time.Second}
	for _, test := range []struct {
		name    string
		apart   time.Duration // between the closes of one client
		ago     time.Duration // since its last close
		knows   tcp.Facts
		newOnes int
		want    Code
	}{
		{"at once", time.Millisecond, time.Second, everything, 0, MassLogoff},
		{"over and over, slowly", 3 * time.Second, time.Second, everything, 0, Unclear},
		{"one after the other, a while ago", 200 * time.Millisecond, 20 * time.Second, everything, 0, MassLogoff},
		{"at times that are not known", time.Millisecond, time.Second, everything &^ tcp.FactClosed, 0, Unclear},
		{"at once, and they come back", time.Millisecond, time.Second, everything, 9, Unclear},
	} {
		first := tally.NewFullBaseline()
		second := tally.New(rules, first, time.Second)
		for i := range 60 {
			s := tcp.Socket{
				State: tcp.TimeWait, Facts: test.knows, Local: netip.MustParseAddrPort("10.1.0.7:41213"),
				Remote: netip.AddrPortFrom(netip.MustParseAddr(many("10.1.2", 3)[i%3]), uint16(1024+i)),
			}
			if test.knows.Has(tcp.FactClosed) {
				s.Closed = test.ago + time.Duration(i/3)*test.apart
			}
			if i >= test.newOnes {
				first.Add(&s)
			}
			second.Add(&s)
		}
		local := netip.MustParseAddrPort("0.0.0.0:41213")
		second.Add(&tcp.Socket{State: tcp.Listen, Facts: test.knows, Local: local, SendQ: 128})
		r := second.Result(tcp.Look{Provides: test.knows})
		if d := Diagnose(r, tcp.Ports{{Lo: 41213, Hi: 41213}}, false, nil); d.Code != test.want {
			t.Errorf("%s: got %s, want %s", test.name, d.Code, test.want)
		}
	}
}
