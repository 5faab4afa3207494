package tally

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"frontsockets/internal/tcp"
)

// TestMedian: the median is that of the sorted times, whatever their order.
func TestMedian(t *testing.T) {
	if _, found := median(nil); found {
		t.Error("nothing has a median")
	}
	random := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 200; n++ {
		values := make([]uint32, n)
		for i := range values {
			values[i] = random.Uint32N(uint32(n)) // with equal ones
		}
		sorted := slices.Sorted(slices.Values(values))
		want := time.Duration((uint64(sorted[(n-1)/2])+uint64(sorted[n/2]))/2) * time.Microsecond
		if got, found := median(values); got != want || !found {
			t.Errorf("the median of %v is %s, want %s", sorted, got, want)
		}
	}
}

// TestNoRTT: a round-trip time of 0 was not measured, and there is nothing to judge then.
func TestNoRTT(t *testing.T) {
	s := session(tcp.Established, "10.1.2.3")
	s.RTT = 0
	r := tallied(rules, s)
	if v := r.Values[RTT]; v.Known() || r.Clients[0].RTT != 0 {
		t.Errorf("%+v, client %s", v, r.Clients[0].RTT)
	}
}

// BenchmarkTally counts a front of 10,000 sessions.
func BenchmarkTally(b *testing.B) {
	for _, clients := range []int{100, 10_000} {
		b.Run(fmt.Sprint(clients, " clients"), func(b *testing.B) {
			sockets := make([]tcp.Socket, 10_000)
			for i := range sockets {
				sockets[i] = session(tcp.Established, fmt.Sprintf("10.1.%d.%d", i%clients/100, i%100))
				sockets[i].Remote = netip.AddrPortFrom(sockets[i].Remote.Addr(), uint16(i))
				sockets[i].RTT = time.Duration(i*7919%10_007) * time.Microsecond
			}
			b.ReportAllocs()
			for range b.N {
				tallied(rules, sockets...)
			}
		})
	}
}
