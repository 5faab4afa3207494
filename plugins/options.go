package plugins

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jessevdk/go-flags"

	"frontsockets/internal/output"
	"frontsockets/internal/session"
	"frontsockets/internal/source"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/threshold"
	"frontsockets/internal/verdict"
)

// options are the command line as written. All are text: what they mean is read
// in settings, whose errors name the option, the value and what is allowed.
type options struct {
	Port         []string `short:"p" long:"port" value-name:"PORTS" description:"local ports of the front: 41213 or 41213,41223-41226; repeatable"`
	Address      []string `short:"a" long:"address" value-name:"PREFIX" description:"only sockets whose local address is this one or in this CIDR prefix; repeatable" default-mask:"any"`
	Name         string   `short:"n" long:"name" value-name:"NAME" unquote:"false" description:"what this front is called in output" default-mask:"none"`
	Warning      []string `short:"w" long:"warning" value-name:"[METRIC=]RANGE" description:"WARNING when METRIC breaches RANGE; without a metric it is abnormal; repeatable" default-mask:"none"`
	Critical     []string `short:"c" long:"critical" value-name:"[METRIC=]RANGE" description:"CRITICAL when METRIC breaches RANGE; repeatable"`
	NoListener   string   `long:"no-listener" value-name:"STATUS" default:"critical" description:"what it means that nothing listens on a port: ok, warning, critical or unknown"`
	Normal       string   `long:"normal" value-name:"STATES" default:"established,listen" description:"the states that are not abnormal"`
	StalledAfter string   `long:"stalled-after" value-name:"DURATION" default:"10s" description:"age of the last data sent at which an established client counts as stalled"`
	Sample       string   `long:"sample" value-name:"DURATION" default:"0" description:"look twice, this far apart: for listen_drops, reconnects, unread_stuck and a surer diagnosis"`
	Top          string   `long:"top" value-name:"N" default:"5" description:"how many clients -v and JSON list"`
	Source       string   `short:"s" long:"source" value-name:"SOURCE" unquote:"false" default:"auto" description:"where to look: auto, sockdiag, procnet, gopsutil, or a recording: netstat:FILE, ss:FILE, snapshot:FILE; - is stdin"`
	Save         string   `long:"save" value-name:"FILE" unquote:"false" default-mask:"none" description:"also write what was seen as a snapshot, atomically"`
	MaxAge       string   `long:"max-age" value-name:"DURATION" default-mask:"2m30s" description:"an older snapshot is UNKNOWN; if given, so is an older netstat or ss FILE"`
	Netns        string   `long:"netns" value-name:"PID|PATH|NAME" unquote:"false" default-mask:"own" description:"look inside another network namespace (needs the right)"`
	Clients      string   `long:"clients" value-name:"FILE" unquote:"false" default-mask:"none" description:"names for client address prefixes, one PREFIX NAME a line"`
	Policy       string   `long:"policy" value-name:"seed|strict" default:"seed" description:"ready-made thresholds; your own -w or -c for a metric replaces the policy's"`
	Session      []string `long:"session" value-name:"SPEC" default-mask:"always in session" description:"trading session, such as Mon-Fri 20:30-02:45, or cn-futures; OK outside of all; repeatable"`
	SessionTZ    string   `long:"session-tz" value-name:"ZONE" default:"Asia/Shanghai" description:"time zone of the sessions"`
	Holidays     string   `long:"holidays" value-name:"FILE" unquote:"false" default-mask:"none" description:"dates without trading: 2026-10-01 or 2026-10-01..2026-10-07 a line"`
	Format       string   `short:"f" long:"format" value-name:"FORMAT" default:"nagios" description:"nagios, hostmonitor, json, value or prometheus"`
	Metric       string   `long:"metric" value-name:"METRIC" default:"abnormal" description:"what -f value prints"`
	Reply        string   `long:"reply" value-name:"text|number" default:"text" description:"-f hostmonitor: free text, or a bare number that HostMonitor can chart"`
	Timeout      string   `short:"t" long:"timeout" value-name:"TIME" default:"5" description:"seconds, or a duration such as 500ms, after which the answer is UNKNOWN"`
	Verbose      []bool   `short:"v" long:"verbose" description:"list source, problems, listeners and top clients; -vv all clients that fit"`
	Version      bool     `short:"V" long:"version" description:"print the version and exit 3"`
}

// settings are the options as understood.
type settings struct {
	query   source.Query
	sources []source.Source
	rules   tally.Rules
	policy  verdict.Policy
	format  output.Format
	style   output.Style
	name    string
	save    string // a file, or empty
	timeout time.Duration

	sample   time.Duration // 0 for one look
	owner    bool          // asked for
	hints    bool          // the format tells the diagnosis
	clients  clientNames
	calendar session.Calendar
}

// errShown is an error that is asked for: help or version. Its text goes to
// stdout as it is.
type errShown string

func (e errShown) Error() string { return string(e) }

