package plugins

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/jessevdk/go-flags"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/session"
	"frontsockets/internal/suggest"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
	"frontsockets/internal/threshold"
	"frontsockets/internal/verdict"
)

// commandLine parses the options and explains what is wrong with them.
type commandLine struct{ *flags.Parser }

// otherPlugins is what to write instead of an option that other plugins have and ours do not.
var otherPlugins = map[string]string{
	"H":        hostAdvice,
	"host":     hostAdvice,
	"hostname": hostAdvice,
}

const hostAdvice = "the check judges the host that it runs on: run it there, by NRPE or an agent;" +
	" -a is the front's local address"

// asksForHelp reports whether the command line asks for help: by --help or -h, also after -v or -V in one
// word. No value can look like -h: a value that starts with '-' is written after '='.
func asksForHelp(args []string) bool {
	for _, arg := range args {
		switch letters, short := strings.CutPrefix(arg, "-"); {
		case arg == "--":
			return false
		case arg == "--help", short && strings.TrimLeft(letters, "vV") == "h":
			return true
		}
	}
	return false
}

// explain puts an error of go-flags into our words, and suggests what was meant.
func (c commandLine) explain(err error, args []string) error {
	text := strings.ReplaceAll(err.Error(), "`", "'")
	var known *flags.Error
	if errors.As(err, &known) && known.Type == flags.ErrUnknownFlag {
		name := strings.TrimSuffix(strings.TrimPrefix(text, "unknown flag '"), "'")
		text = c.unknownOption(name, args)
	}
	if option := withoutValue().FindStringSubmatch(text); option != nil {
		text = option[1] + " needs a value"
	}
	if option := otherOption().FindStringSubmatch(text); option != nil {
		text = fmt.Sprintf("%s needs a value, and '%s' comes next", option[1], option[2])
		if digits := strings.TrimLeft(option[2], "-@~:."); digits != "" && digits[0] <= '9' {
			text += " (a value that starts with '-' is written after '=', as in -w=-5:5)"
		}
	}
	if option := withValue().FindStringSubmatch(text); option != nil {
		text = option[1] + " takes no value (-vv says more than -v)"
	}
	return errors.New(text + ", see --help")
}

// What go-flags says of an option at the end of the command line, of one that another option follows, and
// of a value for an option that takes none.
var (
	withoutValue = textfile.Lazy(`^expected argument for flag '([^']*)'$`)
	otherOption  = textfile.Lazy(`^expected argument for flag '([^']*)', but got option '(.*)'$`)
	withValue    = textfile.Lazy(`^bool flag '([^']*)' cannot have an argument$`)
)

// unknownOption returns the message for an unknown option. name has no dashes.
func (c commandLine) unknownOption(name string, args []string) string {
	dashes := "--"
	if !isWritten("--"+name, args) {
		dashes = "-"
	}
	text := fmt.Sprintf("unknown option '%s%s'", dashes, name)
	if advice, known := otherPlugins[name]; known {
		return text + " (" + advice + ")"
	}
	long := c.longWithOneDash(args)
	for _, option := range c.Groups()[0].Options() {
		if dashes == "-" && long == "" && strings.EqualFold(string(option.ShortName), name) {
			return fmt.Sprintf("%s (did you mean -%c?)", text, option.ShortName)
		}
	}
	if dashes == "--" {
		long = suggest.Closest("--"+name, c.longOptions())
	}
	if long != "" {
		text += " (did you mean " + long + "?)"
	}
	return text
}

// isWritten reports whether the option stands in the command line, alone or with a value.
func isWritten(option string, args []string) bool {
	for _, arg := range args {
		if word, _, _ := strings.Cut(arg, "="); word == option {
			return true
		}
	}
	return false
}

// longOptions returns all long options, with their dashes.
func (c commandLine) longOptions() []string {
	long := []string{"--help"}
	for _, option := range c.Groups()[0].Options() {
		long = append(long, "--"+option.LongName)
	}
	return long
}

