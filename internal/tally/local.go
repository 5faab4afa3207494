package tally

import (
	"net/netip"

	"frontsockets/internal/tcp"
)

// localPrograms finds the sockets of local programs that use a port of the front as their
// source port. The default ephemeral range (32768 to 60999) holds the usual ports of fronts.
//
// No source tells the direction of a connection. If the remote end is a listener of the front and no
// listener serves the local end, the local program connected to the front. Every other socket on the
// port counts as the front's, since the front may have closed a listener and kept its sessions.
type localPrograms struct {
	// held has the sockets that may be a local program's. That is known when all listeners are.
	held    []tcp.Socket
	leftOut []uint16              // local ports of the sockets that are not the front's
	users   map[uint16]tcp.Socket // for each local port, one session that a process has open
}

// note keeps, for each local port, one session that a process has open.
func (l *localPrograms) note(s *tcp.Socket) {
	if s.State == tcp.Listen || s.Inode == 0 || !s.Facts.Has(tcp.FactInode) {
		return
	}
	if _, noted := l.users[s.Local.Port()]; !noted {
		if l.users == nil {
			l.users = map[uint16]tcp.Socket{}
		}
		l.users[s.Local.Port()] = *s
	}
}

// hold keeps a socket that may be a local program's, and reports whether it did.
func (l *localPrograms) hold(s *tcp.Socket, ports tcp.Ports) bool {
	if s.State == tcp.Listen || !s.Facts.Has(tcp.FactClient) || !ports.Has(s.Remote.Port()) {
		return false
	}
	l.held = append(l.held, *s)
	return true
}

// countHeld counts the held sockets that are the front's, when all listeners are known.
func (t *Tally) countHeld() {
	for i := range t.local.held {
		s := &t.local.held[i]
		if t.listensAt(s.Remote) && !t.serves(s.Local) {
			t.local.leftOut = append(t.local.leftOut, s.Local.Port())
		} else {
			t.count(s)
		}
	}
	t.local.held = nil
}

// serves reports whether a listener may accept connections to a local address. One on [::]
// may accept IPv4 as well: no source says whether it does.
func (t *Tally) serves(local netip.AddrPort) bool {
	for _, l := range t.listeners {
		at := l.Local.Addr()
		wildcard := at.IsUnspecified() && (at.Is6() || local.Addr().Is4())
		if l.Local.Port() == local.Port() && (wildcard || at == local.Addr()) {
			return true
		}
	}
	return false
}

// listensAt reports whether a remote end is a listener of this host. A wildcard listener does not tell
// the host's addresses. Only a loopback address surely is one.
func (t *Tally) listensAt(remote netip.AddrPort) bool {
	for _, l := range t.listeners {
		if l.Local == remote {
			return true
		}
	}
	return remote.Addr().IsLoopback() && t.serves(remote)
}
