package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// The ports of the front, and of another server whose sockets are not counted.
const (
	frontPort = 41213
	otherPort = 41300
)

// must ends the process if there is an error. Its children end with it.
func must(err error, doing string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "soak: %s: %v\n", doing, err)
		os.Exit(1)
	}
}

// domain is the address family of a socket, which may be IPv6 for an IPv4 address: such a socket
// is IPv4-mapped.
type domain int

const (
	ipv4 domain = unix.AF_INET
	ipv6 domain = unix.AF_INET6
)

func (d domain) sockaddr(a netip.AddrPort) unix.Sockaddr {
	if d == ipv4 {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func domainOf(a netip.Addr) domain {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

// open makes a socket that is bound to the address.
func open(d domain, local netip.AddrPort) (fd int, err error) {
	fd, err = unix.Socket(int(d), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if local.Port() == 0 { // leave the choice of the port to connect, which knows the other end
		err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	} else {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err == nil {
		err = unix.Bind(fd, d.sockaddr(local))
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind %s: %w", local, err)
	}
	return fd, nil
}

// listen opens a listener with the given backlog.
func listen(d domain, local netip.AddrPort, backlog int) int {
	fd, err := open(d, local)
	must(err, "listener")
	must(unix.Listen(fd, backlog), "listen")
	return fd
}

// dial connects from any port of the client address.
func dial(client netip.Addr, server netip.AddrPort) (fd int, err error) {
	d := domainOf(client)
	fd, err = open(d, netip.AddrPortFrom(client, 0))
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, d.sockaddr(server)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connect %s to %s: %w", client, server, err)
	}
	return fd, nil
}

// nearEnd returns the local address of a socket.
func nearEnd(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	must(err, "getsockname")
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	must(errors.New("not an IP address"), "getsockname")
	panic("unreachable")
}

// reset closes a socket so that no TIME_WAIT is left of it.
func reset(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}
