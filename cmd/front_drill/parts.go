package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// The two processes that the supervisor starts.
const (
	partFront   = "as-front"
	partClients = "as-clients"
)

// The messages of the parts to the supervisor.
const (
	messageError   = "error: "
	messageListens = "listens"
	messageBegun   = "begun"   // the front has begun its part of the trouble
	messageServed  = "served"  // a client has had its first tick
	messageGaveUp  = "gave-up" // a served client has closed
	messageLeft    = "left"    // a client has closed as planned
	messageThrown  = "thrown"  // the front has closed the session of a client
	messageDeaf    = "deaf"    // the front has not read what a client sent
	messageUnsent  = "unsent"  // a client has not taken what the front sent
)

// The protocol: a client first sends a login, which says what the front is to do. It then gets
// ticks, and answers each of them.
const (
	loginStay       = "stay\n"
	loginLeave      = "leave\n" // wants one tick, then closes
	loginThrow      = "throw\n" // wants the front to close
	loginNotReading = "mute\n"  // wants ticks and never reads
	tick            = "tick\n"
	answer          = "ok\n"
	logoff          = "bye\n" // wants the front to close, after a login with "stay"
)

const (
	hangBacklog   = 128 // a small backlog, so that the accept queue fills soon
	tickEvery     = 500 * time.Millisecond
	quietEvery    = 15 * time.Second // between two heartbeats in scenario quiet
	loginEvery    = 2 * time.Second  // between two logins in scenario frozen
	slowTick      = 16 << 10         // bytes of a tick in scenario slow, so that buffers fill soon
	slowWindow    = 8 << 10          // bytes of the receive buffer of its client, where it can be set
	slowTaken     = 96 << 10         // bytes that the client's kernel takes, at most
	giveUpAfter   = 2 * tickEvery    // a client that misses two ticks closes
	reconnectWait = 200 * time.Millisecond
	loopRenewal   = 55 * time.Second // for as many sessions as there were at first; shorter than TIME_WAIT (60 s)

	// finDelivery is the time in which the kernel delivers a FIN on loopback. Only after that is
	// the front's side in TIME_WAIT.
	finDelivery = 100 * time.Millisecond

	addressCount = 9  // client addresses
	firstHost    = 11 // last byte of the first client address
	troubleHost  = 66 // last byte of the address of the client in trouble
)

// part is the front or the clients.
type part struct {
	drill
	out     io.Writer
	trouble chan struct{} // closed when the trouble begins
}

// play runs one of the parts. It returns an error if the part fails. The process exits when the
// supervisor ends, or a while after the drill should have ended.
func (d drill) play(name string, out io.Writer) error {
	// The supervisor handles Ctrl-C, also where all processes share a console.
	signal.Ignore(os.Interrupt)
	time.AfterFunc(setUpLimit+d.after+setUpLimit+d.over+d.holdTime+limitMargin, func() { os.Exit(exitFailed) })
	p := &part{drill: d, out: out, trouble: make(chan struct{})}
	go func() {
		in := bufio.NewReader(os.Stdin)
		if _, err := in.ReadString('\n'); err == nil {
			close(p.trouble)
			_, _ = io.Copy(io.Discard, in)
		}
		os.Exit(exitFailed)
	}()
	if name == partFront {
		return p.playFront()
	}
	return p.playClients()
}

// hasBegun reports whether the drill acts this scenario and its trouble has begun.
func (p *part) hasBegun(scenario string) bool {
	select {
	case <-p.trouble:
		return p.scenario == scenario
	default:
		return false
	}
}

// whoHasPort returns how to find the program that has the port, if that is why the front cannot listen.
func (d drill) whoHasPort(err error) string {
	if runtime.GOOS != "linux" || !errors.Is(err, syscall.EADDRINUSE) {
		return ""
	}
	return fmt.Sprintf("; to see which program has it run ss -ltnp 'sport = :%d', or give another --port", d.port)
}

