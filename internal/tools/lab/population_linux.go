package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// hostsPerGroup is the number of addresses that a group of clients has at most.
	hostsPerGroup = 200
	// firstHost is the last number of a group's first address, and sharedHost that of the one
	// address of a group behind a NAT or a proxy.
	firstHost, sharedHost = 11, 250
	// unansweredPort is the first of the clients' ports whose packets are dropped.
	unansweredPort, unansweredPorts = 5000, 100
	// slowRead is how often a slow client reads all there is, from a receive buffer of slowBuffer bytes. A
	// smaller one would let the loopback's segments of 64 KiB through on the probes of the window only.
	slowRead   = 700 * time.Millisecond
	slowBuffer = 64 << 10
	// smallBuffer is the receive buffer of a client that does not read, so that it fills soon.
	smallBuffer = 8 << 10
	// dialing is the most connections that are made at once, and dialLimit the time after which
	// the step "connect" ends although some are still being made: their SYNs are dropped.
	dialing, dialLimit = 256, 15 * time.Second
	// droppedLimit is that time for groups so small that dialing does not limit them.
	droppedLimit = 2 * time.Second
)

// clientAddress returns an address of a group of clients.
func clientAddress(network string, group byte, host int) string {
	if network == "ipv6" {
		return fmt.Sprintf("fd42:0:0:%x::%x", group, host)
	}
	return fmt.Sprintf("10.42.%d.%d", group, host)
}

// groupPrefix returns the prefix of the addresses of a group of clients, or of all.
func groupPrefix(network string, group byte) string {
	bits := map[bool]int{true: 16, false: 24}[group == everybody]
	if network == "ipv6" {
		bits = map[bool]int{true: 48, false: 64}[group == everybody]
	}
	return netip.PrefixFrom(netip.MustParseAddr(clientAddress(network, group, 0)), bits).Masked().String()
}

// population is the clients of a situation.
type population struct {
	network string
	lock    sync.Mutex
	conns   map[*net.TCPConn]byte // the group of each
	made    map[byte]int          // the number of clients that each group has had
}

// behaviour is how a client behaves. It reads and, when the front closes, closes too.
type behaviour struct {
	group    byte
	from, to string // addresses
	mute     bool   // it does not read
	slow     bool   // it reads at long intervals
	hold     bool   // it does not close
	back     bool   // it comes back, after that time
	after    time.Duration
}

// playClients plays the clients of a situation, on their host.
func playClients(network string) {
	run("ip", "link", "set", "lo", "up")
	fmt.Println(taken)
	p := &population{network: network, conns: map[*net.TCPConn]byte{}, made: map[byte]int{}}
	takeSteps(p.take)
}

// setUpClients gives the clients' host its addresses. Rules of routing come before the table of
// local addresses, so that they can drop packets to these.
func setUpClients() error {
	unanswered := fmt.Sprintf("%d-%d", unansweredPort, unansweredPort+unansweredPorts)
	run("ip", "addr", "add", "10.41.0.2/24", "dev", "clients")
	run("ip", "-6", "addr", "add", "fd41::2/64", "dev", "clients", "nodad")
	run("ip", "link", "set", "clients", "up")
	run("ip", "-6", "neigh", "add", frontAddress6, "lladdr", frontMAC, "dev", "clients", "nud", "permanent")
	for _, family := range [][2]string{{"-4", groupPrefix("", everybody)}, {"-6", groupPrefix("ipv6", everybody)}} {
		run("ip", family[0], "route", "add", "local", family[1], "dev", "lo")
		run("ip", family[0], "rule", "add", "pref", "100", "lookup", "local")
		run("ip", family[0], "rule", "del", "pref", "0")
	}
	run("ip", "route", "add", "blackhole", floodSubnet)
	run("ip", "rule", "add", "pref", "10", "to", groupPrefix("", everybody),
		"ipproto", "tcp", "dport", unanswered, "blackhole")
	return os.WriteFile("/proc/sys/net/ipv6/ip_nonlocal_bind", []byte("1"), 0)
}

// take takes one step.
func (p *population) take(words []string) error {
	if words[0] == "set-up" {
		return setUpClients()
	}
	if words[0] == "flood" {
		go flood()
		return nil
	}
	at := 1
	if words[0] == "connect" {
		at = 2
	}
	group, err := parseGroup(words[at])
	if err != nil {
		return err
	}
	switch words[0] {
	case "connect":
		return p.connect(words, group)
	case "visit":
		b := behaviour{group: group, from: clientAddress(p.network, group, firstHost), to: p.front(false), back: true}
		if err := parseTime(words[2], &b.after); err != nil {
			return err
		}
		go p.visit(b)
	case "send":
		if len(words) < 3 {
			p.send(group)
			return nil
		}
		var every time.Duration
		if err := parseTime(words[2], &every); err != nil {
			return err
		}
		go func() {
			for {
				p.send(group)
				time.Sleep(every)
			}
		}()
	case "leave":
		p.each(group, func(c *net.TCPConn) { c.Close() })
	case "reset":
		p.each(group, func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() })
	}
	return nil
}

