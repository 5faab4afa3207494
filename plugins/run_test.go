package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/tcp"
)

// check runs a profile and returns what it printed and its exit code.
func check(t *testing.T, p Profile, args ...string) (string, int) {
	t.Helper()
	var stdout strings.Builder
	code := p.Run(args, strings.NewReader(""), &stdout)
	return stdout.String(), code
}

// fakeSource does as told and provides every fact.
func fakeSource(name string, look func(tcp.Visit) error) tcp.Source {
	return tcp.Source{Name: name, Look: func(_ context.Context, _ tcp.Query, visit tcp.Visit) (tcp.Look, error) {
		return tcp.Look{Source: name, Provides: ^tcp.Facts(0)}, look(visit)
	}}
}

// fake is a profile whose only source does as told.
func fake(look func(tcp.Visit) error) Profile {
	p := MDFront
	p.sources = []tcp.Source{fakeSource("fake", look)}
	return p
}

func listener() *tcp.Socket {
	return &tcp.Socket{State: tcp.Listen, Facts: ^tcp.Facts(0), Local: netip.MustParseAddrPort("0.0.0.0:41213"),
		SendQ: 128}
}

// front is a listener with n clients in TIME_WAIT.
func front(n int) Profile {
	return fake(func(visit tcp.Visit) error {
		visit(listener())
		for i := range n {
			visit(&tcp.Socket{
				State: tcp.TimeWait, Facts: ^tcp.Facts(0), Local: netip.MustParseAddrPort("10.1.0.7:41213"),
				Remote: netip.AddrPortFrom(netip.MustParseAddr("10.1.2.3"), uint16(50000+i)),
				Closed: time.Duration(1+i) * time.Second / 2,
			})
		}
		return nil
	})
}