// longWithOneDash returns the long option that was meant by one written as -critical, or "".
func (c commandLine) longWithOneDash(args []string) string {
	for _, long := range c.longOptions() {
		if isWritten(strings.TrimPrefix(long, "-"), args) {
			return long
		}
	}
	return ""
}

// unexpectedArgument returns the error for a word of the command line that is not an option.
func unexpectedArgument(word string, args []string) error {
	advice := "everything is an option"
	switch {
	case strings.HasPrefix(word, "–") || strings.HasPrefix(word, "—"):
		name, dashes := strings.TrimLeft(word, "–—"), "-"
		if letters, _, _ := strings.Cut(name, "="); len(letters) > 1 {
			dashes = "--"
		}
		advice = "it begins with a long dash; type " + dashes + name
	case slices.Contains([]string{"-v", "--verbose"}, args[max(slices.Index(args, word)-1, 0)]):
		advice = "-v takes no value; for more write -vv"
	case isRange(word):
		advice += "; a range follows its metric and '=', as in -w clients=20"
	case strings.Contains(word, ":"):
		advice = "write a value that has a blank in quotes, as in --session 'Mon-Fri 09:00-11:30'"
	}
	return fmt.Errorf("unexpected argument '%s': %s, see --help", word, advice)
}

// needsOtherFormat returns an error if --metric or --reply is set and -f is not the only format that
// reads it.
func (c commandLine) needsOtherFormat(o options) error {
	isSet := func(long string) bool {
		option := c.FindOptionByLongName(long)
		return option.IsSet() && !option.IsSetDefault()
	}
	switch {
	case isSet("metric") && o.Format != "value":
		return fmt.Errorf("--metric: -f %s does not print it; add -f value, or write -c %s=RANGE to alarm on it",
			o.Format, o.Metric)
	case isSet("reply") && o.Format != "hostmonitor":
		return fmt.Errorf("--reply: -f %s has no reply; add -f hostmonitor, or leave out --reply", o.Format)
	}
	return nil
}

// metricNamed returns the metric of a name. Its error suggests the closest metric, or the closest of
// others, which may stand here too.
func metricNamed(name string, others ...string) (tally.Metric, error) {
	m, err := tally.ParseMetric(name)
	if err != nil {
		names := append(strings.Fields(metricNames(0, tally.NumMetrics)), others...)
		err = fmt.Errorf("%w%s; use one of those in --help", err, suggest.DidYouMean(name, names))
	}
	return m, err
}

// stateMeant suggests a state for the first word of the list that is not a state.
func stateMeant(states string) string {
	var names []string
	for s := tcp.Established; s < tcp.NumStates; s++ {
		names = append(names, s.String())
	}
	for _, word := range strings.Split(states, ",") {
		if _, err := tcp.ParseState(word); err != nil {
			return suggest.DidYouMean(word, names)
		}
	}
	return ""
}

// rangeError returns an error that says what is wrong with the range of a metric, and how to write it.
func rangeError(m tally.Metric, text string, err error) error {
	metric := m.String() + "="
	if m == tally.Abnormal {
		metric = ""
	}
	if before, rest, isPair := strings.Cut(text, ":"); isPair && isRange(rest) {
		if _, err := tally.ParseMetric(before); err == nil {
			return fmt.Errorf("'%s' is not a range: write %s=%s", text, before, rest)
		}
	}
	if slices.ContainsFunc(diagnosis.Kinds, func(k diagnosis.Kind) bool { return string(k.Code) == text }) {
		return fmt.Errorf("'%s' is not a range but a diagnosis: write diagnosis=%s", text, text)
	}
	number, isShare := strings.CutSuffix(text, "%")
	_, end, hasEnd := strings.Cut(text, ":")
	switch {
	case strings.HasPrefix(text, "/") && hasEnd:
		return fmt.Errorf("'%s' is not a range: the shell expanded ~ to a folder; write '%s~:%s' in quotes", text,
			metric, end)
	case isShare && isRange(number) && m.Unit() != "%":
		return fmt.Errorf("'%s' is not a range: %s is not in percent; use a metric that is, such as stalled_pct=%s", text, m,
			number)
	}
	if number, hasUnit := strings.CutSuffix(text, m.Unit()); hasUnit && isRange(number) {
		return fmt.Errorf("'%s' is not a range: a range has no unit; write %s%s", text, metric, number)
	}
	advice := "[@][start:][end], such as 10, 5:10 or @50:"
	unquoted := strings.Trim(text, "\"'“”‘’")
	switch {
	case strings.Contains(text, "="):
		return fmt.Errorf("'%s%s' is more than one range; repeat the option for each metric", metric, text)
	case unquoted != text && isRange(unquoted):
		return fmt.Errorf("'%s' is not a range: leave out the quotes; write %s%s", text, metric, unquoted)
	case twoNumbers().MatchString(text):
		advice = "a colon: 50:100 alerts outside of it, @50:100 inside"
	case numberWithUnit().MatchString(text):
		if unit := map[string]string{"s": "seconds, such as 0.5", "B": "bytes, such as 1000000"}[m.Unit()]; unit != "" {
			advice = unit
		}
	}
	return withAdvice(err, "", advice)
}

