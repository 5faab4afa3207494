package source

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/population"
)

func TestMain(m *testing.M) { population.Main(m) }

// collect returns what a source sees, in a stable order.
func collect(t *testing.T, s tcp.Source, q tcp.Query) []tcp.Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var rows []tcp.Socket
	_, err := s.Look(ctx, q, func(s *tcp.Socket) { rows = append(rows, *s) })
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	slices.SortFunc(rows, func(a, b tcp.Socket) int {
		return cmp.Or(a.Local.Compare(b.Local), a.Remote.Compare(b.Remote), cmp.Compare(a.State, b.State),
			cmp.Compare(a.Inode, b.Inode))
	})
	return rows
}

func counts(rows []tcp.Socket) map[tcp.State]int {
	n := map[tcp.State]int{}
	for _, s := range rows {
		n[s.State]++
	}
	return n
}

// bySS counts what ss sees on the local ports.
func bySS(t *testing.T, ports ...int) map[tcp.State]int {
	t.Helper()
	if _, err := exec.LookPath("ss"); err != nil {
		population.Skip(t, "there is no ss to compare with")
	}
	out, err := exec.Command("ss", "-Htan").Output()
	if err != nil {
		t.Fatal(err)
	}
	n := map[tcp.State]int{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for _, port := range ports {
			if strings.HasSuffix(fields[3], fmt.Sprintf(":%d", port)) {
				state, err := tcp.ParseState(fields[0])
				if err != nil {
					t.Fatal(err)
				}
				n[state]++
			}
		}
	}
	return n
}

// populate makes a front with sockets in every state that one host can hold.
func populate(t *testing.T, network, address string, clients ...string) {
	t.Helper()
	f := population.Listen(t, network, address)
	f.Make("established", 7, clients...)
	f.Make("close_wait", 5, clients...)
	f.Make("time_wait", 4, clients...)
	f.Make("fin_wait2", 3, clients...)
	f.Make("fin_wait2_orphan", 2, clients...)
	f.Make("fin_wait1", 1, clients...)
	f.Make("closing", 2, clients...)
	f.Make("last_ack", 3, clients...)
	front, peer := f.Session(clients[0])
	peer.Write(make([]byte, 100)) // unread
	front.Write(make([]byte, 50))
	f.Make("unaccepted", 3, clients...)
	f.Make("syn_recv", 2, clients...)
}

