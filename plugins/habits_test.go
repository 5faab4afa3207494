package plugins

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHabits: what is mistyped, or written as for other plugins, is answered with what to write.
func TestHabits(t *testing.T) {
	const shell = " is not a range: the shell expanded ~ to a folder; write "
	const ranges = " is not a range: "
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--critcal", "5"}, "unknown option '--critcal' (did you mean --critical?), see --help"},
		{[]string{"--crit=5"}, "unknown option '--crit' (did you mean --critical?), see --help"},
		{[]string{"--hlep"}, "unknown option '--hlep' (did you mean --help?), see --help"},
		{[]string{"-critical", "5"}, "unexpected argument '5': everything is an option; a range follows its" +
			" metric and '=', as in -w clients=20, see --help (did you mean --critical? a long option has two dashes)"},
		{[]string{"-port=41213"}, "-p: 'ort=41213' is not a port or range of ports: use such as 41213, 41213,41223" +
			" or 41213-41226 (did you mean --port? a long option has two dashes)"},
		{[]string{"-version"}, "unknown option '-e' (did you mean --version?), see --help"},
		{[]string{"-W", "5"}, "unknown option '-W' (did you mean -w?), see --help"},
		{[]string{"-H", "front7"}, "unknown option '-H' (" + hostAdvice + "), see --help"},
		{[]string{"--hostname=front7"}, "unknown option '--hostname' (" + hostAdvice + "), see --help"},
		{[]string{"--session", "Mon-Fri", "09:00-11:30"}, "unexpected argument '09:00-11:30': write a value that has a" +
			" blank in quotes, as in --session 'Mon-Fri 09:00-11:30', see --help"},

		{[]string{"-c", "close_wiat=5"}, "-c: 'close_wiat' is not a metric (did you mean close_wait?); use one of those"},
		{[]string{"-c", "diagnoses=hung"}, "-c: 'diagnoses' is not a metric (did you mean diagnosis?); use one of those"},
		{[]string{"-c", "diagnosis=hunk"}, "-c: 'hunk' is not a diagnosis (did you mean hung?); use front, none, "},
		{[]string{"--metric", "CLOSEWAIT"}, "--metric: 'CLOSEWAIT' is not a metric (did you mean close_wait?);"},
		{[]string{"-f", "jsno"}, "-f: 'jsno' is not a format (did you mean json?); use " + list(formatNames())},
		{[]string{"--normal", "estab,time_wiat"}, "--normal: 'time_wiat' is not a TCP state (did you mean time_wait?); use "},
		{[]string{"--policy", "strickt"}, "--policy: 'strickt' is not a policy (did you mean strict?); use standard, seed"},
		{[]string{"--no-listener", "warn"}, "--no-listener: 'warn' is not a status (did you mean warning?); use ok, "},
		{[]string{"--reply", "numbre"}, "--reply: 'numbre' is not a reply (did you mean number?); use text, number or"},
		{[]string{"-s", "sokdiag"}, "-s: 'sokdiag' is not a source (did you mean sockdiag?); use one of auto, "},
		{[]string{"-s", "netsat:-"}, "-s: 'netsat:-' is not a source (did you mean netstat:-?); use one of auto, "},
		{[]string{"--session", "cn-future"}, "--session: 'cn-future' is not a session (did you mean cn-futures?)"},
		{[]string{"--session", "Mon-Fri 09:00-11:30,13:00-15:00"}, "--session: 'Mon-Fri 09:00-11:30,13:00-15:00' has the" +
			" hours of several sessions; write each in its own option: --session 'Mon-Fri 09:00-11:30' --session" +
			" 'Mon-Fri 13:00-15:00'"},
		{[]string{"--session", "cn-futures", "--session", "9:00-11:30 13:00-15:00"}, "--session: '9:00-11:30 13:00-15:00'" +
			" has the hours of several sessions; write each in its own option: --session '9:00-11:30' --session" +
			" '13:00-15:00'"},

		{[]string{"-c", "/root:50"}, "-c: '/root:50'" + shell + "'~:50' in quotes"},
		{[]string{"-w", "clients=/home/front:50"}, "-w: '/home/front:50'" + shell + "'clients=~:50' in quotes"},
		{[]string{"-c", "20%"}, "-c: '20%'" + ranges + "abnormal is not in percent; use a metric that is, such as" +
			" stalled_pct=20"},
		{[]string{"-c", "accept_queue_pct=20%"}, "-c: '20%'" + ranges + "a range has no unit; write accept_queue_pct=20"},
		{[]string{"-c", "feed_age=30s"}, "-c: '30s'" + ranges + "a range has no unit; write feed_age=30"},
		{[]string{"-c", "feed_age=500ms"}, "-c: '500ms'" + ranges + "the end '500ms' is not a number; use seconds, such" +
			" as 0.5"},
		{[]string{"-c", "unread_bytes=1M"}, "-c: '1M'" + ranges + "the end '1M' is not a number; use bytes, such as"},
		{[]string{"-c", ">50"}, "-c: a range has no sign of comparison: write 50 for more than 50, @50: for 50 and more, 5:"},
		{[]string{"-c", "abnormal>=50"}, "-c: a range has no sign of comparison: write 50 for more than 50"},
		{[]string{"-c", "50-100"}, "-c: '50-100'" + ranges + "the end '50-100' is not a number; use a colon: 50:100 alerts" +
			" outside of it, @50:100 inside"},
		{[]string{"-w", "clients=20,unread=10"}, "-w: 'clients=20,unread=10' is more than one range; repeat the option"},
		{[]string{"-w", "clients=“20”"}, "-w: '“20”'" + ranges + "leave out the quotes; write clients=20"},
		{[]string{"–w", "20"}, "unexpected argument '–w': it begins with a long dash; type -w, see --help"},
		{[]string{"-c"}, "-c, --critical needs a value, see --help"},
		{[]string{"-p", "41213:41226"}, "-p: '41213:41226' is not a port or range of ports: use such as 41213, "},
		{[]string{"--metric", "close_wait"}, "--metric: -f nagios does not print it; add -f value, or write -c" +
			" close_wait=RANGE to alarm on it"},
		{[]string{"-w", "60"}, "-w: abnormal=60 never warns, because -c abnormal=@50: of the policy is breached first;" +
			" lower -w or raise -c"},
		{[]string{"-w", "diagnosis=network,hung", "-c", "diagnosis=hung"}, "-w: diagnosis=hung never warns, because" +
			" -c diagnosis=hung comes first; leave it out of -w or -c"},
		{[]string{"-w", "diagnosis=front", "-c", "diagnosis=front"}, "-w: diagnosis=front never warns, because" +
			" -c diagnosis=front comes first; leave it out of -w or -c"},
		{[]string{"--reply", "long"}, "--reply: -f nagios has no reply; add -f hostmonitor, or leave out --reply"},
		{[]string{"--reply=text", "-v"}, "--reply: -f nagios has no reply; add -f hostmonitor, or leave out --reply"},
		{[]string{"-n", "a<b>|c"}, "-n: not a name: it has a pipe or an angle bracket"},
		{[]string{"—session", "cn-futures"}, "unexpected argument '—session': it begins with a long dash; type --session,"},
		{[]string{"-v", "3"}, "unexpected argument '3': -v takes no value; for more write -vv, see --help"},
		{[]string{"--verbose=3"}, "-v, --verbose takes no value (-vv says more than -v), see --help"},
		{[]string{"-p", "-s", "auto"}, "-p, --port needs a value, and '-s' comes next, see --help"},
		{[]string{"-w", "-5:5"}, "-w, --warning needs a value, and '-5:5' comes next (a value that starts with '-' is" +
			" written after '=', as in -w=-5:5), see --help"},
		{[]string{"-w=6", "-w=7"}, "-w: '7' is a second range for abnormal, which has 6; give one range for each metric"},
		{[]string{"-w", "hung"}, "-w: 'hung' is not a range but a diagnosis: write diagnosis=hung"},
		{[]string{"-w", "clients:10"}, "-w: 'clients:10' is not a range: write clients=10"},
		{[]string{"-w==5"}, "-w: '=5' has no metric before '='"},
		{[]string{"-t", "1d"}, "-t: '1d' is not a time above 0; use seconds such as 5, or a duration such as 500ms or 24h"},
		{[]string{"-s", "netstat:x", "--sample", "1"}, "--sample: 'netstat:x' is one look; leave out --sample"},
		{[]string{"-s", "x.txt"}, "-s: 'x.txt' is not a source; for a file use netstat:x.txt, ss:x.txt or snapshot:x.txt"},
		{[]string{"-s", "file:/tmp/x"}, "-s: 'file:/tmp/x' is not a source; use one of auto, "},
		{[]string{"-a", "10.1.0.7:41213"}, "-a: '10.1.0.7:41213' is not an IP address or CIDR prefix; leave out the port"},
		{[]string{"-a", "10.1.0.7,10.1.0.8"}, "-a: '10.1.0.7,10.1.0.8' is not an IP address or CIDR prefix; repeat the"},
		{[]string{"-a", "fe80::1%eth0"}, "-a: 'fe80::1%eth0' is not an IP address or CIDR prefix; leave out the zone"},
		{[]string{"-x", "::/0"}, "-x: '::/0' leaves no session to judge: every address is in it; name only"},
		{[]string{"--holidays", "-", "--session", "cn-futures"}, "--holidays: '-' is not a file: stdin is not read here"},
		{[]string{"-w", "clients=@7:", "-c", "clients=5"}, "-w: clients=@7: never warns, because -c clients=5 is" +
			" breached first; lower -w or raise -c"},
	} {
		got, code := check(t, front(0), test.args...)
		if code != 3 || !strings.HasPrefix(got, "MDFRONT UNKNOWN: "+test.want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%q: exit %d\n%swant\n%s", test.args, code, got, test.want)
		}
	}
}

