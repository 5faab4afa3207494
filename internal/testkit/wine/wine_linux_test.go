//go:build wine

// Package wine runs the Windows programs under wine: make wine. Sockets under wine
// are the kernel's, so ss counts the same ones from outside.
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
	boot = time.Minute      // for wine to fill its folder
	slow = 20 * time.Second // for anything else
)

// dirVar tells the second start of this test where the Windows programs are. They
// are built before it has a network of its own, where no module can be fetched.
const dirVar = "FRONTSOCKETS_WINDOWS"

func TestMain(m *testing.M) { os.Exit(start(m)) }

func start(m *testing.M) (code int) {
	if os.Getenv(dirVar) == "" {
		dir, err := os.MkdirTemp("", "frontsockets")
		if err == nil {
			defer os.RemoveAll(dir)
			err = build(dir)
		}
		// What wine starts is nobody's child soon; this way it becomes ours, even
		// where the second start has panicked.
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

// reap waits until no child is left. It kills those that do not end by themselves.
func reap() error {
	for deadline := time.Now().Add(slow); ; time.Sleep(20 * time.Millisecond) {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		for pid > 0 {
			pid, err = unix.Wait4(-1, nil, unix.WNOHANG, nil)
		}
		if err == unix.ECHILD {
			return nil
		}
		if time.Now().After(deadline.Add(slow)) {
			return errors.New("what wine has left does not end")
		}
		if time.Now().After(deadline) {
			// A killed child may leave us its own, so this goes on for a while.
			for _, child := range children() {
				_ = unix.Kill(child, unix.SIGKILL)
			}
		}
	}
}

// children are the processes whose parent is this one.
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

func build(dir string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "forceposix", "-o", dir,
		"frontsockets/cmd/check_mdfront_sockets", "frontsockets/cmd/check_front_sockets", "frontsockets/cmd/front_drill")
	cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for windows: %w\n%s", err, out)
	}
	return nil
}

// machine is a Windows that lasts for one test.
type machine struct {
	dir          string // of the programs, and of all that wine writes
	wine, server string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	population.Need(t)
	// No client may happen to get the port of a front: all of those are below 50000.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("50000 60999"), 0); err != nil {
		t.Fatal(err)
	}
	m := machine{os.Getenv(dirVar), tool(t, "wine64"), tool(t, "wineserver")}
	t.Cleanup(func() { // after the test's own context has ended
		ctx, cancel := context.WithTimeout(context.Background(), slow)
		defer cancel()
		_ = m.command(ctx, m.server, "-k").Run() // fails if it runs no more
	})
	ctx, cancel := context.WithTimeout(t.Context(), boot)
	defer cancel()
	// No output is taken: the server that this starts would hold the pipe.
	if err := m.command(ctx, m.wine, "wineboot", "-i").Run(); err != nil {
		t.Fatal("wineboot: ", err)
	}
	m.provide(t)
	return m
}

// tool finds a program of wine; Debian has them off the path.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/lib/wine/" + name)
	}
	if err != nil {
		population.Skip(t, "there is no "+name)
	}
	return path
}

// command is a process that ends with this one.
func (m machine) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "HOME="+m.dir, "WINEPREFIX="+filepath.Join(m.dir, "prefix"),
		"WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml,winemenubuilder.exe=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	return cmd
}

// provide adds bcryptprimitives.dll, which Go wants and wine 8 lacks:
// its one function is another name for one of advapi32.dll.
func (m machine) provide(t *testing.T) {
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
			population.Skip(t, "there is no "+args[0])
		}
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = m.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
}

// run runs a Windows program and gives stdout, stderr and the exit code.
func (m machine) run(t *testing.T, line string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), slow)
	defer cancel()
	args := strings.Fields(line)
	if strings.HasPrefix(line, "check_") {
		args = append(args, "-t", "15") // wine looks for the owner of each socket
	}
	cmd := m.command(ctx, m.wine, append([]string{filepath.Join(m.dir, args[0]+".exe")}, args[1:]...)...)
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); ctx.Err() != nil || cmd.ProcessState == nil {
		t.Fatalf("%s: %v", line, err)
	}
	return out.String(), errors.String(), cmd.ProcessState.ExitCode()
}

// check runs a check, wants this exit code and a silent stderr, and gives stdout. A
// crash of Go exits 2 as well, but has all its text on stderr.
func (m machine) check(t *testing.T, line string, want int) string {
	t.Helper()
	stdout, stderr, code := m.run(t, line)
	if code != want || stderr != "" {
		t.Errorf("%s: exit %d, want %d: %s%s", line, code, want, stdout, stderr)
	}
	return stdout
}

