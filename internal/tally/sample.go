package tally

import (
	"math"
	"net/netip"
	"time"

	"frontsockets/internal/tcp"
)

// Earlier is the first of two looks: what the second is compared with.
type Earlier struct {
	unread map[netip.AddrPort]uint32 // of every client's end; 0 if it is not ESTABLISHED
	drops  map[listenerID]uint32
}

type listenerID struct {
	local netip.AddrPort
	inode uint64
}

// NewEarlier is a first look in which nothing was seen yet.
func NewEarlier() *Earlier {
	return &Earlier{map[netip.AddrPort]uint32{}, map[listenerID]uint32{}}
}

// Add notes one socket of the front. It keeps nothing of s.
func (e *Earlier) Add(s *tcp.Socket) {
	switch s.State {
	case tcp.Listen:
		e.drops[listenerID{s.Local, s.Inode}] = s.Drops
	case tcp.Established:
		e.unread[s.Remote] = s.RecvQ
	default:
		e.unread[s.Remote] = 0
	}
}

// Inodes are those of the listeners.
func (e *Earlier) Inodes() []uint64 {
	var inodes []uint64
	for id := range e.drops {
		inodes = append(inodes, id.inode)
	}
	return inodes
}

// Since makes t the second look, an interval after the first, and gives it back. It has
// to come before the first Add.
func (t *Tally) Since(e *Earlier, interval time.Duration) *Tally {
	t.earlier, t.interval = e, interval
	return t
}

// compare counts what a session of the second look was in the first.
func (t *Tally) compare(s *tcp.Socket) {
	unread, there := t.earlier.unread[s.Remote]
	switch {
	case !there:
		t.reconnects++
	case s.State == tcp.Established && unread > 0 && s.RecvQ >= unread:
		t.stuckUnread++
	}
}

// sampled works out the metrics of two looks.
func (t *Tally) sampled(r *Result, listeners, established tcp.Facts) {
	r.Sampled = t.earlier != nil
	v := &r.Values
	if !r.Sampled {
		for m := ListenDrops; m < NumMetrics; m++ {
			v[m].Unknown = "it takes two looks (--sample)"
		}
		return
	}
	perSecond := float64(t.dropped) / t.interval.Seconds()
	v[ListenDrops] = known(Value{N: math.Round(perSecond*1e3) / 1e3}, listeners, tcp.KnowsDrops, "drops")
	v[Reconnects] = count(t.reconnects)
	v[UnreadStuck] = known(count(t.stuckUnread), established, tcp.KnowsRecvQ, "Recv-Q")
}