// TestWrongUsage: one line on stdout that names the option, the value and what is
// allowed, and exit 3.
func TestWrongUsage(t *testing.T) {
	const ranges = "; use [@][start:][end], such as 10, 5:10 or @50:"
	for args, want := range map[string]string{
		"-c 5x":              "-c: '5x' is not a range: the end '5x' is not a number" + ranges,
		"-c @":               "-c: '@' is not a range: a number is missing" + ranges,
		"-w 10:5":            "-w: '10:5' is not a range: the start 10 is above the end 5" + ranges,
		"-c feed_age=30s":    "-c: '30s' is not a range: a range has no unit; write feed_age=30",
		"-c feed_age=":       "-c: '' is not a range: a number is missing" + ranges,
		"-c sockets=3":       "-c: 'sockets' is not a metric; use one of those in --help",
		"-c =3":              "-c: '=3' has no metric before '='",
		"-c 5 -c abnormal=6": "-c: 'abnormal=6' is a second range for abnormal, which has 5",
		"-w -5:5": "-w, --warning needs a value, and '-5:5' comes next (a value that starts with '-' is written" +
			" after '=', as in -w=-5:5), see --help",
		"-p 0":              "-p: '0' is not a port or range of ports: ports are 1 to 65535",
		"-p 70000":          "-p: '70000' is not a port or range of ports: ports are 1 to 65535",
		"-p 5-3":            "-p: '5-3' is not a range of ports: 5 is over 3; write 3-5",
		"-t 0 -p 0 -c x":    "-p: '0' is not a port or range of ports: ports are 1 to 65535",
		"-p 41213 -p x":     "-p: 'x' is not a port or range of ports: use such as 41213, 41213,41223 or 41213-41226",
		"-p":                "-p, --port needs a value, see --help",
		"-a front7":         "-a: 'front7' is not an IP address or CIDR prefix; use one such as 10.1.2.3 or 10.1.0.0/16",
		"-a 0.0.0.0":        "-a: '0.0.0.0' is the wildcard address; omit -a to match any address",
		"-a ::":             "-a: '::' is the wildcard address; omit -a to match any address",
		"-a 0.0.0.0/32":     "-a: '0.0.0.0/32' is the wildcard address; omit -a to match any address",
		"-a ::/128":         "-a: '::/128' is the wildcard address; omit -a to match any address",
		"-a ::ffff:0.0.0.0": "-a: '::ffff:0.0.0.0' is the wildcard address; omit -a to match any address",
		"-t 1m30":           "-t: '1m30' is not a time above 0; use seconds such as 5, or a duration such as 500ms",
		"-a 10.0.0.0/33": "-a: '10.0.0.0/33' is not an IP address or CIDR prefix; use one such as 10.1.2.3 or" +
			" 10.1.0.0/16",
		"-a fe80::1%eth0": "-a: 'fe80::1%eth0' is not an IP address or CIDR prefix; leave out the zone",
		"-s \"": "-s: '\"' is not a source; use one of auto, sockdiag, procnet, gopsutil," +
			" netstat:FILE, ss:FILE, snapshot:FILE",
		"-n a|b":             "-n: not a name: it has a pipe or an angle bracket",
		"-n <b>front7</b>":   "-n: not a name: it has a pipe or an angle bracket",
		"--no-listener fine": "--no-listener: 'fine' is not a status; use ok, warning, critical or unknown",
		"--normal up": "--normal: 'up' is not a TCP state; use states separated by commas, such as" +
			" established,listen,time_wait",
		"--normal established,": "--normal: a state is missing; use states separated by commas, such as" +
			" established,listen,time_wait",
		"--stalled-after 0": "--stalled-after: '0' is not a time above 0; use seconds such as 5, or a duration" +
			" such as 500ms",
		"--stalled-after long": "--stalled-after: 'long' is not a time above 0; use seconds such as 5, or a duration" +
			" such as 500ms",
		"--top x":  "--top: 'x' is not a number from 0 to 65535",
		"--top=-1": "--top: '-1' is not a number from 0 to 65535",
		"-s ss": "-s: 'ss' is not a source (did you mean ss:FILE?); use one of auto, sockdiag, procnet, gopsutil," +
			" netstat:FILE, ss:FILE, snapshot:FILE",
		"-f xml":          "-f: 'xml' is not a format; use " + list(formatNames()),
		"--metric listen": "--metric: 'listen' is not a metric (did you mean listeners?); use one of those in --help",
		"--reply words":   "--reply: 'words' is not a reply; use text, number or long",
		"-t 0":            "-t: '0' is not a time above 0; use seconds such as 5, or a duration such as 500ms",
		"-t -1":           "-t, --timeout needs a value, and '-1' comes next (a value that starts with",
		"-t=-1":           "-t: '-1' is not a time above 0; use seconds such as 5, or a duration such as 500ms",
		"-t 5x":           "-t: '5x' is not a time above 0; use seconds such as 5, or a duration such as 500ms",
		"--bogus":         "unknown option '--bogus', see --help",
		"-X":              "unknown option '-X' (did you mean -x?), see --help",
		"50":              "unexpected argument '50': everything is an option; a range follows its metric and '=', as in",
		"-- -w":           "unexpected argument '-w': everything is an option, see --help",
		"--session Mon-Fry": "--session: 'Mon-Fry' is not a session: it has no hours; use one such as Mon-Fri" +
			" 20:30-02:45 or cn-futures",
		"--session 25:00-26:00": "--session: '25:00-26:00' is not a session: '25:00' is not a time from 00:00 to" +
			" 24:00; use one such as Mon-Fri 20:30-02:45 or cn-futures",
		"--session-tz Mars":  "--session-tz: 'Mars' is not a time zone; use one such as Asia/Shanghai",
		"--session-tz Local": "--session-tz: 'Local' is not a time zone; use one such as Asia/Shanghai",
		"--holidays /etc/passwd": "--holidays: without a --session there is nothing " +
			"that a holiday could close",
		"--session cn-futures --holidays /nowhere": "--holidays: no such file or directory: /nowhere",
		"--clients /nowhere":                       "--clients: no such file or directory: /nowhere",
		"--clients /dev/null":                      "--clients: not a regular file: a device: /dev/null",
		"--policy lax":                             "--policy: 'lax' is not a policy; use standard, seed or strict",
		"--sample 5":                               "--sample: two looks 5s apart take longer than -t 5s; raise -t",
		"--sample -1":                              "--sample needs a value, and '-1' comes next (a value that starts with",
		"--sample half": "--sample: 'half' is not a time above 0; use seconds such as 5, or" +
			" a duration such as 500ms",
		"--sample ...":              "--sample: '...' is not a time above 0; use seconds such as 5, or",
		"--sample 1 -s ss:x":        "--sample: 'ss:x' is one look; leave out --sample",
		"-c listen_drops=0":         "--sample: listen_drops needs two looks; add such as --sample 500ms",
		"-c listen_drops=0 -s ss:x": "--sample: listen_drops needs two looks, and 'ss:x' is one: leave listen_drops out",
		"--metric reconnects":       "--sample: reconnects needs two looks; add such as --sample 500ms",

		"-x 10.1.2.0/33": "-x: '10.1.2.0/33' is not an IP address or CIDR prefix; use one such as 10.1.2.3 or 10.1.0.0/16",
		"-x 0.0.0.0":     "-x: '0.0.0.0' is the wildcard address, which no client has; use one such as 10.1.2.3",
		"--exclude 0.0.0.0/0": "-x: '0.0.0.0/0' leaves no session to judge: every IPv4 address is in it; " +
			"name only the addresses of the",
		"-x 10.0.0.1 -x ::/0":         "-x: '10.0.0.1 ::/0' leaves no session to judge: every address ",
		"-x ::ffff:0:0/96":            "-x: '::ffff:0:0/96' leaves no session to judge: every IPv4 address ",
		"-x 0.0.0.0/1 -x 128.0.0.0/1": "-x: '0.0.0.0/1 128.0.0.0/1' leaves no session to judge: every IPv4 address ",
		"-x ::/1":                     "-x: '::/1' leaves no session to judge: every IPv4 address is in it; name ",
		"--shared proxy":              "--shared: 'proxy' is not an IP address or CIDR prefix; use one such as 10.1.2.3",
		"--shared ::": "--shared: '::' is the wildcard address, which no client has; use one such as" +
			" 10.1.2.3",
		"--at 2026-11-25": "--at: without a --session there is nothing to judge at another time",
		"--session cn-futures --at noon": "--at: 'noon' is not a time; use one such as 2026-11-25T10:20:00+08:00, " +
			"or '2026-11-25 10:20' in --session-tz",
		"--session cn-futures --at 2026-11-25": "--at: '2026-11-25' is not a time; use one such as ",
		"--session cn-futures --at=":           "--at: its value is empty",
	} {
		got, code := check(t, front(0), strings.Fields(args)...)
		if code != 3 || !strings.HasPrefix(got, "MDFRONT UNKNOWN: "+want) || strings.Count(got, "\n") != 1 ||
			strings.Contains(got, "|") {
			t.Errorf("%s: exit %d\n%swant\nMDFRONT UNKNOWN: %s", args, code, got, want)
		}
		for format, prefix := range map[string]string{"hostmonitor": "ScriptRes:Unknown:", "json": `{"name":`,
			"value": "UNKNOWN: ", "prometheus": "# "} {
			if args == "-p" || args == "-f xml" || args == "-- -w" {
				continue // these swallow or hide the format
			}
			got, code := check(t, front(0), strings.Fields(args+" -f "+format)...)
			if code != 3 || !strings.HasPrefix(got, prefix) || strings.Count(got, "\n") != 1 {
				t.Errorf("%s as %s: exit %d, %s", args, format, code, got)
			}
		}
	}
}