// TestForgottenColon: an alarm always says why, also one that no abnormal socket causes.
func TestForgottenColon(t *testing.T) {
	out, code := check(t, front(0), "-c", "@50")
	if want := "MDFRONT CRITICAL: abnormal is 0 (critical @50); :41213 has 0 abnormal sockets"; code != 2 ||
		!strings.HasPrefix(out, want) {
		t.Errorf("exit %d\n%swant\n%s", code, out, want)
	}
}

// TestMayWarn: a threshold of WARNING that can be seen, or may be, is not refused.
func TestMayWarn(t *testing.T) {
	for _, args := range []string{
		"-w 10 -c 10", "-w 49", "-w 50 -c 51", "-w 40 -c clients=5", "-w clients=5 -c time_wait=3", "-w 5: -c 10:",
		"-w 10:20 -c 5:30", "-w 60: -c 50", "-w @60:70 -c 50", "-w feed_age=@50: -c feed_age=@30:", "-w 60 --policy strict",
		"-w diagnosis=front -c diagnosis=hung", "-w diagnosis=front", "-w diagnosis=hung -c diagnosis=none",
		"-w diagnosis=hung -c diagnosis=crash_loop", "-w diagnosis=hung --policy seed", "-w diagnosis=network",
		"-w diagnosis=none -c diagnosis=hung", "-w diagnosis=hung",
	} {
		if got, code := check(t, front(0), strings.Fields(args)...); strings.Contains(got, "never warns") {
			t.Errorf("%s: exit %d, %s", args, code, got)
		}
	}
}

