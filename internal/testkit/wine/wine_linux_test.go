//go:build wine

// Package wine runs the Windows programs under wine: make wine. The sockets of a program under
// wine are sockets of the Linux kernel, so the tests can compare the check with ss.
package wine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/testkit/population"
)

const (
	bootLimit = time.Minute      // for wine to fill its folder
	stepLimit = 20 * time.Second // for each other step
)

// dirVar is a variable of the second process: the folder of the Windows programs. The first
// process builds them, because the second one is in a network namespace, where go cannot
// download modules.
const dirVar = "FRONTSOCKETS_WINDOWS"

func TestMain(m *testing.M) { os.Exit(start(m)) }

// start builds the programs, runs the tests in a new network namespace and returns the exit code.
func start(m *testing.M) (code int) {
	if os.Getenv(dirVar) == "" {
		dir, err := os.MkdirTemp("", "frontsockets")
		if err == nil {
			defer os.RemoveAll(dir)
			err = build(dir)
		}
		// The processes of wine become orphans. As the subreaper this process can wait for them,
		// even if the second process has panicked.
		if err == nil {
			err = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		os.Setenv(dirVar, dir)
		defer func() {
			if err := reap(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}()
	}
	code, entered := population.Enter()
	if entered {
		code = m.Run()
	}
	return code
}

// reap waits until no child is left. After stepLimit it kills those that are left.
func reap() error {
	for deadline := time.Now().Add(stepLimit); ; time.Sleep(20 * time.Millisecond) {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		for pid > 0 {
			pid, err = unix.Wait4(-1, nil, unix.WNOHANG, nil)
		}
		if err == unix.ECHILD {
			return nil
		}
		if time.Now().After(deadline.Add(stepLimit)) {
			return errors.New("processes of wine do not end")
		}
		if time.Now().After(deadline) {
			// The children of a killed child become ours, so this is repeated.
			for _, child := range children() {
				_ = unix.Kill(child, unix.SIGKILL)
			}
		}
	}
}

// children returns the process ids of the children.
func children() (pids []int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list) // the thread may have ended
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// build builds the Windows programs into the folder.
func build(dir string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "forceposix", "-o", dir,
		"frontsockets/cmd/check_mdfront_sockets", "frontsockets/cmd/check_front_sockets", "frontsockets/cmd/front_drill")
	cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for windows: %w\n%s", err, out)
	}
	return nil
}

// machine is a Windows installation for one test.
type machine struct {
	dir          string // of the programs, and of all files of wine
	wine, server string
}

// newMachine boots wine in a new folder.
func newMachine(t *testing.T) machine {
	t.Helper()
	population.Need(t)
	m := machine{dir: os.Getenv(dirVar), wine: tool(t, "wine64"), server: tool(t, "wineserver")}
	t.Cleanup(func() { // the context of the test has ended then
		ctx, cancel := context.WithTimeout(context.Background(), stepLimit)
		defer cancel()
		_ = m.command(ctx, m.server, "-k").Run() // fails if the server has ended
	})
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	// There is no pipe for the output: the server that this starts would keep it open.
	if err := m.command(ctx, m.wine, "wineboot", "-i").Run(); err != nil {
		t.Fatal("wineboot: ", err)
	}
	m.addLibrary(t)
	return m
}

// tool returns the path of a program of wine. Debian does not install them in PATH.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/lib/wine/" + name)
	}
	if err != nil {
		population.Skip(t, name+" is not installed")
	}
	return path
}

// command returns a command that the kernel kills when this process ends.
func (m machine) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "HOME="+m.dir, "WINEPREFIX="+filepath.Join(m.dir, "prefix"),
		"WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml,winemenubuilder.exe=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	return cmd
}

// addLibrary adds bcryptprimitives.dll, which Go needs and wine 8 lacks. Its only function is an
// alias of a function of advapi32.dll.
func (m machine) addLibrary(t *testing.T) {
	t.Helper()
	library := filepath.Join(m.dir, "prefix/drive_c/windows/system32/bcryptprimitives.dll")
	if _, err := os.Stat(library); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	exports := "LIBRARY bcryptprimitives.dll\nEXPORTS\n ProcessPrng = advapi32.SystemFunction036\n"
	if err := os.WriteFile(filepath.Join(m.dir, "bcrypt.def"), []byte(exports), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"x86_64-w64-mingw32-as -o empty.o /dev/null",
		"x86_64-w64-mingw32-ld -shared -e 0 -o " + library + " empty.o bcrypt.def",
	} {
		args := strings.Fields(line)
		if _, err := exec.LookPath(args[0]); err != nil {
			population.Skip(t, args[0]+" is not installed")
		}
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = m.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
}

// run runs a Windows program and returns stdout, stderr and the exit code.
func (m machine) run(t *testing.T, line string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepLimit)
	defer cancel()
	args := strings.Fields(line)
	if strings.HasPrefix(line, "check_") {
		args = append(args, "-t", "15") // slow: wine searches the owner of each socket
	}
	cmd := m.command(ctx, m.wine, append([]string{filepath.Join(m.dir, args[0]+".exe")}, args[1:]...)...)
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); ctx.Err() != nil || cmd.ProcessState == nil {
		t.Fatalf("%s: %v", line, err)
	}
	return out.String(), ofWine.ReplaceAllString(errors.String(), ""), cmd.ProcessState.ExitCode()
}

