package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
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
	wordServed  = "served"  // a client has had its first tick
	wordGaveUp  = "gave-up" // a served client has closed
	wordLeft    = "left"    // a leaver has closed
	wordThrown  = "thrown"  // the front has closed on a client
)

// What goes over the wire: a client says once how it wants to be treated,
// gets ticks, and answers each of them.
const (
	loginStay  = "stay\n"
	loginLeave = "leave\n" // wants one tick, and closes
	loginThrow = "throw\n" // wants to be thrown out
	tick       = "tick\n"
	answer     = "ok\n"
)

const (
	hangBacklog   = 128
	tickEvery     = 500 * time.Millisecond
	giveUpAfter   = time.Second // two ticks missed
	reconnectWait = 200 * time.Millisecond
	loopRefill    = 55 * time.Second // for as many throw-outs as there were at first

	// A FIN is delivered by whichever processor has the time: only when that has
	// happened is the front's side in TIME_WAIT.
	lastFIN = 100 * time.Millisecond

	sources     = 9 // client addresses, 127.0.0.11 and following
	firstSource = 11
	loopSource  = 66
)

// play acts as one of the parts until it fails, the supervisor goes away or
// the drill should long be over.
func (d drill) play(part string, tell io.Writer) error {
	// On a Ctrl-C the supervisor decides, even where all share a console.
	signal.Ignore(os.Interrupt)
	time.AfterFunc(setUpLimit+d.hold+limitMargin, func() { os.Exit(exitFailed) })
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(exitFailed)
	}()
	if part == partFront {
		return d.playFront(tell)
	}
	return d.playClients(tell)
}

func (d drill) playFront(tell io.Writer) error {
	// Keep-alive is off: its probes would clear away CLOSE_WAIT as soon as
	// the client's kernel has forgotten the connection.
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	listener, err := config.Listen(context.Background(), "tcp", d.endpoint())
	if err != nil {
		return fmt.Errorf("the front cannot listen: %w", err)
	}
	if d.scenario == "hang" {
		if err := setBacklog(listener.(*net.TCPListener), hangBacklog); err != nil {
			return fmt.Errorf("set the backlog of the front: %w", err)
		}
	}
	fmt.Fprintln(tell, wordListens)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("the front cannot accept: %w", err)
		}
		go serve(conn.(*net.TCPConn))
	}
}

// serve is the front's side of one connection.
func serve(conn *net.TCPConn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	login, err := in.ReadString('\n')
	if err != nil || login == loginThrow {
		// All input is read, so this is an orderly close: TIME_WAIT is ours.
		return
	}
	// All other connections are reset when the front ends, without a trace.
	_ = conn.SetLinger(0)
	_, err = io.WriteString(conn, tick)
	if login == loginLeave {
		// Forgotten for good; the deferred close keeps it from being
		// collected, which would close it after all.
		select {}
	}
	go func() {
		for err == nil {
			time.Sleep(tickEvery)
			_, err = io.WriteString(conn, tick)
		}
	}()
	_, _ = io.Copy(io.Discard, in)
}

func (d drill) playClients(tell io.Writer) error {
	for i := range d.served() {
		host := byte(firstSource + i%sources)
		conn, err := d.connect(host, loginStay)
		if err == nil {
			err = readTick(conn)
		}
		if err != nil {
			return fmt.Errorf("client %d of %d: %w", i+1, d.served(), err)
		}
		fmt.Fprintln(tell, wordServed)
		go d.stay(conn, host, tell)
	}
	switch d.scenario {
	case "leak":
		return d.leave(tell)
	case "loop":
		return d.comeBack(tell)
	}
	select {}
}

// stay reads ticks. When they stop it closes, and tries again without end.
func (d drill) stay(conn net.Conn, host byte, tell io.Writer) {
	for {
		var err error
		for err == nil {
			// Only a drill of a hang needs clients that lose patience; in the
			// others a slow machine must not make them reconnect.
			if d.scenario == "hang" {
				_ = conn.SetReadDeadline(time.Now().Add(giveUpAfter))
			}
			if err = readTick(conn); err == nil {
				_, err = io.WriteString(conn, answer)
			}
		}
		conn.Close()
		fmt.Fprintln(tell, wordGaveUp)
		for err != nil {
			time.Sleep(reconnectWait)
			conn, err = d.connect(host, loginStay)
		}
	}
}

// leave lets one client after the other connect, get a tick and close.
func (d drill) leave(tell io.Writer) error {
	for i := range d.clients {
		conn, err := d.connect(byte(firstSource+i%sources), loginLeave)
		if err == nil {
			err = readTick(conn)
		}
		if err != nil {
			return fmt.Errorf("leaver %d of %d: %w", i+1, d.clients, err)
		}
		conn.Close()
		fmt.Fprintln(tell, wordLeft)
	}
	select {}
}

// comeBack connects again each time it is thrown out: first at once, then a
// little more often than old TIME_WAIT sockets run out, a minute after they were
// made. A port that comes up again makes no new one, so it counts once.
func (d drill) comeBack(tell io.Writer) error {
	ports := map[string]bool{}
	for {
		conn, err := d.connect(loopSource, loginThrow)
		if err != nil {
			return fmt.Errorf("client after %d throw-outs: %w", len(ports), err)
		}
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
		if port := conn.LocalAddr().String(); !ports[port] {
			ports[port] = true
			if len(ports) == d.clients {
				time.Sleep(lastFIN) // the next word is that of the full shape
			}
			fmt.Fprintln(tell, wordThrown)
		}
		if len(ports) >= d.clients {
			time.Sleep(loopRefill / time.Duration(d.clients))
		}
	}
}

// connect dials the front and logs in. Where clients have an address of their
// own, host is its last byte.
func (d drill) connect(host byte, login string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1, Timeout: setUpLimit}
	dialer.SetMultipathTCP(false)
	if d.scenario == "hang" {
		dialer.Timeout = giveUpAfter
	}
	if d.spread() {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, host)}
		dialer.Control = bindLate
	}
	conn, err := dialer.Dial("tcp", d.endpoint())
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, login); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func readTick(conn net.Conn) error {
	_, err := io.ReadFull(conn, make([]byte, len(tick)))
	return err
}
