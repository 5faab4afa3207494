package source

import (
	"slices"

	"frontsockets/internal/tcp"
)

// The kernel returns its table of sockets in parts. A part ends before the socket that does not
// fit any more, and the next one resumes at the position of that socket in its hash chain. If a
// socket earlier in the chain ends meanwhile, the positions move, and the kernel skips the socket
// where it would have resumed. New sockets come to the beginning of their chain, so those that
// come and go are always earlier than one that stays. If this is likely, later looks are made, and
// what they find besides is added. docs/SOAK.md has what was measured.
const (
	// tolerableMiss is the chance that a look passes over a socket, above which it is made
	// again: at most once a week where a look is made each minute, while 5,000 sessions come
	// and go each second, and that much less often where fewer do.
	tolerableMiss = 1e-4
	// cheapMiss is that chance where another look is cheap: once in twenty years.
	cheapMiss = 1e-7
	// Another look is cheap if it reads no more sessions, from a table of no more buckets: it
	// takes about 1.5 µs for a session and less than a millisecond for empty buckets. Larger
	// tables are of hosts where others may have half a million sockets, so each look is slow.
	cheapSessions = 2000
	cheapEntries  = 131_072

	// rowsPerEnd is the number of the front's rows in whose time one session of the host ends,
	// where 5,000 end each second. The kernel returns about as many in one part.
	rowsPerEnd = 70
)

// looksFor returns how many looks to make at a front with so many sessions, in a table of so many
// buckets, so that it is unlikely enough that the same socket is missing from all of them. It
// returns at most the given number.
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

// missChance estimates the chance that a look passes over one of the sessions of a front, in a
// table of so many buckets (entries). While each part is handled, one session of the host ends. It
// is in the chain where the kernel resumes with the probability 1/entries. Beside 5,000 ends a second
// a third of that to all of it was measured, in tables of 64 to 65,536 entries.
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
