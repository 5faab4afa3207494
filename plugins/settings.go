package plugins

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"frontsockets/internal/output"
	"frontsockets/internal/session"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
	"frontsockets/internal/threshold"
	"frontsockets/internal/verdict"
)

// settings reads the values of the options, and stops at the first that is wrong.
func (p Profile) settings(o options, recorded textfile.File) (settings, error) {
	s := settings{name: o.Name, save: o.Save}
	var err error
	reject := func(option string, cause error) {
		if err == nil && cause != nil {
			err = fmt.Errorf("%s: %w", option, cause)
		}
	}

	var cause error
	s.format, cause = parseFormat(o.Format)
	reject("-f", cause)
	s.query.Ports, cause = tcp.ParsePorts(o.Port...)
	reject("-p", cause)
	for _, a := range o.Address {
		prefix, cause := parsePrefix(a)
		s.query.Addresses = append(s.query.Addresses, prefix)
		reject("-a", cause)
	}
	reject("-n", checkName(o.Name))
	if o.Save == "-" {
		reject("--save", errors.New("'-' is not a file; stdout has the answer"))
	}
	s.policy.Warning, cause = parseThresholds(o.Warning)
	reject("-w", cause)
	s.policy.Critical, cause = parseThresholds(o.Critical)
	reject("-c", cause)
	if err == nil {
		reject("--policy", p.addPolicy(o.Policy, &s.policy))
	}
	s.policy.NoListener, cause = verdict.ParseStatus(o.NoListener)
	reject("--no-listener", allowed(cause, list(verdict.StatusNames)))
	s.rules.Normal, cause = tcp.ParseStateSet(o.Normal)
	reject("--normal", allowed(cause, "states separated by commas, such as established,listen,time_wait"))
	s.rules.Ports = s.query.Ports
	s.rules.StalledAfter, cause = parseDuration(o.StalledAfter)
	reject("--stalled-after", cause)
	s.style.Top, cause = parseTop(o.Top)
	reject("--top", cause)
	if o.MaxAge != "" {
		recorded.MaxAge, cause = parseDuration(o.MaxAge)
		reject("--max-age", cause)
	}
	s.sources, cause = sourcesByName(o.Source, o.Netns, recorded)
	reject("-s", cause)
	s.style.Metric, cause = tally.ParseMetric(o.Metric)
	reject("--metric", allowed(cause, "one of those in --help"))
	s.style.Number = o.Reply == "number"
	if !slices.Contains(replyNames, o.Reply) {
		reject("--reply", fmt.Errorf("'%s' is not a reply; use %s", o.Reply, list(replyNames)))
	}
	s.timeout, cause = parseDuration(o.Timeout)
	reject("-t", cause)
	s.style.Verbose = len(o.Verbose)
	s.showOwner = s.style.Verbose > 0 || s.format.Name == "json"
	s.sample, cause = s.parseSample(o)
	reject("--sample", cause)
	if o.Clients != "" {
		s.clients, cause = readRegular(o.Clients, parseClients)
		reject("--clients", cause)
	}
	option, cause := s.parseSessions(o)
	reject(option, cause)
	return s, err
}

// addPolicy adds the ranges of a ready-made policy, level by level, where the operator
// has none for the metric.
func (p Profile) addPolicy(name string, to *verdict.Policy) error {
	ready, known := p.policies()[name]
	if !known {
		return fmt.Errorf("'%s' is not a policy; use %s", name, list(policyNames))
	}
	to.MayBeEmpty = map[verdict.Status]map[tally.Metric]bool{verdict.Warning: {}, verdict.Critical: {}}
	for _, level := range []struct {
		status verdict.Status
		words  []string
		own    verdict.Thresholds
	}{{verdict.Warning, ready.warning, to.Warning}, {verdict.Critical, ready.critical, to.Critical}} {
		ranges, err := parseThresholds(level.words)
		if err != nil {
			return err
		}
		for m, limit := range ranges {
			if _, set := level.own[m]; !set {
				level.own[m] = limit
				to.MayBeEmpty[level.status][m] = true
			}
		}
	}
	return nil
}