// playFront listens, and accepts and serves clients.
func (p *part) playFront() error {
	// Keepalive is off: its probes would remove a CLOSE_WAIT socket as soon as the client's
	// kernel has removed its end.
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", p.endpoint())
	if err != nil {
		return fmt.Errorf("the front cannot listen: %w%s", err, p.whoHasPort(err))
	}
	listener := l.(*net.TCPListener)
	switch p.scenario {
	case "hang", "stuck", "nofile":
		if err := setBacklog(listener, hangBacklog); err != nil {
			return fmt.Errorf("set the backlog of the front: %w", err)
		}
	}
	fmt.Fprintln(p.out, messageListens)
	go func() {
		<-p.trouble
		switch p.scenario {
		case "stuck":
			_ = listener.SetDeadline(time.Now())
		case "nofile":
			if err := exhaustDescriptors(); err != nil {
				fmt.Fprintf(p.out, "%slimit the descriptors: %v\n", messageError, err)
			}
		}
		fmt.Fprintln(p.out, messageBegun)
	}()
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			go p.serve(conn.(*net.TCPConn))
		case p.hasBegun("stuck"):
			select {}
		case !p.hasBegun("nofile"):
			return fmt.Errorf("the front cannot accept: %w", err)
		}
	}
}

// serve runs the front's side of one session.
func (p *part) serve(conn *net.TCPConn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	login, err := in.ReadString('\n')
	if err != nil || login == loginThrow {
		// All input is read, so that close sends a FIN and the front's side gets TIME_WAIT.
		return
	}
	// The kernel resets all other sessions when the front ends, so that no TIME_WAIT is left.
	_ = conn.SetLinger(0)
	_, err = conn.Write(p.tick())
	if login == loginLeave {
		// The front never closes. The deferred Close keeps the garbage collector from collecting
		// conn, which would close it.
		select {}
	}
	go p.feed(conn, login)
	for err == nil && login != logoff {
		if login, err = in.ReadString('\n'); p.hasBegun("deaf") {
			time.Sleep(2 * tickEvery) // the client answers another tick meanwhile
			fmt.Fprintln(p.out, messageDeaf)
			select {}
		}
	}
	if err == nil {
		_ = conn.SetLinger(-1) // close sends a FIN, not a reset
	}
}

// feed sends ticks to a client.
func (p *part) feed(conn net.Conn, login string) {
	every := tickEvery
	if p.scenario == "quiet" {
		every = quietEvery
	}
	for n := 2; ; n++ { // serve has sent the first
		time.Sleep(every)
		if p.hasBegun("frozen") {
			return
		}
		if _, err := conn.Write(p.tick()); err != nil {
			return
		}
		if login == loginNotReading && n*slowTick > slowTaken {
			fmt.Fprintln(p.out, messageUnsent)
		}
	}
}

// playClients connects the clients, and acts the trouble when it begins.
func (p *part) playClients() error {
	held := make([]net.Conn, p.initialClients())
	for i := range held {
		host := p.host(i)
		conn, err := p.login(host, loginStay)
		if err != nil {
			return fmt.Errorf("client %d of %d: %w", i+1, len(held), err)
		}
		fmt.Fprintln(p.out, messageServed)
		held[i] = conn
		go p.stay(conn, host)
	}
	<-p.trouble
	switch p.scenario {
	case "burst":
		return p.burst()
	case "logoff":
		return p.logOff(held)
	case "stuck", "nofile":
		for i := range p.clients {
			go p.stay(nil, p.host(i))
		}
	case "frozen":
		return p.logInOneByOne()
	case "leak":
		return p.connectAndLeave()
	case "loop":
		return p.reconnectInLoop()
	case "slow":
		conn, err := p.connect(troubleHost, loginNotReading)
		if err != nil {
			return fmt.Errorf("the client that does not read: %w", err)
		}
		defer conn.Close() // keeps the garbage collector from collecting conn
	}
	select {}
}

// host returns the last byte of the address of client i.
func (p *part) host(i int) byte { return byte(firstHost + i%addressCount) }

// pace waits between two clients, so that they are spread over the time of --over.
func (p *part) pace() { time.Sleep(p.over / time.Duration(p.clients)) }

// stay runs a client that reads and answers ticks. If its session fails, the client closes and
// reconnects. It first connects if conn is nil.
func (p *part) stay(conn net.Conn, host byte) {
	for {
		for conn == nil {
			fresh, err := p.connect(host, loginStay)
			if err == nil {
				conn = fresh
			} else {
				time.Sleep(reconnectWait)
			}
		}
		var err error
		for err == nil {
			if p.clientsGiveUp() {
				_ = conn.SetReadDeadline(time.Now().Add(giveUpAfter))
			}
			if err = p.readTick(conn); err == nil {
				_, err = io.WriteString(conn, answer)
			}
		}
		conn.Close()
		if p.hasBegun("logoff") {
			fmt.Fprintln(p.out, messageLeft)
			return
		}
		fmt.Fprintln(p.out, messageGaveUp)
		conn = nil
		time.Sleep(reconnectWait)
	}
}

