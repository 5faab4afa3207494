package tally

import (
	"net/netip"
	"time"

	"frontsockets/internal/tcp"
)

// Baseline is what is kept of the first of two looks, so that the second can be compared with it.
// There are two kinds. A full one (NewFullBaseline) has every session: --sample asks for it. One of
// suspects (Tally.SuspectBaseline) has only the sessions that wait for the front. Every look makes
// one, which costs little, so that the next look can confirm or clear a suspicion.
type Baseline struct {
	sessions map[tcp.Pair]earlier
	drops    map[listenerID]uint32
	queues   map[listenerID]uint32
	// waitingOn counts the connections that no process owned, by local port.
	waitingOn map[uint16]int
	// facts is what every listener provided.
	facts     tcp.Facts
	listeners []tcp.Socket
	// hasEverySession says that it is a full baseline.
	hasEverySession bool
}

type listenerID struct {
	local netip.AddrPort
	inode uint64
}

// earlier is a session as the first look saw it.
type earlier struct {
	state     tcp.State
	facts     tcp.Facts
	waiting   bool // to be accepted
	recvQ     uint32
	bytesRead uint64
}

// NewFullBaseline returns an empty baseline. The caller adds every socket.
func NewFullBaseline() *Baseline {
	b := newSuspectBaseline()
	b.hasEverySession = true
	return b
}

// newSuspectBaseline returns an empty baseline. The caller adds the listeners and the suspects.
func newSuspectBaseline() *Baseline {
	return &Baseline{
		sessions: map[tcp.Pair]earlier{}, drops: map[listenerID]uint32{}, queues: map[listenerID]uint32{},
		waitingOn: map[uint16]int{}, facts: ^tcp.Facts(0),
	}
}

// Add notes one socket of the front. It keeps nothing of s.
func (b *Baseline) Add(s *tcp.Socket) {
	if s.State == tcp.Listen {
		b.drops[listenerID{s.Local, s.Inode}] = s.Drops
		b.queues[listenerID{s.Local, s.Inode}] = s.RecvQ
		b.facts &= s.Facts
		b.listeners = append(b.listeners, *s)
		return
	}
	if isWaiting(s) {
		b.waitingOn[s.Local.Port()]++
	}
	b.sessions[s.Pair()] = earlier{s.State, s.Facts, isWaiting(s), s.RecvQ, s.BytesRead}
}

// Listeners returns the listening sockets.
func (b *Baseline) Listeners() []tcp.Socket { return b.listeners }

// isWaiting reports whether a connection is known to be in the accept queue.
func isWaiting(s *tcp.Socket) bool {
	return s.Inode == 0 && s.Facts.Has(tcp.FactInode) && (s.State == tcp.Established || s.State == tcp.CloseWait)
}

// isSuspect reports whether a session waits for the front: to be accepted, read or closed.
func isSuspect(s *tcp.Socket) bool {
	return s.State == tcp.CloseWait || s.State == tcp.Established && (s.RecvQ > 0 || isWaiting(s))
}

// Compare sets the Progress of a socket of the second look, made interval after the first.
func (b *Baseline) Compare(s *tcp.Socket, interval time.Duration) {
	before, there := b.sessions[s.Pair()]
	if !there {
		return
	}
	switch open := s.State == tcp.Established || s.State == tcp.CloseWait; {
	case before.waiting && open && s.Inode == 0:
		s.Progress = tcp.ProgressStuck
	case before.waiting:
		s.Progress = tcp.ProgressAccepted
	case before.state == tcp.CloseWait && s.State != tcp.CloseWait:
		s.Progress = tcp.ProgressClosed
	case before.recvQ > 0 && open:
		s.Progress = before.reading(s, interval)
	case before.state == s.State && (s.State == tcp.CloseWait || s.State == tcp.FinWait2):
		s.Progress = tcp.ProgressStuck
	}
}

// queue returns how long a listener's accept queue was in the first look, and Listener.NotEmptied.
// stillWaiting is how many of its connections have waited since the first look. The front accepts in
// order, so if no connection of the first look still waits, the queue was emptied.
// Connections that their clients have reset stay in the queue, but are in no table. A queue with
// such connections that did not become shorter counts as not emptied.
func (b *Baseline) queue(l Listener, stillWaiting int) (before uint32, notEmptied bool) {
	before = b.queues[listenerID{l.Local, l.Inode}]
	allSeen := uint64(b.waitingOn[l.Local.Port()]) >= uint64(before)
	notEmptied = before > 0 && l.Queue > 0 && (stillWaiting > 0 || !allSeen && l.Queue >= before)
	return before, notEmptied
}

// reading returns what happened to the unread bytes of a session: read, stuck, or not known. The front
// may have read from a queue that has grown: only BytesRead tells.
func (e earlier) reading(s *tcp.Socket, interval time.Duration) tcp.Progress {
	quiet := s.Facts.Has(tcp.FactLastDataSent) && s.LastDataReceived >= interval
	exact := s.Facts.Has(tcp.FactBytesRead) && e.facts.Has(tcp.FactBytesRead)
	switch {
	case exact && s.BytesRead > e.bytesRead, s.RecvQ < e.recvQ:
		return tcp.ProgressRead
	case exact, quiet, s.State == tcp.CloseWait: // after its close a client sends no more
		return tcp.ProgressStuck
	}
	return tcp.ProgressNotCompared
}
