package output

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/golden"
	"frontsockets/internal/threshold"
	"frontsockets/internal/verdict"
)

const goldens = "../../testdata/output/"

func critical(t *testing.T, words ...string) verdict.Policy {
	t.Helper()
	p := verdict.Policy{Critical: verdict.Thresholds{}, NoListener: verdict.Critical}
	for _, w := range words {
		name, text, _ := strings.Cut(w, "=")
		m, err := tally.ParseMetric(name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Critical[m], err = threshold.Parse(text); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// front is a front with sessions as "STATE CLIENT COUNT".
type front struct {
	name, source string
	skipped      []string
	listens      bool
	queue        uint32
	feedAge      time.Duration
	sessions     []string
	hidden       tcp.StateSet
	lowerBound   tcp.StateSet
	statesOnly   bool // the source provides nothing but states and addresses
	policy       []string
}

var halfPastNine = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

func (f front) report(t *testing.T) Report {
	t.Helper()
	provided := ^tcp.Facts(0)
	if f.statesOnly {
		provided = tcp.FactClient
	}
	counted := tally.New(tally.Rules{
		Normal: tcp.Set(tcp.Established, tcp.Listen), StalledAfter: 10 * time.Second,
	}, nil, 0)
	local := netip.MustParseAddrPort("10.1.0.7:41213")
	if f.listens {
		counted.Add(&tcp.Socket{State: tcp.Listen, Facts: provided, Local: local, RecvQ: f.queue, SendQ: 128, Drops: 2})
	}
	for _, s := range f.sessions {
		var state, client string
		var n int
		if _, err := fmt.Sscan(s, &state, &client, &n); err != nil {
			t.Fatal(err)
		}
		st, err := tcp.ParseState(state)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			counted.Add(&tcp.Socket{
				State: st, Facts: provided, Local: local, Inode: 1, LastDataSent: f.feedAge,
				Closed: time.Duration(1+i) * time.Second / 2,
				Remote: netip.AddrPortFrom(netip.MustParseAddr(client), 50000),
			})
		}
	}
	result := counted.Result(tcp.Look{Provides: provided, HiddenStates: f.hidden, LowerBound: f.lowerBound})
	r := Report{
		Version: "v1.2.3", Service: "MDFRONT", Name: f.name, Ports: tcp.Ports{{Lo: 41213, Hi: 41213}},
		Policy: critical(t, append([]string{"abnormal=@50:"}, f.policy...)...), Result: &result,
		Look: tcp.Look{Source: cmp.Or(f.source, "sockdiag"), Skipped: f.skipped, Host: "front7.example", Time: halfPastNine},
	}
	r.Diagnosis = diagnosis.Diagnose(result, r.Ports, true, nil)
	r.Verdict = verdict.Judge(r.Policy, r.Ports, result, r.Diagnosis)
	return r
}

func reports(t *testing.T) map[string]Report {
	healthy := []string{"established 10.1.2.3 4", "established 10.1.2.4 2", "time_wait 10.1.2.4 3"}
	looping := []string{
		"established 10.1.2.5 3", "time_wait 10.1.2.3 60", "close_wait 10.1.2.3 2",
		"close_wait 10.1.2.4 5", "close_wait 2001:db8::4 4", "close_wait 10.1.2.5 2",
	}
	excluded := front{name: "front7", listens: true, sessions: healthy}.report(t)
	excluded.Exclude, excluded.Excluded = []netip.Prefix{netip.MustParsePrefix("10.1.9.9/32")}, 60
	calendar := front{name: "front7", listens: true, sessions: healthy}.report(t)
	calendar.Session = "open until Wed 2026-11-25 11:30 CST; holidays are known to 2026-10-07"
	calendar.Notes = []string{
		"sessions judged as of Wed 2026-11-25 10:20 CST (--at)", "no holidays known after 2026-10-07 (--holidays)",
	}
	const old = 42 * time.Second
	skipped := []string{"sockdiag: socket: operation not permitted"}
	onFeed := []string{"feed_age=30"}
	failed := Report{
		Version: "v1.2.3", Service: "MDFRONT", Name: "front7", Ports: tcp.Ports{{Lo: 41213, Hi: 41213}},
		Policy:  critical(t, "abnormal=@50:"),
		Failure: skipped[0], Look: tcp.Look{Host: "front7.example", Time: halfPastNine},
	}
	ranges := front{listens: true, feedAge: 1500 * time.Millisecond, sessions: healthy, policy: []string{
		"time_wait=@~:0", "close_wait=@99:", "clients=~:10", "listeners=1:", "unread_bytes=@1000000:", "stalled=2:5",
		"top_client_pct=0:70", "accept_queue_pct=@80:", "feed_age=@30:40",
	}}.report(t)
	ranges.Policy.Warning = critical(t, "abnormal=20", "time_wait=@10:20", "clients=-5:5", "feed_age=2.5").Critical
	full := front{listens: true, queue: 129, sessions: healthy}.report(t)
	full.Owner = &tcp.Process{
		PID: 4711, Name: "mdfront", State: "stop", CPU: 0.5, Threads: 12, Descriptors: 190, DescriptorLimit: 1024,
		Started: halfPastNine.Add(-time.Hour),
	}
	full.Names = func(netip.Addr) string { return "风和" }
	return map[string]Report{
		"calendar": calendar,
		"ports":    portsReport(t),
		"excluded": excluded,
		"healthy":  front{name: "front7", listens: true, sessions: healthy}.report(t),
		"looping":  front{name: "front7", listens: true, sessions: looping}.report(t),
		"down":     front{listens: false}.report(t),
		"full":     full,
		"bounds":   front{listens: true, lowerBound: tcp.Set(tcp.TimeWait), sessions: healthy}.report(t),
		"feed":     front{name: "front7", listens: true, feedAge: old, sessions: healthy, policy: onFeed}.report(t),
		"both":     front{listens: true, feedAge: old, sessions: looping, policy: append(onFeed, "clients=2")}.report(t),
		"empty":    front{listens: true, policy: onFeed}.report(t),
		"fallback": front{listens: true, sessions: healthy, source: "procnet", skipped: skipped}.report(t),
		"blind":    front{listens: true, sessions: healthy, hidden: tcp.Set(tcp.TimeWait)}.report(t),
		"dumb":     front{listens: true, sessions: healthy, statesOnly: true, source: "gopsutil"}.report(t),
		"sixty":    front{name: "front7", listens: true, sessions: []string{"time_wait 10.1.2.3 60"}}.report(t),
		"ranges":   ranges,
		"failed":   failed,
		"usage":    {Service: "MDFRONT", Usage: true, Failure: "-c: '5x' is not a range: the end '5x' is not a number"},
	}
}

// portsReport is the report of three ports, of which one has no listener.
func portsReport(t *testing.T) Report {
	t.Helper()
	counted := tally.New(tally.Rules{
		Normal: tcp.Set(tcp.Established, tcp.Listen), StalledAfter: 10 * time.Second, ByPort: true,
	}, nil, 0)
	for i, state := range []tcp.State{tcp.Listen, tcp.Established, tcp.CloseWait, tcp.Listen, tcp.Established} {
		s := tcp.Socket{State: state, Facts: ^tcp.Facts(0), Inode: 1, RTT: 245 * time.Microsecond,
			Local:  netip.AddrPortFrom(netip.MustParseAddr("10.1.0.7"), 41213+uint16(i/3)),
			Remote: netip.AddrPortFrom(netip.MustParseAddr("10.1.2.3"), 50000)}
		if state == tcp.Listen {
			s.Remote, s.RecvQ, s.SendQ = netip.AddrPort{}, uint32(i), 128
		}
		counted.Add(&s)
	}
	r := front{name: "front7", listens: true}.report(t)
	result := counted.Result(tcp.Look{Provides: ^tcp.Facts(0)})
	r.Ports, r.Result = tcp.Ports{{Lo: 41213, Hi: 41215}}, &result
	r.Diagnosis = diagnosis.Diagnose(result, r.Ports, true, nil)
	r.Verdict = verdict.Judge(r.Policy, r.Ports, result, r.Diagnosis)
	return r
}

// TestClientsOmitted: a source that does not know all clients does not say that none is left out.
func TestClientsOmitted(t *testing.T) {
	for provides, want := range map[tcp.Facts]string{
		^tcp.Facts(0):                   `"clients_omitted":0,`,
		^tcp.Facts(0) &^ tcp.FactClient: `"clients_omitted":null,`,
	} {
		count := tally.New(tally.Rules{}, nil, 0)
		count.Add(&tcp.Socket{State: tcp.Established, Facts: provides, Inode: 7,
			Local: netip.MustParseAddrPort("10.1.0.7:41213"), Remote: netip.MustParseAddrPort("10.1.2.3:50000")})
		result := count.Result(tcp.Look{Provides: provides})
		if line := string(LogLine(Report{Result: &result})); !strings.Contains(line, want) {
			t.Errorf("provides %b: no %s in %s", provides, want, line)
		}
	}
}

// TestWideRange: of many ports only those with sockets are listed.
func TestWideRange(t *testing.T) {
	r := portsReport(t)
	for hi, want := range map[uint16]int{41215: 3, 41312: 100, 41313: 2, 65535: 2} {
		r.Ports[0].Hi = hi
		if got := len(r.byPort()); got != want {
			t.Errorf("41213-%d lists %d ports, want %d", hi, got, want)
		}
	}
}

func TestGeneratedAnswers(t *testing.T) {
	styles := map[string]Style{"nagios": {Verbose: 1, Top: 2}, "json": {Top: 2}, "value": {Metric: tally.Abnormal}}
	for name, r := range reports(t) {
		for _, f := range Formats {
			got := string(f.Render(r, styles[f.Name])) + fmt.Sprintf("exit %d\n", f.ExitCode(r))
			golden.File(t, filepath.Join(goldens, name+"."+f.Name), got)
		}
	}
}

// TestNagiosRules: what a strict reader of the guidelines asks of any output.
func TestNagiosRules(t *testing.T) {
	order := map[string]int{}
	for m := range tally.NumMetrics {
		order[m.String()] = int(m)
	}
	for name, r := range reports(t) {
		for verbose := range 3 {
			out := string(Nagios(r, Style{Verbose: verbose, Top: 5}))
			first, rest, _ := strings.Cut(out, "\n")
			text, perf, hasPerf := strings.Cut(first, " | ")
			if utf8.RuneCountInString(text) >= 200 {
				t.Errorf("%s: %d characters of text", name, utf8.RuneCountInString(text))
			}
			if strings.Contains(perf, "|") || strings.Contains(rest, "|") {
				t.Errorf("%s: a second |: %s", name, out)
			}
			if hasPerf != (r.Result != nil) {
				t.Errorf("%s: perfdata: %v", name, hasPerf)
			}
			if !hasPerf {
				continue
			}
			last := -1
			for _, field := range strings.Split(perf, " ") {
				label, value, _ := strings.Cut(field, "=")
				place, known := order[label]
				if !known || place <= last {
					t.Errorf("%s: %q is no metric or in the wrong place", name, field)
				}
				last = place
				if !regexp.MustCompile(`^[0-9.]+(%|B|s)?;[0-9.@~:-]*;[0-9.@~:-]*;0$`).MatchString(value) {
					t.Errorf("%s: %q is not plain perfdata", name, field)
				}
			}
		}
	}
}

// TestLimits: a thousand clients and a hostile name change no line's form.
func TestLimits(t *testing.T) {
	w := front{name: strings.Repeat("前", 64), listens: true}
	for i := range 3000 {
		w.sessions = append(w.sessions, fmt.Sprintf("close_wait 10.%d.%d.7 1", i/250, i%250))
	}
	r := w.report(t)
	for n := range 64 { // so that the limit falls anywhere in a line
		r.Name = strings.Repeat("x", n)
		out := Nagios(r, Style{Verbose: 2})
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if last := lines[len(lines)-1]; len(out) > 8<<10 || len(out) < 8000 || !strings.HasSuffix(last, " more lines") {
			t.Errorf("%d bytes that end with %q", len(out), last)
		}
	}
	r.Name = w.name
	first, _, _ := strings.Cut(string(Nagios(r, Style{})), " | ")
	if utf8.RuneCountInString(first) >= 200 {
		t.Errorf("%d characters of text", utf8.RuneCountInString(first))
	}
	r.Look.Source, r.Look.Skipped = "procnet", []string{"sockdiag: socket: operation not permitted"}
	first, _, _ = strings.Cut(string(Nagios(r, Style{})), " | ")
	const tail = "... - the front does not close; seen by procnet (sockdiag: socket: operation not permitted)"
	if utf8.RuneCountInString(first) != 199 || !strings.HasSuffix(first, tail) {
		t.Errorf("the source of second choice is cut off: %s", first)
	}
	r.Failure, r.Result = "line 3:\tnot a row: \"a|b\"\x00\n\xff:"+strings.Repeat("x", 300), nil
	for _, f := range []func(Report, Style) []byte{Nagios, HostMonitor, Value} {
		got := string(f(r, Style{}))
		if strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\x00\t") {
			t.Errorf("not one clean line: %q", got)
		}
	}
	notASCII := func(r rune) bool { return r > '~' }
	if got := string(HostMonitor(r, Style{})); strings.Count(got, ":") != 2 || strings.ContainsFunc(got, notASCII) {
		t.Errorf("not a line for HostMonitor: %q", got)
	}
	if !json.Valid(JSON(r, Style{})) || strings.ContainsAny(string(JSON(r, Style{})), "\x00\x7f\u0085") {
		t.Errorf("not JSON: %s", JSON(r, Style{}))
	}
}

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"a|b\tc\nd": "a/b c d", "é\u200b\ufffd": "é", " x ": "x", "1234567890": "1234567890", "12345678901": "1234567...",
		"<b>x</b>": "(b)x(/b)",
	} {
		if got := line(text, 10); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	if got := ascii("front: é\u00ff [::1]~"); got != "front, ?? [  1]~" {
		t.Errorf("in ASCII it is %q", got)
	}
}

