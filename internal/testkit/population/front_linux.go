package population

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Front is a listener with both ends of its sessions, which stay open until the test ends. The
// state of a session is the state of the front's end.
type Front struct {
	t        testing.TB
	listener *net.TCPListener
	dial     string      // the address that clients dial
	held     []io.Closer // the ends of the sessions
}

// Listen opens a front on an address such as "127.0.0.1:41213" or "[::]:41213". network is
// tcp4 or tcp6, or tcp for both.
func Listen(t testing.TB, network, address string) *Front {
	t.Helper()
	// Go sets SO_REUSEADDR, so the TIME_WAIT sockets of an earlier test do no harm.
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	f := &Front{t: t, listener: l.(*net.TCPListener), dial: l.Addr().String()}
	t.Cleanup(f.Close)
	return f
}

// Close closes the listener and resets every session, so that no TIME_WAIT is left for the next
// test.
func (f *Front) Close() {
	for _, c := range f.held {
		if conn, ok := c.(*net.TCPConn); ok {
			conn.SetLinger(0)
		}
		c.Close()
	}
	f.held = nil
	f.listener.Close()
}

// Dial connects to the front from the client address. The connection stays open.
func (f *Front) Dial(client string) *net.TCPConn {
	f.t.Helper()
	from := netip.MustParseAddr(client)
	_, port, err := net.SplitHostPort(f.dial)
	if err != nil {
		f.t.Fatal(err)
	}
	dialer := net.Dialer{
		Timeout:   10 * time.Second,
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)),
		Control: func(_, _ string, raw syscall.RawConn) (err error) {
			control := raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			})
			if from.Is6() || control != nil {
				return control
			}
			return err
		},
	}
	dialer.SetMultipathTCP(false)
	server := "127.0.0.1"
	if from.Is6() {
		server = "::1"
	}
	conn, err := dialer.Dial("tcp", net.JoinHostPort(server, port))
	if err != nil {
		f.t.Fatal(err)
	}
	f.held = append(f.held, conn)
	return conn.(*net.TCPConn)
}

// Session connects from the client address, accepts the connection and returns both ends. They
// stay open.
func (f *Front) Session(client string) (front, peer *net.TCPConn) {
	f.t.Helper()
	peer = f.Dial(client)
	f.listener.SetDeadline(time.Now().Add(10 * time.Second))
	front, err := f.listener.AcceptTCP()
	if err != nil {
		f.t.Fatal(err)
	}
	f.held = append(f.held, front)
	return front, peer
}

// Make makes n sessions in a state, from the clients in turn. The state is established,
// close_wait, time_wait, fin_wait1, fin_wait2, fin_wait2_orphan, closing, last_ack, syn_recv or
// unaccepted. syn_recv must come last: after it the front does not accept a client that sends
// nothing.
func (f *Front) Make(state string, n int, clients ...string) {
	f.t.Helper()
	if state == "syn_recv" {
		// The kernel leaves a connection in SYN_RECV until the client sends data.
		f.control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_DEFER_ACCEPT, 600) })
	}
	for i := range n {
		client := clients[i%len(clients)]
		switch state {
		case "syn_recv", "unaccepted":
			f.Dial(client)
			continue
		}
		f.end(state, client)
	}
	f.settle()
}

// end makes a session and ends it as far as the state says.
func (f *Front) end(state, client string) {
	f.t.Helper()
	front, peer := f.Session(client)
	switch state {
	case "established":
	case "close_wait":
		peer.Close()
		f.readEOF(front)
	case "time_wait":
		// When it reads the client's FIN it is in TIME_WAIT. A FIN that arrives while close(2) hands the
		// session over to the kernel can be lost, and comes again much later.
		front.CloseWrite()
		f.readEOF(peer)
		peer.Close()
		f.readEOF(front)
		front.Close()
	case "fin_wait1":
		fill(front, peer)
		front.CloseWrite()
	case "fin_wait2":
		front.CloseWrite()
		f.readEOF(peer)
	case "fin_wait2_orphan":
		front.Close()
		f.readEOF(peer)
	case "closing":
		fill(front, peer)
		front.CloseWrite()
		f.settle() // the client's end must come second
		peer.CloseWrite()
	case "last_ack":
		peer.CloseWrite()
		f.readEOF(front)
		fill(front, peer)
		front.CloseWrite()
	default:
		f.t.Fatalf("population: %q is not a state that Make can make", state)
	}
}

// fill writes to the peer, which does not read, until nothing more goes in. What the front sends
// after that waits, also its FIN.
func fill(front, peer *net.TCPConn) {
	const (
		small = 4096 // bytes; the kernel doubles it
		full  = 100 * time.Millisecond
	)
	front.SetWriteBuffer(small)
	peer.SetReadBuffer(small)
	for err := error(nil); err == nil; {
		front.SetWriteDeadline(time.Now().Add(full))
		_, err = front.Write(make([]byte, small))
	}
}

// settle waits until the last packets on loopback have arrived: a softirq on any processor may
// deliver a FIN or ACK a moment later.
func (f *Front) settle() { time.Sleep(20 * time.Millisecond) }

// readEOF reads the end that the other side has sent.
func (f *Front) readEOF(c *net.TCPConn) {
	f.t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); err != io.EOF {
		f.t.Fatalf("population: read %d bytes, %v; want EOF", n, err)
	}
}

// control calls do with the descriptor of the listener.
func (f *Front) control(do func(fd int) error) {
	f.t.Helper()
	raw, err := f.listener.SyscallConn()
	if err != nil {
		f.t.Fatal(err)
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil || inner != nil {
		f.t.Fatal(err, inner)
	}
}

// Backlog sets the backlog, which limits the accept queue.
func (f *Front) Backlog(n int) {
	f.t.Helper()
	f.control(func(fd int) error { return unix.Listen(fd, n) })
}

// Addresses returns n client addresses, from 127.0.0.11 upwards.
func Addresses(n int) []string {
	return slices.Collect(func(yield func(string) bool) {
		for i := range n {
			if !yield(fmt.Sprintf("127.0.%d.%d", i/200, 11+i%200)) {
				return
			}
		}
	})
}

// ListenReusePort opens an IPv4 listener that shares its address with others.
func ListenReusePort(t testing.TB, address string) net.Listener {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); e != nil {
			return e
		}
		return err
	}}
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Overflow tries n connections, which the kernel drops because the accept queue is full. Each
// attempt ends after a short time.
func (f *Front) Overflow(n int) {
	for range n {
		dialer := net.Dialer{Timeout: 100 * time.Millisecond}
		dialer.SetMultipathTCP(false)
		if conn, err := dialer.Dial("tcp", f.dial); err == nil {
			conn.Close()
			f.t.Fatal("population: the accept queue was not full")
		}
	}
}