func TestFormatOfABrokenLine(t *testing.T) {
	for _, args := range [][]string{
		{"-f", "hostmonitor", "-p"}, {"--format=hostmonitor", "--bogus"}, {"--bogus", "-fhostmonitor"}, {"--bogus",
			"--format", "hostmonitor"},
	} {
		if got, code := check(t, MDFront, args...); code != 3 || !strings.HasPrefix(got, "ScriptRes:Unknown:") {
			t.Errorf("%q: exit %d, %s", args, code, got)
		}
	}
}

func TestThresholds(t *testing.T) {
	for _, test := range []struct {
		profile  Profile
		abnormal int
		args     string
		want     int
	}{
		{MDFront, 49, "", 0}, {MDFront, 50, "", 2}, {Front, 99, "-p 41213", 0}, {Front, 100, "-p 41213", 2},
		{MDFront, 82, "-c 82", 0}, {MDFront, 82, "-c 81", 2}, {MDFront, 82, "-w 10 -c 81", 2}, {MDFront, 82, "-w 10 -c 82",
			1}, {MDFront, 82, "-c @82:", 2},
		{MDFront, 82, "-w abnormal=10 -c abnormal=100", 1}, {MDFront, 82, "-c abnormal=100", 0}, {MDFront, 82,
			"-c time_wait=100", 2},
		{MDFront, 5, "-c=-5:4", 2}, {MDFront, 5, "-w clients=2:", 1}, {MDFront, 82, "--normal established,listen,time_wait",
			0},
		{MDFront, 0, "-c feed_age=30", 3}, {MDFront, 60, "-c feed_age=30 -c @50:", 2}, {MDFront, 0, "-p 41213,41214", 2},
		{MDFront, 0, "-p 41213,41214 --no-listener warning", 1}, {MDFront, 0, "-p 41214 --no-listener ok", 0},
	} {
		p := front(test.abnormal)
		p.Critical, p.Port = test.profile.Critical, test.profile.Port
		if got, code := check(t, p, strings.Fields(test.args)...); code != test.want {
			t.Errorf("%d abnormal with %q: exit %d, want %d: %s", test.abnormal, test.args, code, test.want, got)
		}
	}
}

