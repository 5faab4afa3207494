package capture

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// looksLikeAddress reports whether the host is an address, perhaps a cut one, and not a word such as that
// of "cwnd:10".
func (e *endpoint) looksLikeAddress() bool {
	host, _, _ := bytes.Cut(e.host, []byte("%"))
	return len(host) > 0 && bytes.ContainsAny(host, ".:*") && len(bytes.Trim(host, "0123456789abcdefABCDEF.:*[]")) == 0
}

// endpoint is an address and port as written, such as "10.1.0.7:41213",
// "10.1.0.7.41213", "[fe80::1%eth0]:22", ":::22", "*:*" or "*.*".
type endpoint struct {
	host   []byte
	port   uint16
	digits int  // of the port
	star   bool // the port is "*"
	dotted bool // a dot is before the port, as the BSDs and Solaris have it
}

// parse reads one word into e. It is called for every row, and makes no copy.
func (e *endpoint) parse(b []byte) error {
	*e = endpoint{}
	if len(b) == 0 {
		return errors.New("an address is missing: the row is cut or broken in two")
	}
	i := len(b) - 1 // to the separator
	n, factor := 0, 1
	for ; i > 0 && b[i]-'0' <= 9; i-- {
		if n += int(b[i]-'0') * factor; n > math.MaxUint16 {
			return fmt.Errorf("'%s' has a port over 65535", b)
		}
		factor = min(factor*10, 1e6)
	}
	e.digits = len(b) - 1 - i
	if e.digits == 0 && i > 0 && b[i] == '*' {
		e.star = true
		i--
	}
	if b[i] != ':' && b[i] != '.' || i == len(b)-1 {
		return fmt.Errorf("'%s' has no port in digits: a name (use -n), or it is cut", b)
	}
	e.host, e.port, e.dotted = b[:i], uint16(n), b[i] == '.'
	return nil
}

// addr reads the host part: an address, or "*" or nothing for the wildcard. A name is an error.
func (e *endpoint) addr() (netip.Addr, error) {
	host := bytes.TrimPrefix(e.host, []byte("["))
	if zone := bytes.IndexByte(host, '%'); zone >= 0 {
		host = host[:zone]
	}
	host = bytes.TrimSuffix(host, []byte("]"))
	if len(host) == 0 || len(host) == 1 && host[0] == '*' {
		return netip.IPv6Unspecified(), nil
	}
	if a, ok := parseIPv4(host); ok {
		return a, nil
	}
	a, err := netip.ParseAddr(string(host))
	if err != nil {
		return a, fmt.Errorf("'%s' is not an IP address, but a name (use -n), cut or changed", host)
	}
	return a.Unmap(), nil
}

// isAddress reports whether the host is an address or the name of a host, and not a piece of
// an address that has lost its port. It makes no copy: most rows are of other ports.
func (e *endpoint) isAddress() bool {
	host := bytes.TrimPrefix(e.host, []byte("["))
	host, _, _ = bytes.Cut(host, []byte("%"))
	host = bytes.TrimSuffix(host, []byte("]"))
	const withoutDouble, withIPv4 = 7, 6 // colons of an IPv6 address
	switch colons := bytes.Count(host, []byte(":")); {
	case colons == 0:
		_, isIPv4 := parseIPv4(host)
		return isIPv4 || len(bytes.Trim(host, "*")) == 0 || len(bytes.Trim(host, "0123456789.")) > 0
	case bytes.Contains(host, []byte("::")):
		return !bytes.HasSuffix(host, []byte(":")) || bytes.HasSuffix(host, []byte("::"))
	default:
		return colons == withoutDouble || colons == withIPv4 && bytes.IndexByte(host, '.') >= 0
	}
}

// noPortError returns the error for an address that has lost its port.
func noPortError(word []byte) error {
	return fmt.Errorf("'%s' is not an address with its port: the port is missing", word)
}

// parseIPv4 reads a dotted quad as netip does, from bytes and so without a copy.
func parseIPv4(b []byte) (netip.Addr, bool) {
	var quad [4]byte
	n, digits, part := 0, 0, 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			if digits > 0 && n == 0 { // a leading zero
				return netip.Addr{}, false
			}
			digits++
			if n = n*10 + int(c-'0'); n > 255 {
				return netip.Addr{}, false
			}
		case c == '.' && digits > 0 && part < 3:
			quad[part] = byte(n)
			n, digits, part = 0, 0, part+1
		default:
			return netip.Addr{}, false
		}
	}
	if digits == 0 || part != 3 {
		return netip.Addr{}, false
	}
	quad[3] = byte(n)
	return netip.AddrFrom4(quad), true
}

// isLinkLocalWithoutZone reports whether the address is one that every link of a host may
// have, and the text does not name the link. Two such sockets may look alike.
func (e *endpoint) isLinkLocalWithoutZone(addr netip.Addr) bool {
	return addr.IsLinkLocalUnicast() && addr.Is6() && bytes.IndexByte(e.host, '%') < 0
}
