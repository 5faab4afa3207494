package plugins

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"frontsockets/internal/logfile"
	"frontsockets/internal/output"
	"frontsockets/internal/session"
	"frontsockets/internal/suggest"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
	"frontsockets/internal/verdict"
)

// usageError keeps the error of the first wrong option.
type usageError struct{ err error }

func (u *usageError) reject(option string, cause error) {
	if u.err == nil && cause != nil {
		u.err = fmt.Errorf("%s: %w", option, cause)
	}
}

// lateError says that something took longer than -t. The command line is not to blame.
type lateError string

func (l lateError) Error() string { return string(l) }

// settings reads the values of the options. The error names the first wrong option.
func (p Profile) settings(o options, recorded textfile.File) (settings, error) {
	var s settings
	var u usageError
	s.timeout, s.deadline = startTimeout(o)
	s.readAnswer(o, &u) // first, since errors are written in this format
	s.readFront(o, recorded, &u)
	p.readThresholds(o, &s, &u)
	s.readTimes(o, recorded.Now, &u)
	s.readClients(o, &u)
	return s, u.err
}

// startTimeout returns -t and the moment at which it ends, counted from now. readTimes reports a wrong
// -t: by then the format of the answer is known.
func startTimeout(o options) (time.Duration, time.Time) {
	timeout, err := parseDuration(o.Timeout)
	if err != nil {
		timeout = time.Second // for the files that other options name
	}
	return timeout, time.Now().Add(timeout)
}

// readAnswer reads the options that shape the answer.
func (s *settings) readAnswer(o options, u *usageError) {
	var cause error
	s.format, cause = parseFormat(o.Format)
	u.reject("-f", cause)
	s.name = o.Name
	u.reject("-n", checkName(o.Name))
	s.style.Top, cause = parseTop(o.Top)
	u.reject("--top", cause)
	s.style.Metric, cause = metricNamed(o.Metric)
	u.reject("--metric", cause)
	s.style.Number, s.style.Long = o.Reply == "number", o.Reply == "long"
	if !slices.Contains(ReplyNames, o.Reply) {
		u.reject("--reply", fmt.Errorf("'%s' is not a reply%s; use %s", o.Reply,
			suggest.DidYouMean(o.Reply, ReplyNames), list(ReplyNames)))
	}
	s.style.Verbose = len(o.Verbose)
	s.showOwner = s.style.Verbose > 0 || s.format.Name == "json"
}

// readClients reads the names of clients. The answer does not need them. A fault in the text costs the
// names only, and so does a file that takes longer than a quarter of -t. The end of the line then
// says so.
func (s *settings) readClients(o options, u *usageError) {
	if o.Clients == "" || u.err != nil {
		return
	}
	limit := s.timeout / 4
	ctx, cancel := context.WithDeadline(context.Background(), s.deadline.Add(limit-s.timeout))
	defer cancel()
	list, cause := readList(ctx, o.Clients, parseClients)
	if errors.Is(cause, context.DeadlineExceeded) {
		s.notes = append(s.notes, fmt.Sprintf("names not read within %s (--clients)", limit))
		return
	}
	u.reject("--clients", cause)
	if s.clients = list.names; list.fault != nil {
		s.notes = append(s.notes, "clients not named: "+list.fault.Error())
	}
}

// readFront reads which sockets to look at, and where to find them.
func (s *settings) readFront(o options, recorded textfile.File, u *usageError) {
	var cause error
	s.query.Ports, cause = tcp.ParsePorts(o.Port...)
	s.rules.Ports = s.query.Ports
	u.reject("-p", cause)
	s.rules.ByPort = s.query.Ports.Len() > 1
	s.addresses = o.Address
	s.query.Addresses, cause = parsePrefixes(o.Address, parseLocal)
	u.reject("-a", cause)
	s.query.Exclude, cause = parseExclude(o.Exclude)
	u.reject("-x", cause)
	s.rules.Shared, cause = parsePrefixes(o.Shared, parseRemote)
	u.reject("--shared", cause)
	if o.MaxAge != "" {
		recorded.MaxAge, cause = parseDuration(o.MaxAge)
		u.reject("--max-age", cause)
	}
	s.sources, cause = sourcesByName(o.Source, o.Netns, recorded)
	u.reject("-s", cause)
	if s.save = o.Save; s.save == "-" {
		u.reject("--save", errors.New("'-' is not a file; stdout has the answer"))
	}
	_, file, recording := strings.Cut(o.Source, ":")
	if recording && o.Save != "" && filepath.Clean(file) == filepath.Clean(o.Save) {
		u.reject("--save", errors.New("it is the file of -s; give another"))
	}
}