// ofWine is what wine itself writes to stderr when a program ends at an unlucky moment.
var ofWine = regexp.MustCompile(`(?m)^wine client error:[0-9a-f]+: .*\n?`)

// check runs a check, requires the exit code and an empty stderr, and returns stdout. A Go
// program that crashes also exits with 2, but it writes to stderr.
func (m machine) check(t *testing.T, line string, want int) string {
	t.Helper()
	stdout, stderr, code := m.run(t, line)
	if code != want || stderr != "" {
		t.Errorf("%s: exit %d, want %d: %s%s", line, code, want, stdout, stderr)
	}
	return stdout
}

// drill starts a Windows drill and waits until it is ready. kill kills its supervisor, which
// ends the whole drill. Otherwise the drill ends with wine.
func (m machine) drill(t *testing.T, line string) (kill func()) {
	t.Helper()
	// The context is not the test's: testDrills says why.
	ctx, cancel := context.WithCancel(context.Background())
	limit := time.AfterFunc(stepLimit, cancel)
	args := append([]string{filepath.Join(m.dir, "front_drill.exe")}, strings.Fields(line)...)
	cmd := m.command(ctx, m.wine, args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() { cancel(); _ = cmd.Wait() } // Wait returns an error for a killed process
	var lines []string
	for in := bufio.NewScanner(stdout); in.Scan(); {
		lines = append(lines, in.Text())
		if strings.HasPrefix(in.Text(), "front_drill: ready") {
			limit.Stop()
			return kill
		}
	}
	t.Fatalf("front_drill %s is not ready: %q", line, lines)
	return nil
}

// countBySS returns what ss shows of a local port: the number of sockets in each state, named
// like the metrics, and the number of clients.
func countBySS(t *testing.T, port int) map[string]int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ss", "-Htan").Output()
	if err != nil {
		population.Skip(t, fmt.Sprintf("ss, to compare with, does not run: %v", err))
	}
	metrics := map[string]string{
		"ESTAB": "established", "SYN-SENT": "syn_sent", "SYN-RECV": "syn_recv",
		"FIN-WAIT-1": "fin_wait1", "FIN-WAIT-2": "fin_wait2", "TIME-WAIT": "time_wait",
		"CLOSE-WAIT": "close_wait", "LAST-ACK": "last_ack", "CLOSING": "closing", "LISTEN": "listeners",
	}
	n := map[string]int{"abnormal": 0}
	clients := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if !strings.HasSuffix(f[3], fmt.Sprintf(":%d", port)) {
			continue
		}
		metric, known := metrics[f[0]]
		if !known {
			t.Fatalf("ss shows the unknown state %s", f[0])
		}
		n[metric]++
		if metric == "listeners" {
			continue
		}
		if metric != "established" {
			n["abnormal"]++
		}
		address := strings.TrimPrefix(f[4][:strings.LastIndexByte(f[4], ':')], "[::ffff:")
		clients[strings.Trim(address, "[]")] = true
	}
	n["clients"] = len(clients)
	return n
}

var metric = regexp.MustCompile(` ([a-z0-9_]+)=([^;%]*);`)

// perfdata returns the metrics in a check's output.
func perfdata(out string) map[string]string {
	n := map[string]string{}
	for _, m := range metric.FindAllStringSubmatch(out, -1) {
		n[m[1]] = m[2]
	}
	return n
}

var (
	// counts are the metrics that Windows provides.
	counts = strings.Fields("abnormal established syn_sent syn_recv fin_wait1 fin_wait2 time_wait close" +
		" close_wait last_ack closing clients listeners")

	// unknown are the metrics that Windows does not provide.
	unknown = strings.Fields("accept_queue accept_queue_pct unaccepted unread unread_bytes unsent" +
		" unsent_bytes retransmitting stalled stalled_pct feed_age")
)

