package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// The parts that a drill consists of besides its supervisor.
const (
	partFront   = "as-front"
	partClients = "as-clients"
)

// What the parts tell the supervisor.
const (
	wordError   = "error: "
	wordListens = "listens"
	wordBegun   = "begun"   // the front has begun its part of the trouble
	wordServed  = "served"  // a client has had its first tick
	wordGaveUp  = "gave-up" // a served client has closed
	wordLeft    = "left"    // a leaver has closed
	wordThrown  = "thrown"  // the front has closed on a client
	wordDeaf    = "deaf"    // the front has not read what a client sent
	wordUnsent  = "unsent"  // a client has not taken what the front sent
)

// What goes over the wire: a client says once how it wants to be treated,
// gets ticks, and answers each of them.
const (
	loginStay  = "stay\n"
	loginLeave = "leave\n" // wants one tick, and closes
	loginThrow = "throw\n" // wants to be thrown out
	loginMute  = "mute\n"  // never reads
	tick       = "tick\n"
	answer     = "ok\n"
	logoff     = "bye\n" // wants to be closed on
)

const (
	hangBacklog   = 128
	tickEvery     = 500 * time.Millisecond
	quietEvery    = 15 * time.Second // between two heartbeats
	loginEvery    = 2 * time.Second  // of frozen
	slowTick      = 16 << 10         // bytes of a tick, so that a client that does not read is soon full
	slowWindow    = 8 << 10          // bytes of its receive buffer, where that can be set
	slowTaken     = 96 << 10         // bytes that its kernel takes, at most
	giveUpAfter   = time.Second      // two ticks missed
	reconnectWait = 200 * time.Millisecond
	loopRefill    = 55 * time.Second // for as many throw-outs as there were at first

	// A FIN is delivered by whichever processor has the time: only when that has
	// happened is the front's side in TIME_WAIT.
	lastFIN = 100 * time.Millisecond

	sources     = 9 // client addresses, 127.0.0.11 and following
	firstSource = 11
	loneSource  = 66 // of the one that makes trouble
)

// part is the front or the clients.
type part struct {
	drill
	tell    io.Writer
	trouble chan struct{} // closed when the trouble begins
}

// play acts as one of the parts until it fails, the supervisor goes away or
// the drill should long be over.
func (d drill) play(name string, tell io.Writer) error {
	// On a Ctrl-C the supervisor decides, even where all share a console.
	signal.Ignore(os.Interrupt)
	time.AfterFunc(setUpLimit+d.after+setUpLimit+d.over+d.hold+limitMargin, func() { os.Exit(exitFailed) })
	p := &part{d, tell, make(chan struct{})}
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

// begun tells whether the trouble of this scenario has begun.
func (p *part) begun(scenario string) bool {
	select {
	case <-p.trouble:
		return p.scenario == scenario
	default:
		return false
	}
}

func (p *part) playFront() error {
	// Keep-alive is off: its probes would clear away CLOSE_WAIT as soon as
	// the client's kernel has forgotten the connection.
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", p.endpoint())
	if err != nil {
		return fmt.Errorf("the front cannot listen: %w", err)
	}
	listener := l.(*net.TCPListener)
	switch p.scenario {
	case "hang", "stuck", "nofile":
		if err := setBacklog(listener, hangBacklog); err != nil {
			return fmt.Errorf("set the backlog of the front: %w", err)
		}
	}
	fmt.Fprintln(p.tell, wordListens)
	go func() {
		<-p.trouble
		switch p.scenario {
		case "stuck":
			_ = listener.SetDeadline(time.Now())
		case "nofile":
			if err := noDescriptors(); err != nil {
				fmt.Fprintf(p.tell, "%slimit the descriptors: %v\n", wordError, err)
			}
		}
		fmt.Fprintln(p.tell, wordBegun)
	}()
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			go p.serve(conn.(*net.TCPConn))
		case p.begun("stuck"):
			select {}
		case !p.begun("nofile"):
			return fmt.Errorf("the front cannot accept: %w", err)
		}
	}
}

// serve is the front's side of one connection.
func (p *part) serve(conn *net.TCPConn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	login, err := in.ReadString('\n')
	if err != nil || login == loginThrow {
		// All input is read, so this is an orderly close: TIME_WAIT is ours.
		return
	}
	// All other connections are reset when the front ends, without a trace.
	_ = conn.SetLinger(0)
	_, err = conn.Write(p.tick())
	if login == loginLeave {
		// Forgotten for good; the deferred close keeps it from being
		// collected, which would close it after all.
		select {}
	}
	go p.feed(conn, login)
	for err == nil && login != logoff {
		if login, err = in.ReadString('\n'); p.begun("deaf") {
			time.Sleep(2 * tickEvery) // the client has answered another tick
			fmt.Fprintln(p.tell, wordDeaf)
			select {}
		}
	}
	if err == nil {
		_ = conn.SetLinger(-1) // orderly
	}
}

// feed sends ticks to a client.
func (p *part) feed(conn net.Conn, login string) {
	every := tickEvery
	if p.scenario == "quiet" {
		every = quietEvery
	}
	for n := 2; ; n++ { // the first was that of the login
		time.Sleep(every)
		if p.begun("frozen") {
			return
		}
		if _, err := conn.Write(p.tick()); err != nil {
			return
		}
		if login == loginMute && n*slowTick > slowTaken {
			fmt.Fprintln(p.tell, wordUnsent)
		}
	}
}

