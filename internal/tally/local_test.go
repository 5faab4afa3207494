package tally

import (
	"net/netip"
	"slices"
	"testing"

	"frontsockets/internal/tcp"
)

// TestLocalPrograms: a local program that has a port of the front as its source port is left
// out only where it surely connected to the front.
func TestLocalPrograms(t *testing.T) {
	both := Rules{Normal: rules.Normal, StalledAfter: rules.StalledAfter,
		Ports: tcp.Ports{{Lo: 41213, Hi: 41214}}}
	for _, test := range []struct {
		name, listener, local, remote string
		leftOut                       bool
	}{
		{"to the front from another address", "127.0.0.1:41213", "127.0.0.6:41213", "127.0.0.1:41213", true},
		{"to the front's other port", "10.1.0.7:41214", "10.1.0.8:41213", "10.1.0.7:41214", true},
		{"to a wildcard listener on loopback", "0.0.0.0:41214", "127.0.0.1:41213", "127.0.0.1:41214", true},
		{"IPv6", "[::1]:41213", "[2001:db8::7]:41213", "[::1]:41213", true},
		{"its other end", "127.0.0.1:41213", "127.0.0.1:41213", "127.0.0.6:41213", false},
		{"a client with the same port", "10.1.0.7:41213", "10.1.0.7:41213", "10.9.9.9:41213", false},
		{"a client of a wildcard listener", "0.0.0.0:41213", "10.1.0.7:41213", "10.1.0.7:41213", false},
		{"the other family may be served", "[::]:41213", "127.0.0.6:41213", "127.0.0.1:41213", false},
		{"another host may have that listener", "0.0.0.0:41214", "10.1.0.7:41213", "10.9.9.9:41214", false},
		{"perhaps a session of a closed listener", "10.1.0.7:41213", "10.1.0.8:41213", "10.9.9.9:5432", false},
		{"nothing listens", "", "127.0.0.1:41213", "127.0.0.2:41213", false},
	} {
		c := New(both, nil, 0)
		s := session(tcp.Established, "10.1.2.3")
		s.Local, s.Remote = netip.MustParseAddrPort(test.local), netip.MustParseAddrPort(test.remote)
		c.Add(&s)
		if test.listener != "" { // a capture may show it later
			l := listener(test.listener, 0, 128)
			c.Add(&l)
		}
		r := c.Result(tcp.Look{Provides: everything})
		if leftOut := slices.Equal(r.LeftOut, []uint16{41213}); leftOut != test.leftOut ||
			r.States[tcp.Established] == len(r.LeftOut) {
			t.Errorf("%s: left out %v, %d established", test.name, r.LeftOut, r.States[tcp.Established])
		}
	}
}
