// Package source sees sockets. Each source reads one kind of socket table and
// hands the rows a front is asked about to a visitor, one by one, so that memory
// does not grow with the sockets of everybody else.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

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
	Look func(ctx context.Context, q Query, begin func() Visit) error

	// Tells is the facts that this source can know of a socket.
	Tells tcp.Facts

	// Blind is the states that this source cannot see: their count is unknown, not 0.
	Blind tcp.StateSet
}

// Names are the sources that ByName knows, for help and errors.
const Names = "auto, sockdiag, procnet, gopsutil"

// ByName gives the sources to try for a name, best first.
func ByName(name string) ([]Source, error) {
	switch all := []Source{sockDiag(), procNet(), gopsutil()}; name {
	case "auto":
		return all, nil
	case "sockdiag":
		return all[:1], nil
	case "procnet":
		return all[1:2], nil
	case "gopsutil":
		return all[2:], nil
	}
	return nil, fmt.Errorf("'%s' is not a source; use one of %s", name, Names)
}

// Seen is the source that spoke.
type Seen struct {
	Source
	// Passed is why each better source did not speak.
	Passed []error
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
func Look(ctx context.Context, sources []Source, q Query, begin func(Source) Visit) (Seen, error) {
	var passed []error
	for _, s := range sources {
		err := s.Look(ctx, q, func() Visit { return begin(s) })
		if err == nil {
			return Seen{s, passed}, nil
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