// drill starts a Windows drill, waits until it is ready, and gives a kill of its
// supervisor, which is the end of the whole drill. Else it ends with wine.
func (m machine) drill(t *testing.T, line string) (kill func()) {
	t.Helper()
	// Not the test's context: see testDrills.
	ctx, cancel := context.WithCancel(context.Background())
	limit := time.AfterFunc(slow, cancel)
	args := append([]string{filepath.Join(m.dir, "front_drill.exe")}, strings.Fields(line)...)
	cmd := m.command(ctx, m.wine, args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() { cancel(); _ = cmd.Wait() } // a killed process never ends well
	var said []string
	for in := bufio.NewScanner(stdout); in.Scan(); {
		said = append(said, in.Text())
		if strings.HasPrefix(in.Text(), "front_drill: ready") {
			limit.Stop()
			return kill
		}
	}
	t.Fatalf("front_drill %s is not ready: %q", line, said)
	return nil
}

// bySS counts the sockets of a local port by state, named like our metrics, and
// the addresses that they have sessions with.
func bySS(t *testing.T, port int) map[string]int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ss", "-Htan").Output()
	if err != nil {
		population.Skip(t, fmt.Sprintf("there is no ss to compare with: %v", err))
	}
	metrics := map[string]string{
		"ESTAB": "established", "SYN-SENT": "syn_sent", "SYN-RECV": "syn_recv", "FIN-WAIT-1": "fin_wait1", "FIN-WAIT-2": "fin_wait2",
		"TIME-WAIT": "time_wait", "CLOSE-WAIT": "close_wait", "LAST-ACK": "last_ack", "CLOSING": "closing", "LISTEN": "listeners",
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
			t.Fatalf("ss has the state %s", f[0])
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

// perfdata is the metrics of a check's output.
func perfdata(out string) map[string]string {
	n := map[string]string{}
	for _, m := range metric.FindAllStringSubmatch(out, -1) {
		n[m[1]] = m[2]
	}
	return n
}

// counts are the metrics that are known here, and unknown are those that are not.
var (
	counts = strings.Fields("abnormal established syn_sent syn_recv fin_wait1 fin_wait2 time_wait close close_wait last_ack closing clients listeners")

	unknown = strings.Fields("accept_queue accept_queue_pct unaccepted unread unread_bytes unsent unsent_bytes retransmitting stalled stalled_pct feed_age")
)

// agree runs a check on a port and wants the counts of ss from it, and gives them.
func (m machine) agree(t *testing.T, line string, port, code int) map[string]int {
	t.Helper()
	for range 5 {
		before := bySS(t, port)
		out := m.check(t, fmt.Sprintf("%s -p %d", line, port), code)
		if !maps.Equal(before, bySS(t, port)) {
			continue // it did not stand still
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
			t.Errorf("port %d: wrong are %s in %s", port, strings.Join(wrong, ", "), out)
		}
		return before
	}
	t.Fatalf("the sockets of port %d do not stand still", port)
	return nil
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(slow); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, slow)
		}
	}
}

// TestWindows has few sockets: wine's time for a look grows with their square.
func TestWindows(t *testing.T) {
	m := newMachine(t)
	t.Run("NothingListens", m.testNothingListens)
	t.Run("Unknown", m.testUnknown)
	t.Run("AllStates", m.testAllStates)
	t.Run("Drills", m.testDrills)
	t.Run("DrillEnds", m.testDrillEnds)
}

func (m machine) testNothingListens(t *testing.T) {
	for line, prefix := range map[string]string{
		"check_mdfront_sockets": "MDFRONT CRITICAL: nothing listens on port 41213;",
		"check_front_sockets":   "FRONT CRITICAL: nothing listens on port 41205;",
	} {
		if out := m.check(t, line, 2); !strings.HasPrefix(out, prefix) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %q", line, out)
		}
	}
	if out := m.check(t, "check_mdfront_sockets -f hostmonitor", 0); out != "ScriptRes:Bad:0 nothing listens on port 41213\n" {
		t.Errorf("-f hostmonitor: %q", out)
	}
}

