package plugins

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// at runs a profile at a time of the test's choice.
func at(now time.Time, p Profile, args ...string) (string, int) {
	out, code := p.respond(args, strings.NewReader(""), now)
	return string(out), code
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// saved is a snapshot of a front with n clients in TIME_WAIT, taken at noon.
func saved(t *testing.T, n int, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdfront")
	if out, code := at(noon, front(n), append(args, "--save", file, "-c", "1000")...); code != 0 {
		t.Fatalf("exit %d, %s", code, out)
	}
	return file
}

// TestSnapshot: a snapshot has the answer of the look that it was taken from, for any
// thresholds and formats, and says whose it is and of when.
func TestSnapshot(t *testing.T) {
	file := saved(t, 60)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	later := noon.Add(2 * time.Minute)
	live, _ := at(noon, front(60), "-vv")
	got, code := at(later, MDFront, "-s", "snapshot:"+file, "-vv")
	remark := "; seen at 2026-11-23T12:00:00Z by fake on " + host + " | "
	// nobody asks of a recording
	live = strings.Replace(live, "process unknown: this source does not show who owns a socket\n", "", 1)
	if want := strings.Replace(live, " | ", remark, 1); code != 2 || got != want {
		t.Errorf("exit %d, got\n%swant\n%s", code, got, want)
	}
	for args, want := range map[string]int{"-c 59": 2, "-c 60": 0, "-w 10 -c 60": 1, "-c 1000 -c feed_age=3": 3,
		"--normal time_wait,listen": 0, "-p 41213 -a 10.1.0.7": 2} {
		if out, code := at(later, MDFront, append([]string{"-s", "snapshot:" + file},
			strings.Fields(args)...)...); code != want {
			t.Errorf("%s: exit %d, want %d: %s", args, code, want, out)
		}
	}
	if out, _ := at(later, MDFront, "-s", "snapshot:"+file, "-f",
		"hostmonitor"); out != "ScriptRes:Bad:60 socket disconnect\n" {
		t.Error(out)
	}
	if out, _ := at(later, MDFront, "-s", "snapshot:"+file, "-f", "json"); !strings.Contains(out,
		`"source":"fake","host":"`+host+`","time":"2026-11-23T12:00:00Z",`) {
		t.Error(out)
	}

	// Saved again it is as old as it was.
	again := filepath.Join(t.TempDir(), "again")
	if out, code := at(later, MDFront, "-s", "snapshot:"+file, "--save", again, "-c", "1000"); code != 0 {
		t.Error(out)
	}
	first, _ := os.ReadFile(file)
	second, err := os.ReadFile(again)
	if err != nil || string(first) != string(second) {
		t.Errorf("saved again, %v:\n%s", err, second)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %s, %v", info.Mode(), err)
	}
}

// TestUnfitSnapshot: a snapshot that cannot answer is UNKNOWN with the reason.
func TestUnfitSnapshot(t *testing.T) {
	good, err := os.ReadFile(saved(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(good), "\n")
	header, row, trailer := lines[0], lines[2], lines[len(lines)-2]
	replaced := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for _, test := range []struct {
		name, text string
		now        time.Time
		args, want string
	}{
		{"too old", string(good), noon.Add(151 * time.Second), "", "too old: 2m31s, and --max-age is 2m30s: does"},
		{"too old for us", string(good), noon.Add(2 * time.Second), "--max-age 1.5",
			"too old: 2s, and --max-age is 1.5s: does"},
		{"from the future", string(good), noon.Add(-time.Minute), "", "dated 1m0s in the future: "},
		{"another port", string(good), noon, "-p 41213-41214", "port 41214 was not recorded, only 41213: "},
		{"empty", "", noon, "", "empty"},
		{"cut short", header + row, noon, "", "cut short after line 2: copy it again, or save it again"},
		{"cut in a row", strings.TrimSpace(string(good)[:len(header)+30]), noon, "",
			"line 2: cut short, it has no end of line"},
		{"a row lost", header + row + trailer, noon, "",
			`line 3: 1 rows came before, and it counts 4: the file was changed;`},
		{"more behind it", string(good) + row, noon, "", "line 7: text after the end of the snapshot: "},
		{"another version", replaced(`"frontsockets_snapshot":1`, `"frontsockets_snapshot":2,"new":3`), noon, "",
			"a snapshot of version 2, and this check reads version 1: a newer check saved it;"},
		{"no snapshot", "hello\n", noon, "", "line 1: not the header of a snapshot: save it again, or" +
			" leave out what was put before it; for the output of netstat or ss write that word instead of snapshot after -s"},
		{"netstat", "Active Internet connections (servers and established)\nProto Recv-Q\n", noon, "",
			"line 1: this looks like the output of netstat: write netstat instead of snapshot after -s"},
		{"netstat of Windows", "\nAktive Verbindungen\n", noon, "", "line 1: not the header of a snapshot: save it"},
		{"netstat without a title", "tcp4 0 0 10.1.0.7.41213 10.1.2.3.5001 CLOSE_WAIT\n", noon, "",
			"line 1: this looks like the output of netstat: write netstat instead of snapshot after -s"},
		{"ss", "State  Recv-Q Send-Q Local Address:Port\n", noon, "",
			"line 1: this looks like the output of ss: write ss instead of snapshot after -s"},
		{"ss without a header", "LISTEN 0 128 0.0.0.0:41213 0.0.0.0:*\n", noon, "",
			"line 1: this looks like the output of ss: write ss instead of snapshot after -s"},
		{"other JSON", "{}\n", noon, "", `line 1: not the header of a snapshot`},
		{"binary", "\x00\x01\x02\n", noon, "", `line 1: not text`},
		{"a state that is none", replaced("time_wait", "time_waits"), noon, "",
			`line 3: not as --save wrote it (an unknown TCP state): it was changed,`},
		{"a fact that is none", replaced(`"drops"`, `"dropz"`), noon, "",
			`line 1: not as --save wrote it (an unknown fact)`},
		{"a member that is none", replaced(`"inode":`, `"inodes":`), noon, "",
			`line 2: not as --save wrote it (an unknown member, or a value that cannot be read)`},
		{"no facts", replaced(`"blind":[]`, `"blind":null`), noon, "",
			"line 1: not as --save wrote it (the header is incomplete)"},
		{"a port that was not asked for", replaced("10.1.0.7:41213", "10.1.0.7:41214"), noon, "",
			"line 3: not as --save wrote it (port 41214 is not in line 1)"},
		{"a negative number", replaced(`"recv_q":0`, `"recv_q":-5`), noon, "",
			"line 2: not as --save wrote it (recv_q has a wrong value)"},
		{"an address that is none", replaced("10.1.2.3:", "10.1.2.300:"), noon, "",
			`line 3: not as --save wrote it (an unknown member, or a value that cannot be read)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "snapshot")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, code := at(test.now, MDFront, append(strings.Fields(test.args), "-s", "snapshot:"+file, "-f", "json")...)
			reason := metrics(t, out)["reason"]
			if want := "snapshot:" + file + ": " + test.want; code != 3 || !strings.Contains(reason, want) {
				t.Errorf("exit %d, got %s\nwant %s", code, reason, want)
			}
		})
	}
	// A clock that is a moment ahead is no future.
	file := saved(t, 3)
	if out, code := at(noon.Add(-time.Second), MDFront, "-s", "snapshot:"+file); code != 0 {
		t.Error(out)
	}
}

// TestSnapshotOfAddresses: what was recorded for some addresses does not answer for all.
func TestSnapshotOfAddresses(t *testing.T) {
	file := saved(t, 3, "-a", "10.1.0.0/16")
	for args, want := range map[string]string{
		"":                          ": it was saved with -a 10.1.0.0/16: give that here, too, or save it without -a\n",
		"-a 10.0.0.0/8":             ": 10.0.0.0/8 was not recorded: it was saved with -a 10.1.0.0/16; give",
		"-a 10.1.0.7 -a 10.2.0.0/9": ": 10.0.0.0/9 was not recorded: it was saved with -a 10.1.0.0/16; give",
		"-a 10.1.0.7":               " OK: :41213 has 3 abnormal sockets (3 TIME_WAIT) from 10.1.2.3; ",
	} {
		if out, _ := at(noon, MDFront, append(strings.Fields(args), "-s", "snapshot:"+file)...); !strings.Contains(out,
			want) {
			t.Errorf("%q: %s", args, out)
		}
	}
}

// TestOverMidnight: the seed's file was another one each day. Here midnight is a
// minute like any other: fresh before, fresh after, and stale when the collector stopped.
func TestOverMidnight(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mdfront")
	shanghai := time.FixedZone("CST", 8*60*60)
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, shanghai)
	if out, code := at(midnight.Add(-30*time.Second), front(49), "--save", file, "-f", "hostmonitor"); code != 0 ||
		out != "ScriptRes:Ok:49\n" {
		t.Fatalf("exit %d, %s", code, out)
	}
	for after, want := range map[time.Duration]string{
		-time.Second: "ScriptRes:Ok:49", 0: "ScriptRes:Ok:49",
		time.Second: "ScriptRes:Ok:49", 2 * time.Minute: "ScriptRes:Ok:49",
		2*time.Minute + time.Second: "ScriptRes:Unknown:snapshot " + file +
			", too old, 2m31s, and --max-age is 2m30s, does the job that writes it still run?",
		24 * time.Hour: "ScriptRes:Unknown:snapshot " + file +
			", too old, 24h0m30s, and --max-age is 2m30s, does the job that writes it still run?",
	} {
		if out, code := at(midnight.Add(after), MDFront, "-s", "snapshot:"+file, "-f", "hostmonitor"); code != 0 ||
			out != want+"\n" {
			t.Errorf("%s after midnight: exit %d, %s", after, code, out)
		}
	}
}

// TestSaveError: a snapshot that cannot be written makes the answer UNKNOWN, unless it
// is CRITICAL, and is named in any case.
func TestSaveError(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for file, cause := range map[string]string{
		filepath.Join(dir, "nowhere", "mdfront"): "its folder does not exist",
		dir:                                      "not a regular file: a directory",
		link:                                     "not a regular file: a symbolic link",
	} {
		unsaved := "snapshot not written: " + cause + ": " + file
		for n, want := range map[int]int{0: 3, 20: 3, 60: 2} { // OK, WARNING and CRITICAL otherwise
			out, code := at(noon, front(n), "--save", file, "-w", "10", "-f", "json")
			if reason := metrics(t, out)["reason"]; code != want || !strings.Contains(reason, unsaved) {
				t.Errorf("%d sockets: exit %d, %s\nwant %d, %s", n, code, reason, want, unsaved)
			}
			out, _ = at(noon, front(n), "--save", file, "-w", "10", "-v")
			first, details, _ := strings.Cut(out, "\n")
			if text, _, _ := strings.Cut(first, " | "); !strings.Contains(text, "; snapshot not written: "+cause[:12]) ||
				len([]rune(text)) > 199 || !strings.Contains(details, "UNKNOWN: "+unsaved) {
				t.Errorf("%d sockets: %s", n, out)
			}
			ascii := strings.ReplaceAll(unsaved, ": ", ", ")
			line := map[int]string{0: "ScriptRes:Unknown:" + ascii, 20: "ScriptRes:Unknown:" + ascii,
				60: "ScriptRes:Bad:60 socket disconnect; " + ascii}[n]
			if out, code := at(noon, front(n), "--save", file, "-w", "10", "-f", "hostmonitor"); code != 0 ||
				!strings.HasPrefix(out, line) {
				t.Errorf("%d sockets: %swant %s", n, out, line)
			}
		}
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "precious" {
		t.Errorf("the target of the link has %q, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestBadRecordings: an error that names the source, the line and the text.
func TestBadRecordings(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "capture")
	const header = "Proto Recv-Q Send-Q Local Address           Foreign Address         State\n"
	if err := os.WriteFile(file, []byte(header+"tcp 0 0 10.1.0.7:41213 10.1.2.3:70000 TIME_WAIT\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"netstat:" + file: `netstat:` + file + `: line 2: '10.1.2.3:70000' has a port over 65535; ` +
			`capture with LC_ALL=C netstat -antW into a file, or with ss -tan for -s ss:FILE: ` +
			`"tcp 0 0 10.1.0.7:41213 10.1.2.3:70000 TIME_WAIT"`,
		"netstat:" + dir:                 "netstat:" + dir + ": is a directory",
		"ss:" + dir + "/none":            "ss:" + dir + "/none: no such file or directory",
		"snapshot:" + dir + "/none":      "snapshot:" + dir + "/none: no such file or directory",
		"netstat:-":                      "netstat:-: empty: the command that wrote it printed nothing",
		"snapshot:-":                     "snapshot:-: empty",
		"netstat:":                       "-s: 'netstat:' is not a source (did you mean netstat:FILE?); use ",
		"tcpdump:" + file:                "-s: 'tcpdump:" + file + "' is not a source; use one of auto, ",
		"sockdiag:" + file:               "-s: 'sockdiag:" + file + "' is not a source (did you mean sockdiag?); use ",
		"netstat:" + file + " --netns 1": "-s: 'netstat:" + file + "' is a recording, which --netns cannot look into",
		"auto --netns=":                  "--netns: its value is empty",
		"auto --save=":                   "--save: its value is empty",
		"auto --save -":                  "--save: '-' is not a file; stdout has the answer",
		"netstat:" + file + " --save " + dir + "/." + strings.TrimPrefix(file, dir): "--save: it is the file of" +
			" -s; give another",
		"auto --save " + file + " --log " + file: "--log: it is the file of --save; give another",
		"auto --max-age 0":                       "--max-age: '0' is not a time above 0; ",
	} {
		out, code := at(noon, MDFront, append(strings.Fields("-f json -s"), strings.Fields(source)...)...)
		if reason := metrics(t, out)["reason"]; code != 3 || !strings.Contains(reason, want) {
			t.Errorf("%s: exit %d, %s", source, code, reason)
		}
	}
}

// TestOldCapture: a capture may be of any age, unless --max-age says otherwise; its
// time is the file's.
func TestOldCapture(t *testing.T) {
	file := filepath.Join(t.TempDir(), "capture")
	const text = "tcp 0 0 0.0.0.0:41213 0.0.0.0:* LISTEN\ntcp 0 0 10.1.0.7:41213 10.1.2.3:5 TIME_WAIT\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, noon, noon); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^MDFRONT OK: :41213 has 1 abnormal socket \(1 TIME_WAIT\) from 10\.1\.2\.3; ` +
		`seen at 2026-11-23T\d\d:00:00[+-Z]\S* by netstat:\S+`)
	for args, old := range map[string]bool{"": false, "--max-age 24h": false, "--max-age 23h": true} {
		out, code := at(noon.Add(24*time.Hour), MDFront, append(strings.Fields(args), "-s", "netstat:"+file)...)
		if !old && (code != 0 || !want.MatchString(out)) || old && (code != 3 || !strings.Contains(out,
			": too old: 24h0m0s, and --max-age is 23h0m0s: does the job that writes it still run?\n")) {
			t.Errorf("%q: exit %d, %s", args, code, out)
		}
	}
	// So it is if stdin is the file.
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if out, code := MDFront.respond([]string{"-s", "netstat:-", "--max-age", "1"}, f, noon.Add(time.Hour)); code != 3 ||
		!strings.Contains(string(out), "too old: 1h0m0s, and --max-age is 1s: ") {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, code := at(noon.Add(-time.Hour), MDFront, "-s", "netstat:"+file, "--max-age", "1h"); code != 3 ||
		!strings.Contains(out, "dated 1h0m0s in the future: compare the clocks") {
		t.Errorf("exit %d, %s", code, out)
	}
	// From a pipe it is as old as the look.
	out, code := MDFront.respond([]string{"-s", "netstat:-", "--max-age", "1"}, strings.NewReader(text), noon)
	if code != 0 || !strings.Contains(string(out), fmt.Sprintf("seen at %s by netstat:-; ", noon.Format(time.RFC3339))) {
		t.Errorf("exit %d, %s", code, out)
	}
}

// TestLongestQueues: a queue and a backlog of 4,294,967,295, the largest that a source can give,
// stay what they are. On 32 bits an int would make -1 of them, and the answer OK.
func TestLongestQueues(t *testing.T) {
	header := `{"frontsockets_snapshot":1,"time":"2026-11-23T12:00:00Z","host":"f","source":"sockdiag","passed":[],` +
		`"ports":"41213-41214","addresses":[],"tells":["client","recv_q","backlog","inode","drops"],"blind":[]}` + "\n"
	rows := `{"state":"listen","local":"10.1.0.7:41213","recv_q":4294967295,"backlog":4294967295,"inode":5,"drops":0}` +
		"\n" + `{"state":"listen","local":"10.1.0.7:41214","recv_q":0,"backlog":128,"inode":6,"drops":0}` + "\n"
	source := "snapshot:" + file(t, header+rows+`{"sockets":2}`+"\n")
	for _, test := range []struct {
		args, want string
		code       int
	}{
		{"", " accept_queue=4294967295;;;0 accept_queue_pct=100%", 0},
		{"-c accept_queue=4294967294", "MDFRONT CRITICAL: accept_queue is 4294967295 ", 2},
		{"-c accept_queue_pct=99", "MDFRONT CRITICAL: accept_queue_pct is 100% ", 2},
		{"-f json", `"accept_queue":4294967295}`, 0},
		{"-v", "accept queue 4294967295 of 4294967295", 0},
	} {
		args := append(strings.Fields(test.args), "-s", source, "-p", "41213-41214")
		if out, code := at(noon, MDFront, args...); code != test.code || !strings.Contains(out, test.want) {
			t.Errorf("%s: exit %d, %swant %s", test.args, code, out, test.want)
		}
	}
}
