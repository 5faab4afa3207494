package plugins

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/testkit/population"
)

const (
	spoolFiles   = "../contrib/spool"
	scriptFiles  = "../contrib/hostmonitor"
	spoolFolder  = "/var/spool/frontsockets" // in these files
	pluginFolder = "/usr/lib/nagios/plugins"

	collectorID = 65534 // user and group
	readerID    = 65533 // the agent's user, who is in the collector's group
)

// oldCrontab is the schedule of the scripts that contrib/spool replaces.
var oldCrontab = []string{
	"*/1 8-15 * * 1-5",
	"*/1 20-23 * * 1-5",
	"00-59/1 23 * * 1-5",
	"*/1 0-2 * * 2-6",
}

func readSpoolFile(t *testing.T, name string) string {
	t.Helper()
	return readContrib(t, filepath.Join(spoolFiles, name))
}

func readContrib(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// job is a line of contrib/spool/crontab.
type job struct{ schedule, user, command, program string }

func spoolJobs(t *testing.T) []job {
	t.Helper()
	// cron reads % as the end of the command.
	form := regexp.MustCompile(`^(\S+ \S+ \S+ \S+ \S+) (\w+) (` + pluginFolder + `/(check_\w+) [^%]*)\n$`)
	var jobs []job
	for line := range strings.Lines(readSpoolFile(t, "crontab")) {
		if line == "\n" || strings.HasPrefix(line, "#") { // also LOG=, which is switched off
			continue
		}
		m := form.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a job: %q", line)
		}
		jobs = append(jobs, job{m[1], m[2], m[3], m[4]})
	}
	return jobs
}

// week is how often something runs in each minute from Sunday 00:00.
type week [7 * 24 * 60]int

// add adds what a schedule in the five fields of cron runs.
func (w *week) add(t *testing.T, schedule string) {
	t.Helper()
	f := strings.Fields(schedule)
	if len(f) != 5 || f[2] != "*" || f[3] != "*" {
		t.Fatalf("%q is not a schedule of a week", schedule)
	}
	minutes, hours, days := cronField(t, f[0], 59), cronField(t, f[1], 23), cronField(t, f[4], 6)
	for i := range w {
		if minutes[i%60] && hours[i/60%24] && days[i/60/24] {
			w[i]++
		}
	}
}

// cronField reads one field, whose values are 0 to last, such as "*/1" or "0-2,5".
func cronField(t *testing.T, field string, last int) map[int]bool {
	t.Helper()
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > last {
			t.Fatalf("%q in %q is not a number from 0 to %d", s, field, last)
		}
		return n
	}
	values := map[int]bool{}
	for _, part := range strings.Split(field, ",") {
		span, by, stepped := strings.Cut(part, "/")
		if span == "*" {
			span = fmt.Sprintf("0-%d", last)
		}
		from, to, isRange := strings.Cut(span, "-")
		if !isRange {
			to = from
		}
		step := 1
		if stepped {
			step = max(number(by), 1)
		}
		for i := number(from); i <= number(to); i += step {
			values[i] = true
		}
	}
	return values
}

