package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// everybody stands for all groups of clients.
const everybody = 0

// parseGroup returns the number of a group of clients: that of its letter.
func parseGroup(word string) (byte, error) {
	if word == "all" {
		return everybody, nil
	}
	if len(word) != 1 || word[0] < 'a' || word[0] > 'z' {
		return 0, fmt.Errorf("%q is not a group of clients, such as a, or all", word)
	}
	return word[0] - 'a' + 1, nil
}

// groupOf returns the group that a client's address belongs to.
func groupOf(addr net.Addr) byte {
	client := addr.(*net.TCPAddr).AddrPort().Addr().Unmap()
	bytes := client.AsSlice()
	if client.Is4() {
		return bytes[2]
	}
	return bytes[7]
}

// takeSteps reads steps from stdin, one on each line, and answers each when it is taken.
func takeSteps(take func(words []string) error) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := take(strings.Fields(in.Text())); err != nil {
			fmt.Printf("%s: %v\n", in.Text(), err)
			continue
		}
		fmt.Println(taken)
	}
}

// taken is what a part answers when it has taken a step.
const taken = "taken"

// front is a simulated front. Its first listener serves frontAddress, the second secondAddress.
type front struct {
	accepting sync.Mutex // held while a client is accepted; "refuse" never releases it

	lock      sync.Mutex
	listeners []*net.TCPListener
	sessions  map[*session]bool
	tick      []byte
	feeding   chan struct{} // closed to end the feed
	batch     time.Duration
	pace      time.Duration
	thrown    map[byte]throwing
	deaf      bool
	answers   bool
	keeps     bool
}

// session is one session of the front.
type session struct {
	conn    *net.TCPConn
	raw     syscall.RawConn
	group   byte
	ignored bool
}

// playFront plays the front of a situation. The network is that of the situation.
func playFront(network string) {
	f := &front{sessions: map[*session]bool{}, thrown: map[byte]throwing{}}
	for _, address := range listenAddresses(network) {
		// Outgoing connections from the same port need SO_REUSEPORT: see syn.
		config := net.ListenConfig{KeepAlive: -1, Control: reusePort}
		config.SetMultipathTCP(false)
		l, err := config.Listen(context.Background(), "tcp", net.JoinHostPort(address, strconv.Itoa(mdPort)))
		must(err, "listen")
		f.listeners = append(f.listeners, l.(*net.TCPListener))
		go f.accept(l.(*net.TCPListener))
	}
	fmt.Println(taken)
	takeSteps(f.take)
}

// listenAddresses returns the addresses that the front listens on.
func listenAddresses(network string) []string {
	switch network {
	case "ipv6":
		return []string{frontAddress6}
	case "mapped":
		return []string{"::"}
	}
	return []string{frontAddress, secondAddress}
}

func reusePort(_, _ string, raw syscall.RawConn) (err error) {
	if outer := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); outer != nil {
		return outer
	}
	return err
}

// acceptTurn is how long the front waits for a client before it looks whether it may accept.
const acceptTurn = 20 * time.Millisecond

// accept accepts and serves clients.
func (f *front) accept(l *net.TCPListener) {
	for {
		f.accepting.Lock()
		_ = l.SetDeadline(time.Now().Add(acceptTurn))
		conn, err := l.AcceptTCP()
		f.accepting.Unlock()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil: // no descriptor is free: try again and again, as such a front does
			time.Sleep(time.Millisecond)
		default:
			f.begin(conn)
		}
	}
}

// begin begins a session.
func (f *front) begin(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	must(err, "accepted connection")
	s := &session{conn: conn, raw: raw, group: groupOf(conn.RemoteAddr())}
	f.lock.Lock()
	f.sessions[s] = true
	pace := f.pace
	t, thrown := f.thrown[s.group]
	if !thrown {
		t, thrown = f.thrown[everybody]
	}
	f.lock.Unlock()
	local := conn.LocalAddr().(*net.TCPAddr).IP.String()
	if thrown && (t.address == "" || t.address == local) {
		time.AfterFunc(t.after, func() { f.end(s) })
		return
	}
	go f.read(s)
	time.Sleep(pace)
}

// end closes a session.
func (f *front) end(s *session) {
	f.lock.Lock()
	delete(f.sessions, s)
	f.lock.Unlock()
	s.conn.Close()
}

// read reads from a session until its client closes, as far as the front reads at all.
func (f *front) read(s *session) {
	buffer := make([]byte, 64<<10)
	_ = s.raw.Read(func(fd uintptr) (done bool) {
		f.awaitTurn(s)
		for {
			n, err := unix.Read(int(fd), buffer)
			if err != nil {
				return !errors.Is(err, unix.EAGAIN)
			}
			if n == 0 {
				return true
			}
			f.lock.Lock()
			answers := f.answers
			f.lock.Unlock()
			if answers {
				_, _ = unix.Write(int(fd), []byte("answer\n"))
			}
		}
	})
	f.lock.Lock()
	keeps := f.keeps
	s.ignored = keeps // what is sent to a client that has closed is answered by a reset
	f.lock.Unlock()
	if !keeps {
		f.end(s)
	}
}

