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
	query   tcp.Query
	sources []tcp.Source
	rules   tally.Rules
	policy  verdict.Policy
	format  output.Format
	style   output.Style
	name    string
	save    string // a file, or empty
	timeout time.Duration

	sample time.Duration // 0 for one look
	// showOwner says that the answer tells the process that listens.
	showOwner bool
	clients   clientNames
	calendar  session.Calendar
}

// helpRequested is the text of --help or --version, which goes to stdout as it is.
type helpRequested string

func (h helpRequested) Error() string { return string(h) }

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

// parse reads a command line. Recorded has what a recording is read with. Even with an error
// the settings have a format: the one that was asked for, if that can be told.
func (p Profile) parse(args []string, recorded textfile.File) (settings, error) {
	var o options
	parser := p.newParser(&o)
	rest, err := parser.ParseArgs(args)
	if err != nil {
		s := settings{format: formatAnyway(args)}
		var known *flags.Error
		if errors.As(err, &known) && known.Type == flags.ErrHelp {
			return s, helpRequested(known.Message + p.help())
		}
		return s, flagError(err)
	}
	if o.Version {
		return settings{}, helpRequested(p.Program + " " + version() + "\n")
	}
	s, err := p.settings(o, recorded)
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
	f, _ := parseFormat(o.Format)
	return f
}

// flagError puts go-flags' words into ours, and says how to write a range that
// starts with a minus.
func flagError(err error) error {
	text := strings.ReplaceAll(err.Error(), "`", "'")
	if strings.Contains(text, "but got option '-") {
		text += " (a value that starts with '-' is written after '=', as in -w=-5:5)"
	}
	return errors.New(text + ", see --help")
}