func TestEverySourceSeesTheSame(t *testing.T) {
	population.Need(t)
	for _, world := range []struct {
		name, network, address string
		port                   uint16 // each its own: TIME_WAIT stays for a minute
		clients                []string
		local                  string // address of the sessions' near end
	}{
		{"IPv4", "tcp4", "127.0.0.1", 41213, population.Addresses(3), "127.0.0.1"},
		{"IPv6", "tcp6", "[::1]", 41313, []string{"::1"}, "::1"},
		{"IPv4-mapped", "tcp", "[::]", 41413, population.Addresses(3), "127.0.0.1"},
	} {
		t.Run(world.name, func(t *testing.T) {
			populate(t, world.network, fmt.Sprintf("%s:%d", world.address, world.port), world.clients...)
			other := population.Listen(t, "tcp4", "127.0.0.1:41230")
			other.Make("established", 2, "127.0.0.1")
			decoy := population.Listen(t, "tcp4", "127.0.0.1:4121") // a prefix of the port's digits
			decoy.Make("close_wait", 6, population.Addresses(3)...)

			ports, err := tcp.ParsePorts(fmt.Sprintf("%d,41225-41240", world.port))
			if err != nil {
				t.Fatal(err)
			}
			q := tcp.Query{Ports: ports}
			want := map[tcp.State]int{
				tcp.Listen: 2, tcp.Established: 7 + 1 + 3 + 2, tcp.CloseWait: 5,
				tcp.TimeWait: 4, tcp.FinWait2: 3 + 2, tcp.SynRecv: 2, tcp.FinWait1: 1, tcp.Closing: 2, tcp.LastAck: 3,
			}
			diagRows := collect(t, sockDiagBoth(), q)
			if got := counts(diagRows); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("sockdiag counts %v, want %v", got, want)
			}
			if got := bySS(t, int(world.port), 41230); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("ss counts %v, want %v", got, want)
			}
			var unaccepted, unread int
			for _, s := range diagRows {
				if s.State == tcp.Established && s.Inode == 0 {
					unaccepted++
				}
				if s.State == tcp.Established && s.RecvQ > 0 {
					unread += int(s.RecvQ)
				}
				if s.State == tcp.Established && s.Local.Addr() != netip.MustParseAddr(world.local) &&
					s.Local.Port() == world.port {
					t.Errorf("a session is at %s, want it at %s", s.Local, world.local)
				}
				if s.State == tcp.Listen && s.Local.Port() == world.port && s.RecvQ != 3 {
					t.Errorf("accept queue is %d, want 3", s.RecvQ)
				}
				if !s.Facts.Has(diagFacts&^(tcp.FactClosed|tcp.FactBytesRead)) && (s.State == tcp.Established ||
					s.State == tcp.Listen) {
					t.Errorf("%v: sockdiag knows %b of %b", s, s.Facts, diagFacts)
				}
			}
			if unaccepted != 3 || unread != 100 {
				t.Errorf("%d unaccepted, %d bytes unread; want 3, 100", unaccepted, unread)
			}

			elsewhere := q // no listener is on a wildcard here, but for the third world
			elsewhere.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			for _, s := range []tcp.Source{sockDiagBoth(), sockDiagEach(), procNet("/proc"), gopsutil("/proc")} {
				for _, row := range collect(t, s, elsewhere) {
					if !row.Local.Addr().IsUnspecified() {
						t.Errorf("%s sees %s, which is not in 10.0.0.0/8", s.Name, row.Local)
					}
				}
			}
			for _, s := range []tcp.Source{sockDiagEach(), procNet("/proc"), gopsutil("/proc")} {
				provided := map[string]tcp.Facts{"sockdiag": diagFacts, "procnet": procFacts}[s.Name]
				rows := collect(t, s, q)
				if len(rows) != len(diagRows) {
					t.Errorf("%s sees %d sockets, sockdiag %d", s.Name, len(rows), len(diagRows))
					continue
				}
				for i := range rows {
					if got, want := project(rows[i], provided), project(diagRows[i], provided); got != want {
						t.Errorf("%s sees\n%+v, sockdiag\n%+v", s.Name, got, want)
					}
				}
			}
		})
	}
}

// project keeps the facts of a socket that are provided and do not change between two looks.
func project(s tcp.Socket, provided tcp.Facts) tcp.Socket {
	p := tcp.Socket{State: s.State, Local: s.Local, Remote: s.Remote}
	if provided.Has(tcp.FactRecvQ) {
		p.RecvQ = s.RecvQ
	}
	if provided.Has(tcp.FactSendQ) && s.State != tcp.Listen || provided.Has(tcp.FactBacklog) {
		p.SendQ = s.SendQ
	}
	if provided.Has(tcp.FactInode) {
		p.Inode = s.Inode
	}
	if provided.Has(tcp.FactUID) && s.Inode != 0 {
		p.UID = s.UID
	}
	return p
}

// TestSynSent: a connection that the listener does not answer is seen by its local port.
func TestSynSent(t *testing.T) {
	population.Need(t)
	full := population.Listen(t, "tcp4", "127.0.0.1:41216")
	full.Backlog(0)
	full.Make("unaccepted", 1, "127.0.0.1")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	const port = 41217
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: 41216, Addr: [4]byte{127, 0, 0, 1}})
	if err != unix.EINPROGRESS {
		t.Fatalf("connect: %v", err)
	}
	for _, s := range []tcp.Source{sockDiagBoth(), sockDiagEach(), procNet("/proc"), gopsutil("/proc")} {
		rows := collect(t, s, tcp.Query{Ports: tcp.Ports{{Lo: port, Hi: port}}})
		if len(rows) != 1 || rows[0].State != tcp.SynSent {
			t.Errorf("%s sees %+v, want one socket in syn_sent", s.Name, rows)
		}
	}
}

