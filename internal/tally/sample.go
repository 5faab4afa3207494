package tally

import (
	"net/netip"

	"frontsockets/internal/tcp"
)

// Baseline is the first of two looks, which the second is compared with.
type Baseline struct {
	unread    map[ends]uint32 // bytes of every session; 0 if it is not ESTABLISHED
	drops     map[listenerID]uint32
	queues    map[listenerID]uint32
	waiting   map[ends]struct{} // connections that no process owned
	waitingOn map[uint16]int    // how many of them, by local port
	listeners tcp.Facts         // provided by every listener
}

// ends identify a session: its two addresses and ports.
type ends struct{ local, remote netip.AddrPort }

type listenerID struct {
	local netip.AddrPort
	inode uint64
}

// NewBaseline returns a first look that has seen nothing yet.
func NewBaseline() *Baseline {
	return &Baseline{
		unread: map[ends]uint32{}, drops: map[listenerID]uint32{}, queues: map[listenerID]uint32{},
		waiting: map[ends]struct{}{}, waitingOn: map[uint16]int{}, listeners: ^tcp.Facts(0),
	}
}

// Add notes one socket of the front. It keeps nothing of s.
func (b *Baseline) Add(s *tcp.Socket) {
	switch s.State {
	case tcp.Listen:
		b.drops[listenerID{s.Local, s.Inode}] = s.Drops
		b.queues[listenerID{s.Local, s.Inode}] = s.RecvQ
		b.listeners &= s.Facts
	case tcp.Established:
		b.unread[ends{s.Local, s.Remote}] = s.RecvQ
	default:
		b.unread[ends{s.Local, s.Remote}] = 0
	}
	if isWaiting(s) {
		b.waiting[ends{s.Local, s.Remote}] = struct{}{}
		b.waitingOn[s.Local.Port()]++
	}
}

// isWaiting reports whether the front has not accepted the connection.
func isWaiting(s *tcp.Socket) bool {
	return s.Facts.Has(tcp.FactInode) && s.Inode == 0 && (s.State == tcp.Established || s.State == tcp.CloseWait)
}

// Inodes returns those of the listeners.
func (b *Baseline) Inodes() []uint64 {
	var inodes []uint64
	for id := range b.drops {
		inodes = append(inodes, id.inode)
	}
	return inodes
}

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
	if _, before := t.baseline.waiting[ends{s.Local, s.Remote}]; before && isWaiting(s) {
		t.stillWaiting[s.Local.Port()]++
	}
}

// compareQueue returns how long a listener's accept queue was in the first look, and reports
// whether it was not emptied since. A queue is a line: if nobody who stood in it then stands
// in it now, it was emptied. Connections that their clients have reset still stand in it and
// are in no table; of a queue with such ones that did not become shorter nothing is shown.
func (t *Tally) compareQueue(l Listener) (before uint32, notEmptied bool) {
	port := l.Local.Port()
	before = t.baseline.queues[listenerID{l.Local, l.Inode}]
	allSeen := t.baseline.waitingOn[port] >= int(before)
	notEmptied = before > 0 && l.Queue > 0 && (t.stillWaiting[port] > 0 || !allSeen && l.Queue >= before)
	return before, notEmptied
}

// compareListener notes what a listener dropped since the first look.
func (t *Tally) compareListener(s *tcp.Socket) {
	if before, there := t.baseline.drops[listenerID{s.Local, s.Inode}]; there {
		t.dropped = max(t.dropped, s.Drops-before)
	}
}