// front returns the front's address.
func (p *population) front(second bool) string {
	switch {
	case p.network == "ipv6":
		return frontAddress6
	case second:
		return secondAddress
	}
	return frontAddress
}

// each calls do with every connection of a group.
func (p *population) each(group byte, do func(*net.TCPConn)) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for conn, g := range p.conns {
		if group == everybody || g == group {
			do(conn)
		}
	}
}

// send sends a request on every connection of a group. A front that does not read delays
// nobody.
func (p *population) send(group byte) {
	request := make([]byte, 80)
	p.each(group, func(c *net.TCPConn) {
		raw, err := c.SyscallConn()
		if err == nil {
			_ = raw.Write(func(fd uintptr) bool {
				_, _ = unix.Write(int(fd), request)
				return true
			})
		}
	})
}

// connect lets clients connect, and waits until they have.
func (p *population) connect(words []string, group byte) error {
	n, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	b := behaviour{group: group, to: p.front(false)}
	one := false
	for i := 3; i < len(words); i++ {
		switch words[i] {
		case "one":
			one = true
		case "at7":
			b.to = p.front(true)
		case "mute":
			b.mute = true
		case "slow":
			b.slow = true
		case "hold":
			b.hold = true
		case "return":
			i++
			b.back = true
			if err := parseTime(words[i], &b.after); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%q is not a behaviour", words[i])
		}
	}
	turns := make(chan struct{}, dialing)
	connected := make(chan error, n)
	for i := range n {
		host := firstHost + (p.made[group]+i)%hostsPerGroup
		if one {
			host = sharedHost
		}
		b.from = clientAddress(p.network, group, host)
		go p.live(b, turns, connected)
	}
	p.made[group] = (p.made[group] + n) % hostsPerGroup
	return awaitAll(connected, n)
}

// awaitAll waits until n clients have connected or the others have had time to.
func awaitAll(connected <-chan error, n int) error {
	limit := droppedLimit
	if n > dialing {
		limit = dialLimit
	}
	timeout := time.After(limit)
	for range n {
		select {
		case err := <-connected:
			if err != nil {
				return err
			}
		case <-timeout:
			return nil
		}
	}
	return nil
}

// receiveBuffer returns the size of the client's receive buffer, or 0 if the kernel is to choose it.
func (b behaviour) receiveBuffer() int {
	switch {
	case b.mute:
		return smallBuffer
	case b.slow:
		return slowBuffer
	}
	return 0
}

// dial connects a client.
func (p *population) dial(b behaviour) (*net.TCPConn, error) {
	dialer := net.Dialer{KeepAlive: -1, LocalAddr: &net.TCPAddr{IP: net.ParseIP(b.from)}}
	dialer.SetMultipathTCP(false)
	if size := b.receiveBuffer(); size > 0 {
		dialer.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			outer := raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
			})
			return errors.Join(outer, err)
		}
	}
	conn, err := dialer.Dial("tcp", net.JoinHostPort(b.to, strconv.Itoa(mdPort)))
	if err != nil {
		return nil, err
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.conns[conn.(*net.TCPConn)] = b.group
	return conn.(*net.TCPConn), nil
}

// live is the life of a client. It says on connected when it has connected first.
func (p *population) live(b behaviour, turns chan struct{}, connected chan<- error) {
	turns <- struct{}{}
	conn, err := p.dial(b)
	<-turns
	connected <- err
	for err == nil {
		if b.mute {
			return
		}
		buffer := make([]byte, max(4<<10, 2*b.receiveBuffer()))
		for err == nil {
			if b.slow {
				time.Sleep(slowRead)
			}
			_, err = conn.Read(buffer)
		}
		if b.hold {
			return // the population still has the connection
		}
		p.lock.Lock()
		delete(p.conns, conn)
		p.lock.Unlock()
		conn.Close()
		if !b.back {
			return
		}
		time.Sleep(b.after)
		conn, err = p.dial(b)
	}
}

// visit connects and closes, again and again, as a health checker does.
func (p *population) visit(b behaviour) {
	for {
		if conn, err := p.dial(b); err == nil {
			p.lock.Lock()
			delete(p.conns, conn)
			p.lock.Unlock()
			conn.Close()
		}
		time.Sleep(b.after)
	}
}