func TestPerfdataHasTheThresholds(t *testing.T) {
	got, _ := check(t, front(82), "-w", "10", "-c", "90", "-w", "time_wait=@5:")
	for _, want := range []string{" | abnormal=82;10;90;0 ", " time_wait=82;4;;0 "} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
}

func TestHostMonitor(t *testing.T) {
	for n, want := range map[int]string{49: "ScriptRes:Ok:49\n", 50: "ScriptRes:Bad:50 socket disconnect\n"} {
		if got, code := check(t, front(n), "-f", "hostmonitor"); code != 0 || got != want {
			t.Errorf("exit %d, %q; want 0, %q", code, got, want)
		}
	}
	if got, code := check(t, front(50), "-f", "hostmonitor", "--reply", "number"); code != 0 ||
		got != "ScriptRes:Bad:50\n" {
		t.Errorf("exit %d, %q", code, got)
	}
	// A range without its colon says something else: nobody may copy it.
	for args, colons := range map[string]bool{"-w abc": true, "-c >50": true, "-w 20,30": true, "--top many": false,
		"-s nestat:x": true, "-s x.txt": true, "--session 9:00-11:00,13:00-15:00": true} {
		got, _ := check(t, front(0), append(strings.Fields(args), "-f", "hostmonitor")...)
		if strings.HasSuffix(got, "; -f nagios says what to write\n") != colons || colons && strings.Contains(got, "@") {
			t.Errorf("%s: %s", args, got)
		}
	}
}

// TestNoAnswer: whatever goes wrong inside is UNKNOWN with the reason, in every
// format, and nothing that was counted before shows.
func TestNoAnswer(t *testing.T) {
	hang := make(chan bool)
	t.Cleanup(func() { close(hang) })
	for name, test := range map[string]struct {
		look func(tcp.Visit) error
		want string
	}{
		"failure":        {func(tcp.Visit) error { return errors.New("no right") }, "fake: no right"},
		"half an answer": {func(v tcp.Visit) error { v(listener()); return io.ErrUnexpectedEOF }, "fake: unexpected EOF"},
		"hang":           {func(tcp.Visit) error { <-hang; return nil }, "no answer within 50ms (-t)"},
		"panic":          {func(tcp.Visit) error { panic("oh no") }, "this check has a bug: oh no, at run_test.go:"},
		"a real panic": {func(v tcp.Visit) error { v(nil); return nil },
			"this check has a bug: runtime error: invalid memory address or nil pointer dereference, at local.go:"},
		"an unknown state": {func(v tcp.Visit) error { v(&tcp.Socket{State: 99}); return nil },
			"this check has a bug: runtime error: index out of range [99] with length 12, at tally.go:"},
	} {
		t.Run(name, func(t *testing.T) {
			p := fake(test.look)
			got, code := check(t, p, "-t", "50ms", "-n", "front7")
			if code != 3 || !strings.HasPrefix(got, "MDFRONT UNKNOWN: front7 :41213 cannot be judged: "+test.want) ||
				strings.Contains(got, "|") {
				t.Errorf("exit %d, %s", code, got)
			}
			if got, code := check(t, p, "-t", "50ms", "-f", "hostmonitor"); code != 0 || !strings.HasPrefix(got,
				"ScriptRes:Unknown:") {
				t.Errorf("exit %d, %s", code, got)
			}
			if got, code := check(t, p, "-t", "50ms", "-f", "json"); code != 3 || !strings.Contains(got, `"abnormal":null`) {
				t.Errorf("exit %d, %s", code, got)
			}
			if got, code := check(t, p, "-t", "50ms", "-f", "value"); code != 3 || !strings.HasPrefix(got, "UNKNOWN: ") {
				t.Errorf("exit %d, %s", code, got)
			}
		})
	}
}

