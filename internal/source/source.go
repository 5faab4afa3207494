// Package source sees the sockets of this host: in the kernel's tables on Linux, through
// gopsutil on other systems. It hands them to a visitor one by one, so memory does not
// grow with the sockets of other programs.
package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"frontsockets/internal/tcp"
)

// Names are the names that Live knows, for help and errors.
var Names = []string{"auto", "sockdiag", "procnet", "gopsutil"}

// Live returns the attempts to make for a source's name, best first, or none if no source
// has that name. netns is the network namespace to look into: a process id, a path or a
// name that "ip netns" gave. It is empty for the caller's own.
func Live(name, netns string) []tcp.Source {
	root := "/proc"
	if netns != "" {
		root = "/proc/thread-self" // only this thread is in the namespace
	}
	attempts := preferred(root)
	if name != "auto" {
		attempts = slices.DeleteFunc(every(root), func(s tcp.Source) bool { return s.Name != name })
	}
	if netns != "" {
		for i, s := range attempts {
			attempts[i] = within(netns, s)
		}
	}
	return attempts
}

// every returns the attempts of every source by name. sockdiag first asks for both families at once, then
// for one by one, since some kernels refuse the old request. It asks twice in each way, since the table
// may change during a dump.
func every(root string) []tcp.Source {
	attempts := []tcp.Source{
		sockDiagBoth(), sockDiagBoth(), sockDiagEach(), sockDiagEach(), procNet(root), gopsutil(root),
	}
	for i, s := range attempts {
		attempts[i] = limitsUnder(root).over(s)
	}
	return attempts
}

// fixed makes a live source that always provides the same facts.
func fixed(name string, provides tcp.Facts, hidden tcp.StateSet,
	look func(context.Context, tcp.Query, tcp.Visit) error) tcp.Source {

	return tcp.Source{Name: name, Look: func(ctx context.Context, q tcp.Query, visit tcp.Visit) (tcp.Look, error) {
		return tcp.Look{Source: name, Provides: provides, HiddenStates: hidden}, look(ctx, q, visit)
	}}
}

// First returns the look of the first attempt that succeeds. Each attempt gets a visitor of
// its own from begin, so what a failed one visited is forgotten. Look.Skipped says why the
// sources before it failed. An error says why all of them did.
func First(ctx context.Context, attempts []tcp.Source, q tcp.Query, begin func() tcp.Visit) (tcp.Look, error) {
	var failures []failure
	for _, s := range attempts {
		look, err := s.Look(ctx, q, begin())
		if err == nil {
			look.Skipped = append(reasons(failures, s.Name), look.Skipped...)
			return look, nil
		}
		if ctx.Err() != nil {
			return tcp.Look{}, fmt.Errorf("%s: %w", s.Name, ctx.Err())
		}
		if errors.As(err, new(enterError)) {
			return tcp.Look{}, err
		}
		failures = append(failures, failure{s.Name, err})
	}
	return tcp.Look{}, errors.New(strings.Join(reasons(failures, ""), "; "))
}

// failure is an attempt that failed.
type failure struct {
	source string
	err    error
}

// reasons returns each different failure once, without those of the source that answered.
func reasons(failures []failure, answered string) []string {
	var texts []string
	for _, f := range failures {
		text := fmt.Sprintf("%s: %s", f.source, f.err)
		if f.source != answered && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// enterError says that a network namespace cannot be entered. No other source could.
type enterError struct{ error }