// compareWithSS runs a check on a port, requires that it counts the same as ss, and returns the
// counts.
func (m machine) compareWithSS(t *testing.T, line string, port, code int) map[string]int {
	t.Helper()
	for range 5 {
		before := countBySS(t, port)
		out := m.check(t, fmt.Sprintf("%s -p %d", line, port), code)
		if !maps.Equal(before, countBySS(t, port)) {
			continue // the sockets changed meanwhile
		}
		got := perfdata(out)
		var wrong []string
		for _, name := range counts {
			if got[name] != strconv.Itoa(before[name]) {
				wrong = append(wrong, fmt.Sprintf("%s (ss has %d)", name, before[name]))
			}
		}
		for _, name := range unknown {
			if v, has := got[name]; has {
				wrong = append(wrong, fmt.Sprintf("%s (%s, and it cannot be known)", name, v))
			}
		}
		if wrong != nil {
			t.Errorf("port %d: these metrics are wrong: %s: %s", port, strings.Join(wrong, ", "), out)
		}
		return before
	}
	t.Fatalf("the sockets of port %d do not stop changing", port)
	return nil
}

// eventually polls until ok reports true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(stepLimit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, stepLimit)
		}
	}
}

// TestWindows runs all tests on one installation. They make few sockets: the time that wine
// needs for a look grows with the square of their number.
func TestWindows(t *testing.T) {
	m := newMachine(t)
	t.Run("NothingListens", m.testNothingListens)
	t.Run("Unknown", m.testUnknown)
	t.Run("AllStates", m.testAllStates)
	t.Run("Drills", m.testDrills)
	t.Run("DrillEnds", m.testDrillEnds)
}

// testNothingListens requires CRITICAL for a port without a listener.
func (m machine) testNothingListens(t *testing.T) {
	for line, prefix := range map[string]string{
		"check_mdfront_sockets": "MDFRONT CRITICAL: nothing listens on port 41213;",
		"check_front_sockets":   "FRONT CRITICAL: nothing listens on port 41205;",
	} {
		if out := m.check(t, line, 2); !strings.HasPrefix(out, prefix) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %q", line, out)
		}
	}
	const reply = "ScriptRes:Bad:0 nothing listens on port 41213\n"
	if out := m.check(t, "check_mdfront_sockets -f hostmonitor", 0); out != reply {
		t.Errorf("-f hostmonitor: %q", out)
	}
}

// testUnknown requires that a metric which Windows does not provide is unknown and never 0.
func (m machine) testUnknown(t *testing.T) {
	const port = 41399
	population.Listen(t, "tcp4", fmt.Sprintf("127.0.0.1:%d", port)).Make("established", 2, "127.0.0.11")
	line := fmt.Sprintf("check_mdfront_sockets -p %d", port)

	var report struct {
		Metrics map[string]*float64
		Status  string
	}
	if err := json.Unmarshal([]byte(m.check(t, line+" -f json", 0)), &report); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Concat(counts, unknown) {
		value, there := report.Metrics[name]
		if !there || (value == nil) != slices.Contains(unknown, name) {
			t.Errorf("-f json: %s is %v", name, value)
		}
	}
	if n := report.Metrics["established"]; n == nil || *n != 2 || report.Status != "OK" {
		t.Errorf("-f json: established %v, status %s", n, report.Status)
	}

	all := m.check(t, line+" -v -c "+strings.Join(unknown, "=80 -c ")+"=80", 3)
	for _, name := range unknown {
		if !strings.Contains(all, "\nUNKNOWN: cannot judge "+name+": ") {
			t.Errorf("-c %s=80: %s", name, all)
		}
	}
	const reply = "ScriptRes:Unknown:cannot judge accept_queue_pct, "
	out := m.check(t, line+" -f hostmonitor -c accept_queue_pct=80", 0)
	if !strings.HasPrefix(out, reply) || strings.Count(out, "\n") != 1 {
		t.Errorf("-f hostmonitor: %q", out)
	}
	if out := m.check(t, line+" -f value --metric unread", 0); out != "U\n" {
		t.Errorf("-f value: %q", out)
	}
	if out := m.check(t, line+" -s procnet", 3); !strings.HasPrefix(out, "MDFRONT UNKNOWN: ") {
		t.Errorf("-s procnet: %s", out)
	}
}

