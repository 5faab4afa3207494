package plugins

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/tcp"
)

// hungFront is a front that looks hung, so that the check looks again. Each look after the first
// does as told.
func hungFront(again func(context.Context) error) Profile {
	looks := 0
	lookAt := func(ctx context.Context, _ tcp.Query, visit tcp.Visit) (tcp.Look, error) {
		look := tcp.Look{Source: "fake", Provides: ^tcp.Facts(0)}
		if looks++; looks > 1 {
			if err := again(ctx); err != nil {
				return look, err
			}
		}
		l := listener()
		l.RecvQ = 129
		visit(l)
		for n := range 129 {
			visit(&tcp.Socket{
				State: tcp.Established, Facts: ^tcp.Facts(0), RecvQ: 80,
				LastDataSent: time.Minute, LastDataReceived: time.Minute,
				Local:  netip.MustParseAddrPort("10.1.0.7:41213"),
				Remote: netip.AddrPortFrom(netip.MustParseAddr("10.1.2.3"), uint16(1000+n)),
			})
		}
		return look, nil
	}
	p := MDFront
	p.sources = []tcp.Source{{Name: "fake", Look: lookAt}}
	return p
}

// TestSlowSteps: a step that the answer does not need never costs it. When the time is up the
// answer is that of the steps before, and says what was not done.
func TestSlowSteps(t *testing.T) {
	hang := make(chan bool)
	t.Cleanup(func() { close(hang) })
	file := filepath.Join(t.TempDir(), "mdfront")
	const counted = "MDFRONT CRITICAL: accept queue of port 41213 is full, 129 of 128; "
	const hung = " - the front does not accept"
	const noLook = "; no second look: "
	const late = noLook + "no time for it within 1.5s (-t)"
	type step = func(context.Context) error
	hangs := func(context.Context) error { <-hang; return nil }
	for name, test := range map[string]struct {
		again      step
		args, want string
	}{
		"in time":     {func(context.Context) error { return nil }, "-t 5", hung},
		"hanging":     {hangs, "-t 1500ms", late},
		"slow":        {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "-t 1500ms", late},
		"failing":     {func(context.Context) error { return errors.New("no right") }, "-t 5", noLook + "fake: no right"},
		"a bug":       {func(context.Context) error { panic("torn") }, "-t 5", noLook + "this check has a bug: torn, "},
		"no time":     {hangs, "-t 300ms", noLook + "no time for it within 300ms (-t)"},
		"then saved":  {hangs, "-t 1500ms --save " + file, late},
		"then search": {hangs, "-t 1500ms -v", late},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			out, code := at(noon, hungFront(test.again), strings.Fields(test.args)...)
			first, _, _ := strings.Cut(out, "\n")
			if code != 2 || !strings.HasPrefix(first, counted) || !strings.Contains(first, test.want) ||
				strings.Contains(first, hung) != (test.want == hung) {
				t.Errorf("exit %d, %s", code, out)
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("it took %s", took)
			}
			if _, err := os.Stat(file); name == "then saved" && err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSlowSearch: a search for a process that does not end is told, and costs a part of the time.
func TestSlowSearch(t *testing.T) {
	hang := make(chan bool)
	t.Cleanup(func() { close(hang) })
	for timeout, want := range map[time.Duration]string{400 * time.Millisecond: "100ms", time.Minute: "250ms"} {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		start := time.Now()
		_, err := bestEffort(ctx, &inspection{}, func(context.Context) (int, error) { <-hang; return 0, nil })
		if err == nil || !strings.HasPrefix(err.Error(), "the search through /proc stopped after "+want+"; ") &&
			timeout == time.Minute || time.Since(start) > time.Second {
			t.Errorf("%s: %v after %s", timeout, err, time.Since(start))
		}
		cancel()
	}
}