// clientsGiveUp reports whether clients without ticks give up and reconnect. They do so only in
// scenarios that need it: in others a slow machine must not make them reconnect.
func (p *part) clientsGiveUp() bool {
	return p.scenario == "hang" || p.hasBegun("stuck") || p.hasBegun("nofile")
}

// burst lets many clients log in, several at a time, as clients on several hosts do.
func (p *part) burst() error {
	failed := make(chan error)
	for i := range p.clients {
		go func() {
			conn, err := p.login(p.host(i), loginStay)
			if err != nil {
				failed <- fmt.Errorf("client %d of %d: %w", i+1, p.clients, err)
				return
			}
			fmt.Fprintln(p.out, messageServed)
			p.stay(conn, p.host(i))
		}()
		p.pace()
	}
	return <-failed
}

// logOff lets one client after the other ask the front to close. They do not reconnect.
func (p *part) logOff(held []net.Conn) error {
	for i, conn := range held {
		if _, err := io.WriteString(conn, logoff); err != nil {
			return fmt.Errorf("client %d of %d: %w", i+1, len(held), err)
		}
		p.pace()
	}
	select {}
}

// logInOneByOne lets one more client log in every loginEvery.
func (p *part) logInOneByOne() error {
	for i := 0; ; i++ {
		time.Sleep(loginEvery)
		conn, err := p.login(p.host(i), loginStay)
		if err != nil {
			return fmt.Errorf("new client %d: %w", i+1, err)
		}
		fmt.Fprintln(p.out, messageServed)
		go p.stay(conn, p.host(i))
	}
}

// connectAndLeave lets one client after the other connect, get a tick and close.
func (p *part) connectAndLeave() error {
	for i := range p.clients {
		conn, err := p.login(p.host(i), loginLeave)
		if err != nil {
			return fmt.Errorf("client %d of %d: %w", i+1, p.clients, err)
		}
		conn.Close()
		fmt.Fprintln(p.out, messageLeft)
		p.pace()
	}
	select {}
}

// reconnectInLoop runs a client that the front disconnects and that connects again. It does so at once
// until there are enough TIME_WAIT sockets, then a little more often than old ones expire. They expire
// one minute after they were made. A client port that is used again replaces the old socket, so
// each port counts once.
func (p *part) reconnectInLoop() error {
	ports := map[string]bool{}
	for {
		conn, err := p.connect(troubleHost, loginThrow)
		if err != nil {
			return fmt.Errorf("client after %d disconnections: %w", len(ports), err)
		}
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
		if port := conn.LocalAddr().String(); !ports[port] {
			ports[port] = true
			if len(ports) == p.clients {
				time.Sleep(finDelivery) // the next message makes the scenario complete
			}
			fmt.Fprintln(p.out, messageThrown)
		}
		if len(ports) < p.clients {
			p.pace()
		} else {
			time.Sleep(loopRenewal / time.Duration(p.clients))
		}
	}
}

// login connects, sends the login and waits for the first tick.
func (p *part) login(host byte, how string) (net.Conn, error) {
	conn, err := p.connect(host, how)
	if err == nil {
		err = p.readTick(conn)
	}
	return conn, err
}

// connect dials the front and sends the login. Where clients have different addresses, host is
// the last byte; the other bytes are those of the front.
func (p *part) connect(host byte, how string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1, Timeout: setUpLimit}
	dialer.SetMultipathTCP(false)
	if p.clientsGiveUp() {
		dialer.Timeout = giveUpAfter
	}
	if how == loginNotReading {
		dialer.Control = setSmallReceiveBuffer
	}
	if p.hasManyAddresses() {
		from := slices.Clone(p.address.To4())
		from[3] = host
		dialer.LocalAddr = &net.TCPAddr{IP: from}
		dialer.Control = func(network, address string, c syscall.RawConn) error {
			if how == loginNotReading {
				if err := setSmallReceiveBuffer(network, address, c); err != nil {
					return err
				}
			}
			return choosePortAtConnect(network, address, c)
		}
	}
	conn, err := dialer.Dial("tcp", p.endpoint())
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, how); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// readTick reads one tick.
func (p *part) readTick(conn net.Conn) error {
	_, err := io.ReadFull(conn, p.tick())
	return err
}

// tick returns a new slice with what the front sends at a login and every tickEvery.
func (p *part) tick() []byte {
	if p.scenario == "slow" {
		return bytes.Repeat([]byte(tick), slowTick/len(tick))
	}
	return []byte(tick)
}
