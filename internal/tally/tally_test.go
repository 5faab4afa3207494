package tally

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/tcp"
)

const everything = ^tcp.Facts(0)

var rules = Rules{
	Normal:       tcp.Set(tcp.Established, tcp.Listen),
	StalledAfter: 10 * time.Second,
}

func session(state tcp.State, client string) tcp.Socket {
	return tcp.Socket{
		State: state, Facts: everything, Inode: 1, RTT: 20 * time.Millisecond,
		Local:  netip.MustParseAddrPort("10.1.0.7:41213"),
		Remote: netip.AddrPortFrom(netip.MustParseAddr(client), 50000),
	}
}

func listener(local string, queue, backlog uint32) tcp.Socket {
	return tcp.Socket{State: tcp.Listen, Facts: everything, Local: netip.MustParseAddrPort(local), RecvQ: queue,
		SendQ: backlog, Drops: 4}
}

func tallied(rules Rules, sockets ...tcp.Socket) Result {
	t := New(rules, nil, 0)
	for i := range sockets {
		t.Add(&sockets[i])
	}
	return t.Result(tcp.Look{Provides: everything})
}

// check compares some metrics, written "name=value", with a result.
func check(t *testing.T, r Result, want string) {
	t.Helper()
	for _, w := range strings.Fields(want) {
		name, value, _ := strings.Cut(w, "=")
		m, err := ParseMetric(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Values[m].String(); got != value {
			t.Errorf("%s is %s, want %s", name, got, value)
		}
	}
}

func TestMetrics(t *testing.T) {
	sent := session(tcp.Established, "10.1.2.3")
	sent.LastDataSent, sent.LastDataReceived, sent.RTT = 1500*time.Millisecond, 40*time.Second, 245*time.Microsecond
	stalled := session(tcp.Established, "10.1.2.4")
	stalled.LastDataSent = 10 * time.Second
	stalled.SendQ, stalled.ZeroWindow, stalled.LastDataReceived = 300, true, 7250*time.Millisecond
	stalled.RTT = 0 // not measured yet
	stalled.Retransmits = 2
	unread := session(tcp.Established, "10.1.2.4")
	unread.LastDataSent = 9999 * time.Millisecond
	unread.RecvQ, unread.LastDataReceived = 17, 8*time.Second
	unread.Inode = 0
	closeWait := session(tcp.CloseWait, "10.1.2.3")
	closeWait.RecvQ, closeWait.SendQ, closeWait.Inode = 9, 9, 0 // counts for no metric of established clients
	closeWait.RTT = time.Hour
	check(t, tallied(rules,
		listener("[::]:41213", 3, 128), listener("0.0.0.0:41213", 5, 10),
		sent, stalled, unread, closeWait,
		session(tcp.TimeWait, "10.1.2.3"), session(tcp.TimeWait, "10.1.2.3"), session(tcp.TimeWait, "10.1.2.5"),
		session(tcp.FinWait1, "10.1.2.3"), session(tcp.FinWait2, "10.1.2.3"), session(tcp.SynRecv, "10.1.2.6"),
		session(tcp.SynSent, "10.1.2.6"), session(tcp.LastAck, "10.1.2.6"), session(tcp.Closing,
			"10.1.2.6"), session(tcp.Close, "10.1.2.6"),
	), `abnormal=11 established=3 syn_sent=1 syn_recv=1 fin_wait1=1 fin_wait2=1 time_wait=3 close=1 close_wait=1 last_ack=1
		closing=1 clients=4 abnormal_clients=3 top_client=5 top_client_pct=45.45 listeners=2
		accept_queue=5 accept_queue_pct=50 unaccepted=1
		unread=1 unread_bytes=17 unsent=1 unsent_bytes=300 retransmitting=1 stalled=1
		stalled_pct=33.33 feed_age=1.5 zero_window=1 request_age=7.25 rtt=0.010122`)
}

// TestEdges: the smallest counts, the largest sums, and an order that hides nothing.
func TestEdges(t *testing.T) {
	now, old := session(tcp.Established, "10.1.2.3"), session(tcp.Established, "10.1.2.4")
	old.LastDataSent = 5 * time.Second
	old.Retransmits = 1
	old.RecvQ, old.SendQ = 4_000_000_000, 4_000_000_000
	now.RecvQ, now.SendQ = 4_000_000_000, 4_000_000_000
	want := "feed_age=0 retransmitting=1 unread_bytes=8000000000 unsent_bytes=8000000000"
	check(t, tallied(rules, now, old), want)
	check(t, tallied(rules, old, now), want)

	if got := Number(123456789012345678).String(); got != "123456789012345680" {
		t.Errorf("a large number is %s", got)
	}
}

func TestNothing(t *testing.T) {
	r := tallied(rules)
	for m := range OneLook {
		want := "0"
		if m == FeedAge || m == RequestAge || m == RTT {
			want = "U" // there is no client to measure
		}
		if got := r.Values[m]; got.String() != want {
			t.Errorf("%s of nothing is %s, want %s", m, got, want)
		}
	}
}

func TestNormalIsAChoice(t *testing.T) {
	mine := rules
	mine.Normal = tcp.Set(tcp.Established, tcp.TimeWait)
	check(t, tallied(mine, listener("0.0.0.0:41213", 0, 128), session(tcp.Established, "10.1.2.3"),
		session(tcp.TimeWait, "10.1.2.3"), session(tcp.CloseWait, "10.1.2.3")),
		"abnormal=2 time_wait=1 close_wait=1 clients=1 abnormal_clients=1 top_client=1 top_client_pct=50")
}

// TestUnknown: what one socket does not tell, no sum over it can know.
func TestUnknown(t *testing.T) {
	full, partial := session(tcp.Established, "10.1.2.3"), session(tcp.Established, "10.1.2.4")
	for _, test := range []struct {
		lacks   tcp.Facts
		metrics string
	}{
		{tcp.FactRecvQ, "unread unread_bytes"},
		{tcp.FactSendQ, "unsent unsent_bytes"},
		{tcp.FactInode, "unaccepted"},
		{tcp.FactRetransmits, "retransmitting zero_window"},
		{tcp.FactLastDataSent, "stalled stalled_pct feed_age request_age"},
		{tcp.FactRTT, "rtt"},
		{tcp.FactDrops | tcp.FactBacklog, ""},
	} {
		partial.Facts = everything &^ test.lacks
		r := tallied(rules, listener("0.0.0.0:41213", 0, 128), full, partial)
		for m := range OneLook {
			if want := !slices.Contains(strings.Fields(test.metrics), m.String()); r.Values[m].Known() != want {
				t.Errorf("without %07b, %s is known: %v", test.lacks, m, !want)
			}
		}
	}

	// A listener of /proc/net/tcp has an accept queue, but no backlog.
	l := listener("0.0.0.0:41213", 7, 0)
	l.Facts &^= tcp.FactBacklog
	r := tallied(rules, l)
	check(t, r, "accept_queue=7 accept_queue_pct=U")
	if r.Listeners[0].Overflowing() {
		t.Error("an accept queue overflows a backlog that nobody knows")
	}

	// netstat -l and ss -l leave out the sessions.
	onlyListeners := ^tcp.Set(tcp.Listen) & (1<<tcp.NumStates - 2)
	for _, m := range []Metric{Abnormal, Established, Unread} {
		got := New(rules, nil, 0).Result(tcp.Look{Provides: everything, HiddenStates: onlyListeners}).Values[m].Unknown
		if want := "the capture shows only listeners (was it made with -l, or was there no session?)"; got != want {
			t.Errorf("%s is unknown since %q, want %q", m, got, want)
		}
	}

	// What a source never tells is unknown even of no socket.
	check(t, New(rules, nil, 0).Result(tcp.Look{Provides: tcp.FactClient}),
		"unread=U unsent_bytes=U unaccepted=U retransmitting=U stalled=U accept_queue=U accept_queue_pct=U abnormal=0"+
			" clients=0 listeners=0")
}

// TestWhyUnknown: an unknown metric says what is missing and, if the source never has it, what shows it.
func TestWhyUnknown(t *testing.T) {
	partial := session(tcp.Established, "10.1.2.3")
	partial.Facts = tcp.FactClient
	for _, test := range []struct {
		look tcp.Look
		m    Metric
		want string
	}{
		{tcp.Look{}, FeedAge, "this source does not show when data was last sent (sockdiag and ss -tani do)"},
		{tcp.Look{}, RTT, "this source does not show round-trip times (sockdiag and ss -tani do)"},
		{tcp.Look{}, Unaccepted, "this source does not show who owns a socket (sockdiag does)"},
		{tcp.Look{}, TopClient, "this source does not show the client's whole address (netstat -W does, on macOS -l)"},
		{tcp.Look{Provides: everything}, FeedAge, "not every socket shows when data was last sent"},
		{tcp.Look{HiddenStates: tcp.Set(tcp.Listen)}, AcceptQueue,
			"the capture does not show listeners (netstat -an and ss -tan do)"},
		{tcp.Look{HiddenStates: tcp.Set(tcp.TimeWait)}, Abnormal,
			"this source does not show the sockets of all abnormal states (a capture of netstat -an does)"},
	} {
		count := New(rules, nil, 0)
		count.Add(&partial)
		if got := count.Result(test.look).Values[test.m].Unknown; got != test.want {
			t.Errorf("%s is unknown since %q, want %q", test.m, got, test.want)
		}
	}
	if got := New(rules, nil, 0).Result(tcp.Look{}).Values[FeedAge].Unknown; got != "no client is established" {
		t.Errorf("without a session the age of the feed is unknown since %q", got)
	}
}

// TestUnknownClients: if one client is not known none is named, but all are counted.
func TestUnknownClients(t *testing.T) {
	cut := session(tcp.TimeWait, "10.1.2.3")
	cut.Facts &^= tcp.FactClient
	r := tallied(rules, listener("0.0.0.0:41213", 0, 128), session(tcp.TimeWait, "10.1.2.4"), cut)
	check(t, r, "abnormal=2 time_wait=2 clients=U abnormal_clients=U top_client=U top_client_pct=U listeners=1")
	if len(r.Clients) != 0 {
		t.Errorf("clients are %v", r.Clients)
	}
}

// TestNobody: a socket without a peer is no client's.
func TestNobody(t *testing.T) {
	bound := session(tcp.Close, "0.0.0.0")
	check(t, tallied(rules, bound, session(tcp.Close, "::"), session(tcp.CloseWait, "10.1.2.3")),
		"abnormal=3 close=2 clients=1 abnormal_clients=1 top_client=1 top_client_pct=33.33")
}

// TestBlind: a source that cannot see a state does not know the sums over it.
func TestBlind(t *testing.T) {
	sockets := []tcp.Socket{listener("0.0.0.0:41213", 0, 128), session(tcp.Established, "10.1.2.3"),
		session(tcp.CloseWait, "10.1.2.3")}
	timeWait := tcp.Set(tcp.TimeWait)
	blinded := func(rules Rules) Result {
		t := New(rules, nil, 0)
		for i := range sockets {
			t.Add(&sockets[i])
		}
		return t.Result(tcp.Look{Provides: everything, HiddenStates: timeWait})
	}
	check(t, blinded(rules), "time_wait=U abnormal=U clients=U abnormal_clients=U top_client=U top_client_pct=U"+
		" close_wait=1 established=1 listeners=1")
	mine := rules
	mine.Normal |= timeWait
	check(t, blinded(mine), "time_wait=U abnormal=1 clients=U abnormal_clients=1 top_client=1 top_client_pct=100"+
		" close_wait=1")
}

// TestMPTCP: behind a subflow nobody sees whether the session is closed or unread.
func TestMPTCP(t *testing.T) {
	subflow := session(tcp.Established, "10.1.2.3")
	subflow.MPTCP = true
	check(t, tallied(rules, listener("0.0.0.0:41213", 0, 128), subflow, session(tcp.TimeWait, "10.1.2.3")),
		"abnormal=U abnormal_clients=U top_client=U top_client_pct=U established=U close_wait=U unread=U unread_bytes=U"+
			" time_wait=1 clients=1 listeners=1 stalled=0")
}

func TestOverflows(t *testing.T) {
	for _, test := range []struct {
		queue, backlog uint32
		overflows      bool
		pct            string
	}{{0, 0, false, "0"}, {1, 0, true, "100"}, {128, 128, false, "100"}, {129, 128, true, "100.78"}, {2, 3, false,
		"66.67"}} {
		r := tallied(rules, listener("0.0.0.0:41213", test.queue, test.backlog))
		if got := r.Listeners[0].Overflowing(); got != test.overflows {
			t.Errorf("%d of %d overflows: %v", test.queue, test.backlog, got)
		}
		check(t, r, "accept_queue_pct="+test.pct)
	}
}

func TestOrder(t *testing.T) {
	shut, lost := session(tcp.Established, "10.0.0.9"), session(tcp.Established, "10.0.0.8")
	shut.ZeroWindow, lost.Retransmits = true, 2
	r := tallied(rules, lost, shut,
		session(tcp.TimeWait, "10.1.2.10"), session(tcp.TimeWait, "10.1.2.9"), session(tcp.Established, "10.0.0.1"),
		session(tcp.TimeWait, "2001:db8::1"), session(tcp.CloseWait, "10.1.2.11"), session(tcp.TimeWait, "10.1.2.11"),
		listener("[::]:41213", 0, 1), listener("10.1.0.7:41214", 0, 1), listener("10.1.0.7:41213", 0, 1))
	var got []string
	for _, c := range r.Clients {
		got = append(got, c.Addr.String())
	}
	for _, l := range r.Listeners {
		got = append(got, l.Local.String())
	}
	want := "10.1.2.11 10.1.2.9 10.1.2.10 2001:db8::1 10.0.0.9 10.0.0.8 10.0.0.1 10.1.0.7:41213 10.1.0.7:41214 [::]:41213"
	if strings.Join(got, " ") != want {
		t.Errorf("order is %v, want %s", got, want)
	}
	if got := r.PortsWithoutListener(tcp.Ports{{Lo: 41211, Hi: 41215}}); !slices.Equal(got,
		[]uint16{41211, 41212, 41215}) {
		t.Errorf("silent ports are %v", got)
	}
}

// TestShared: a client is shared if its address is in one of the prefixes.
func TestShared(t *testing.T) {
	mine := rules
	mine.Shared = []netip.Prefix{netip.MustParsePrefix("10.1.9.0/24")}
	for _, c := range tallied(mine, session(tcp.TimeWait, "10.1.9.1"), session(tcp.TimeWait, "10.1.2.3")).Clients {
		if want := c.Addr.String() == "10.1.9.1"; c.Shared != want {
			t.Errorf("%s is shared: %v", c.Addr, c.Shared)
		}
	}
}

func TestNamesOfMetrics(t *testing.T) {
	seen := map[string]bool{}
	for m := range OneLook {
		name := m.String()
		if got, err := ParseMetric(name); err != nil || got != m {
			t.Errorf("%s does not read itself", name)
		}
		// RRD keeps 19 characters of a label, and perfdata has no room for these.
		if prefix := name[:min(19, len(name))]; seen[prefix] || strings.ContainsAny(name, "='| ") {
			t.Errorf("%q is no perfdata label", name)
		} else {
			seen[prefix] = true
		}
	}
	if _, err := ParseMetric("listen"); err == nil || err.Error() != "'listen' is not a metric" {
		t.Errorf("listen: %v", err)
	}
}
