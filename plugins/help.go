package plugins

import (
	"fmt"
	"runtime/debug"
	"strings"

	"frontsockets/internal/tally"
)

// ranges and exitCodes are said in the help and in the man page: manual.go.
const (
	ranges = `Ranges are those of the plugin guidelines: 10 alerts below 0 or above 10,
10: below 10, ~:10 above 10, @50: from 50 up.`

	exitCodes = `0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, help, version and wrong usage.
With -f hostmonitor 0 for every answer, 3 for wrong usage.`
)

// example is a command line, the program's name left out as %s, and what it does.
type example struct{ line, does string }

func (p Profile) examples() []example {
	return []example{
		{"%s", fmt.Sprintf("the front on port %s; CRITICAL if nothing listens or for\n%s abnormal sockets and more", p.Port, strings.Trim(p.Critical, "@:"))},
		{"%s -p 51213 -n front7 -w 10 -c @50:", "another port; WARNING above 10, CRITICAL from 50 up"},
		{"%s -c feed_age=30 -c accept_queue_pct=80", "CRITICAL too if nobody was sent data for over 30 s, or if the accept\nqueue is over 80 % full"},
		{"%s --policy strict --session cn-futures --holidays /etc/frontsockets/holidays", "earlier alarms, and OK when nobody trades"},
		{"%s --clients /etc/frontsockets/clients -v", "whose sockets, what kind of trouble, and what speaks for it"},
		{"%s -f hostmonitor", "ScriptRes:Ok:3 or ScriptRes:Bad:73 socket disconnect"},
		{"%s -f value --metric close_wait", "a bare number, for Zabbix"},
		{"ssh front7 netstat -an | %s -s netstat:-", "a host where nothing is installed"},
		{"%s --save /var/spool/frontsockets/mine", "saves what it saw, to be judged by the next, for another user, up to\n2m30s later"},
		{"%s -s snapshot:/var/spool/frontsockets/mine -f hostmonitor", "judges what was saved"},
	}
}

// help is what follows the options in --help.
func (p Profile) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nMetrics (for -w, -c and --metric):\n%s\n", wrap(metricNames(0, tally.OneLook), 76))
	fmt.Fprintf(&b, "With --sample also:\n%s\n%s\n\n", wrap(metricNames(tally.OneLook, tally.NumMetrics), 76), ranges)
	fmt.Fprintf(&b, "Policies:\n%s%s\nExamples:\n", wrap("seed: "+p.policies()["seed"].String(), 76), wrap("strict: "+p.Strict.String(), 76))
	for _, e := range p.examples() {
		fmt.Fprintf(&b, "  "+e.line+"\n      %s\n", p.Program, strings.ReplaceAll(e.does, "\n", "\n      "))
	}
	fmt.Fprintf(&b, "\nExit codes: %s\n", exitCodes)
	return b.String()
}

func metricNames(from, to tally.Metric) string {
	var names []string
	for m := from; m < to; m++ {
		names = append(names, m.String())
	}
	return strings.Join(names, " ")
}

// wrap breaks words into indented lines.
func wrap(words string, width int) string {
	var b strings.Builder
	used := 0
	for _, w := range strings.Fields(words) {
		if used > 0 && used+1+len(w) > width {
			b.WriteByte('\n')
			used = 0
		}
		if used == 0 {
			b.WriteByte(' ')
		}
		b.WriteString(" " + w)
		used += 1 + len(w)
	}
	return b.String() + "\n"
}

// version returns the program's version as the go command recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown version"
}
