package output

import (
	"fmt"
	"net/netip"
	"testing"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// BenchmarkLogLine is the cost of a line of --log but for its write, by the number of clients.
func BenchmarkLogLine(b *testing.B) {
	const sessions = 3 // of each client
	normal := tcp.Set(tcp.Established) | tcp.Set(tcp.Listen)
	for _, n := range []int{50, 200, 10_000} {
		t := tally.New(tally.Rules{Normal: normal}, nil, 0)
		for i := range n * sessions {
			client := netip.AddrFrom4([4]byte{10, 1, byte(i % n >> 8), byte(i % n)})
			t.Add(&tcp.Socket{State: tcp.Established, Facts: ^tcp.Facts(0), Inode: 7,
				Local: netip.MustParseAddrPort("10.1.0.7:41213"), Remote: netip.AddrPortFrom(client, uint16(50000+i/n))})
		}
		result := t.Result(tcp.Look{Provides: ^tcp.Facts(0)})
		if len(result.Clients) != n {
			b.Fatalf("%d clients, want %d", len(result.Clients), n)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				LogLine(Report{Result: &result})
			}
		})
	}
}
