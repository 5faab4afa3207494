package tally

import (
	"net/netip"
	"testing"
	"time"

	"frontsockets/internal/tcp"
)

// TestSample: what two looks tell, and one does not.
func TestSample(t *testing.T) {
	client := func(port uint16, state tcp.State, unread uint32) tcp.Socket {
		s := session(state, "10.1.2.3")
		s.Remote = netip.AddrPortFrom(s.Remote.Addr(), port)
		s.RecvQ = unread
		return s
	}
	two := listener("0.0.0.0:41213", 0, 128)
	two.Inode, two.Drops = 7, 100
	before := []tcp.Socket{
		listener("0.0.0.0:41213", 0, 128), two,
		client(1, tcp.Established, 500), client(2, tcp.Established, 500), client(3, tcp.Established, 500), client(4,
			tcp.Established, 0), client(5, tcp.TimeWait, 0), client(8, tcp.Established, 500),
	}
	two.Drops = 130
	same := client(1, tcp.Established, 500)
	same.LastDataReceived = 400 * time.Millisecond
	others := client(8, tcp.Established, 500)
	others.BytesRead = 100
	after := []tcp.Socket{
		listener("0.0.0.0:41213", 0, 128), two, // the first one stands at 4
		same, client(2, tcp.Established, 900), client(3, tcp.Established, 499), client(4, tcp.Established, 10),
		others, // as many bytes as before
		client(5, tcp.TimeWait, 0), client(6, tcp.SynRecv, 0), client(7, tcp.Established, 10),
	}
	e := NewFullBaseline()
	for i := range before {
		e.Add(&before[i])
	}
	second := New(rules, e, 400*time.Millisecond)
	for i := range after {
		second.Add(&after[i])
	}
	check(t, second.Result(tcp.Look{Provides: everything}),
		"listen_drops=75 reconnects=2 unread_stuck=2 established=6 unread=6")
	check(t, second.Result(tcp.Look{Provides: everything &^ tcp.FactDrops}), "listen_drops=U reconnects=2 unread_stuck=2")
	// A listener that the first look missed has dropped nothing since, and one of which it
	// did not know drops nobody knows what.
	late := New(rules, NewFullBaseline(), time.Second)
	late.Add(&two)
	check(t, late.Result(tcp.Look{Provides: everything}), "listen_drops=0")
	dumb, mute := NewFullBaseline(), two
	mute.Facts &^= tcp.FactDrops
	dumb.Add(&mute)
	late = New(rules, dumb, time.Second)
	late.Add(&two)
	check(t, late.Result(tcp.Look{Provides: everything}), "listen_drops=U")
	check(t, second.Result(tcp.Look{Provides: tcp.FactClient}), "listen_drops=U reconnects=2 unread_stuck=U")
	check(t, tallied(rules, after...), "listen_drops=U reconnects=U unread_stuck=U")
	if r := second.Result(tcp.Look{Provides: everything}); !r.Sampled || tallied(rules).Sampled {
		t.Error("two looks are not told from one")
	}
}

// TestWaiting: connections that nobody accepted, also of clients that gave up.
func TestWaiting(t *testing.T) {
	waits := func(state tcp.State, inode uint64, since time.Duration) tcp.Socket {
		s := session(state, "10.1.2.3")
		s.Inode, s.LastDataSent = inode, since
		return s
	}
	r := tallied(rules, waits(tcp.Established, 0, time.Second), waits(tcp.CloseWait, 0, 3*time.Second),
		waits(tcp.CloseWait, 5, time.Hour),
		waits(tcp.Established, 6, time.Hour), waits(tcp.TimeWait, 0, time.Hour), waits(tcp.SynRecv, 0, time.Hour))
	if want := (Group{2, 3 * time.Second}); r.Waiting != want {
		t.Errorf("%+v, want %+v", r.Waiting, want)
	}
	if want := (Group{1, time.Hour}); r.Served != want || r.UnreadCloses.N != 0 {
		t.Errorf("%+v, want %+v; %v closed, unread", r.Served, want, r.UnreadCloses)
	}
	ended := waits(tcp.CloseWait, 5, time.Hour)
	ended.RecvQ = 1
	if r := tallied(rules, ended, waits(tcp.CloseWait, 5, time.Hour)); r.UnreadCloses != (Group{1, time.Hour}) {
		t.Errorf("%v closed, unread", r.UnreadCloses)
	}
	unknown := waits(tcp.Established, 0, time.Hour)
	unknown.Facts &^= tcp.FactInode
	if r := tallied(rules, unknown); r.Waiting.N != 0 {
		t.Errorf("without inodes: %+v", r.Waiting)
	}
}

