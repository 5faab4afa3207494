package output

import (
	"encoding/json"
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

// TestLogLimits: a line of the log has the ports and listeners of every front in practice, and is never too
// long for front_report. JSON has all of them.
func TestLogLimits(t *testing.T) {
	for _, test := range []struct{ ports, byPort, listeners int }{
		{1, 0, 1}, {2, 2, 2}, {maxLoggedPorts, maxLoggedPorts, maxLoggedPorts},
		{maxLoggedPorts + 1, 0, maxLoggedPorts + 1}, {maxLoggedListeners, 0, maxLoggedListeners},
		{maxLoggedListeners + 1, 0, maxLoggedListeners},
	} {
		ports := tcp.Ports{{Lo: 10_001, Hi: uint16(10_000 + test.ports)}}
		count := tally.New(tally.Rules{ByPort: test.ports > 1}, nil, 0)
		for port := ports[0].Hi; port >= ports[0].Lo; port-- {
			count.Add(&tcp.Socket{State: tcp.Listen, Facts: ^tcp.Facts(0), Inode: 7,
				Local: netip.AddrPortFrom(netip.MustParseAddr("10.1.0.7"), port)})
		}
		result := count.Result(tcp.Look{Provides: ^tcp.Facts(0)})
		r := Report{Ports: ports, Result: &result}
		if byPort, listeners := listed(t, LogLine(r)); byPort != test.byPort || listeners != test.listeners {
			t.Errorf("%d ports: the log has %d and %d listeners, want %d and %d", test.ports, byPort, listeners,
				test.byPort, test.listeners)
		}
		byPort, listeners := listed(t, JSON(r, Style{}))
		if listeners != test.ports || test.ports > 1 && byPort != test.ports {
			t.Errorf("%d ports: JSON has %d and %d listeners", test.ports, byPort, listeners)
		}
	}
}

// listed returns how many members by_port has, and how many listeners there are.
func listed(t *testing.T, line []byte) (byPort, listeners int) {
	t.Helper()
	var doc struct {
		ByPort    map[string]any `json:"by_port"`
		Listeners []struct{ Port uint16 }
	}
	if err := json.Unmarshal(line, &doc); err != nil {
		t.Fatal(err)
	}
	if port := doc.Listeners[0].Port; port != 10_001 {
		t.Errorf("the first listener has port %d", port)
	}
	return len(doc.ByPort), len(doc.Listeners)
}
