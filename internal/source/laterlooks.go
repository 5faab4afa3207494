package source

import (
	"slices"

	"frontsockets/internal/tcp"
)

// The kernel returns its table of sockets in parts. A part ends before the socket that does not
// fit any more, and the next one resumes at the position of that socket in its hash chain. If a
// socket earlier in the chain ends meanwhile, the positions move, and the kernel skips the socket
// where it would have resumed. New sockets come to the beginning of their chain, so those that
// come and go are always earlier than one that stays. If a miss is likely, the check looks again and
// adds what it had not seen. docs/SOAK.md has what was measured.
const (
	// If the chance that a look misses a socket is greater than tolerableMiss, the check looks again.
	// It is one miss a week with a look each minute, while 5,000 sessions end each second. With fewer
	// ends there are fewer misses.
	tolerableMiss = 1e-4
	// cheapMiss takes its place where another look is cheap: one miss in twenty years.
	cheapMiss = 1e-7
	// Another look is cheap up to so many sessions and buckets. It takes about 1.5 µs for a session
	// and less than a millisecond for empty buckets. Hosts with a larger table may have half a
	// million sockets of other programs, so each look is slow.
	cheapSessions = 2000
	cheapEntries  = 131_072

	// rowsPerEnd is the number of the front's rows in whose time one session of the host ends,
	// where 5,000 end each second. The kernel returns about as many in one part.
	rowsPerEnd = 70
)

// looksFor returns after how many looks it is unlikely enough that the same socket is missing from all
// of them, but at most most. The front has so many sessions, in a table of so many buckets (entries).
func looksFor(sessions, entries, most int) int {
	chance := missChance(sessions, entries)
	tolerable := tolerableMiss
	if sessions <= cheapSessions && entries <= cheapEntries {
		tolerable = cheapMiss
	}
	n := 1
	for all := chance; all > tolerable && n < most; n++ {
		all *= chance
	}
	return n
}

// missChance estimates the chance that a look misses one of the sessions of a front, in a table of so
// many buckets (entries). While each part is handled, one session of the host ends. With the probability
// 1/entries it is in the chain where the kernel resumes. With 5,000 ends each second, a third of this
// estimate to all of it was measured, in tables of 64 to 65,536 entries.
func missChance(sessions, entries int) float64 {
	if entries <= 0 {
		return 0
	}
	return min(1, float64(sessions)/rowsPerEnd/float64(entries))
}

// unseen hands a visitor the sockets of later looks that no earlier look has seen. Of sockets with the
// same two addresses it visits as many as the look has that found most. So a socket whose state
// changes between two looks counts once, as it was seen first.
type unseen struct {
	most, now map[tcp.Pair]int
	visit     tcp.Visit
}

// begin starts the next look.
func (l *unseen) begin() { l.now = map[tcp.Pair]int{} }

func (l *unseen) add(s *tcp.Socket) {
	pair := s.Pair()
	if l.now[pair]++; l.now[pair] > l.most[pair] {
		l.most[pair] = l.now[pair]
		l.visit(s)
	}
}

// portRange is a range of remote ports.
type portRange struct{ lo, hi uint16 }

var everyPort = portRange{0, 0xffff}

// split returns n ranges that cover all ports, with about as many of the given ports in each.
func split(ports []uint16, n int) []portRange {
	slices.Sort(ports)
	var ranges []portRange
	next := portRange{hi: 0xffff}
	for i := 1; i < n; i++ {
		if first := ports[i*len(ports)/n]; first > next.lo {
			ranges = append(ranges, portRange{next.lo, first - 1})
			next.lo = first
		}
	}
	return append(ranges, next)
}