// TestListenersOnly: with LISTEN not normal a lonely listener is abnormal, and no client.
func TestListenersOnly(t *testing.T) {
	counted := tally.New(tally.Rules{Normal: tcp.Set(tcp.Established)}, nil, 0)
	counted.Add(&tcp.Socket{State: tcp.Listen, Facts: ^tcp.Facts(0), Local: netip.MustParseAddrPort("10.1.0.7:41213")})
	result := counted.Result(tcp.Look{Provides: ^tcp.Facts(0)})
	r := Report{Ports: tcp.Ports{{Lo: 41213, Hi: 41213}}, Result: &result}
	if got, want := r.Reason(), ":41213 has 1 abnormal socket (1 LISTEN)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWarningCount: a count that only warns does not explain a CRITICAL.
func TestWarningCount(t *testing.T) {
	r := front{
		listens: true, feedAge: 42 * time.Second, policy: []string{"feed_age=30"},
		sessions: []string{"time_wait 10.1.2.3 3", "established 10.1.2.3 1"},
	}.report(t)
	r.Policy.Warning = verdict.Thresholds{tally.Abnormal: {}}
	r.Verdict = verdict.Judge(r.Policy, r.Ports, *r.Result, r.Diagnosis)
	want := "ScriptRes:Bad:3 socket disconnect; feed stalled 42 s\n"
	if got := string(HostMonitor(r, Style{})); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTop: JSON lists as many clients as asked for.
func TestTop(t *testing.T) {
	r := reports(t)["looping"]
	for top, want := range map[int]int{0: 0, 1: 1, 3: 3, 4: 4, 99: 4} {
		var doc struct{ Clients []any }
		if err := json.Unmarshal(JSON(r, Style{Top: top}), &doc); err != nil || len(doc.Clients) != want {
			t.Errorf("top %d lists %d clients, %v; want %d", top, len(doc.Clients), err, want)
		}
	}
}

func TestHostMonitorNumber(t *testing.T) {
	r := reports(t)
	for name, want := range map[string]string{
		"looping": "ScriptRes:Bad:73\n", "healthy": "ScriptRes:Ok:3\n", "feed": "ScriptRes:Bad:3\n",
	} {
		if got := string(HostMonitor(r[name], Style{Number: true})); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestHostMonitorLong: the words of --reply text, then states, top client and diagnosis.
func TestHostMonitorLong(t *testing.T) {
	r := reports(t)
	two := []string{"time_wait 10.1.2.3 2", "established 10.1.2.4 1"}
	r["clients"] = front{listens: true, sessions: two, policy: []string{"clients=1"}}.report(t)
	r["half-open"] = front{listens: true, sessions: two}.report(t)
	judged := r["half-open"]
	judged.Diagnosis = diagnosis.Diagnosis{Code: diagnosis.SynBacklog, Text: "half-open connections pile up"}
	problem := verdict.Problem{Status: verdict.Critical, Metric: tally.NumMetrics}
	problem.Text, problem.Short = judged.Diagnosis.Text, judged.Diagnosis.Text
	judged.Verdict = verdict.Verdict{Status: verdict.Critical, Problems: []verdict.Problem{problem}}
	r["half-open"] = judged
	r["idle"] = front{listens: true}.report(t)
	for name, want := range map[string]string{
		"looping": "Bad:73 socket disconnect; 60 TIME_WAIT, 13 CLOSE_WAIT; 62 from 10.1.2.3; " +
			"one client looping, 84.93 % of them",
		"clients": "Bad:2 socket disconnect; clients is 2; 2 TIME_WAIT; 2 from 10.1.2.3",
		"full": "Bad:3 accept queue of port 41213 is full, 129 of 128; 3 TIME_WAIT; " +
			"3 from 10.1.2.4 (??); the front does not accept",
		"half-open": "Bad:2 socket disconnect; half-open connections pile up; 2 TIME_WAIT; 2 from 10.1.2.3",
		"down":      "Bad:0 nothing listens on port 41213",
		"healthy":   "Ok:3; 3 TIME_WAIT; 3 from 10.1.2.4",
		"idle":      "Ok:0",
		"failed":    "Unknown:sockdiag, socket, operation not permitted",
	} {
		if got := string(HostMonitor(r[name], Style{Long: true})); got != "ScriptRes:"+want+"\n" {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestNothingIsNotOK: a report that nobody filled in is UNKNOWN in every format, and so is one whose snapshot was
// not written.
func TestNothingIsNotOK(t *testing.T) {
	for _, f := range Formats {
		out := strings.ToUpper(string(f.Render(Report{}, Style{})))
		if !strings.Contains(out, "UNKNOWN") || f.ExitCode(Report{Usage: true}) != 3 {
			t.Errorf("%s: %q", f.Name, out)
		}
	}
	unwritten := reports(t)["healthy"]
	unwritten.AddWriteError("snapshot not written: the disk is full")
	for _, f := range Formats {
		out := strings.ToUpper(string(f.Render(unwritten, Style{})))
		if !strings.Contains(out, "UNKNOWN") || f.ExitCode(unwritten) != f.ExitCode(Report{}) {
			t.Errorf("%s: %q", f.Name, out)
		}
	}
	if (Format{}).ExitCode(Report{}) != 3 {
		t.Error("nothing exits 0")
	}
}

// TestLogLineBegins: only the line itself begins with its name. Package report finds by this where a
// line begins after a torn one.
func TestLogLineBegins(t *testing.T) {
	for name, r := range reports(t) {
		line := string(LogLine(r))
		if begin := `{"name":`; !strings.HasPrefix(line, begin) || strings.Count(line, begin) != 1 {
			t.Errorf("%s: %s", name, line)
		}
	}
}
