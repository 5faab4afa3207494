package main

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/tcp"
)

// A TIME_WAIT lives for 60 s. New ones are made each timeWaitPeriod, when those are forgotten that
// are older than timeWaitTrust. So no look expects one that is older than the sum of both, and each
// look expects some.
const (
	timeWaitTrust  = 30 * time.Second
	timeWaitPeriod = 20 * time.Second
)

// deferAccept keeps a session in SYN_RECV until its client sends data, for longer than any run.
// In seconds.
const deferAccept = 6 * 60 * 60

// front is one listener of the front.
type front struct {
	domain domain
	server netip.AddrPort
	client func(i int) netip.Addr // the address of client i
	fd     int
}

// openFronts opens the listeners: IPv4, IPv6 and IPv4-mapped. The clients of the last one are IPv4.
func openFronts() []*front {
	loopback := func(third byte) func(int) netip.Addr {
		return func(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, third, byte(i / 200), byte(1 + i%200)}) }
	}
	fronts := []*front{
		{domain: ipv4, server: netip.MustParseAddrPort("127.0.0.1:41213"), client: loopback(1)},
		{domain: ipv6, server: netip.MustParseAddrPort("[::1]:41213"),
			client: func(int) netip.Addr { return netip.IPv6Loopback() }},
		{domain: ipv6, server: netip.MustParseAddrPort("127.0.0.3:41213"), client: loopback(2)},
	}
	for _, f := range fronts {
		f.fd = listen(f.domain, f.server, 4096)
		must(unix.SetsockoptInt(f.fd, unix.SOL_TCP, unix.TCP_DEFER_ACCEPT, deferAccept), "TCP_DEFER_ACCEPT")
	}
	return fronts
}

// session connects client i, which sends one byte. The front reads it.
func (f *front) session(i int) (near, far int) {
	far, err := dial(f.client(i), f.server)
	must(err, "session")
	_, err = unix.Write(far, []byte{1})
	must(err, "write of the client")
	near, _, err = unix.Accept4(f.fd, unix.SOCK_CLOEXEC)
	must(err, "accept")
	_, err = unix.Read(near, make([]byte, 1))
	must(err, "read of the front")
	return near, far
}

// staticStates are the states that sessions are held in, with their number on each front. That of
// ESTABLISHED is an option.
var staticStates = []struct {
	state tcp.State
	n     int
}{
	{tcp.CloseWait, 8}, {tcp.FinWait2, 8}, {tcp.FinWait1, 3}, {tcp.LastAck, 3},
	{tcp.Closing, 3}, {tcp.SynRecv, 5},
}

// makeStatic makes the sockets that stay as they are until the process ends, with so many
// ESTABLISHED on each front.
func makeStatic(fronts []*front, established int, want *expected) {
	for _, f := range fronts {
		want.add(f.server, f.domain.unspecified(), tcp.Listen, time.Time{})
		for i := range established {
			want.add(f.server, f.hold(tcp.Established, i), tcp.Established, time.Time{})
		}
		for _, s := range staticStates {
			for i := range s.n {
				want.add(f.server, f.hold(s.state, i), s.state, time.Time{})
			}
		}
	}
	makeUnaccepted(want)
	makeSynSent(want)
}

// hold makes a session in the state and returns the address of its client.
func (f *front) hold(state tcp.State, i int) netip.AddrPort {
	if state == tcp.SynRecv {
		far, err := dial(f.client(i), f.server)
		must(err, "session")
		return nearEnd(far)
	}
	near, far := f.session(i)
	end := func(fd int) { must(unix.Shutdown(fd, unix.SHUT_WR), "shutdown") }
	switch state {
	case tcp.CloseWait:
		end(far)
	case tcp.FinWait2:
		end(near)
	case tcp.FinWait1: // its FIN waits for data that the client does not read
		fill(near)
		end(near)
	case tcp.Closing:
		fill(near)
		end(near)
		end(far)
	case tcp.LastAck:
		end(far)
		_, err := unix.Read(near, make([]byte, 1)) // the FIN has arrived
		must(err, "read of the front")
		fill(near)
		end(near)
	}
	return nearEnd(far)
}

// fill writes until the client's window is closed and the socket takes no more.
func fill(fd int) {
	must(unix.SetNonblock(fd, true), "O_NONBLOCK")
	const pause = 20 * time.Millisecond // in which what is on the way arrives
	for written := 1; written > 0; time.Sleep(pause) {
		written = 0
		for {
			n, err := unix.Write(fd, make([]byte, 64<<10))
			if err != nil {
				break
			}
			written += n
		}
	}
}

// makeUnaccepted makes ESTABLISHED sessions that nobody accepts, on a listener of their own.
func makeUnaccepted(want *expected) {
	const n = 5
	server := netip.MustParseAddrPort("127.0.0.9:41213")
	listen(ipv4, server, 4096)
	want.add(server, ipv4.unspecified(), tcp.Listen, time.Time{})
	for range n {
		far, err := dial(netip.MustParseAddr("127.0.0.9"), server)
		must(err, "session")
		want.add(server, nearEnd(far), tcp.Established, time.Time{})
	}
}

// makeSynSent makes sockets on the front's port that try to connect to a listener with a full
// accept queue, which drops their SYN.
func makeSynSent(want *expected) {
	const n, tries = 4, 127 // tries: the kernel's limit, hours
	full := netip.MustParseAddrPort("127.0.0.10:41301")
	listen(ipv4, full, 0)
	_, err := dial(full.Addr(), full)
	must(err, "full accept queue")
	for i := range n {
		local := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 4, 0, byte(1 + i)}), frontPort)
		d := []domain{ipv4, ipv6}[i%2]
		fd, err := open(d, local)
		must(err, "SYN_SENT")
		must(unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_SYNCNT, tries), "TCP_SYNCNT")
		must(unix.SetNonblock(fd, true), "O_NONBLOCK")
		if err := unix.Connect(fd, d.sockaddr(full)); err != unix.EINPROGRESS {
			must(err, "SYN_SENT")
		}
		want.add(local, full, tcp.SynSent, time.Time{})
	}
}

// makeTimeWait makes TIME_WAIT on each front, which the front has closed first.
func makeTimeWait(fronts []*front, want *expected) {
	const n = 4
	for _, f := range fronts {
		for i := range n {
			near, far := f.session(i)
			client := nearEnd(far)
			unix.Close(near)
			_, err := unix.Read(far, make([]byte, 1)) // the FIN has arrived
			must(err, "read of the client")
			unix.Close(far)
			want.add(f.server, client, tcp.TimeWait, time.Now().Add(timeWaitTrust))
		}
	}
}

// unspecified is the remote address of a listener.
func (d domain) unspecified() netip.AddrPort {
	if d == ipv4 {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}