// parseSample reads how far apart two looks are, and whether something needs them.
func (s settings) parseSample(o options) (time.Duration, error) {
	apart := time.Duration(0)
	if strings.Trim(o.Sample, "0.") != "" {
		var err error
		if apart, err = parseDuration(o.Sample); err != nil {
			return 0, err
		}
	}
	switch {
	case apart > 0 && strings.Contains(o.Source, ":"):
		return 0, fmt.Errorf("'%s' is a recording, and one look only", o.Source)
	case s.timeout > 0 && apart >= s.timeout:
		return 0, fmt.Errorf("two looks %s apart take longer than -t %s", apart, s.timeout)
	case apart > 0:
		return apart, nil
	}
	for m := tally.OneLook; m < tally.NumMetrics; m++ {
		_, warning := s.policy.Warning[m]
		_, critical := s.policy.Critical[m]
		if warning || critical || s.style.Metric == m {
			return 0, fmt.Errorf("%s takes two looks; use such as --sample 500ms", m)
		}
	}
	return 0, nil
}

// parseSessions reads the trading calendar. Of an error it gives the option.
func (s *settings) parseSessions(o options) (option string, err error) {
	if strings.EqualFold(o.SessionTZ, "local") || o.SessionTZ == "" {
		return "--session-tz", fmt.Errorf("'%s' is not a time zone; use one such as Asia/Shanghai", o.SessionTZ)
	}
	zone, err := time.LoadLocation(o.SessionTZ)
	if err != nil {
		return "--session-tz", fmt.Errorf("'%s' is not a time zone; use one such as Asia/Shanghai", o.SessionTZ)
	}
	var holidays session.Holidays
	if o.Holidays != "" {
		if len(o.Session) == 0 {
			return "--holidays", errors.New("without a --session there is nothing that a holiday could close")
		}
		if holidays, err = readRegular(o.Holidays, session.ParseHolidays); err != nil {
			return "--holidays", err
		}
	}
	s.calendar, err = session.Parse(o.Session, zone, holidays)
	return "--session", err
}

// parseFormat returns the format of a name, and the default one with an error.
func parseFormat(name string) (output.Format, error) {
	var names []string
	for _, f := range output.Formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return output.Formats[0], fmt.Errorf("'%s' is not a format; use one of %s", name, strings.Join(names, ", "))
}

// list returns words as "a, b or c".
func list(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func allowed(cause error, what string) error {
	if cause == nil {
		return nil
	}
	return fmt.Errorf("%w; use %s", cause, what)
}

// parseThresholds reads [METRIC=]RANGE words into one range for each metric.
func parseThresholds(words []string) (verdict.Thresholds, error) {
	thresholds := verdict.Thresholds{}
	for _, word := range words {
		name, text, named := strings.Cut(word, "=")
		if !named {
			name, text = tally.Abnormal.String(), word
		}
		metric, err := tally.ParseMetric(name)
		if err != nil {
			return nil, allowed(err, "one of those in --help")
		}
		limit, err := threshold.Parse(text)
		if err != nil {
			return nil, allowed(err, "[@][start:][end], such as 10, 5:10 or @50:")
		}
		if other, twice := thresholds[metric]; twice {
			return nil, fmt.Errorf("'%s' is a second range for %s, which has %s", word, metric, other)
		}
		thresholds[metric] = limit
	}
	return thresholds, nil
}

// parsePrefix reads an address or CIDR prefix; IPv4-mapped ones are unmapped,
// as the addresses of sockets are.
func parsePrefix(s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		addr, errAddr := netip.ParseAddr(s)
		if errAddr != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("'%s' is not an IP address or CIDR prefix; use one such as 10.1.2.3 or 10.1.0.0/16", s)
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	const mappedBits = 96
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= mappedBits {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-mappedBits)
	}
	if prefix.IsSingleIP() && prefix.Addr().IsUnspecified() {
		return netip.Prefix{}, fmt.Errorf("'%s' is the wildcard address; omit -a to match any address", s)
	}
	return prefix.Masked(), nil
}

// checkName refuses what would break a line of service output.
func checkName(name string) error {
	const longest = 64
	bad := func(r rune) bool { return r == '|' || r == utf8.RuneError || !unicode.IsPrint(r) }
	if strings.ContainsFunc(name, bad) || utf8.RuneCountInString(name) > longest {
		return fmt.Errorf("'%s' is not a name; use up to %d printable characters and no pipe", name, longest)
	}
	return nil
}

// parseDuration reads seconds ("5", "2.5") or a duration ("500ms"), above 0.
func parseDuration(s string) (time.Duration, error) {
	withUnit := s
	if strings.Trim(s, "0123456789.") == "" {
		withUnit += "s"
	}
	d, err := time.ParseDuration(withUnit)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("'%s' is not a time above 0; use seconds such as 5, or a duration such as 500ms", s)
	}
	return d, nil
}

func parseTop(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("'%s' is not a number from 0 to 65535", s)
	}
	return int(n), nil
}

// replyNames are the values of --reply.
var replyNames = []string{"text", "number"}
