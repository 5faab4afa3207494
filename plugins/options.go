package plugins

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jessevdk/go-flags"

	"frontsockets/internal/output"
	"frontsockets/internal/session"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
	"frontsockets/internal/verdict"
	"frontsockets/internal/version"
)

// options are the command line as written. All are text: settings reads what they mean, and
// its errors name the option, the value and what is allowed. optionHelp explains them.
type options struct {
	Port         []string `short:"p" long:"port" value-name:"PORTS"`
	Address      []string `short:"a" long:"address" value-name:"PREFIX" default-mask:"any"`
	Exclude      []string `short:"x" long:"exclude" value-name:"PREFIX" default-mask:"none"`
	Shared       []string `long:"shared" value-name:"PREFIX" default-mask:"none"`
	Name         string   `short:"n" long:"name" value-name:"NAME" unquote:"false" default-mask:"none"`
	Warning      []string `short:"w" long:"warning" value-name:"[METRIC=]RANGE" default-mask:"none"`
	Critical     []string `short:"c" long:"critical" value-name:"[METRIC=]RANGE" default-mask:"those of --policy"`
	NoListener   string   `long:"no-listener" value-name:"STATUS" default:"critical"`
	Normal       string   `long:"normal" value-name:"STATES" default:"established,listen"`
	StalledAfter string   `long:"stalled-after" value-name:"DURATION" default:"10s"`
	Sample       string   `long:"sample" value-name:"DURATION" default:"0"`
	Top          string   `long:"top" value-name:"N" default:"5"`
	Source       string   `short:"s" long:"source" value-name:"SOURCE" unquote:"false" default:"auto"`
	Save         string   `long:"save" value-name:"FILE" unquote:"false" default-mask:"none"`
	Log          string   `long:"log" value-name:"FILE" unquote:"false" default-mask:"none"`
	MaxAge       string   `long:"max-age" value-name:"DURATION" default-mask:"2m30s"`
	Netns        string   `long:"netns" value-name:"PID|PATH|NAME" unquote:"false" default-mask:"own"`
	Clients      string   `long:"clients" value-name:"FILE" unquote:"false" default-mask:"none"`
	Policy       string   `long:"policy" value-name:"standard|seed|strict" default:"standard"`
	Session      []string `long:"session" value-name:"SPEC" default-mask:"always in session"`
	SessionTZ    string   `long:"session-tz" value-name:"ZONE" default:"Asia/Shanghai"`
	Holidays     string   `long:"holidays" value-name:"FILE" unquote:"false" default-mask:"none"`
	At           string   `long:"at" value-name:"TIME" default-mask:"now"`
	Format       string   `short:"f" long:"format" value-name:"FORMAT" default:"nagios"`
	Metric       string   `long:"metric" value-name:"METRIC" default:"abnormal"`
	Reply        string   `long:"reply" value-name:"text|number|long" default:"text"`
	Timeout      string   `short:"t" long:"timeout" value-name:"TIME" default:"5"`
	Verbose      []bool   `short:"v" long:"verbose"`
	Version      bool     `short:"V" long:"version"`
}

// optionHelp is what --help and the documents say of each option.
var optionHelp = map[string]string{
	"port":          "local ports of the front: 41213 or 41213,41223-41226; repeatable",
	"address":       "only sockets whose local address is this one or in this CIDR prefix; repeatable",
	"exclude":       "leave out sessions of these remote addresses, such as health checkers; repeatable",
	"shared":        "addresses that many clients share (NAT, a proxy): never diagnosed as one looping client; repeatable",
	"name":          "name of this front in the output",
	"warning":       "WARNING when METRIC breaches RANGE (without a metric: abnormal), or on diagnosis=CODE,…; repeatable",
	"critical":      "CRITICAL when METRIC breaches RANGE, or on diagnosis=CODE,…; repeatable",
	"no-listener":   "status when nothing listens on a port: ok, warning, critical or unknown",
	"normal":        "states that are not abnormal",
	"stalled-after": "a client that was sent nothing for this long counts as stalled",
	"sample": "look twice, this far apart: for listen_drops, reconnects, unread_stuck and a more certain" +
		" diagnosis",
	"top":    "number of clients that -v and JSON list",
	"source": "where to look: " + strings.Join(SourceNames(), ", ") + "; FILE is a capture or a snapshot, - is stdin",
	"save":   "also write the sockets to FILE as a snapshot, atomically",
	"log": "also append the answer to FILE as one line of JSON, for front_report; %Y-%m-%d in the name is" +
		" the day in --session-tz",
	"max-age": "UNKNOWN if a snapshot is older than this; if you set the option, also for a netstat or ss FILE",
	"netns": "look inside another network namespace (needs CAP_SYS_ADMIN; for a PID of another user also" +
		" CAP_SYS_PTRACE)",
	"clients": "names of client addresses: a file with PREFIX NAME on each line",
	"policy": "ready-made thresholds (seed: only the counts of the operators' old script); your own -w or -c for a" +
		" metric replaces the policy's",
	"session": "trading session, such as Mon-Fri 20:30-02:45, cn-futures or cn-commodities; OK outside every session;" +
		" repeatable",
	"session-tz": "time zone of the sessions",
	"holidays":   "dates without trading: a file with 2026-10-01 or 2026-10-01..2026-10-07 on each line",
	"at":         "use TIME instead of now for --session and --holidays, such as '2026-11-25 10:20' in --session-tz",
	"format":     list(formatNames()),
	"metric":     "metric that -f value prints",
	"reply": "-f hostmonitor: text, a bare number that HostMonitor can chart, or long: states, top client and" +
		" diagnosis too",
	"timeout": "seconds, or a duration such as 500ms, after which the answer is UNKNOWN",
	"verbose": "list source, problems, listeners and top clients; -vv all clients that fit",
	"version": "print the version and exit 3",
}