// TestRestart: sockets of a failed source are forgotten when the next one succeeds.
func TestRestart(t *testing.T) {
	p := MDFront
	p.sources = []tcp.Source{
		fakeSource("first", func(visit tcp.Visit) error {
			for range 500 {
				visit(&tcp.Socket{State: tcp.TimeWait})
			}
			return errors.New("torn")
		}),
		fakeSource("second", func(visit tcp.Visit) error { visit(listener()); return nil }),
	}
	got, code := check(t, p)
	want := "MDFRONT OK: :41213 has 0 abnormal sockets, 0 established from 0 clients; seen by second (first: torn) | "
	if code != 0 || !strings.HasPrefix(got, want) {
		t.Errorf("exit %d, %s", code, got)
	}
}

// TestPanicOutside: a panic that no look is to blame for is UNKNOWN as well.
func TestPanicOutside(t *testing.T) {
	out, code := MDFront.guarded(func() ([]byte, int) { panic("torn|\n") })
	if got := string(out); code != 3 || !strings.HasPrefix(got,
		"MDFRONT UNKNOWN: this check has a bug: torn/ , at run_test.go:") || strings.Index(got, "\n") != len(got)-1 {
		t.Errorf("exit %d, %s", code, got)
	}
	// One in the look has the format that was asked for.
	p := fake(func(tcp.Visit) error { panic("torn") })
	if got, code := check(t, p, "-f", "hostmonitor"); code != 0 || !strings.HasPrefix(got,
		"ScriptRes:Unknown:this check has a bug, ") {
		t.Errorf("exit %d, %s", code, got)
	}
}

// TestHiddenStates: what a source cannot see is not counted as 0.
func TestHiddenStates(t *testing.T) {
	p := MDFront
	p.sources = []tcp.Source{{Name: "lsof", Look: func(_ context.Context, _ tcp.Query, visit tcp.Visit) (tcp.Look, error) {
		visit(listener())
		return tcp.Look{Source: "lsof", Provides: ^tcp.Facts(0), HiddenStates: tcp.Set(tcp.TimeWait)}, nil
	}}}
	got, code := check(t, p)
	if code != 3 || !strings.HasPrefix(got, "MDFRONT UNKNOWN: cannot judge abnormal: ") || !strings.Contains(got,
		" | established=") || strings.Contains(got, " time_wait=") {
		t.Errorf("exit %d, %s", code, got)
	}
}

// TestWhereAndWhen: JSON names this host and the time of the look.
func TestWhereAndWhen(t *testing.T) {
	for _, args := range []string{"-f json", "-f json -p 0"} {
		whereAndWhen(t, strings.Fields(args))
	}
}