func (p *part) playClients() error {
	held := make([]net.Conn, p.served())
	for i := range held {
		host := p.host(i)
		conn, err := p.login(host, loginStay)
		if err != nil {
			return fmt.Errorf("client %d of %d: %w", i+1, len(held), err)
		}
		fmt.Fprintln(p.tell, wordServed)
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
		return p.logIn()
	case "leak":
		return p.leave()
	case "loop":
		return p.comeBack()
	case "slow":
		conn, err := p.connect(loneSource, loginMute)
		if err != nil {
			return fmt.Errorf("the client that does not read: %w", err)
		}
		defer conn.Close() // keeps it from being collected
	}
	select {}
}

// host is the last byte of a client's address.
func (p *part) host(i int) byte { return byte(firstSource + i%sources) }

// pace spreads the clients over the time that they have for the trouble.
func (p *part) pace() { time.Sleep(p.over / time.Duration(p.clients)) }

// stay reads ticks. When they stop it closes, and tries again without end, as
// does one that is not connected yet.
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
			if p.impatient() {
				_ = conn.SetReadDeadline(time.Now().Add(giveUpAfter))
			}
			if err = p.readTick(conn); err == nil {
				_, err = io.WriteString(conn, answer)
			}
		}
		conn.Close()
		if p.begun("logoff") {
			fmt.Fprintln(p.tell, wordLeft)
			return
		}
		fmt.Fprintln(p.tell, wordGaveUp)
		conn = nil
		time.Sleep(reconnectWait)
	}
}

// impatient tells whether clients give up that get no ticks. Only a front that
// hangs needs that; in the others a slow machine must not make them reconnect.
func (p *part) impatient() bool {
	return p.scenario == "hang" || p.begun("stuck") || p.begun("nofile")
}

// burst lets many clients log in, several at a time, since they come from
// several hosts.
func (p *part) burst() error {
	failed := make(chan error)
	for i := range p.clients {
		go func() {
			conn, err := p.login(p.host(i), loginStay)
			if err != nil {
				failed <- fmt.Errorf("client %d of %d: %w", i+1, p.clients, err)
				return
			}
			fmt.Fprintln(p.tell, wordServed)
			p.stay(conn, p.host(i))
		}()
		p.pace()
	}
	return <-failed
}

// logOff lets one client after the other ask the front to close. Those that
// wait for ticks then see the end, and do not come back.
func (p *part) logOff(held []net.Conn) error {
	for i, conn := range held {
		if _, err := io.WriteString(conn, logoff); err != nil {
			return fmt.Errorf("client %d of %d: %w", i+1, len(held), err)
		}
		p.pace()
	}
	select {}
}

// logIn lets a client more log in now and then.
func (p *part) logIn() error {
	for i := 0; ; i++ {
		time.Sleep(loginEvery)
		conn, err := p.login(p.host(i), loginStay)
		if err != nil {
			return fmt.Errorf("client %d after the last tick: %w", i+1, err)
		}
		fmt.Fprintln(p.tell, wordServed)
		go p.stay(conn, p.host(i))
	}
}

// leave lets one client after the other connect, get a tick and close.
func (p *part) leave() error {
	for i := range p.clients {
		conn, err := p.login(p.host(i), loginLeave)
		if err != nil {
			return fmt.Errorf("leaver %d of %d: %w", i+1, p.clients, err)
		}
		conn.Close()
		fmt.Fprintln(p.tell, wordLeft)
		p.pace()
	}
	select {}
}

// comeBack connects again each time it is thrown out: first at once, then a
// little more often than old TIME_WAIT sockets run out, a minute after they were
// made. A port that comes up again makes no new one, so it counts once.
func (p *part) comeBack() error {
	ports := map[string]bool{}
	for {
		conn, err := p.connect(loneSource, loginThrow)
		if err != nil {
			return fmt.Errorf("client after %d throw-outs: %w", len(ports), err)
		}
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
		if port := conn.LocalAddr().String(); !ports[port] {
			ports[port] = true
			if len(ports) == p.clients {
				time.Sleep(lastFIN) // the next word is that of the full shape
			}
			fmt.Fprintln(p.tell, wordThrown)
		}
		if len(ports) < p.clients {
			p.pace()
		} else {
			time.Sleep(loopRefill / time.Duration(p.clients))
		}
	}
}

// login connects and waits for the first tick.
func (p *part) login(host byte, how string) (net.Conn, error) {
	conn, err := p.connect(host, how)
	if err == nil {
		err = p.readTick(conn)
	}
	return conn, err
}

// connect dials the front and logs in. Where clients have an address of their
// own, host is its last byte; the others are the front's.
func (p *part) connect(host byte, how string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1, Timeout: setUpLimit}
	dialer.SetMultipathTCP(false)
	if p.impatient() {
		dialer.Timeout = giveUpAfter
	}
	if how == loginMute {
		dialer.Control = narrow
	}
	if p.spread() {
		from := slices.Clone(p.address.To4())
		from[3] = host
		dialer.LocalAddr = &net.TCPAddr{IP: from}
		dialer.Control = func(network, address string, c syscall.RawConn) error {
			if how == loginMute {
				if err := narrow(network, address, c); err != nil {
					return err
				}
			}
			return bindLate(network, address, c)
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

func (p *part) readTick(conn net.Conn) error {
	_, err := io.ReadFull(conn, p.tick())
	return err
}

// tick is what the front sends at a login and every tickEvery, in a slice of its own.
func (p *part) tick() []byte {
	if p.scenario == "slow" {
		return bytes.Repeat([]byte(tick), slowTick/len(tick))
	}
	return []byte(tick)
}
