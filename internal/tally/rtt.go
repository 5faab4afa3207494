package tally

import (
	"time"

	"frontsockets/internal/tcp"
)

// rttList is the round-trip times of one client's sessions, in microseconds: the kernel's unit.
type rttList struct {
	values []uint32
	// first has room for the values of most clients, which have one session or two. It saves
	// an allocation for each client.
	first [2]uint32
}

func (l *rttList) add(rtt time.Duration) {
	if l.values == nil {
		l.values = l.first[:0]
	}
	l.values = append(l.values, uint32(rtt.Microseconds()))
}

// medianRTT returns the median of all clients' sessions, and whether any was measured.
func (t *Tally) medianRTT() (rtt time.Duration, measured bool) {
	all := make([]uint32, 0, t.states[tcp.Established])
	for _, c := range t.clients {
		all = append(all, c.rtts.values...)
	}
	return median(all)
}

// median returns the median of times in microseconds, the mean of the middle two if their
// number is even, and whether there are any. It reorders them.
func median(values []uint32) (middle time.Duration, found bool) {
	if len(values) == 0 {
		return 0, false
	}
	half := len(values) / 2
	upper := selectNth(values, half)
	if len(values)%2 == 1 {
		return time.Duration(upper) * time.Microsecond, true
	}
	lower := values[0] // the largest of the lower half, which selectNth put first
	for _, v := range values[:half] {
		lower = max(lower, v)
	}
	return time.Duration((uint64(lower)+uint64(upper))/2) * time.Microsecond, true
}

// selectNth returns the value that would be at index n if values were sorted, and puts no
// larger ones before it (quickselect). It does not sort all of them: a front has thousands of
// sessions, and a check takes milliseconds.
func selectNth(values []uint32, n int) uint32 {
	for first, last := 0, len(values)-1; first < last; {
		pivot := values[first+(last-first)/2]
		i, j := first, last
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for values[j] > pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case n <= j:
			last = j
		case n >= i:
			first = i
		default:
			return values[n]
		}
	}
	return values[n]
}