// TestTimes: the times, and the bytes that were read, are those of what was sent. What is sent once
// more begins anew: a FIN that comes again starts TIME_WAIT again. On loopback that happens where
// the processor is an emulator that gets a checksum wrong now and then, as QEMU's s390x does.
func TestTimes(t *testing.T) {
	population.Need(t)
	sentBefore := retransmitted(t)
	f := population.Listen(t, "tcp4", "127.0.0.1:41218")
	front, peer := f.Session("127.0.0.1")
	f.Make("time_wait", 1, "127.0.0.1")
	// The kernel counts in jiffies, of 10 ms at most.
	const jiffies = 20 * time.Millisecond
	before := time.Now()
	peer.Write(make([]byte, 30))
	if _, err := io.ReadFull(front, make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	received := time.Now()
	time.Sleep(300 * time.Millisecond)
	front.Write(make([]byte, 10))
	sent := time.Now()
	time.Sleep(500 * time.Millisecond)
	for _, s := range []tcp.Source{sockDiagBoth(), sockDiagEach()} {
		atLeast := [...]time.Duration{time.Since(sent), time.Since(received)}
		rows := collect(t, s, tcp.Query{Ports: tcp.Ports{{Lo: 41218, Hi: 41218}}})
		if retransmitted(t) != sentBefore {
			t.Log("segments were sent again: only the upper limits hold")
			atLeast = [2]time.Duration{}
		}
		for _, row := range rows {
			atMost := time.Since(before) + jiffies
			switch row.State {
			case tcp.Established:
				if row.LastDataSent < atLeast[0]-jiffies || row.LastDataReceived < atLeast[1]-jiffies ||
					row.LastDataSent > atMost-200*time.Millisecond || row.LastDataReceived > atMost {
					t.Errorf("last data %s and %s ago, want %s and %s", row.LastDataSent, row.LastDataReceived, atLeast[0],
						atLeast[1])
				}
				if row.BytesRead != 20 || row.RecvQ != 10 || row.RTT <= 0 || row.RTT > time.Second {
					t.Errorf("%d bytes read, %d to read, RTT %s", row.BytesRead, row.RecvQ, row.RTT)
				}
			case tcp.TimeWait:
				if !row.Facts.Has(tcp.FactClosed) || row.Closed < atLeast[1]-jiffies || row.Closed > atMost+time.Second {
					t.Errorf("closed %s ago, want %s", row.Closed, atLeast[1])
				}
			}
		}
	}
}

// retransmitted returns how many segments this network namespace has sent again.
func retransmitted(t *testing.T) uint64 {
	t.Helper()
	b, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	_, tcpLines, _ := strings.Cut(string(b), "Tcp:")
	names, values, found := strings.Cut(tcpLines, "Tcp:")
	column := slices.Index(strings.Fields(names), "RetransSegs")
	fields := strings.Fields(values)
	if !found || column < 0 || column >= len(fields) {
		t.Fatalf("/proc/net/snmp has no RetransSegs:\n%s", b)
	}
	n, err := strconv.ParseUint(fields[column], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestUID: the user who made a socket is told.
func TestUID(t *testing.T) {
	population.Need(t)
	var config net.ListenConfig
	config.SetMultipathTCP(false) // else its subflow is another socket
	l, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:41213")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const user = 65533
	if err := f.Chown(user, -1); err != nil { // the kernel takes it for the maker (sockfs_setattr)
		population.Skip(t, err.Error())
	}
	for _, s := range []tcp.Source{sockDiagBoth(), sockDiagEach(), procNet("/proc")} {
		rows := collect(t, s, tcp.Query{Ports: tcp.Ports{{Lo: 41213, Hi: 41213}}})
		rows = slices.DeleteFunc(rows, func(s tcp.Socket) bool { return s.State != tcp.Listen })
		if len(rows) != 1 || !rows[0].Facts.Has(tcp.FactUID) || rows[0].UID != user {
			t.Errorf("%s sees %+v, want uid %d", s.Name, rows, user)
		}
	}
}

func TestReusePortTwinsAreTwoListeners(t *testing.T) {
	population.Need(t)
	a := population.ListenReusePort(t, "127.0.0.1:41213")
	b := population.ListenReusePort(t, "127.0.0.1:41213")
	_, _ = a, b
	for _, s := range []tcp.Source{sockDiagBoth(), sockDiagEach(), procNet("/proc")} {
		if n := counts(collect(t, s, tcp.Query{Ports: tcp.Ports{{Lo: 41213, Hi: 41213}}}))[tcp.Listen]; n != 2 {
			t.Errorf("%s sees %d listeners, want 2", s.Name, n)
		}
	}
}

func TestDropsAndFullAcceptQueue(t *testing.T) {
	population.Need(t)
	f := population.Listen(t, "tcp4", "127.0.0.1:41213")
	f.Backlog(2)
	f.Make("unaccepted", 3, "127.0.0.1") // one over the backlog
	f.Overflow(5)
	rows := collect(t, sockDiagBoth(), tcp.Query{Ports: tcp.Ports{{Lo: 41213, Hi: 41213}}})
	if n := counts(rows)[tcp.Listen]; n != 1 {
		t.Errorf("%d listeners, want 1", n)
	}
	for _, s := range rows {
		if s.State == tcp.Listen && (s.RecvQ != 3 || s.SendQ != 2 || s.Drops == 0) {
			t.Errorf("accept queue %d of %d with %d drops; want 3 of 2 and some drops", s.RecvQ, s.SendQ, s.Drops)
		}
	}
}

// TestMPTCP: a session of MPTCP is known for one, and one of plain TCP on the same
// listener is not taken for it.
func TestMPTCP(t *testing.T) {
	population.Need(t)
	var config net.ListenConfig
	config.SetMultipathTCP(true)
	l, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:41613")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, multipath := range []bool{true, false} {
		var dialer net.Dialer
		dialer.SetMultipathTCP(multipath)
		peer, err := dialer.Dial("tcp4", "127.0.0.1:41613")
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		front, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer front.Close()
		if is, err := front.(*net.TCPConn).MultipathTCP(); err != nil || is != multipath {
			population.Skip(t, "this kernel has no MPTCP")
		}
	}
	n := map[bool]int{}
	for _, s := range collect(t, sockDiagBoth(), tcp.Query{Ports: tcp.Ports{{Lo: 41613, Hi: 41613}}}) {
		if s.State != tcp.Listen {
			n[s.MPTCP]++
		}
	}
	if n[true] != 1 || n[false] != 1 {
		t.Errorf("%d sessions of MPTCP and %d of plain TCP, want one each", n[true], n[false])
	}
}

func TestManyRangesOfPorts(t *testing.T) {
	population.Need(t)
	population.Listen(t, "tcp4", "127.0.0.1:41213").Make("established", 3, "127.0.0.1")
	population.Listen(t, "tcp4", "127.0.0.1:41214").Make("established", 2, "127.0.0.1")
	var many tcp.Ports // every odd port: more ranges than one filter holds
	for port := 1; port < 65535; port += 2 {
		many = append(many, tcp.PortRange{Lo: uint16(port), Hi: uint16(port)})
	}
	for _, ports := range []tcp.Ports{many, many[20000:20999]} {
		rows := collect(t, sockDiagBoth(), tcp.Query{Ports: ports})
		established := 0
		for _, s := range rows {
			if s.Local.Port() == 41213 && s.State == tcp.Established {
				established++
			}
			if s.Local.Port()%2 == 0 {
				t.Errorf("%d ranges: a socket on port %d, which nobody asked for", len(ports), s.Local.Port())
			}
		}
		if established != 3 {
			t.Errorf("%d ranges: %d established on 41213, want 3", len(ports), established)
		}
	}
}

// TestSilentKernel: a kernel that never answers is waited for until the deadline,
// and the socket is closed whatever comes.
func TestSilentKernel(t *testing.T) {
	descriptors := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	before := descriptors()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	// The header is written here: message and bigEndian make what the tests of the reader need.
	noop := binary.NativeEndian.AppendUint32(nil, nlmsgHeaderLen)
	noop = binary.NativeEndian.AppendUint16(noop, nlmsgNoop)
	noop = binary.NativeEndian.AppendUint16(noop, nlmFRequest)
	noop = append(noop, make([]byte, nlmsgHeaderLen-len(noop))...)
	start := time.Now()
	err := askKernel(ctx, noop, func([]byte) (bool, error) { return true, nil })
	if took := time.Since(start); err == nil || took < 80*time.Millisecond {
		t.Errorf("got %v after %s, before the deadline", err, took)
	}
	for range 50 {
		collect(t, sockDiagBoth(), anyPort)
	}
	if after := descriptors(); after > before+2 { // package testing may open one of its own
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

func TestDeadlineHolds(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	for _, s := range []tcp.Source{sockDiagBoth(), procNet("/proc"), gopsutil("/proc")} {
		if _, err := s.Look(ctx, anyPort, func(*tcp.Socket) {}); err == nil {
			t.Errorf("%s answered after its time", s.Name)
		}
	}
}