// TestClientDetails: what each client's sockets wait for.
func TestClientDetails(t *testing.T) {
	slow := session(tcp.Established, "10.1.2.3")
	slow.SendQ, slow.ZeroWindow, slow.LastDataSent, slow.LastDataReceived = 300, true, 12*time.Second, 9*time.Second
	lost := session(tcp.Established, "10.1.2.3")
	lost.SendQ, lost.Retransmits, lost.LastDataSent, lost.RecvQ = 40, 3, 4*time.Second, 17
	lost.LastDataReceived, lost.RTT = 11*time.Second, 30*time.Millisecond
	closing := session(tcp.FinWait1, "10.1.2.3")
	closing.SendQ, closing.Retransmits = 9, 2 // its queue is not counted with those of the ESTABLISHED
	r := tallied(rules, slow, lost, closing)
	c := r.Clients[0]
	if len(r.Clients) != 1 || c.UnsentBytes != 340 || c.UnreadBytes != 17 || c.ZeroWindow != 1 ||
		c.Retransmitting != 2 || c.Stalled != 1 || c.FeedAge != 4*time.Second {
		t.Errorf("%+v", r.Clients)
	}
	if c.RequestAge != 9*time.Second || c.RTT != 25*time.Millisecond { // the mean of 20 and 30 ms
		t.Errorf("request age %s, rtt %s", c.RequestAge, c.RTT)
	}
}

// TestResent: a segment that is sent again is no feed.
func TestResent(t *testing.T) {
	old, again := session(tcp.Established, "10.1.2.3"), session(tcp.Established, "10.1.2.4")
	old.LastDataSent, again.LastDataSent, again.Retransmits = 20*time.Second, time.Second, 3
	for _, sockets := range [][]tcp.Socket{{old, again}, {again, old}} {
		r := tallied(rules, sockets...)
		check(t, r, "feed_age=20")
		if want := (Group{1, 20 * time.Second}); r.Served != want {
			t.Errorf("%+v, want %+v", r.Served, want)
		}
	}
	check(t, tallied(rules, again), "feed_age=1")
}

// TestQueueNotEmptied: a queue is emptied when nobody who stood in it still stands in it.
func TestQueueNotEmptied(t *testing.T) {
	queue := func(n uint32) tcp.Socket {
		l := listener("0.0.0.0:41213", n, 0)
		l.Facts &^= tcp.FactBacklog
		return l
	}
	waits := func(port uint16) tcp.Socket {
		s := session(tcp.Established, "10.1.2.3")
		s.Remote, s.Inode = netip.AddrPortFrom(s.Remote.Addr(), port), 0
		return s
	}
	for _, test := range []struct {
		name          string
		before, after []tcp.Socket
		want          bool
	}{
		{"empty then", []tcp.Socket{queue(0)}, []tcp.Socket{queue(1), waits(1)}, false},
		{"empty now", []tcp.Socket{queue(1), waits(1)}, []tcp.Socket{queue(0)}, false},
		{"the same one", []tcp.Socket{queue(1), waits(1)}, []tcp.Socket{queue(1), waits(1)}, true},
		{"others", []tcp.Socket{queue(2), waits(1), waits(2)}, []tcp.Socket{queue(2), waits(3), waits(4)}, false},
		{"one of them still", []tcp.Socket{queue(2), waits(1), waits(2)}, []tcp.Socket{queue(2), waits(2), waits(3)}, true},
		{"reset ones that nobody sees", []tcp.Socket{queue(9)}, []tcp.Socket{queue(9)}, true},
		{"reset ones, fewer now", []tcp.Socket{queue(9)}, []tcp.Socket{queue(2)}, false},
	} {
		b := NewFullBaseline()
		for i := range test.before {
			b.Add(&test.before[i])
		}
		second := New(rules, b, time.Second)
		for i := range test.after {
			second.Add(&test.after[i])
		}
		r := second.Result(tcp.Look{Provides: everything, MaxBacklog: 4096})
		if l := r.Listeners[0]; l.NotEmptied != test.want || l.MaxBacklog != 4096 || l.Overflowing() {
			t.Errorf("%s: %+v", test.name, l)
		}
	}
}

// TestLowerBound: what is made of TIME_WAIT is a lower bound while the kernel keeps no more.
func TestLowerBound(t *testing.T) {
	s := session(tcp.TimeWait, "10.1.2.3")
	one := New(rules, nil, 0)
	one.Add(&s)
	r := one.Result(tcp.Look{Provides: everything, LowerBound: tcp.Set(tcp.TimeWait)})
	check(t, r, "abnormal=1 time_wait=1 close_wait=0 top_client=1 top_client_pct=U clients=1 established=0")
	for m, want := range map[Metric]bool{
		Abnormal: true, TimeWait: true, Clients: true, AbnormalClients: true, TopClient: true,
		CloseWait: false, Established: false, Listeners: false, Unread: false,
	} {
		if got := r.Values[m].LowerBound != ""; got != want {
			t.Errorf("%s is a lower bound: %v", m, got)
		}
	}
}
