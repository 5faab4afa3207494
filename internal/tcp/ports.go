package tcp

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PortRange is the ports from Lo to Hi, both included, 1 to 65535.
type PortRange struct{ Lo, Hi uint16 }

// Ports is a set of ports: ranges in ascending order that neither overlap nor touch.
type Ports []PortRange

// ParsePorts reads ports and ranges of ports, "41213,41223-41226", from every
// word; overlapping ones are merged. Port 0, ports over 65535 and descending
// ranges are errors that quote the part that is wrong.
func ParsePorts(words ...string) (Ports, error) {
	var ports Ports
	for _, word := range words {
		for _, part := range strings.Split(word, ",") {
			lo, hi, isRange := strings.Cut(part, "-")
			if !isRange {
				hi = lo
			}
			l, errLo := parsePort(lo)
			h, errHi := parsePort(hi)
			if err := cmp.Or(errLo, errHi); err != nil {
				return nil, fmt.Errorf("'%s' is not a port or range of ports: %w", part, err)
			}
			if l > h {
				return nil, fmt.Errorf("'%s' is not a range of ports: %d is over %d; write %d-%d", part, l, h, h, l)
			}
			ports = append(ports, PortRange{l, h})
		}
	}
	slices.SortFunc(ports, func(a, b PortRange) int { return cmp.Compare(a.Lo, b.Lo) })
	merged := ports[:0]
	for _, r := range ports {
		if n := len(merged); n > 0 && int(r.Lo) <= int(merged[n-1].Hi)+1 {
			merged[n-1].Hi = max(merged[n-1].Hi, r.Hi)
		} else {
			merged = append(merged, r)
		}
	}
	return merged, nil
}

func parsePort(s string) (uint16, error) {
	if s == "" {
		return 0, errors.New("a port is missing")
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, errors.New("use such as 41213, 41213,41223 or 41213-41226")
		}
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("ports are 1 to 65535")
	}
	return uint16(n), nil
}

// Has reports whether the port is in the set.
func (p Ports) Has(port uint16) bool {
	if len(p) == 1 { // nearly always
		return p[0].Lo <= port && port <= p[0].Hi
	}
	i, _ := slices.BinarySearchFunc(p, port, func(r PortRange, port uint16) int { return cmp.Compare(r.Hi, port) })
	return i < len(p) && p[i].Lo <= port
}

// Len returns how many ports are in the set.
func (p Ports) Len() int {
	n := 0
	for _, r := range p {
		n += int(r.Hi) - int(r.Lo) + 1
	}
	return n
}

// All yields every port of the set in ascending order.
func (p Ports) All(yield func(uint16) bool) {
	for _, r := range p {
		for port := int(r.Lo); port <= int(r.Hi); port++ {
			if !yield(uint16(port)) {
				return
			}
		}
	}
}

// String returns the shortest spelling that ParsePorts reads back: "41213,41223-41226".
func (p Ports) String() string {
	var b strings.Builder
	for i, r := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, r.Lo)
		if r.Hi > r.Lo {
			fmt.Fprintf(&b, "-%d", r.Hi)
		}
	}
	return b.String()
}