// settings are the options as understood.
type settings struct {
	query   tcp.Query
	sources []tcp.Source
	rules   tally.Rules
	policy  verdict.Policy
	format  output.Format
	style   output.Style
	name    string
	save    string // a file, or empty
	log     string // a file, or empty
	timeout time.Duration
	// deadline is when -t ends. The time starts when the options are read.
	deadline  time.Time
	notes     []string // remarks on the options, for the end of the line
	addresses []string // of -a, as given

	sample time.Duration // 0 for one look
	// showOwner says that the answer has the process that listens.
	showOwner bool
	clients   clientNames
	zone      *time.Location
	calendar  session.Calendar
	at        time.Time // the time to judge the calendar at, zero for now
}

// helpRequested is the text of --help or --version, which goes to stdout as it is.
type helpRequested string

func (h helpRequested) Error() string { return string(h) }

// newParser returns the parser of the profile's command line into o.
func (p Profile) newParser(o *options) commandLine {
	parser := flags.NewNamedParser(p.Program, flags.HelpFlag|flags.PassDoubleDash)
	if _, err := parser.AddGroup("Options", "", o); err != nil {
		panic(err) // a wrong struct tag: the caller turns a panic into UNKNOWN
	}
	for _, option := range parser.Groups()[0].Options() {
		option.Description = optionHelp[option.LongName]
	}
	parser.FindOptionByLongName("port").Default = []string{p.Port}
	return commandLine{parser}
}

// parse reads a command line. recorded has stdin and the time now. Even with an error the settings
// have a format: the one that was asked for or, if that is not known, the default.
func (p Profile) parse(args []string, recorded textfile.File) (settings, error) {
	var o options
	parser := p.newParser(&o)
	rest, err := parser.ParseArgs(args)
	if err != nil {
		var known *flags.Error
		if asksForHelp(args) || errors.As(err, &known) && known.Type == flags.ErrHelp {
			return settings{}, helpRequested(p.optionsHelp() + p.help())
		}
		return settings{format: formatAnyway(args)}, parser.explain(err, args)
	}
	if o.Version {
		return settings{}, helpRequested(p.Program + " " + version.String() + "\n")
	}
	s, err := p.settings(o, recorded)
	for _, option := range parser.Groups()[0].Options() {
		// A script that fills in an unset variable.
		if text, ok := option.Value().(string); ok && text == "" && option.IsSet() && option.LongName != "name" {
			err = fmt.Errorf("--%s: its value is empty", option.LongName)
		}
	}
	if err == nil {
		err = parser.needsOtherFormat(o)
	}
	if len(rest) > 0 {
		err = unexpectedArgument(rest[0], args)
	}
	if long := parser.longWithOneDash(args); err != nil && long != "" {
		err = fmt.Errorf("%w (did you mean %s? a long option has two dashes)", err, long)
	}
	return s, err
}

// formatAnyway finds the format in a command line that is wrong elsewhere.
func formatAnyway(args []string) output.Format {
	var o struct {
		Format string `short:"f" long:"format" default:"nagios"`
	}
	// The error is the one that is being reported.
	_, _ = flags.NewParser(&o, flags.IgnoreUnknown|flags.PassDoubleDash).ParseArgs(args)
	f, _ := parseFormat(o.Format)
	return f
}
