package tally

import (
	"math"
	"net/netip"
	"time"

	"frontsockets/internal/tcp"
)

// Earlier is the first of two looks: what the second is compared with.
type Earlier struct {
	unread map[[2]netip.AddrPort]uint32 // of every session; 0 if it is not ESTABLISHED
	drops  map[listenerID]uint32
	knows  tcp.Facts // of every listener
}

type listenerID struct {
	local netip.AddrPort
	inode uint64
}

// NewEarlier is a first look in which nothing was seen yet.
func NewEarlier() *Earlier {
	return &Earlier{map[[2]netip.AddrPort]uint32{}, map[listenerID]uint32{}, ^tcp.Facts(0)}
}

// Add notes one socket of the front. It keeps nothing of s.
func (e *Earlier) Add(s *tcp.Socket) {
	switch s.State {
	case tcp.Listen:
		e.drops[listenerID{s.Local, s.Inode}] = s.Drops
		e.knows &= s.Known
	case tcp.Established:
		e.unread[[2]netip.AddrPort{s.Local, s.Remote}] = s.RecvQ
	default:
		e.unread[[2]netip.AddrPort{s.Local, s.Remote}] = 0
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
	unread, there := t.earlier.unread[[2]netip.AddrPort{s.Local, s.Remote}]
	// As many bytes as before may be others, if some came since.
	same := s.RecvQ == unread && s.Known.Has(tcp.KnowsLastDataSent) && s.LastDataReceived >= t.interval
	switch {
	case !there:
		t.reconnects++
	case s.State == tcp.Established && unread > 0 && (s.RecvQ > unread || same):
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
	v[ListenDrops] = known(Value{N: math.Round(perSecond*1e3) / 1e3}, listeners&t.earlier.knows, tcp.KnowsDrops, "drops")
	v[Reconnects] = count(t.reconnects)
	v[UnreadStuck] = known(count(t.stuckUnread), established, tcp.KnowsRecvQ, "Recv-Q")
}