// awaitTurn returns when the front is to read from the session. That may be never.
func (f *front) awaitTurn(s *session) {
	f.lock.Lock()
	deaf, batch := f.deaf || s.ignored, f.batch
	f.lock.Unlock()
	if deaf {
		select {}
	}
	if batch > 0 {
		now := time.Now()
		time.Sleep(now.Truncate(batch).Add(batch).Sub(now))
	}
}

// feed sends the tick to every session, again and again. A client that takes no more data
// does not delay the others.
func (f *front) feed(every time.Duration, end <-chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		f.lock.Lock()
		tick := f.tick
		var fed []*session
		for s := range f.sessions {
			if !s.ignored {
				fed = append(fed, s)
			}
		}
		f.lock.Unlock()
		for _, s := range fed { // without the lock: a long feed must not keep clients from being accepted
			_ = s.raw.Write(func(fd uintptr) bool {
				_, _ = unix.Write(int(fd), tick)
				return true
			})
		}
		select {
		case <-end:
			return
		case <-ticker.C:
		}
	}
}

// take takes one step.
func (f *front) take(words []string) error {
	if words[0] == "refuse" {
		f.accepting.Lock()
		return nil
	}
	f.lock.Lock()
	defer f.lock.Unlock()
	switch words[0] {
	case "backlog":
		return f.setBacklog(words[1])
	case "feed":
		return f.startFeed(words[1:])
	case "freeze":
		close(f.feeding)
		f.answers = false
	case "answer":
		f.answers = true
	case "batches":
		return parseTime(words[1], &f.batch)
	case "pace":
		return parseTime(words[1], &f.pace)
	case "deaf":
		f.deaf = true
	case "ignore":
		for s := range f.sessions {
			s.ignored = true
		}
	case "keep":
		f.keeps = true
	case "throw":
		return f.throw(words[1:])
	case "close":
		return f.closeGroup(words[1])
	case "limit":
		return useAllDescriptors()
	case "syn":
		return f.connectTo(words[1], words[2])
	}
	return nil
}

// parseTime sets a time.
func parseTime(word string, to *time.Duration) (err error) {
	*to, err = time.ParseDuration(word)
	return err
}

func (f *front) setBacklog(word string) error {
	n, err := strconv.Atoi(word)
	if err != nil {
		return err
	}
	for _, l := range f.listeners {
		raw, err := l.SyscallConn()
		if err != nil {
			return err
		}
		if outer := raw.Control(func(fd uintptr) { err = unix.Listen(int(fd), n) }); outer != nil || err != nil {
			return errors.Join(outer, err)
		}
	}
	return nil
}

// startFeed starts the feed: a time and, if it is not small, the size of a tick.
func (f *front) startFeed(words []string) error {
	var every time.Duration
	if err := parseTime(words[0], &every); err != nil {
		return err
	}
	size := 40
	if len(words) > 1 {
		var err error
		if size, err = strconv.Atoi(words[1]); err != nil {
			return err
		}
	}
	f.tick, f.feeding = make([]byte, size), make(chan struct{})
	go f.feed(every, f.feeding)
	return nil
}

// throwing is how soon the sessions of a group are closed, at one address of the front or all.
type throwing struct {
	after   time.Duration
	address string
}

func (f *front) throw(words []string) error {
	group, err := parseGroup(words[0])
	if err != nil {
		return err
	}
	var t throwing
	if len(words) > 2 {
		t.address = secondAddress
	}
	err = parseTime(words[1], &t.after)
	f.thrown[group] = t
	return err
}

func (f *front) closeGroup(word string) error {
	group, err := parseGroup(word)
	for s := range f.sessions {
		if group == everybody || s.group == group {
			delete(f.sessions, s)
			s.conn.Close()
		}
	}
	return err
}

// useAllDescriptors sets the limit of descriptors to those that are open.
func useAllDescriptors() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	n := uint64(len(open) - 1) // without the one that read the folder
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n})
}

// connectTo begins connections from the front's port to a group of clients. Nobody answers
// them: see unansweredPort.
func (f *front) connectTo(who, number string) error {
	group, err := parseGroup(who)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(secondAddress), mdPort))
	for i := range n {
		dialer := net.Dialer{LocalAddr: from, Control: reusePort}
		dialer.SetMultipathTCP(false)
		to := net.JoinHostPort(clientAddress("", group, sharedHost), strconv.Itoa(unansweredPort+i))
		go func() { _, _ = dialer.Dial("tcp", to) }()
	}
	return nil
}
