package tally

import (
	"net/netip"

	"frontsockets/internal/tcp"
)

// Baseline is the first of two looks, which the second is compared with.
type Baseline struct {
	unread    map[ends]uint32 // bytes of every session; 0 if it is not ESTABLISHED
	drops     map[listenerID]uint32
	facts     tcp.Facts // provided by every listener
	listeners []tcp.Socket
}

// ends identify a session: its two addresses and ports.
type ends struct{ local, remote netip.AddrPort }

type listenerID struct {
	local netip.AddrPort
	inode uint64
}

// NewBaseline returns a first look that has seen nothing yet.
func NewBaseline() *Baseline {
	return &Baseline{unread: map[ends]uint32{}, drops: map[listenerID]uint32{}, facts: ^tcp.Facts(0)}
}

// Add notes one socket of the front. It keeps nothing of s.
func (b *Baseline) Add(s *tcp.Socket) {
	switch s.State {
	case tcp.Listen:
		b.drops[listenerID{s.Local, s.Inode}] = s.Drops
		b.facts &= s.Facts
		b.listeners = append(b.listeners, *s)
	case tcp.Established:
		b.unread[ends{s.Local, s.Remote}] = s.RecvQ
	default:
		b.unread[ends{s.Local, s.Remote}] = 0
	}
}

// Listeners returns the listening sockets.
func (b *Baseline) Listeners() []tcp.Socket { return b.listeners }

// compareSession counts what a session of the second look was in the first.
func (t *Tally) compareSession(s *tcp.Socket) {
	unread, there := t.baseline.unread[ends{s.Local, s.Remote}]
	// As many bytes as before may be other bytes, if some came since.
	same := s.RecvQ == unread && s.Facts.Has(tcp.FactLastDataSent) && s.LastDataReceived >= t.interval
	switch {
	case !there:
		t.reconnects++
	case s.State == tcp.Established && unread > 0 && (s.RecvQ > unread || same):
		t.stuckUnread++
	}
}

// compareListener notes what a listener dropped since the first look.
func (t *Tally) compareListener(s *tcp.Socket) {
	if before, there := t.baseline.drops[listenerID{s.Local, s.Inode}]; there {
		t.dropped = max(t.dropped, s.Drops-before)
	}
}
