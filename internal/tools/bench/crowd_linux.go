package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// front is a listener on the port, with its sessions. It is opened before the crowd: the
// kernel gives a connection no local port on which a socket listens.
type front struct {
	fd      int
	renewed time.Time // when the TIME_WAIT sockets were last made
}

// openFront opens the listener and makes the ESTABLISHED and CLOSE_WAIT sessions.
func openFront() *front {
	f := &front{fd: listen(loopback(port, 0, 0, 1))}
	for i := range established + closeWait {
		_, peer := session(f.fd, loopback(port, 0, 0, 1), loopback(0, 0, 1, 1+i%50))
		if i >= established { // the client closes, the front does not
			must(unix.Shutdown(peer, unix.SHUT_WR), "CLOSE_WAIT")
		}
	}
	return f
}

// renew makes the TIME_WAIT sockets again if they are old, since they last for one minute. A
// connection from the same address and port replaces the old socket.
func (f *front) renew() {
	const maxAge = 20 * time.Second
	if time.Since(f.renewed) < maxAge {
		return
	}
	for i := range timeWait {
		near, peer := session(f.fd, loopback(port, 0, 0, 1), loopback(20001+i, 0, 2, 1+i%4))
		unix.Close(near) // the end that closes first is in TIME_WAIT
		_, err := unix.Read(peer, make([]byte, 1))
		must(err, "TIME_WAIT")
		unix.Close(peer)
	}
	f.renewed = time.Now()
	time.Sleep(50 * time.Millisecond) // the last packets on loopback arrive meanwhile
}

// loopback returns the address 127.b.c.d with the port.
func loopback(port, b, c, d int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, byte(b), byte(c), byte(d)}}
}

// listen returns the descriptor of a listener.
func listen(at unix.Sockaddr) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(err, "socket")
	must(unix.Bind(fd, at), "bind")
	must(unix.Listen(fd, 128), "listen")
	return fd
}

// session connects a client to the listener, accepts the connection and returns both ends.
// They are descriptors and not of package net, whose keepalives would disturb a measurement.
func session(listener int, server, client unix.Sockaddr) (near, peer int) {
	peer, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(err, "socket")
	// The kernel then chooses the port at connect, and can use one port for several servers.
	must(unix.SetsockoptInt(peer, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1), "IP_BIND_ADDRESS_NO_PORT")
	must(unix.SetsockoptInt(peer, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), "SO_REUSEADDR")
	must(unix.Bind(peer, client), "bind")
	must(unix.Connect(peer, server), "connect")
	near, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC)
	must(err, "accept")
	return near, peer
}

// crowd is the processes that hold the sockets of other programs.
type crowd struct {
	holders []*exec.Cmd
	sockets int
}

// grow adds ESTABLISHED sockets, both ends of connections, until there are n. There are
// several holders, because the number of descriptors of one process is limited.
func (c *crowd) grow(self string, n int) {
	const maxPerHolder = 18_000
	for c.sockets < n {
		more := min(n-c.sockets, maxPerHolder)
		cmd := exec.Command(self, holdMode, strconv.Itoa(len(c.holders)), strconv.Itoa(more/2))
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		_, err := cmd.StdinPipe()
		must(err, "holder")
		stdout, err := cmd.StdoutPipe()
		must(err, "holder")
		must(cmd.Start(), "holder")
		_, err = bufio.NewReader(stdout).ReadString('\n')
		must(err, "holder")
		c.holders = append(c.holders, cmd)
		c.sockets += more
	}
}

// end kills the holders.
func (c *crowd) end() {
	for _, cmd := range c.holders {
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// hold runs one holder: it makes its connections, prints "ready", and waits until it is
// killed or its stdin is closed.
func hold(number, connections string) {
	index, err := strconv.Atoi(number)
	must(err, "hold")
	n, err := strconv.Atoi(connections)
	must(err, "hold")
	server := loopback(5000, 10+index, 0, 1)
	listener := listen(server)
	for i := range n {
		session(listener, server, loopback(0, 10+index, 1, 1+i%9))
	}
	os.Stdout.WriteString("ready\n")
	io.Copy(io.Discard, os.Stdin)
}