// addCalendar adds what systemd makes of an OnCalendar line.
func (w *week) addCalendar(t *testing.T, spec string) {
	t.Helper()
	// 2026-11-22 is a Sunday. One more than the minutes of a week reaches the next.
	cmd := exec.Command("systemd-analyze", "calendar", "--base-time=2026-11-21 23:59:59",
		fmt.Sprintf("--iterations=%d", len(w)+1), spec)
	cmd.Env = []string{"TZ=UTC", "LC_ALL=C"}
	out, code := run(t, cmd)
	if code != 0 {
		t.Fatalf("%s: exit %d, %s", spec, code, out)
	}
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, m := range regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`).FindAllString(out, -1) {
		at, err := time.Parse(time.DateTime, m)
		if err != nil || at.Second() != 0 {
			t.Fatalf("%s: %q, %v; want a full minute", spec, m, err)
		}
		if minute := int(at.Sub(start).Minutes()); minute < len(w) {
			w[minute]++
		}
	}
}

// TestSpoolHours: cron and the timers collect in the minutes in which the old
// crontab did, once in each.
func TestSpoolHours(t *testing.T) {
	var want week
	for _, schedule := range oldCrontab {
		want.add(t, schedule)
	}
	total := 0
	for i, n := range want {
		want[i] = min(n, 1)
		total += want[i]
	}
	if total != 5*(8+4+3)*60 {
		t.Fatalf("the old crontab has %d minutes", total)
	}
	equal := func(what string, got week) {
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %d times on %s at %02d:%02d, want %d", what, got[i], time.Weekday(i/60/24), i/60%24, i%60, want[i])
				return
			}
		}
	}

	byProgram := map[string]week{}
	for _, j := range spoolJobs(t) {
		w := byProgram[j.program]
		w.add(t, j.schedule)
		byProgram[j.program] = w
	}
	for _, program := range []string{MDFront.Program, Front.Program} {
		equal(program+" in crontab", byProgram[program])
	}

	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		population.Skip(t, "there is no systemd-analyze to read the timer")
	}
	var timer week
	for _, m := range regexp.MustCompile(`(?m)^OnCalendar=(.*)$`).FindAllStringSubmatch(readSpoolFile(t,
		"frontsockets-spool@.timer"), -1) {
		timer.addCalendar(t, m[1])
	}
	equal("the timer", timer)
}

// TestSpoolUnits: systemd takes the units without a word, they run what cron runs,
// and the folder is one that the collector's group can read.
func TestSpoolUnits(t *testing.T) {
	for _, program := range []string{"systemd-analyze", "systemd-sysusers", "systemd-tmpfiles"} {
		if _, err := exec.LookPath(program); err != nil {
			population.Skip(t, "there is no "+program)
		}
	}
	dir := programs(t)
	for _, unit := range []string{"frontsockets-spool@.service", "frontsockets-spool@.timer"} {
		text := strings.ReplaceAll(readSpoolFile(t, unit), pluginFolder, dir)
		if err := os.WriteFile(filepath.Join(dir, unit), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, front := range []string{"mdfront", "front"} {
		unit := filepath.Join(dir, "frontsockets-spool@"+front)
		// What verify does not like it says on stderr, which has to be empty.
		if out, code := run(t, exec.Command("systemd-analyze", "verify", unit+".service", unit+".timer")); code != 0 ||
			out != "" {
			t.Errorf("%s: exit %d, %s", front, code, out)
		}
		start := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(readSpoolFile(t,
			"frontsockets-spool@.service"))[1]
		start = strings.ReplaceAll(start, "%i", front) + " >/dev/null 2>&1"
		for _, j := range spoolJobs(t) {
			if j.program == "check_"+front+"_sockets" && j.command != start {
				t.Errorf("cron runs %q, the unit %q", j.command, start)
			}
		}
	}

	nobody(t, exec.Command("true")) // skips where files can have one owner only
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"systemd-sysusers", "frontsockets.sysusers"},
		{"systemd-tmpfiles", "--create", "frontsockets.tmpfiles"}} {
		last := len(command) - 1
		file, err := filepath.Abs(filepath.Join(spoolFiles, command[last]))
		if err != nil {
			t.Fatal(err)
		}
		// sysusers says on stderr which users it makes.
		if out, err := exec.Command(command[0], append(command[1:last:last], "--root="+root,
			file)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil || !regexp.MustCompile(`(?m)^frontsockets:x:\d+:\d+:.*:/usr/sbin/nologin$`).Match(passwd) {
		t.Errorf("%v, passwd has %q", err, passwd)
	}
	info, err := os.Stat(filepath.Join(root, spoolFolder))
	if err != nil || info.Mode() != os.ModeDir|0o750 || info.Sys().(*syscall.Stat_t).Gid == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

// spool is contrib/spool, installed for a test.
type spool struct {
	t   *testing.T
	dir string // of the programs and the scripts; the snapshots are in spool
}

func installSpool(t *testing.T) spool {
	t.Helper()
	nobody(t, exec.Command("true")) // skips where no one can become another user
	// The files have the fronts' own ports, on which other tests leave TIME_WAITs. This
	// thread gets a namespace of its own, and so does what it starts.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	population.Need(t)
	s := spool{t, programs(t)}
	// As frontsockets.tmpfiles makes it.
	if err := os.Mkdir(s.folder(), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(s.folder(), collectorID, collectorID); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s spool) folder() string { return filepath.Join(s.dir, "spool") }

// here puts the folders of this test into a text.
func (s spool) here(text string) string {
	return strings.NewReplacer(pluginFolder, s.dir, spoolFolder, s.folder()).Replace(text)
}

// collect runs every line of the crontab for a program as cron does, with more variables.
func (s spool) collect(program string, variables ...string) {
	s.t.Helper()
	lines := 0
	for _, j := range spoolJobs(s.t) {
		if j.program != program {
			continue
		}
		lines++
		cmd := nobody(s.t, exec.Command("/bin/sh", "-c", s.here(j.command)))
		cmd.Dir = "/"
		cmd.Env = append(variables, "HOME=/", "LOGNAME="+j.user, "SHELL=/bin/sh", "PATH=/usr/bin:/bin")
		// What cron reads here it mails.
		if out, code := run(s.t, cmd); out != "" || code != 0 && code != 2 {
			s.t.Fatalf("%s: exit %d, %q", j.command, code, out)
		}
	}
	if lines != 2 {
		s.t.Fatalf("the crontab has %d lines for %s", lines, program)
	}
}

// script installs a script, with other words at its top, and gives its path.
func (s spool) script(name string, changes ...string) string {
	s.t.Helper()
	text := readContrib(s.t, filepath.Join(scriptFiles, name))
	for i := 0; i < len(changes); i += 2 {
		if strings.Count(text, changes[i]) != 1 {
			s.t.Fatalf("%s does not have one %q", name, changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(s.here(text)), 0o755); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// ask runs a script as HostMonitor's agent does, in an environment that means it
// ill, by each shell that /bin/sh may be. All must give the same line and exit code.
func (s spool) ask(script, want string, exit int, args ...string) {
	s.t.Helper()
	trap := filepath.Join(s.dir, "trap")
	if err := os.WriteFile(trap, []byte("echo ScriptRes:Ok:0\nexit\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
	line := regexp.MustCompile(`^` + want + `\n$`)
	for _, shell := range []struct{ program, as string }{
		{script, script}, {"dash", "sh"}, {"bash", "sh"}, {"bash", "bash"}, {"busybox", "sh"},
	} {
		path, err := exec.LookPath(shell.program)
		if err != nil {
			population.Skip(s.t, "there is no "+shell.program)
		}
		cmd := &exec.Cmd{Path: path, Args: append([]string{shell.as, script}, args...), Dir: "/"}
		if path == script {
			cmd.Args = cmd.Args[1:]
		}
		cmd.Env = []string{
			"PATH=", "IFS=05", "CDPATH=/", "ENV=" + trap, "LC_ALL=C.UTF-8", "POSIXLY_CORRECT=1",
			"BASH_FUNC_printf%%=() { echo ScriptRes:Ok:0; }", "BASH_FUNC_test%%=() { return 0; }", "BASH_FUNC_unknown%%=()" +
				" { return 0; }",
			"check=/bin/true", "source=snapshot:/nowhere", "max_age=1h",
			"GODEBUG=inittrace=1", "GO_FLAGS_COMPLETION=1", "HOST_PROC=" + s.dir,
		}
		if shell.as == "sh" {
			cmd.Env = append(cmd.Env, "BASH_ENV="+trap)
		}
		nobody(s.t, cmd).SysProcAttr.Credential.Uid = readerID
		if out, code := run(s.t, cmd); !line.MatchString(out) || code != exit {
			s.t.Errorf("%s as %q: exit %d, %q; want %d, %q", path, cmd.Args, code, out, exit, want)
		}
	}
}

// unknown is the line for a reason that has such words. HostMonitor can read it
// whole: it is ASCII without a colon.
func unknown(words string) string {
	const some = `[ -9;-~]*`
	return "ScriptRes:Unknown:" + some + "(" + words + ")" + some
}

// TestSpool: cron's commands and the scripts, on real fronts.
func TestSpool(t *testing.T) {
	s := installSpool(t)
	for _, front := range []struct {
		program, script, snapshot string
		port, threshold           int
	}{
		{MDFront.Program, "checkMdfrontSocket", "mdfront", 41213, 50},
		{Front.Program, "checkfrontSocket", "front", 41205, 100},
	} {
		snapshot := filepath.Join(s.folder(), front.snapshot)
		recorded := "source=snapshot:" + snapshot
		fresh := s.script(front.script, "source=auto", recorded)
		ask := func(script, want string) {
			t.Helper()
			s.ask(script, want, 0, "front7", strconv.Itoa(front.threshold))
		}
		ok := fmt.Sprintf("ScriptRes:Ok:%d", front.threshold-1)
		bad := fmt.Sprintf("ScriptRes:Bad:%d socket disconnect", front.threshold)

		ask(fresh, unknown("no such file")) // nothing was collected yet
		s.collect(front.program)
		ask(fresh, fmt.Sprintf("ScriptRes:Bad:0 nothing listens on port %d", front.port))

		f := population.Listen(t, "tcp4", fmt.Sprintf("127.0.0.1:%d", front.port))
		f.Make("established", 20, population.Addresses(3)...)
		f.Make("fin_wait2", front.threshold-1, population.Addresses(3)...)
		s.collect(front.program)
		ask(fresh, ok)
		f.Make("fin_wait2", 1, "127.0.0.11")
		ask(fresh, ok) // the snapshot speaks, not the kernel
		s.collect(front.program)
		ask(fresh, bad)
		info, err := os.Stat(snapshot)
		if err != nil || info.Mode() != 0o640 {
			t.Fatal(info, err)
		}

		// The collector stops, and starts again.
		hasty := s.script(front.script, "source=auto", recorded, "max_age=2m30s", "max_age=1s")
		time.Sleep(1100 * time.Millisecond)
		ask(hasty, unknown("too old"))
		s.collect(front.program)
		patient := s.script(front.script, "source=auto", recorded, "max_age=2m30s", "max_age=1h")
		ask(patient, bad)

		whole, err := os.ReadFile(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]byte{nil, whole[:1], whole[:len(whole)/2], whole[:len(whole)-1]} {
			if err := os.WriteFile(snapshot, part, 0o640); err != nil {
				t.Fatal(err)
			}
			ask(patient, unknown("empty|cut short|truncated"))
		}
		if err := os.Remove(snapshot); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(s.folder()); err != nil || len(left) > 0 {
			t.Errorf("the collector left %v, %v", left, err)
		}
		f.Close()
	}
}

// TestSpoolScripts: the scripts without a collector, and what they do with their
// parameters.
func TestSpoolScripts(t *testing.T) {
	s := installSpool(t)
	for _, front := range []struct {
		script string
		port   int
	}{
		{"checkMdfrontSocket", 41213},
		{"checkfrontSocket", 41205},
	} {
		f := population.Listen(t, "tcp4", fmt.Sprintf("127.0.0.1:%d", front.port))
		f.Make("fin_wait2", 50, population.Addresses(3)...)
		live := s.script(front.script)
		for threshold, want := range map[string]string{
			"0": "Bad:50 socket disconnect", "50": "Bad:50 socket disconnect", "51": "Ok:50",
			// Decimal, whatever it starts with. The old script read octal: 050 was 40.
			"050": "Bad:50 socket disconnect", "051": "Ok:50", "08": "Bad:50 socket disconnect",
			"0000000000000000000050": "Bad:50 socket disconnect", "999999999999999": "Ok:50", "1000000000000000": "Ok:50",
			"18446744073709551617": "Ok:50", "0099999999999999999999999": "Ok:50",
		} {
			s.ask(live, "ScriptRes:"+want, 0, "front7", threshold)
		}
		for _, name := range []string{"a b", "-n", "--help", "$(id)", "*", "a=b", "front7:md"} {
			s.ask(live, "ScriptRes:Ok:50", 0, name, "51")
		}
		for _, wrong := range [][]string{
			{}, {"front7"}, {""}, {"", "50"}, {"front7", ""}, {"front7", "50", "1"}, {"front", "7", "50"}, {"front7", "fifty"},
			{"front7", "-1"}, {"front7", "+1"}, {"front7", "5.5"}, {"front7", "50:"}, {"front7", "1e3"}, {"front7",
				"0x32"}, {"front7", " 50"},
			{"front7", "5\n0"}, {"front7", "٥٠"}, {"front7", "5²"}, {"front7", "50;id"}, {"a|b", "50"}, {"--help"}, {"50",
				"front7"},
		} {
			s.ask(live, unknown("NAME THRESHOLD|not a whole number|not a name"), 3, wrong...)
		}
		for _, place := range []string{"/nowhere/check", "/etc", "/etc/passwd"} {
			s.ask(s.script(front.script, "check="+pluginFolder, "check="+place+" #"), unknown("not installed"), 3, "front7",
				"50")
		}
		// Go's runtime ends with 2 and says nothing on stdout where it cannot start.
		dead := filepath.Join(s.dir, "dead")
		if err := os.WriteFile(dead, []byte("#!/bin/sh\necho fatal error >&2\nexit 2\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.ask(s.script(front.script, "check="+pluginFolder, "check="+dead+" #"), unknown("gave no answer, exit code 2"), 3,
			"front7", "50")
		f.Close()
	}
}
