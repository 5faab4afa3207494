// Package source sees sockets. Each source reads one kind of socket table and
// hands the rows a front is asked about to a visitor, one by one, so that memory
// does not grow with the sockets of everybody else.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"frontsockets/internal/tcp"
)

// Query says which sockets are wanted.
type Query struct {
	// Ports are the local ports of the front.
	Ports tcp.Ports
	// Addresses are the local addresses of the front; none means any.
	Addresses []netip.Prefix
}

// wants decides on one row. A listener on a wildcard address serves every address.
func (q Query) wants(s *tcp.Socket) bool {
	if !q.Ports.Has(s.Local.Port()) {
		return false
	}
	local := s.Local.Addr()
	if len(q.Addresses) == 0 || s.State == tcp.Listen && local.IsUnspecified() {
		return true
	}
	// An IPv6 prefix such as ::/0 covers IPv4-mapped addresses, which are unmapped here.
	mapped := netip.AddrFrom16(local.As16())
	for _, prefix := range q.Addresses {
		if prefix.Contains(local) || prefix.Contains(mapped) {
			return true
		}
	}
	return false
}

// Visit takes one row. The row is the source's: it is overwritten by the next.
type Visit func(*tcp.Socket)

// Source is one way to see sockets.
type Source struct {
	Name string

	// Look visits every wanted socket. It asks begin for a visitor at the start,
	// and again whenever it has to start over: what went before is void then.
	// After an error everything is void.
	Look func(ctx context.Context, q Query, begin func() Visit) (Seen, error)
}

// Seen is what there is to know of a look besides its rows.
type Seen struct {
	// Source is the name of the source that spoke.
	Source string
	// Tells is the facts that it can know of a socket.
	Tells tcp.Facts
	// Blind is the states that it cannot see: their count is unknown, not 0.
	Blind tcp.StateSet
	// Recorded says that this was no look at the sockets of now, but at a recording that
	// was made at Time, as far as can be known on Host. A live look leaves both empty.
	Recorded bool
	Host     string
	Time     time.Time
	// Passed is why each better source did not speak.
	Passed []error
}

// live is a source of the sockets of now, which always knows the same.
func live(name string, tells tcp.Facts, blind tcp.StateSet, look func(context.Context, Query, func() Visit) error) Source {
	return Source{name, func(ctx context.Context, q Query, begin func() Visit) (Seen, error) {
		return Seen{Source: name, Tells: tells, Blind: blind}, look(ctx, q, begin)
	}}
}

// Names are the sources that ByName knows, for help and errors.
const Names = "auto, sockdiag, procnet, gopsutil, netstat:FILE, ss:FILE, snapshot:FILE"

// World is what a source depends on besides its name.
type World struct {
	// Stdin is what the file name "-" means.
	Stdin io.Reader
	// Now is the time, and MaxAge how old a recording may be then; if it is 0 that is
	// DefaultMaxAge for a snapshot, and any age for a capture, whose time is the file's.
	Now    time.Time
	MaxAge time.Duration
	// Netns is the network namespace to look into: a process id, a path or the name
	// of a namespace; empty for the caller's own.
	Netns string
}

// ByName gives the sources to try for a name, best first. A recording is never
// part of "auto": old data must not look live.
func ByName(name string, w World) ([]Source, error) {
	kind, file, hasFile := strings.Cut(name, ":")
	if hasFile && file != "" {
		if w.Netns != "" {
			return nil, fmt.Errorf("'%s' is a recording, and no look into a network namespace", name)
		}
		switch kind {
		case "netstat", "ss":
			return []Source{capture(kind, file, w)}, nil
		case "snapshot":
			return []Source{snapshot(file, w)}, nil
		}
	}
	root := "/proc"
	if w.Netns != "" {
		root = "/proc/thread-self" // only this thread is in the namespace
	}
	sources := []Source{sockDiag(), procNet(root), gopsutil(root)}
	switch {
	case name != "auto":
		sources = slices.DeleteFunc(sources, func(s Source) bool { return s.Name != name })
	case runtime.GOOS != "linux":
		sources = sources[2:] // there is nothing better, so nothing to report either
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("'%s' is not a source; use one of %s", name, Names)
	}
	if w.Netns != "" {
		return []Source{within(w.Netns, sources)}, nil
	}
	return sources, nil
}

// Why is why no better source spoke, or "".
func (s Seen) Why() string { return join(s.Passed) }

func join(errs []error) string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Look tries the sources in turn until one speaks. A source that is not there is
// passed over, and so is sock_diag whenever it fails, since /proc/net/tcp counts
// as strictly. A /proc/net/tcp that is there but cannot be read right ends the
// search: gopsutil reads the same file and leaves out the rows it cannot read.
func Look(ctx context.Context, sources []Source, q Query, begin func() Visit) (Seen, error) {
	var passed []error
	for _, s := range sources {
		seen, err := s.Look(ctx, q, begin)
		if err == nil {
			seen.Passed = append(passed, seen.Passed...)
			return seen, nil
		}
		if ctx.Err() != nil {
			return Seen{}, fmt.Errorf("%s: %w", s.Name, ctx.Err())
		}
		passed = append(passed, fmt.Errorf("%s: %w", s.Name, err))
		if s.Name == "procnet" && !absent(err) {
			break
		}
	}
	return Seen{}, errors.New(join(passed))
}

func absent(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrNotExist)
}
