package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"frontsockets/internal/tcp"
)

// socketID is the identity of a socket: its two addresses with their ports.
type socketID struct{ local, remote netip.AddrPort }

// expectedSocket is a socket that must be in each look exactly once.
type expectedSocket struct {
	id    socketID
	state tcp.State
	until time.Time // when it is not expected any more; zero for never
}

// expected is what each look must have, and counts what one look has.
type expected struct {
	sockets []expectedSocket
	index   map[socketID]int // place in sockets and seen
	seen    []int            // how often the look showed it, in its state
}

// add expects a socket. A new TIME_WAIT may have the addresses of an older one, in whose place the
// kernel puts it.
func (e *expected) add(local, remote netip.AddrPort, state tcp.State, until time.Time) {
	id := socketID{local, remote}
	e.sockets = slices.DeleteFunc(e.sockets, func(s expectedSocket) bool { return s.id == id })
	e.sockets = append(e.sockets, expectedSocket{id, state, until})
	e.index = nil
}

// expire forgets the sockets whose time is over.
func (e *expected) expire(now time.Time) {
	over := func(s expectedSocket) bool { return !s.until.IsZero() && now.After(s.until) }
	e.sockets = slices.DeleteFunc(e.sockets, over)
	e.index = nil
	e.begin()
}

// begin forgets what was seen, before each attempt of a look.
func (e *expected) begin() {
	if len(e.index) != len(e.sockets) {
		e.index = map[socketID]int{}
		for i, s := range e.sockets {
			e.index[s.id] = i
		}
	}
	if len(e.seen) != len(e.sockets) {
		e.seen = make([]int, len(e.sockets))
	}
	clear(e.seen)
}

// visit counts one socket of a look. A socket in another state than expected is not counted, so
// it is missing.
func (e *expected) visit(s *tcp.Socket) {
	if i, ok := e.index[socketID{s.Local, s.Remote}]; ok && e.sockets[i].state == s.State {
		e.seen[i]++
	}
}

// verdict returns how many sockets the look missed and how many it showed more than once, and
// names one of each.
func (e *expected) verdict() (missing, repeated int, example string) {
	for i, n := range e.seen {
		s := e.sockets[i]
		switch {
		case n == 0:
			missing++
			example = fmt.Sprintf("missing: %s %s %s", s.state, s.id.local, s.id.remote)
		case n > 1:
			repeated++
			example = fmt.Sprintf("%d times: %s %s %s", n, s.state, s.id.local, s.id.remote)
		}
	}
	return missing, repeated, example
}
