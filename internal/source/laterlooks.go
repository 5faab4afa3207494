package source

import (
	"net/netip"
	"slices"

	"frontsockets/internal/tcp"
)

// The kernel returns its table of sockets in parts. It resumes at a position in a hash chain. If
// a socket earlier in that chain ends between two parts, the kernel skips one that was there all
// the time. If the chains are so long that this is likely, later looks are made, and what they
// find besides is added. docs/SOAK.md has what was measured.
const (
	// tolerableMiss is the chance that a look passes over a socket, above which it is made
	// again: at most once a week where a look is made each minute, while 5,000 sessions come
	// and go each second, and that much less often where fewer do.
	tolerableMiss = 1e-4
	// cheapMiss is that chance where another look is cheap: once in twenty years.
	cheapMiss = 1e-7
	// Another look is cheap if it reads no more rows, of a table of no more buckets: it takes
	// 1.5 µs for a row and less than a millisecond for empty buckets. The larger tables are of
	// hosts where others may have half a million sockets, which make each look slow.
	cheapRows    = 20_000
	cheapEntries = 131_072

	// missFactor is how much more looks pass over a socket than by one end of a session between
	// two parts: up to 3.5 times as much was measured beside 5,000 ends a second, on a machine
	// that was busy, in tables of 4,096 and 16,384 entries (docs/SOAK.md).
	missFactor = 4
)

// looksFor returns how many looks to make, at most the given number, so that it is unlikely
// enough that the same socket is missing from all of them. The chance is that of one look.
func looksFor(chance float64, rows, entries, most int) int {
	tolerable := tolerableMiss
	if rows <= cheapRows && entries <= cheapEntries {
		tolerable = cheapMiss
	}
	n := 1
	for all := chance; all > tolerable && n < most; n++ {
		all *= chance
	}
	return n
}

// missChance estimates the chance that a look passes over a socket, of a front with the
// given number of sessions, in a table of so many buckets (entries) that came in so many
// parts. It assumes that the next socket of the chain is a session of the front with the
// probability sessions/entries, and that missFactor sessions of the host end between two parts,
// each of which is in that chain with the probability 1/entries.
func missChance(parts, sessions, entries int) float64 {
	if entries <= 0 {
		return 0
	}
	return missFactor * float64(parts) * min(1, float64(sessions)/float64(entries)) / float64(entries)
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