// TestHelpAlways: -h wins over every other option and every error.
func TestHelpAlways(t *testing.T) {
	want, _ := check(t, MDFront, "--help")
	for _, args := range []string{
		"-h", "-vh", "--bogus -h", "-p -h", "-c 5x --help", "-f xml -h", "50 -h", "-V -h", "-h -V", "-X --help -f json",
		"--metric close -Vh", "-h -- x",
	} {
		if got, code := check(t, MDFront, strings.Fields(args)...); code != 3 || got != want {
			t.Errorf("%s: exit %d, %.80s", args, code, got)
		}
	}
	if got, _ := check(t, MDFront, "--", "-h"); !strings.Contains(got, "unexpected argument '-h'") {
		t.Error(got)
	}
}

// TestHelpIsReadable: the help fits a terminal, its last part is the examples, and every option
// is in one group.
func TestHelpIsReadable(t *testing.T) {
	for _, p := range []Profile{MDFront, Front} {
		help, _ := check(t, p, "--help")
		for line := range strings.Lines(help) {
			if utf8.RuneCountInString(line) > helpWidth+1 || strings.Contains(line, "\t") {
				t.Errorf("%s: over %d columns: %q", p.Program, helpWidth, line)
			}
		}
		_, examples, _ := strings.Cut(help, "\nExamples:\n")
		if strings.Contains(examples, "\n\n") || strings.Count(examples, "\n") < 10 {
			t.Errorf("%s: the help does not end with the examples:\n%s", p.Program, examples)
		}
	}
	var grouped, all []string
	for _, g := range optionGroups {
		grouped = append(grouped, g.Options...)
	}
	var o options
	for _, option := range MDFront.newParser(&o).Groups()[0].Options() {
		all = append(all, option.LongName)
	}
	slices.Sort(grouped)
	slices.Sort(all)
	if !slices.Equal(grouped, all) {
		t.Errorf("optionGroups (help.go) has %v,\nthe options are %v", grouped, all)
	}
}