func whereAndWhen(t *testing.T, args []string) {
	t.Helper()
	got, _ := check(t, front(0), args...)
	var doc struct {
		Host string
		Time time.Time
	}
	if err := json.Unmarshal([]byte(got), &doc); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil || doc.Host != host {
		t.Errorf("host %q, want %q, %v", doc.Host, host, err)
	}
	if age := time.Since(doc.Time); age < 0 || age > time.Minute {
		t.Errorf("time %s", doc.Time)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a|b", "a\nb", "\x1b[31m", "\xff", "<script>", "a>b", "a\u202eb"} {
		if got, code := check(t, front(0), "-n", name); code != 3 || !strings.HasPrefix(got, "MDFRONT UNKNOWN: -n: ") {
			t.Errorf("%q: exit %d, %s", name, code, got)
		}
	}
	if got, code := check(t, front(0), "-n", strings.Repeat("前", 64)); code != 0 {
		t.Errorf("64 characters: exit %d, %s", code, got)
	}
	if got, code := check(t, front(0), "-n", strings.Repeat("x", 65)); code != 3 {
		t.Errorf("65 characters: exit %d, %s", code, got)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, p := range []Profile{MDFront, Front} {
		for _, flag := range []string{"-h", "--help"} {
			got, code := check(t, p, flag)
			if code != 3 || !strings.HasPrefix(got, "Usage:\n  "+p.Program+" ") || !strings.Contains(got, "Examples:") ||
				!strings.Contains(got, p.Critical) {
				t.Errorf("%s %s: exit %d\n%s", p.Program, flag, code, got)
			}
		}
		for _, flag := range []string{"-V", "--version"} {
			got, code := check(t, p, flag)
			if code != 3 || !strings.HasPrefix(got, p.Program+" ") || strings.Count(got, "\n") != 1 {
				t.Errorf("%s %s: exit %d\n%s", p.Program, flag, code, got)
			}
		}
	}
}

// TestEnvironment: a variable that makes go-flags complete words changes nothing.
func TestEnvironment(t *testing.T) {
	t.Setenv("GO_FLAGS_COMPLETION", "1")
	if got, code := check(t, front(60)); code != 2 || !strings.HasPrefix(got, "MDFRONT CRITICAL: ") {
		t.Errorf("exit %d, %s", code, got)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestUnwritableOutput(t *testing.T) {
	for _, args := range [][]string{{}, {"-h"}, {"-V"}, {"-f", "hostmonitor"}, {"--bogus"}} {
		if code := front(0).Run(args, nil, failing{}); code != 3 {
			t.Errorf("%v to a full disk: exit %d", args, code)
		}
	}
	if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
		defer full.Close()
		if code := front(0).Run(nil, nil, full); code != 3 {
			t.Errorf("/dev/full: exit %d", code)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3": "10.1.2.3/32", "10.1.2.3/16": "10.1.0.0/16", "::ffff:10.1.2.3": "10.1.2.3/32",
		"::ffff:10.1.0.0/112": "10.1.0.0/16", "::ffff:10.1.0.0/96": "0.0.0.0/0", "::/0": "::/0",
		"2001:db8::7": "2001:db8::7/128",
	} {
		if got, err := parsePrefix(text); err != nil || got.String() != want {
			t.Errorf("%s is %v, %v; want %s", text, got, err, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"5": 5 * time.Second, "2.5": 2500 * time.Millisecond,
		"500ms": 500 * time.Millisecond, "1m30s": 90 * time.Second} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
}

// TestMainsAreOneStatement: a program is its call of Run and nothing else.
func TestMainsAreOneStatement(t *testing.T) {
	mains, err := filepath.Glob("../cmd/check_*/main.go")
	if err != nil || len(mains) != 2 {
		t.Fatal(mains, err)
	}
	for _, name := range mains {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "func main() {\n")
		if strings.Count(body, "\n") != 2 || !strings.HasPrefix(body, "\tos.Exit(plugins.") {
			t.Errorf("%s is more than one call: %s", name, body)
		}
	}
}

func ExampleProfile_Run() {
	code := front(60).Run([]string{"-n", "front7", "-f", "hostmonitor"}, os.Stdin, os.Stdout)
	fmt.Println(code)
	// Output:
	// ScriptRes:Bad:60 socket disconnect
	// 0
}

// TestNothingListensAtAddress: with -a the front may listen at another address, so the answer says where it looked.
func TestNothingListensAtAddress(t *testing.T) {
	nothing := fake(func(tcp.Visit) error { return nil })
	got, code := check(t, nothing, "-a", "10.1.0.7", "-a", "10.2.0.0/16")
	if code != 2 || !strings.Contains(got, "; looked only at 10.1.0.7 or 10.2.0.0/16 (-a)") {
		t.Errorf("exit %d, %s", code, got)
	}
	if got, _ := check(t, nothing, "-a", "10.1.0.7"); !strings.Contains(got, "; looked only at 10.1.0.7 (-a)") {
		t.Error(got)
	}
	if got, _ := check(t, nothing); strings.Contains(got, "looked") {
		t.Errorf("without -a: %s", got)
	}
	if got, _ := check(t, front(0), "-a", "10.1.0.7"); strings.Contains(got, "looked") {
		t.Errorf("with a listener: %s", got)
	}
}