// newParser is the parser of the profile's command line into o.
func (p Profile) newParser(o *options) *flags.Parser {
	parser := flags.NewNamedParser(p.Program, flags.HelpFlag|flags.PassDoubleDash)
	parser.Usage = "[OPTIONS]"
	parser.ShortDescription = p.Title
	parser.LongDescription = p.Title + "."
	if _, err := parser.AddGroup("Options", "", o); err != nil {
		panic(err) // a wrong struct tag: the caller turns a panic into UNKNOWN
	}
	parser.FindOptionByLongName("port").Default = []string{p.Port}
	parser.FindOptionByLongName("critical").DefaultMask = "those of --policy"
	return parser
}

// parse reads a command line, for a look at the given world. Even with an error the settings have a format, the
// one that was asked for if that can be told.
func (p Profile) parse(args []string, w source.World) (settings, error) {
	var o options
	parser := p.newParser(&o)
	rest, err := parser.ParseArgs(args)
	if err != nil {
		s := settings{format: formatAnyway(args)}
		var known *flags.Error
		if errors.As(err, &known) && known.Type == flags.ErrHelp {
			return s, errShown(known.Message + p.help())
		}
		return s, flagError(err)
	}
	if o.Version {
		return settings{}, errShown(p.version() + "\n")
	}
	s, err := p.settings(o, w)
	for _, option := range parser.Groups()[0].Options() {
		// What a script wanted to fill in and had nothing for.
		if text, ok := option.Value().(string); ok && text == "" && option.IsSet() && option.LongName != "name" {
			err = fmt.Errorf("--%s: it is empty", option.LongName)
		}
	}
	if len(rest) > 0 {
		err = fmt.Errorf("unexpected argument '%s': everything is an option, see --help", rest[0])
	}
	return s, err
}

// formatAnyway finds the format in a command line that is wrong elsewhere.
func formatAnyway(args []string) output.Format {
	var o struct {
		Format string `short:"f" long:"format" default:"nagios"`
	}
	// The error is the one that brought us here.
	_, _ = flags.NewParser(&o, flags.IgnoreUnknown|flags.PassDoubleDash).ParseArgs(args)
	f, err := output.ByName(o.Format)
	if err != nil {
		f, _ = output.ByName("nagios")
	}
	return f
}

// flagError puts go-flags' words into ours, and says how to write a range that
// starts with a minus.
func flagError(err error) error {
	text := strings.ReplaceAll(err.Error(), "`", "'")
	if strings.Contains(text, "but got option '-") {
		text += " (a value that starts with '-' is written behind '=', as in -w=-5:5)"
	}
	return errors.New(text + ", see --help")
}

// settings reads the values of the options, and stops at the first that is wrong.
func (p Profile) settings(o options, w source.World) (settings, error) {
	s := settings{name: o.Name, save: o.Save}
	var err error
	reject := func(option string, cause error) {
		if err == nil && cause != nil {
			err = fmt.Errorf("%s: %w", option, cause)
		}
	}

	var cause error
	s.format, cause = output.ByName(o.Format)
	if cause != nil {
		s.format, _ = output.ByName("nagios")
	}
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
	reject("--no-listener", allowed(cause, "ok, warning, critical or unknown"))
	s.rules.Normal, cause = tcp.ParseStateSet(o.Normal)
	reject("--normal", allowed(cause, "states separated by commas, such as established,listen,time_wait"))
	s.rules.StalledAfter, cause = parseDuration(o.StalledAfter)
	reject("--stalled-after", cause)
	s.style.Top, cause = parseTop(o.Top)
	reject("--top", cause)
	if o.MaxAge != "" {
		w.MaxAge, cause = parseDuration(o.MaxAge)
		reject("--max-age", cause)
	}
	w.Netns = o.Netns
	s.sources, cause = source.ByName(o.Source, w)
	reject("-s", cause)
	s.style.Metric, cause = tally.ParseMetric(o.Metric)
	reject("--metric", allowed(cause, "one of those in --help"))
	s.style.Number = o.Reply == "number"
	if o.Reply != "number" && o.Reply != "text" {
		reject("--reply", fmt.Errorf("'%s' is not a reply; use text or number", o.Reply))
	}
	s.timeout, cause = parseDuration(o.Timeout)
	reject("-t", cause)
	s.style.Verbose = len(o.Verbose)
	s.owner = s.style.Verbose > 0 || o.Format == "json"
	s.hints = o.Format != "value" && o.Format != "hostmonitor"
	s.sample, cause = s.parseSample(o)
	reject("--sample", cause)
	if o.Clients != "" {
		s.clients, cause = readFile(o.Clients, parseClients)
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
		return fmt.Errorf("'%s' is not a policy; use seed or strict", name)
	}
	to.Lenient = map[verdict.Status]map[tally.Metric]bool{verdict.Warning: {}, verdict.Critical: {}}
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
				to.Lenient[level.status][m] = true
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
		if holidays, err = readFile(o.Holidays, session.ParseHolidays); err != nil {
			return "--holidays", err
		}
	}
	s.calendar, err = session.Parse(o.Session, zone, holidays)
	return "--session", err
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
		return netip.Prefix{}, fmt.Errorf("'%s' is where listeners listen, and no session's address; leave -a out for any", s)
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