// testUnknown: a number that Windows does not tell is never a zero.
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
		if !strings.Contains(all, "\nUNKNOWN: "+name+" is not known: ") {
			t.Errorf("-c %s=80: %s", name, all)
		}
	}
	const reply = "ScriptRes:Unknown:accept_queue_pct is not known, this source does not provide the backlog\n"
	if out := m.check(t, line+" -f hostmonitor -c accept_queue_pct=80", 0); out != reply {
		t.Errorf("-f hostmonitor: %q", out)
	}
	if out := m.check(t, line+" -f value --metric unread", 0); out != "U\n" {
		t.Errorf("-f value: %q", out)
	}
	if out := m.check(t, line+" -s procnet", 3); !strings.HasPrefix(out, "MDFRONT UNKNOWN: ") {
		t.Errorf("-s procnet: %s", out)
	}
}

// testAllStates: the states that no drill makes, both address families on one
// listener, and decoys.
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
	want := map[string]int{"established": 7, "close_wait": 3, "time_wait": 6, "fin_wait2": 2, "syn_recv": 3, "abnormal": 14, "clients": 4, "listeners": 1}
	if got := m.agree(t, "check_mdfront_sockets", port, 0); !maps.Equal(got, want) {
		t.Errorf("sockets %v, want %v", got, want)
	}
	for args, code := range map[string]int{
		"-c 14": 0, "-c 13": 2, "-w 13": 1, "-a 127.0.0.0/8 -c 13": 0, "-a ::1 -c 1": 0, "-a ::1 -c 0": 2, "-s gopsutil -c 13": 2,
	} {
		m.check(t, fmt.Sprintf("check_mdfront_sockets -p %d %s", port, args), code)
	}
}

// testDrills: Windows sockets of Windows processes.
func (m machine) testDrills(t *testing.T) {
	for i, d := range []struct {
		drill, line string
		code        int
		want        map[string]int
		monitor     string
	}{
		{"healthy --clients 8", "check_mdfront_sockets -c 0", 0,
			map[string]int{"established": 8, "listeners": 1, "clients": 1, "abnormal": 0}, "Ok:0"},
		{"leak --clients 5", "check_mdfront_sockets -c @6: -w @5:", 1,
			map[string]int{"established": 1, "close_wait": 5, "listeners": 1, "clients": 1, "abnormal": 5}, "Bad:5 socket disconnect"},
		{"leak --clients 6 --address ::1", "check_front_sockets -c @6:", 2,
			map[string]int{"established": 1, "close_wait": 6, "listeners": 1, "clients": 1, "abnormal": 6}, "Bad:6 socket disconnect"},
		// It goes on slowly, so this is how it is at first.
		{"loop --clients 4", "check_front_sockets -c @4:", 2,
			map[string]int{"established": 5, "time_wait": 4, "listeners": 1, "clients": 1, "abnormal": 4}, ""},
	} {
		port := 41301 + i
		// All go on until wine ends: its server, as of version 8, has an assertion that
		// can fail when a listener's process is killed while a client connects.
		m.drill(t, fmt.Sprintf("%s --port %d --for 1m", d.drill, port))
		got := m.agree(t, d.line, port, d.code)
		if d.monitor == "" {
			more := max(0, got["time_wait"]-d.want["time_wait"])
			d.want["time_wait"] += more
			d.want["abnormal"] += more
		} else if out := m.check(t, fmt.Sprintf("%s -p %d -f hostmonitor", d.line, port), 0); out != "ScriptRes:"+d.monitor+"\n" {
			t.Errorf("%s: -f hostmonitor: %q, want %q", d.drill, out, d.monitor)
		}
		if !maps.Equal(got, d.want) {
			t.Errorf("%s: sockets %v, want %v", d.drill, got, d.want)
		}
	}
	if stdout, stderr, code := m.run(t, "front_drill hang"); code != 1 || stdout != "" || !strings.Contains(stderr, "windows") {
		t.Errorf("hang: exit %d: %s%s", code, stdout, stderr)
	}
}

// testDrillEnds: nothing is left of a drill that has ended as planned, nor of one
// whose supervisor was killed.
func (m machine) testDrillEnds(t *testing.T) {
	const port = 41397
	quiet := func() bool {
		n := bySS(t, port)
		return n["listeners"] == 0 && n["established"] == 0
	}
	stdout, stderr, code := m.run(t, fmt.Sprintf("front_drill leak --port %d --clients 1 --for 1s", port))
	if code != 0 || stderr != "" || !strings.HasSuffix(stdout, "\nfront_drill: done\n") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	eventually(t, "nothing is left of a drill", quiet)

	kill := m.drill(t, fmt.Sprintf("leak --port %d --clients 1 --for 1m", port))
	if quiet() {
		t.Fatal("there is no drill to kill")
	}
	kill()
	eventually(t, "nothing is left of a killed drill", quiet)
}
