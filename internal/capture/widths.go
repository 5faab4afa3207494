package capture

import (
	"bytes"
	"slices"

	"frontsockets/internal/tcp"
)

// widths knows which addresses of netstat may be cut: those that fill their column. If any address is
// longer than the column, none is cut.
type widths struct {
	blocks                   bool  // -A, which makes columns narrow
	header                   []int // what the headers say
	longestHost, longestWord int
	full                     map[int]*fullColumn // by width
}

// fullColumn is what it means if addresses of one width are cut.
type fullColumn struct {
	client      bool  // clients are not known
	local, port error // local addresses, or local ports, are not known
}

// set adds the width that a header tells; 0 tells none.
func (w *widths) set(width int) {
	if width > 0 && !slices.Contains(w.header, width) {
		w.header = append(w.header, width)
	}
}

// cut returns the width to which an endpoint may be cut, 0 if it is whole. It notes the longest
// endpoint for verdict.
func (w *widths) cut(e *endpoint, word []byte, shape *rowShape) int {
	if !shape.queues || shape.proto == "" { // Windows and Solaris cut nothing
		return 0
	}
	w.longestWord = max(w.longestWord, len(word))
	if e.dotted && bytes.IndexByte(e.host, ':') >= 0 {
		w.longestHost = max(w.longestHost, len(e.host))
		if len(e.host) == hostWidth {
			return hostWidth
		}
	}
	if slices.Contains(w.of(e), len(word)) {
		return len(word)
	}
	return 0
}

// of returns the widths that the column of an endpoint may have.
func (w *widths) of(e *endpoint) []int {
	switch {
	case len(w.header) > 0:
		return w.header
	case e.dotted && w.blocks:
		return blockWidths
	case e.dotted:
		return dotWidths
	}
	return colonWidths
}

// cutsHost reports whether an endpoint that may be cut to a width may have lost a part of its
// address. A column of a BSD that has room for any IPv4 address cuts only the port.
func cutsHost(e *endpoint, width int) bool {
	const roomForIPv4 = len("255.255.255.255.")
	return width > 0 && (!e.dotted || width <= roomForIPv4)
}

// cutsPort reports whether the port of a cut endpoint may be the beginning of a port of the front.
// net-tools keeps the port. busybox, which writes tcp for IPv6 too, cuts it.
func (w *widths) cutsPort(e *endpoint, word []byte, shape *rowShape, ports tcp.Ports) bool {
	const longest = 5
	switch {
	case e.digits >= longest || !slices.Contains(w.of(e), len(word)):
		return false
	case !e.dotted:
		return shape.proto == "tcp"
	}
	for lo, hi := int(e.port), int(e.port); lo > 0 && lo <= 65535; lo, hi = lo*10, hi*10+9 {
		for _, r := range ports {
			if lo <= int(r.Hi) && hi >= int(r.Lo) {
				return true
			}
		}
	}
	return false
}

// note returns the record of the addresses that may be cut to a width.
func (w *widths) note(width int) *fullColumn {
	if w.full == nil {
		w.full = map[int]*fullColumn{}
	}
	if w.full[width] == nil {
		w.full[width] = &fullColumn{}
	}
	return w.full[width]
}

// verdict reports at the end whether clients are unknown. It returns an error if local ports are unknown
// or, with addresses to compare, local addresses.
func (w *widths) verdict(addresses bool) (noClients bool, err error) {
	for width, f := range w.full {
		longest := w.longestWord
		if width == hostWidth {
			longest = w.longestHost
		}
		if longest > width {
			continue
		}
		noClients = noClients || f.client
		if f.local != nil && addresses {
			err = f.local
		}
		if f.port != nil {
			return noClients, f.port
		}
	}
	return noClients, err
}