// testAllStates counts sockets in the states that no drill makes, with both address families on
// one listener. Port 4121, a prefix of the port, must not count.
func (m machine) testAllStates(t *testing.T) {
	const port = 41213
	clients := population.Addresses(3)
	population.Listen(t, "tcp4", "127.0.0.1:4121").Make("close_wait", 2, clients...)
	f := population.Listen(t, "tcp", fmt.Sprintf("[::]:%d", port))
	f.Make("established", 4, clients...)
	f.Make("established", 2, "::1")
	f.Make("close_wait", 3, clients...)
	f.Make("time_wait", 5, clients...)
	f.Make("time_wait", 1, "::1")
	f.Make("fin_wait2", 2, clients...)
	f.Make("unaccepted", 1, clients...)
	f.Make("syn_recv", 3, clients...)
	want := map[string]int{"established": 7, "close_wait": 3, "time_wait": 6, "fin_wait2": 2, "syn_recv": 3,
		"abnormal": 14, "clients": 4, "listeners": 1}
	if got := m.compareWithSS(t, "check_mdfront_sockets", port, 0); !maps.Equal(got, want) {
		t.Errorf("sockets %v, want %v", got, want)
	}
	for args, code := range map[string]int{
		"-c 14": 0, "-c 13": 2, "-w 13": 1, "-s gopsutil -c 13": 2,
		"-a 127.0.0.0/8 -c 13": 0, "-a ::1 -c 1": 0, "-a ::1 -c 0": 2,
	} {
		m.check(t, fmt.Sprintf("check_mdfront_sockets -p %d %s", port, args), code)
	}
}

// testDrills counts the sockets of Windows processes.
func (m machine) testDrills(t *testing.T) {
	for i, d := range []struct {
		drill, line string
		code        int
		want        map[string]int
		reply       string // of HostMonitor output, or ""
	}{
		{"healthy --clients 8", "check_mdfront_sockets -c 0", 0,
			map[string]int{"established": 8, "listeners": 1, "clients": 1, "abnormal": 0}, "Ok:0"},
		{"leak --clients 5", "check_mdfront_sockets -c @6: -w @5:", 1,
			map[string]int{"established": 1, "close_wait": 5, "listeners": 1, "clients": 1, "abnormal": 5},
			"Bad:5 socket disconnect"},
		{"leak --clients 6 --address ::1", "check_front_sockets -c @6:", 2,
			map[string]int{"established": 1, "close_wait": 6, "listeners": 1, "clients": 1, "abnormal": 6},
			"Bad:6 socket disconnect"},
		// The loop continues slowly: these are the least counts, and there is no exact reply.
		{"loop --clients 4", "check_front_sockets -c @4:", 2,
			map[string]int{"established": 5, "time_wait": 4, "listeners": 1, "clients": 1, "abnormal": 4}, ""},
	} {
		port := 41301 + i
		// All drills run until wine ends: the server of wine 8 has an assertion that can fail
		// when the process of a listener is killed while a client connects.
		m.drill(t, fmt.Sprintf("%s --port %d --for 1m", d.drill, port))
		for range 50 { // on a busy host the last close may take a moment after the drill is ready
			out, err := exec.Command("ss", "-Htan", "state", "time-wait", fmt.Sprintf("sport = :%d", port)).Output()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(out), "\n") >= d.want["time_wait"] {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		got := m.compareWithSS(t, d.line, port, d.code)
		if d.reply == "" {
			more := max(0, got["time_wait"]-d.want["time_wait"])
			d.want["time_wait"] += more
			d.want["abnormal"] += more
		} else {
			out := m.check(t, fmt.Sprintf("%s -p %d -f hostmonitor", d.line, port), 0)
			if want := "ScriptRes:" + d.reply + "\n"; out != want {
				t.Errorf("%s: -f hostmonitor: %q, want %q", d.drill, out, want)
			}
		}
		if !maps.Equal(got, d.want) {
			t.Errorf("%s: sockets %v, want %v", d.drill, got, d.want)
		}
	}
	stdout, stderr, code := m.run(t, "front_drill hang")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "windows") {
		t.Errorf("hang: exit %d: %s%s", code, stdout, stderr)
	}
}

// testDrillEnds requires that no socket is left of a drill that has ended as planned, and of a
// drill whose supervisor was killed.
func (m machine) testDrillEnds(t *testing.T) {
	const port = 41397
	noSockets := func() bool {
		n := countBySS(t, port)
		return n["listeners"] == 0 && n["established"] == 0
	}
	stdout, stderr, code := m.run(t, fmt.Sprintf("front_drill leak --port %d --clients 1 --for 1s", port))
	if code != 0 || stderr != "" || !strings.HasSuffix(stdout, "\nfront_drill: done\n") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	eventually(t, "no sockets of the drill are left", noSockets)

	kill := m.drill(t, fmt.Sprintf("leak --port %d --clients 1 --for 1m", port))
	if noSockets() {
		t.Fatal("the drill to kill has no sockets")
	}
	kill()
	eventually(t, "no sockets of the killed drill are left", noSockets)
}
