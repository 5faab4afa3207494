package plugins

import (
	"fmt"
	"net/netip"
	"strings"
)

// parsePrefix reads an address or CIDR prefix; IPv4-mapped ones are unmapped,
// as the addresses of sockets are.
func parsePrefix(s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		addr, errAddr := netip.ParseAddr(s)
		if errAddr != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("'%s' is not an IP address or CIDR prefix; %s", s, prefixAdvice(s))
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	const mappedBits = 96
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= mappedBits {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-mappedBits)
	}
	return prefix.Masked(), nil
}

// prefixAdvice says what to write instead of something that is not a prefix.
func prefixAdvice(s string) string {
	_, errPort := netip.ParseAddrPort(s)
	switch {
	case strings.ContainsAny(s, ", "):
		return "repeat the option for each"
	case strings.Contains(s, "%"):
		return "leave out the zone"
	case errPort == nil:
		return "leave out the port (the front's is -p)"
	}
	return "use one such as 10.1.2.3 or 10.1.0.0/16"
}

// parseLocal reads local addresses of the front.
func parseLocal(s string) (netip.Prefix, error) {
	prefix, err := parsePrefix(s)
	if err == nil && isWildcard(prefix) {
		return prefix, fmt.Errorf("'%s' is the wildcard address; omit -a to match any address", s)
	}
	return prefix, err
}

// parseRemote reads addresses of clients.
func parseRemote(s string) (netip.Prefix, error) {
	prefix, err := parsePrefix(s)
	if err == nil && isWildcard(prefix) {
		return prefix, fmt.Errorf("'%s' is the wildcard address, which no client has;"+
			" use one such as 10.1.2.3 or 10.1.0.0/16", s)
	}
	return prefix, err
}

func isWildcard(p netip.Prefix) bool { return p.IsSingleIP() && p.Addr().IsUnspecified() }

func parsePrefixes(words []string, parse func(string) (netip.Prefix, error)) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, word := range words {
		prefix, err := parse(word)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// parseExclude reads the remote addresses to leave out. All addresses of IPv4 or of IPv6 are an error:
// nothing would be left to judge, and the answer would be OK for ever.
func parseExclude(words []string) ([]netip.Prefix, error) {
	prefixes, err := parsePrefixes(words, parseRemote)
	if err != nil {
		return nil, err
	}
	in6 := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		in6[i] = in6Prefix(p)
	}
	for _, family := range []struct {
		name  string
		every netip.Prefix
	}{
		{"", netip.MustParsePrefix("::/0")}, // those of IPv4 are in it
		{"IPv4 ", in6Prefix(netip.MustParsePrefix("0.0.0.0/0"))},
	} {
		if covers(in6, family.every) {
			return nil, fmt.Errorf("'%s' leaves no session to judge: every %saddress is in it; "+
				"name only the addresses of the health checkers, such as 10.1.2.3 or 10.1.0.0/16",
				strings.Join(words, " "), family.name)
		}
	}
	return prefixes, nil
}

// in6Prefix returns a prefix of IPv4 as the prefix of its IPv4-mapped addresses, and one of IPv6 as it is.
func in6Prefix(p netip.Prefix) netip.Prefix {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 128 - p.Addr().BitLen()
	}
	return netip.PrefixFrom(netip.AddrFrom16(p.Addr().As16()), bits)
}

// covers reports whether prefixes of IPv6 together contain every address of whole.
func covers(prefixes []netip.Prefix, whole netip.Prefix) bool {
	hasParts := false
	for _, p := range prefixes {
		if p.Bits() <= whole.Bits() && p.Contains(whole.Addr()) {
			return true
		}
		hasParts = hasParts || whole.Contains(p.Addr())
	}
	if !hasParts {
		return false
	}
	half := whole.Bits()
	middle := whole.Addr().As16()
	middle[half/8] |= 0x80 >> (half % 8)
	return covers(prefixes, netip.PrefixFrom(whole.Addr(), half+1)) &&
		covers(prefixes, netip.PrefixFrom(netip.AddrFrom16(middle), half+1))
}