// readThresholds reads how sockets are counted and judged.
func (p Profile) readThresholds(o options, s *settings, u *usageError) {
	warning, cause := parseLevel(o.Warning)
	u.reject("-w", cause)
	critical, cause := parseLevel(o.Critical)
	u.reject("-c", cause)
	s.policy, cause = p.policy(o.Policy, warning, critical)
	u.reject("--policy", cause)
	u.reject("-w", neverWarns(s.policy))
	if critical.codes != nil {
		u.reject("-w", neverWarnsOf(o.Warning, s.policy))
	}
	s.policy.NoListener, cause = verdict.ParseStatus(o.NoListener)
	u.reject("--no-listener", withAdvice(cause, suggest.DidYouMean(o.NoListener, verdict.StatusNames),
		list(verdict.StatusNames)))
	s.rules.Normal, cause = tcp.ParseStateSet(o.Normal)
	u.reject("--normal", withAdvice(cause, stateMeant(o.Normal),
		"states separated by commas, such as established,listen,time_wait"))
	s.rules.StalledAfter, cause = parseDuration(o.StalledAfter)
	u.reject("--stalled-after", cause)
}

// readTimes reads -t, --sample, the calendar and the name of the log.
func (s *settings) readTimes(o options, now time.Time, u *usageError) {
	var cause error
	s.timeout, cause = parseDuration(o.Timeout)
	u.reject("-t", cause)
	s.sample, cause = s.parseSample(o)
	u.reject("--sample", cause)
	option, cause := s.parseSessions(o)
	u.reject(option, cause)
	if o.Log != "" && u.err == nil {
		name, cause := logfile.ParseName(o.Log)
		u.reject("--log", cause)
		s.log = name.On(now.In(s.zone))
		if o.Save != "" && filepath.Clean(s.log) == filepath.Clean(o.Save) {
			u.reject("--log", errors.New("it is the file of --save; give another"))
		}
	}
}

// parseSample reads --sample. If a threshold needs two looks, one look is an error.
func (s settings) parseSample(o options) (time.Duration, error) {
	apart, err := parseSeconds(o.Sample)
	if err != nil || apart != 0 {
		if apart, err = parseDuration(o.Sample); err != nil {
			return 0, err
		}
	}
	switch {
	case apart > 0 && strings.Contains(o.Source, ":"):
		return 0, fmt.Errorf("'%s' is one look; leave out --sample", o.Source)
	case s.timeout > 0 && apart >= s.timeout:
		return 0, fmt.Errorf("two looks %s apart take longer than -t %s; raise -t", apart, s.timeout)
	case apart > 0:
		return apart, nil
	}
	for m := tally.OneLook; m < tally.NumMetrics; m++ {
		_, warning := s.policy.Warning[m]
		_, critical := s.policy.Critical[m]
		if warning || critical || s.style.Metric == m {
			if strings.Contains(o.Source, ":") {
				return 0, fmt.Errorf("%s needs two looks, and '%s' is one: leave %s out", m, o.Source, m)
			}
			return 0, fmt.Errorf("%s needs two looks; add such as --sample 500ms", m)
		}
	}
	return 0, nil
}

