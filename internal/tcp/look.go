package tcp

import (
	"context"
	"net/netip"
	"time"
)

// Query says which sockets are wanted.
type Query struct {
	// Ports are the local ports of the front.
	Ports Ports
	// Addresses are the local addresses of the front; none means any.
	Addresses []netip.Prefix
	// Exclude are the remote addresses whose sessions are left out. Sources
	// ignore them; the caller filters with Excludes.
	Exclude []netip.Prefix
}

// Wants reports whether the query asks for the socket. A listener on a wildcard
// address serves every address.
func (q Query) Wants(s *Socket) bool {
	if !q.Ports.Has(s.Local.Port()) {
		return false
	}
	local := s.Local.Addr()
	if len(q.Addresses) == 0 || s.State == Listen && local.IsUnspecified() {
		return true
	}
	return Within(q.Addresses, local)
}

// Excludes reports whether the socket is a session of a remote address that is left out. A
// session whose remote address is not known is never left out.
func (q Query) Excludes(s *Socket) bool {
	return len(q.Exclude) > 0 && s.State != Listen && s.Facts.Has(FactClient) && Within(q.Exclude, s.Remote.Addr())
}

// Within reports whether one of the prefixes contains the address. An IPv6 prefix such as
// ::/0 covers IPv4-mapped addresses, which are unmapped in a Socket.
func Within(prefixes []netip.Prefix, addr netip.Addr) bool {
	if !addr.IsValid() || len(prefixes) == 0 {
		return false
	}
	mapped := netip.AddrFrom16(addr.As16())
	for _, prefix := range prefixes {
		if prefix.Contains(addr) || prefix.Contains(mapped) {
			return true
		}
	}
	return false
}

// Visit takes one socket. The source overwrites it with the next.
type Visit func(*Socket)

// Source is one way to see sockets.
type Source struct {
	Name string
	// Look hands every socket that the query wants to visit, once. After an error the
	// sockets visited so far mean nothing.
	Look func(ctx context.Context, q Query, visit Visit) (Look, error)
}

// Look describes one reading of a socket table. The sockets themselves go to the Visit.
type Look struct {
	// Source is the name of the source that was read.
	Source string
	// Provides is the facts that the source can know of a socket.
	Provides Facts
	// HiddenStates is the states that the source cannot see: their count is unknown, not 0.
	HiddenStates StateSet
	// LowerBound is the states of which there are more sockets than the source can see,
	// because the kernel's table is full: their count is a lower bound.
	LowerBound StateSet
	// MaxBacklog is the longest backlog that the system allows a listener (somaxconn), for
	// sources that do not provide FactBacklog. 0 is not known.
	MaxBacklog uint32
	// Recorded says that the sockets come from a recording, which was made at Time on
	// Host, if that is known. A live look leaves Host and Time empty.
	Recorded bool
	Host     string
	Time     time.Time
	// Compared says that the sockets were compared with an earlier look: see Progress.
	Compared bool
	// Skipped says why each better source was not used.
	Skipped []string
}