// What people write for a range: two numbers without a colon, a number with a unit.
var (
	twoNumbers     = textfile.Lazy(`^\d+(-|\.\.+|,|;)\d+$`)
	numberWithUnit = textfile.Lazy(`^[@~:.\d]*\d[a-zA-Z]+:?$`)
)

func isRange(text string) bool {
	_, err := threshold.Parse(text)
	return err == nil
}

// neverWarns returns an error if a metric is always CRITICAL before it can be WARNING. Then both ranges
// have only an upper bound, and that of WARNING is higher.
func neverWarns(p verdict.Policy) error {
	for m := range tally.NumMetrics {
		warning, warns := p.Warning[m]
		critical, alarms := p.Critical[m]
		limit := warning.UpperBound(m.Whole())
		if !warns || !alarms || limit <= critical.UpperBound(m.Whole()) || math.IsInf(limit, 1) {
			continue
		}
		whose := ""
		if p.FromPreset[verdict.Critical][m] {
			whose = " of the policy"
		}
		return fmt.Errorf("%s=%s never warns, because -c %s=%s%s is breached first; lower -w or raise -c", m, warning, m,
			critical, whose)
	}
	return nil
}

// neverWarnsOf returns an error if a diagnosis in the words of -w is one of -c, too.
func neverWarnsOf(words []string, p verdict.Policy) error {
	for _, word := range words {
		list, named := strings.CutPrefix(word, "diagnosis=")
		if !named {
			continue
		}
		for _, name := range strings.Split(list, ",") {
			codes, err := parseCodes(name)
			warns := func(code diagnosis.Code) bool { return p.Diagnosis[code] != verdict.Critical }
			if err != nil || len(codes) == 0 || slices.ContainsFunc(codes, warns) {
				continue
			}
			return fmt.Errorf("diagnosis=%s never warns, because -c diagnosis=%s comes first; leave it out of -w or -c", name,
				name)
		}
	}
	return nil
}

// sessionHours are the hours of one session.
var sessionHours = textfile.Lazy(`\d{1,2}:\d\d-\d{1,2}:\d\d`)

// sessionError returns an error that says how to write the first session that cannot be read.
func sessionError(specs []string, err error) error {
	for _, spec := range specs {
		if _, wrong := session.Parse([]string{spec}, nil, nil); wrong == nil {
			continue
		}
		if hours := sessionHours().FindAllStringIndex(spec, -1); len(hours) > 1 {
			advice := ""
			for _, h := range hours {
				days := strings.TrimRight(spec[:hours[0][0]], " ,;")
				advice += fmt.Sprintf(" --session '%s'", strings.TrimSpace(days+" "+spec[h[0]:h[1]]))
			}
			return fmt.Errorf("'%s' has the hours of several sessions; write each in its own option:%s", spec, advice)
		}
		var names []string
		for _, c := range session.Calendars {
			names = append(names, c.Name)
		}
		if name := suggest.Closest(spec, names); name != "" {
			return fmt.Errorf("'%s' is not a session (did you mean %s?)", spec, name)
		}
		break
	}
	return err
}
