package tcp

import (
	"net/netip"
	"strings"
	"testing"
)

func TestQueryWants(t *testing.T) {
	for _, test := range []struct {
		local, addresses string
		state            State
		want             bool
	}{
		{"10.1.0.7:41213", "", Established, true},
		{"10.1.0.7:4121", "", Established, false},
		{"10.1.0.7:41213", "10.1.0.7/32", TimeWait, true},
		{"10.1.0.7:41213", "10.1.0.8/32", TimeWait, false},
		{"10.1.0.7:41213", "192.168.0.0/16 10.1.0.0/16", TimeWait, true},
		{"[2001:db8::7]:41213", "2001:db8::/32", TimeWait, true},
		{"[2001:db8::7]:41213", "0.0.0.0/0", TimeWait, false},
		{"10.1.0.7:41213", "::/0", TimeWait, true}, // may be IPv4-mapped on the wire
		{"10.1.0.7:41213", "::ffff:0:0/95", TimeWait, true},
		{"10.1.0.7:41213", "2001:db8::/32", TimeWait, false},
		{"[2001:db8::7]:41213", "::/0", TimeWait, true},
		{"0.0.0.0:41213", "10.1.0.7/32", Listen, true},
		{"[::]:41213", "10.1.0.7/32", Listen, true},
		{"127.0.0.1:41213", "10.1.0.7/32", Listen, false},
		{"0.0.0.0:41213", "10.1.0.7/32", Close, false},
	} {
		q := Query{Ports: Ports{{Lo: 41213, Hi: 41213}}}
		for _, a := range strings.Fields(test.addresses) {
			q.Addresses = append(q.Addresses, netip.MustParsePrefix(a))
		}
		s := Socket{State: test.state, Local: netip.MustParseAddrPort(test.local)}
		if got := q.Wants(&s); got != test.want {
			t.Errorf("%s %s at addresses %q: %v", test.state, test.local, test.addresses, got)
		}
	}
}

// TestExcludes: sessions of these addresses, IPv4 or not, and never a listener.
func TestExcludes(t *testing.T) {
	q := Query{Exclude: []netip.Prefix{netip.MustParsePrefix("10.1.9.0/24"), netip.MustParsePrefix("2001:db8::/32")}}
	for remote, want := range map[string]bool{
		"10.1.9.1:5": true, "10.1.8.1:5": false, "[2001:db8::7]:5": true, "[::1]:5": false,
	} {
		s := Socket{State: TimeWait, Facts: FactClient, Remote: netip.MustParseAddrPort(remote)}
		if got := q.Excludes(&s); got != want {
			t.Errorf("%s is excluded: %v", remote, got)
		}
	}
	unknown := Socket{State: TimeWait, Remote: netip.MustParseAddrPort("10.1.9.1:5")}
	for _, s := range []Socket{unknown, {State: Listen, Facts: FactClient}, {Facts: FactClient}} {
		if q.Excludes(&s) {
			t.Errorf("%+v is excluded", s)
		}
	}
}
