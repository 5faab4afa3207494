package main

import (
	"net/netip"
	"testing"
	"time"

	"frontsockets/internal/tcp"
)

// TestExpected: a socket that is missing, there twice or in another state makes a look wrong.
func TestExpected(t *testing.T) {
	local := netip.MustParseAddrPort("127.0.0.1:41213")
	remote := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(local.Addr(), port) }
	now := time.Now()
	for _, test := range []struct {
		look              []tcp.Socket
		missing, repeated int
	}{
		{look: []tcp.Socket{{Remote: remote(1)}, {Remote: remote(2)}, {Remote: remote(3)}}},
		{look: []tcp.Socket{{Remote: remote(2)}, {Remote: remote(2)}}, missing: 1, repeated: 1},
		{look: []tcp.Socket{{Remote: remote(1)}, {Remote: remote(2), State: tcp.TimeWait}}, missing: 1},
	} {
		want := &expected{}
		want.add(local, remote(1), tcp.Established, time.Time{})
		want.add(local, remote(9), tcp.TimeWait, now.Add(-time.Second))
		want.add(local, remote(2), tcp.TimeWait, now.Add(time.Minute))
		want.add(local, remote(2), tcp.Established, now.Add(time.Hour)) // in its place
		want.expire(now)
		want.begin()
		for _, s := range test.look {
			s.Local = local
			if s.State == 0 {
				s.State = tcp.Established
			}
			want.visit(&s)
		}
		missing, repeated, example := want.verdict()
		if missing != test.missing || repeated != test.repeated || (example == "") != (missing+repeated == 0) {
			t.Errorf("%v: %d missing, %d repeated, %q", test.look, missing, repeated, example)
		}
	}
}
