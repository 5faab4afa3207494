package source

import (
	"net/netip"
	"slices"

	"frontsockets/internal/tcp"
)

// The kernel returns its table of sockets in parts. It resumes at a position in a hash chain. If
// a socket earlier in that chain ends between two parts, the kernel skips one that was there all
// the time. If the chains are so long that this is likely, a second look is made, and what it
// finds besides is added.

// tolerableMiss is the chance that a look passes over a socket, above which it is made
// again: at most once a week where a look is made each minute, while thousands of sessions
// come and go each second, and that much less often where fewer do.
const tolerableMiss = 1e-4

// missChance estimates the chance that a look passes over a socket, of a front with the
// given number of sessions, in a table of so many buckets (entries) that came in so many
// parts. It assumes that the next socket of the chain is a session of the front with the
// probability sessions/entries, and that one session of the host ends between two parts, which
// is in that chain with the probability 1/entries. With thousands of sessions that end each
// second, this is what was measured in tables of 64 to 4,096 entries.
func missChance(parts, sessions, entries int) float64 {
	if entries <= 0 {
		return 0
	}
	return float64(parts) * min(1, float64(sessions)/float64(entries)) / float64(entries)
}

// addressPair is the local and the remote address of a socket, with their ports.
type addressPair struct{ local, remote netip.AddrPort }

// laterLooks hands a visitor what later looks find besides the earlier ones: for the same two
// addresses as many sockets as the look has that found most. So a socket whose state has
// changed meanwhile counts once, as it was seen first.
type laterLooks struct {
	most, now map[addressPair]int
	visit     tcp.Visit
}

// begin starts the next look.
func (l *laterLooks) begin() { l.now = map[addressPair]int{} }

func (l *laterLooks) add(s *tcp.Socket) {
	id := addressPair{s.Local, s.Remote}
	if l.now[id]++; l.now[id] > l.most[id] {
		l.most[id] = l.now[id]
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
