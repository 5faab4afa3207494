package diagnosis

import (
	"fmt"
	"net/netip"
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
			t.Add(&s)
		}
	}
	return t.Result(tcp.Look{Provides: knows})
}

const everything = ^tcp.Facts(0)

// What the lab's fronts look like, and what is near to it and something else.
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
		{"a burst of logins", look(90, 128, everything, group{200, desks, well}, group{90, desks, justIn}), false, nil, "healthy "},
		{"a few unread", look(0, 128, everything, group{200, desks, well}, group{20, desks, unread}), true, nil, "healthy "},
		{"a quiet trade front", look(0, 128, everything, group{20, desks, stalled}), true, nil, "healthy "},
		{"nine abnormal", look(0, 128, everything, group{9, desks, state(tcp.TimeWait)}), false, nil, "healthy "},
		{"down", look(0, 0, everything, group{5, desks, well}), false, nil, "down nothing listens on port 41213"},
		{"stopped, a long queue", look(129, 128, everything, group{129, desks, gaveUp}), false, stopped, "hung the front does not accept, process 77 (mdfront) is in state stop"},
		{"stopped, soon", look(12, 4096, everything, group{40, desks, well}, group{12, desks, queued}), false, nil, "hung the front does not accept"},
		{"accepts nothing, feed goes on", look(30, 4096, everything, group{300, desks, well}, group{30, desks, queued}), false, nil, "hung the front does not accept"},
		{"spins without descriptors", look(30, 4096, everything, group{300, desks, well}, group{30, desks, queued}), false, full, "out_of_descriptors the front is out of descriptors"},
		{"stopped without descriptors", look(30, 4096, everything, group{300, desks, well}, group{30, desks, queued}), false, fullAndStopped,
			"out_of_descriptors the front is out of descriptors, process 77 (mdfront) is in state stop"},
		{"without descriptors and well", look(0, 128, everything, group{300, desks, well}), false, full, "healthy "},
		{"reads nothing", look(0, 128, everything, group{60, desks, unread}), true, nil, "hung the front does not read"},
		{"frozen feed", look(0, 128, everything, group{60, desks, stalled}), false, nil, "feed_stalled feed stalled for 11 s"},
		{"frozen feed, new clients", look(0, 128, everything, group{60, desks, stalled}, group{5, desks, well}), false, nil, "feed_stalled feed stalled for 92.31 % of the clients"},
		{"some stalled", look(0, 128, everything, group{10, desks, stalled}, group{40, desks, well}), false, nil, "healthy "},
		{"does not close", look(0, 128, everything, group{60, desks, well}, group{100, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1}}), false, nil, "not_closing the front does not close"},
		{"closed by clients in the accept queue, a second ago", look(120, 128, everything, group{60, desks, well}, group{60, desks, justIn}, group{60, desks, tcp.Socket{State: tcp.CloseWait, LastDataSent: time.Second, RecvQ: 6}}), false, nil, "unclear unclear trouble"},
		{"does not close what it serves, ends unread", look(0, 128, everything, group{60, desks, well}, group{100, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1, LastDataSent: 4 * time.Second}}), false, nil, "not_closing the front does not close"},
		{"ends unread, as long as nothing was sent", look(0, 128, everything, group{5, desks, well}, group{55, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1, LastDataSent: 900 * time.Millisecond}}), false, nil, "unclear "},
		{"stopped just now", look(9, 128, everything, group{9, desks, justIn}, group{60, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1}}), false, stopped, "hung the front does not read, process 77 (mdfront) is in state stop"},
		{"a few ends unread at a quiet front", look(0, 128, everything, group{200, desks, stalled}, group{13, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1, LastDataSent: time.Hour}}), true, nil, "not_closing the front does not close"},
		{"one loops", look(0, 128, everything, group{499, desks, well}, group{60, []string{"10.9.9.9"}, state(tcp.TimeWait)}, group{13, desks, state(tcp.TimeWait)}), false, nil, "client_loop one client looping, 82.19 % of them"},
		{"one does not read", look(0, 128, everything, group{50, desks, well}, group{1, []string{"10.9.9.9"}, window}), false, nil, "client_loop one client does not read (10.9.9.9)"},
		{"a subnet is cut off", look(0, 128, everything, group{80, desks, well}, group{20, many("10.42.1", 20), lost}), false, nil, "network network trouble toward 20 clients of 10.42.1.0/24"},
		{"clients all over are cut off", look(0, 128, everything, group{80, desks, well}, group{20, []string{"10.4.1.1", "10.5.1.1", "2001:db8::1"}, lost}), false, nil, "network network trouble toward 3 clients"},
		{"one line is bad", look(0, 128, everything, group{80, desks, well}, group{5, []string{"10.4.1.1"}, lost}), false, nil, "healthy "},
		{"SYN flood", look(0, 128, everything, group{80, desks, well}, group{600, many("10.7.7", 200), halfOpen}), false, nil, "syn_backlog half-open connections pile up"},
		{"a burst over a long line", look(0, 128, everything, group{500, desks, well}, group{40, desks, state(tcp.SynRecv)}), false, nil, "unclear unclear trouble"},
		{"busy", look(0, 128, everything, group{6, desks, busy}), true, nil, "healthy "},
		{"a few clients of many are away", look(0, 128, everything, group{2000, desks, well}, group{8, many("10.42.1", 8), lost}), false, nil, "healthy "},
		{"frozen, and a few are away", look(0, 128, everything, group{60, desks, stalled}, group{3, many("10.42.1", 3), lost}), false, nil, "feed_stalled feed stalled for 11 s"},
		{"health checks", look(0, 128, everything, group{60, desks, well}, group{12, []string{"10.9.9.9"}, state(tcp.TimeWait)}), false, nil, "unclear unclear trouble"},
		{"all log off, one is slow", look(0, 128, everything, group{200, many("10.1.3", 200), state(tcp.TimeWait)}, group{1, []string{"10.9.9.9"}, window}), true, nil, "mass_logoff many clients logged off"},
		{"all are thrown out over and over", look(0, 128, everything, group{5, desks, well}, group{700, many("10.1.3", 20), state(tcp.TimeWait)}), false, nil, "unclear unclear trouble"},
		{"all nine clients gave up", look(0, 128, everything, group{9, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1}}), false, nil, "hung the front does not read"},
		{"a leak at a quiet front", look(0, 128, everything, group{3, desks, stalled}, group{12, desks, tcp.Socket{State: tcp.CloseWait, Inode: 1, RecvQ: 1, LastDataSent: time.Hour}}), true, asleep, "unclear "},
		{"all log off", look(0, 128, everything, group{200, many("10.1.3", 200), state(tcp.TimeWait)}), false, nil, "mass_logoff many clients logged off"},
		{"a bit of all", look(0, 128, everything, group{10, desks, state(tcp.TimeWait)}, group{8, desks, state(tcp.CloseWait)}, group{9, desks, state(tcp.SynRecv)}), false, nil, "unclear unclear trouble"},

		// What is not known speaks for nothing.
		{"no times", look(0, 128, everything&^tcp.FactLastDataSent, group{60, desks, stalled}), false, nil, "healthy "},
		{"no inodes", look(12, 4096, everything&^tcp.FactInode, group{12, desks, queued}), false, nil, "healthy "},
		{"no backlog", look(129, 128, everything&^(tcp.FactBacklog|tcp.FactInode), group{60, desks, well}), false, nil, "healthy "},
		{"no timers", look(0, 128, everything&^tcp.FactRetransmits, group{80, desks, well}, group{20, many("10.42.1", 20), lost}), false, nil, "healthy "},
		{"no clients", look(0, 128, everything&^tcp.FactClient, group{60, []string{"10.9.9.9"}, state(tcp.TimeWait)}), false, nil, "unclear unclear trouble"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := Diagnose(test.r, tcp.Ports{{Lo: 41213, Hi: 41213}}, !test.trade, test.owner)
			got := string(d.Code) + " " + d.Text
			if d.Client.IsValid() {
				got += " (" + d.Client.String() + ")"
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
