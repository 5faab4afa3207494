package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/shirou/gopsutil/v3/net"

	"frontsockets/internal/tcp"
)

// TestOrder: a better source that fails is passed over, but not in silence, and a
// table that is there and garbled is never read again by somebody less strict.
func TestOrder(t *testing.T) {
	speaks := func(name string, n int) tcp.Source {
		return live(name, 0, 0, func(_ context.Context, _ tcp.Query, begin func() tcp.Visit) error {
			visit := begin()
			for range n {
				visit(&tcp.Socket{})
			}
			return nil
		})
	}
	fails := func(name string, err error) tcp.Source {
		return live(name, 0, 0, func(_ context.Context, _ tcp.Query, begin func() tcp.Visit) error {
			begin()(&tcp.Socket{}) // rows before the failure do not count
			return err
		})
	}
	gone := &fs.PathError{Op: "open", Path: "/proc/net/tcp", Err: fs.ErrNotExist}
	for _, test := range []struct {
		name    string
		sources []Source
		want    string // how the source is named, or the error
		n       int
	}{
		{"the first", []tcp.Source{speaks("sockdiag", 5), speaks("procnet", 9)}, "sockdiag", 5},
		{"the second", []tcp.Source{fails("sockdiag", errors.New("refused")), speaks("procnet", 9)}, "procnet (sockdiag: refused)", 9},
		{"the third", []tcp.Source{fails("sockdiag", errors.ErrUnsupported), fails("procnet", errors.ErrUnsupported), speaks("gopsutil", 2)},
			"gopsutil (sockdiag: unsupported operation; procnet: unsupported operation)", 2},
		{"no table", []tcp.Source{fails("procnet", gone), speaks("gopsutil", 2)}, "gopsutil (procnet: open /proc/net/tcp: file does not exist)", 2},
		{"a garbled table", []tcp.Source{fails("procnet", errGarbled), speaks("gopsutil", 2)}, "error: procnet: not a row of a socket table", 0},
		{"none", []tcp.Source{fails("sockdiag", errors.New("refused"))}, "error: sockdiag: refused", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := 0
			seen, err := Look(context.Background(), test.sources, tcp.Query{}, func() tcp.Visit {
				n = 0
				return func(*tcp.Socket) { n++ }
			})
			got := seen.Source
			if why := seen.Why(); why != "" {
				got += " (" + why + ")"
			}
			if err != nil {
				got, n = fmt.Sprintf("error: %v", err), 0
			}
			if got != test.want || n != test.n {
				t.Errorf("got %q with %d rows, want %q with %d", got, n, test.want, test.n)
			}
		})
	}
}

// TestNoTimeForTheNext: when the time is over no other source is asked.
func TestNoTimeForTheNext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	late := live("late", 0, 0, func(context.Context, tcp.Query, func() tcp.Visit) error {
		cancel()
		return errors.New("torn")
	})
	next := live("next", 0, 0, func(context.Context, tcp.Query, func() tcp.Visit) error { return nil })
	seen, err := Look(ctx, []tcp.Source{late, next}, tcp.Query{}, func() tcp.Visit { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%q answers, %v", seen.Source, err)
	}
}

func TestByName(t *testing.T) {
	for name, want := range map[string]string{"auto": "sockdiag procnet gopsutil", "sockdiag": "sockdiag", "procnet": "procnet", "gopsutil": "gopsutil"} {
		sources, err := ByName(name, World{})
		var names []string
		for _, s := range sources {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := ByName("ss", World{}); err == nil || err.Error() != "'ss' is not a source; use one of auto, sockdiag, procnet, gopsutil, netstat:FILE, ss:FILE, snapshot:FILE" {
		t.Errorf("ss: %v", err)
	}
}

// TestGopsutilRows: the spellings of the systems that only gopsutil reads.
func TestGopsutilRows(t *testing.T) {
	for _, test := range []struct {
		row  net.ConnectionStat
		want string
	}{
		{net.ConnectionStat{Status: "SYN_RECEIVED", Laddr: net.Addr{IP: "10.1.0.7", Port: 41213}, Raddr: net.Addr{IP: "10.1.2.3", Port: 5}}, "syn_recv 10.1.0.7:41213 10.1.2.3:5"},
		{net.ConnectionStat{Status: "LISTEN", Laddr: net.Addr{IP: "*", Port: 41213}}, "listen [::]:41213 [::]:0"},
		{net.ConnectionStat{Status: "FIN_WAIT_2", Laddr: net.Addr{IP: "::ffff:10.1.0.7", Port: 41213}, Raddr: net.Addr{IP: "fe80::1%eth0", Port: 5}}, "fin_wait2 10.1.0.7:41213 [fe80::1]:5"},
		{net.ConnectionStat{Status: "NONE", Laddr: net.Addr{IP: "10.1.0.7", Port: 41213}}, "'NONE' is not a TCP state"},
		{net.ConnectionStat{Status: "LISTEN", Laddr: net.Addr{IP: "localhost", Port: 41213}}, `ParseAddr("localhost"): unable to parse IP`},
		{net.ConnectionStat{Status: "LISTEN", Laddr: net.Addr{IP: "10.1.0.7", Port: 70000}}, "port 70000"},
	} {
		s, err := gopsutilSocket(test.row)
		got := fmt.Sprint(s.State, " ", s.Local, " ", s.Remote)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