// parseSessions reads the trading calendar. With an error it returns the option that is wrong.
func (s *settings) parseSessions(o options) (option string, err error) {
	zone, err := time.LoadLocation(o.SessionTZ)
	if err != nil || strings.EqualFold(o.SessionTZ, "local") { // that would be the zone of the host
		return "--session-tz", fmt.Errorf("'%s' is not a time zone; use one such as Asia/Shanghai", o.SessionTZ)
	}
	s.zone = zone
	var holidays session.Holidays
	if o.Holidays != "" {
		if len(o.Session) == 0 {
			return "--holidays", errors.New("without a --session there is nothing that a holiday could close;" + addSession)
		}
		ctx, cancel := context.WithDeadline(context.Background(), s.deadline)
		defer cancel()
		holidays, err = readList(ctx, o.Holidays, session.ParseHolidays)
		if errors.Is(err, context.DeadlineExceeded) {
			err = lateError(fmt.Sprintf("not read within %s (-t): %s", s.timeout, o.Holidays))
		}
		if err != nil {
			return "--holidays", err
		}
	}
	if s.calendar, err = session.Parse(o.Session, zone, holidays); err != nil {
		return "--session", sessionError(o.Session, err)
	}
	s.at, err = parseAt(o, zone)
	return "--at", err
}

const addSession = " add such as --session cn-futures"

// parseAt reads --at. It returns the zero time if the option is not set.
func parseAt(o options, zone *time.Location) (at time.Time, err error) {
	if o.At == "" {
		return at, nil
	}
	if len(o.Session) == 0 {
		return at, errors.New("without a --session there is nothing to judge at another time;" + addSession)
	}
	if at, err = time.Parse(time.RFC3339, o.At); err == nil {
		return at, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if at, err = time.ParseInLocation(layout, o.At, zone); err == nil {
			return at, nil
		}
	}
	return at, fmt.Errorf("'%s' is not a time; use one such as 2026-11-25T10:20:00+08:00,"+
		" or '2026-11-25 10:20' in --session-tz", o.At)
}

// parseFormat returns the format of a name. With an error it returns the default format.
func parseFormat(name string) (output.Format, error) {
	for _, f := range output.Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return output.Formats[0], fmt.Errorf("'%s' is not a format%s; use %s", name, suggest.DidYouMean(name, formatNames()),
		list(formatNames()))
}

func formatNames() (names []string) {
	for _, f := range output.Formats {
		names = append(names, f.Name)
	}
	return names
}

// list returns words as "a, b or c".
func list(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// withAdvice adds to an error, unless it is nil, a suggestion, which may be empty, and what is allowed.
func withAdvice(cause error, suggestion, what string) error {
	if cause == nil {
		return nil
	}
	return fmt.Errorf("%w%s; use %s", cause, suggestion, what)
}

const (
	longestName = 64 // characters
	nameRule    = "use up to 64 printable characters, none of them a pipe or an angle bracket"
)

// isName reports whether a name breaks neither a line of service output nor a web page.
func isName(name string) bool {
	bad := func(r rune) bool { return strings.ContainsRune("|<>", r) || r == utf8.RuneError || !unicode.IsPrint(r) }
	return !strings.ContainsFunc(name, bad) && utf8.RuneCountInString(name) <= longestName
}

// checkName refuses what would break a line of service output.
func checkName(name string) error {
	if !isName(name) {
		if strings.ContainsAny(name, "|<>") { // the output has others for these, so it cannot quote them
			return errors.New("not a name: it has a pipe or an angle bracket")
		}
		if strings.ContainsFunc(name, unicode.IsControl) { // quoted, it would be a blank
			return errors.New("not a name: it has a line break, a tab or another control character")
		}
		return fmt.Errorf("'%s' is not a name; %s", name, nameRule)
	}
	return nil
}

// parseDuration reads seconds ("5", "2.5") or a duration ("500ms"), above 0.
func parseDuration(s string) (time.Duration, error) {
	d, err := parseSeconds(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("'%s' is not a time above 0; use seconds such as 5, or a duration such as 500ms or 24h", s)
	}
	return d, nil
}

// parseSeconds reads a number of seconds, or a duration with its unit.
func parseSeconds(s string) (time.Duration, error) {
	if strings.Trim(s, "0123456789.") == "" {
		s += "s"
	}
	return time.ParseDuration(s)
}

func parseTop(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("'%s' is not a number from 0 to 65535", s)
	}
	return int(n), nil
}

// ReplyNames are the values of --reply.
var ReplyNames = []string{"text", "number", "long"}
