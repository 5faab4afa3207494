package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/shirou/gopsutil/v3/net"

	"frontsockets/internal/tcp"
)

// TestOrder: the first source that succeeds is the answer, and says why those before failed.
func TestOrder(t *testing.T) {
	succeeds := func(name string, sockets int) tcp.Source {
		return fixed(name, 0, 0, func(_ context.Context, _ tcp.Query, visit tcp.Visit) error {
			for range sockets {
				visit(&tcp.Socket{})
			}
			return nil
		})
	}
	fails := func(name string, err error) tcp.Source {
		return fixed(name, 0, 0, func(_ context.Context, _ tcp.Query, visit tcp.Visit) error {
			visit(&tcp.Socket{}) // sockets before the failure do not count
			return err
		})
	}
	refused := errors.New("refused")
	gone := &fs.PathError{Op: "open", Path: "/proc/net/tcp", Err: fs.ErrNotExist}
	for _, test := range []struct {
		name     string
		attempts []tcp.Source
		want     string // how the source is named, or the error
		sockets  int
	}{
		{"the first", []tcp.Source{succeeds("sockdiag", 5), succeeds("procnet", 9)}, "sockdiag", 5},
		{"the second", []tcp.Source{fails("sockdiag", refused), succeeds("procnet", 9)}, "procnet (sockdiag: refused)", 9},
		{"the same again", []tcp.Source{fails("sockdiag", refused), succeeds("sockdiag", 5)}, "sockdiag", 5},
		{"each reason once", []tcp.Source{fails("sockdiag", refused), fails("sockdiag", refused), succeeds("procnet", 2)},
			"procnet (sockdiag: refused)", 2},
		{"no table", []tcp.Source{fails("procnet", gone), succeeds("gopsutil", 2)},
			"gopsutil (procnet: open /proc/net/tcp: file does not exist)", 2},
		{"no namespace", []tcp.Source{fails("sockdiag", enterError{refused}), succeeds("procnet", 2)}, "error: refused", 0},
		{"none", []tcp.Source{fails("sockdiag", refused), fails("procnet", gone)},
			"error: sockdiag: refused; procnet: open /proc/net/tcp: file does not exist", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := 0
			look, err := First(context.Background(), test.attempts, tcp.Query{}, func() tcp.Visit {
				n = 0
				return func(*tcp.Socket) { n++ }
			})
			got := look.Source
			if len(look.Skipped) > 0 {
				got += " (" + strings.Join(look.Skipped, "; ") + ")"
			}
			if err != nil {
				got, n = fmt.Sprintf("error: %v", err), 0
			}
			if got != test.want || n != test.sockets {
				t.Errorf("got %q with %d sockets, want %q with %d", got, n, test.want, test.sockets)
			}
		})
	}
}

// TestNoTimeForTheNext: when the time is over no other source is asked.
func TestNoTimeForTheNext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	late := fixed("late", 0, 0, func(context.Context, tcp.Query, tcp.Visit) error {
		cancel()
		return errors.New("torn")
	})
	next := fixed("next", 0, 0, func(context.Context, tcp.Query, tcp.Visit) error { return nil })
	look, err := First(ctx, []tcp.Source{late, next}, tcp.Query{}, func() tcp.Visit { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%q answers, %v", look.Source, err)
	}
}

// TestLive: gopsutil is no part of auto on Linux, since it reads the table of procnet.
func TestLive(t *testing.T) {
	for name, want := range map[string]string{
		"auto": "sockdiag sockdiag sockdiag sockdiag procnet", "sockdiag": "sockdiag sockdiag sockdiag sockdiag",
		"procnet": "procnet", "gopsutil": "gopsutil", "ss": "", "": "",
	} {
		var names []string
		for _, s := range Live(name, "") {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestGopsutilRows: the spellings of the systems that only gopsutil reads.
func TestGopsutilRows(t *testing.T) {
	for _, test := range []struct {
		row  net.ConnectionStat
		want string
	}{
		{net.ConnectionStat{Status: "SYN_RECEIVED", Laddr: net.Addr{IP: "10.1.0.7", Port: 41213},
			Raddr: net.Addr{IP: "10.1.2.3", Port: 5}}, "syn_recv 10.1.0.7:41213 10.1.2.3:5"},
		{net.ConnectionStat{Status: "LISTEN", Laddr: net.Addr{IP: "*", Port: 41213}}, "listen [::]:41213 [::]:0"},
		{net.ConnectionStat{Status: "FIN_WAIT_2", Laddr: net.Addr{IP: "::ffff:10.1.0.7", Port: 41213},
			Raddr: net.Addr{IP: "fe80::1%eth0", Port: 5}}, "fin_wait2 10.1.0.7:41213 [fe80::1]:5"},
		{net.ConnectionStat{Status: "NONE", Laddr: net.Addr{IP: "10.1.0.7", Port: 41213}}, "'NONE' is not a TCP state"},
		{net.ConnectionStat{Status: "LISTEN", Laddr: net.Addr{IP: "localhost", Port: 41213}},
			`ParseAddr("localhost"): unable to parse IP`},
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

// TestGopsutilEndingProcesses: a process that ends during a look costs no answer, and a look that
// always fails ends.
func TestGopsutilEndingProcesses(t *testing.T) {
	ended := &os.PathError{Op: "open", Path: "/proc/701/fd", Err: syscall.ESRCH}
	ending := fmt.Errorf("could not get pid(s), 0: %w", ended)
	for failures, want := range map[int]error{0: nil, 1: nil, 3: nil, 1000: syscall.ESRCH} {
		looks := 0
		rows, err := whileProcessesEnd(func() ([]net.ConnectionStat, error) {
			if looks++; looks <= failures {
				return nil, ending
			}
			return []net.ConnectionStat{{}}, nil
		})
		if !errors.Is(err, want) || (err == nil) != (want == nil) || (len(rows) == 1) != (want == nil) {
			t.Errorf("%d failures: %v, %v, want %v", failures, rows, err, want)
		}
	}
}

// TestGopsutilBigEndian: what gopsutil makes of IPv6 addresses on a big-endian processor.
func TestGopsutilBigEndian(t *testing.T) {
	for got, want := range map[string]string{
		"::100:0": "::1", "::ffff:0:b00:7f": "::ffff:127.0.0.11", "::": "::", "b80d:120::100:0": "2001:db8::1", "*": "*",
	} {
		if s := reverseWords(got); s != want {
			t.Errorf("%s is %s, want %s", got, s, want)
		}
	}
}

// TestGopsutilRefusesLookalikes: it would count them once.
func TestGopsutilRefusesLookalikes(t *testing.T) {
	one, other := netip.MustParseAddrPort("10.1.2.3:5"), netip.MustParseAddrPort("10.1.2.3:6")
	front := netip.MustParseAddrPort("10.1.0.7:41213")
	alike := lookalikes{{Local: front, Remote: one}: 1, {Local: front, Remote: other}: 1}
	if err := alike.refuse(); err != nil {
		t.Error(err)
	}
	alike[tcp.Pair{Local: front, Remote: one}]++
	if err := alike.refuse(); err == nil || !strings.Contains(err.Error(),
		"2 sessions are from 10.1.2.3:5 to 10.1.0.7:41213") {
		t.Error(err)
	}
}
