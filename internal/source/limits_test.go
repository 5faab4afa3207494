package source

import (
	"context"
	"io/fs"
	"testing"

	"frontsockets/internal/tcp"
)

// TestLimits: what the kernel's limits hide from a look.
func TestLimits(t *testing.T) {
	const (
		sockstat  = "sockets: used 12\nTCP: inuse 5 orphan 0 tw 12 alloc 9 mem 1\nUDP: inuse 0 mem 0\n"
		buckets   = "sys/net/ipv4/tcp_max_tw_buckets"
		somaxconn = "sys/net/core/somaxconn"
	)
	full := tcp.Set(tcp.TimeWait, tcp.FinWait2)
	for _, test := range []struct {
		name     string
		files    map[string]string
		provides tcp.Facts
		want     tcp.StateSet
		backlog  uint32
	}{
		{"room", map[string]string{"net/sockstat": sockstat, buckets: "13\n"}, diagFacts, 0, 0},
		{"full", map[string]string{"net/sockstat": sockstat, buckets: "12\n"}, diagFacts, full, 0},
		{"lowered since", map[string]string{"net/sockstat": sockstat, buckets: "5\n"}, diagFacts, full, 0},
		{"none at all", map[string]string{"net/sockstat": "TCP: inuse 5 orphan 0 tw 0 alloc 9 mem 1\n", buckets: "0\n"},
			diagFacts, full, 0},
		{"nearly full", map[string]string{"net/sockstat": "TCP: tw 1980\n", buckets: "2000\n"}, diagFacts, full, 0},
		{"not quite", map[string]string{"net/sockstat": "TCP: tw 1979\n", buckets: "2000\n"}, diagFacts, 0, 0},
		{"no files", nil, procFacts, 0, 0},
		{"no limit", map[string]string{"net/sockstat": sockstat}, diagFacts, 0, 0},
		{"no count", map[string]string{"net/sockstat": "TCP: inuse 5\n", buckets: "5\n"}, diagFacts, 0, 0},
		{"not a count", map[string]string{"net/sockstat": "TCP: tw x\n", buckets: "5\n"}, diagFacts, 0, 0},
		{"no backlog", map[string]string{somaxconn: "4096\n"}, procFacts, 0, 4096},
		{"its own backlog", map[string]string{somaxconn: "4096\n"}, diagFacts, 0, 0},
	} {
		l := limits{func(name string) ([]byte, error) {
			if text, ok := test.files[name]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		}}
		bare := fixed("bare", test.provides, 0, func(context.Context, tcp.Query, tcp.Visit) error { return nil })
		look, err := l.over(bare).Look(context.Background(), anyPort, nil)
		if err != nil || look.LowerBound != test.want || look.MaxBacklog != test.backlog {
			t.Errorf("%s: %+v, %v", test.name, look, err)
		}
	}
}
