package plugins

import (
	"fmt"
	"runtime/debug"
	"strings"

	"frontsockets/internal/tally"
)

// help is what follows the options in --help.
func (p Profile) help() string {
	return fmt.Sprintf(`
Metrics (for -w, -c and --metric):
%s
Ranges are those of the plugin guidelines: 10 alerts below 0 or above 10,
10: below 10, ~:10 above 10, @50: from 50 up.

Examples:
  %[2]s
      the front on port %[3]s; CRITICAL if nothing listens or for
      %[4]s abnormal sockets and more
  %[2]s -p 51213 -n front7 -w 10 -c @50:
      another port; WARNING above 10, CRITICAL from 50 up
  %[2]s -c feed_age=30 -c accept_queue_pct=80
      CRITICAL too if nobody was sent data for over 30 s, or if the accept
      queue is over 80 %% full
  %[2]s -f hostmonitor
      ScriptRes:Ok:3 or ScriptRes:Bad:73 socket disconnect
  %[2]s -f value --metric close_wait
      a bare number, for Zabbix

Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, help, version and wrong usage.
With -f hostmonitor 0 for every answer, 3 for wrong usage.
`, wrap(metricNames(), 76), p.Program, p.Port, strings.Trim(p.Critical, "@:"))
}

func metricNames() string {
	names := make([]string, tally.NumMetrics)
	for m := range tally.NumMetrics {
		names[m] = m.String()
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

// version is the program's version as the go command recorded it.
func (p Profile) version() string {
	version := "unknown version"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	return p.Program + " " + version
}
