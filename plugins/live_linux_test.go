package plugins

import (
	"errors"
	"fmt"
	"net"
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
	"unsafe"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"frontsockets/internal/testkit/population"
)

// noSockDiag as first argument makes the test binary a program that takes the
// right to open netlink sockets from itself and becomes the rest of its arguments.
const noSockDiag = "-no-sock-diag"

// init keeps the main thread for the main goroutine. A test that moves its thread into another network
// namespace then never moves the main thread: Go does not end it with the test, and /proc/net is always
// that of the main thread's namespace.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == noSockDiag {
		fmt.Fprintln(os.Stderr, withoutNetlink(os.Args[2:]))
		os.Exit(99)
	}
	if len(os.Args) > 1 && os.Args[1] == elsewhere {
		fmt.Fprintln(os.Stderr, frontElsewhere())
		os.Exit(0)
	}
	population.Main(m)
}

// programsVar names a folder that has the programs already, for a machine without Go.
const programsVar = "FRONTSOCKETS_PROGRAMS"

// programs builds the real binaries into a folder that every user can enter.
func programs(t *testing.T) string {
	t.Helper()
	if built := os.Getenv(programsVar); built != "" {
		return built
	}
	dir, err := os.MkdirTemp("", "frontsockets")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-tags", "forceposix", "-o", dir,
		"frontsockets/cmd/check_mdfront_sockets", "frontsockets/cmd/check_front_sockets", "frontsockets/cmd/front_drill")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// run runs a program and gives stdout and the exit code; stderr must be empty.
func run(t *testing.T, cmd *exec.Cmd) (string, int) {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Errorf("%v: stderr has %q", cmd.Args, &stderr)
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}

// nobody makes the command run without any right.
func nobody(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	const uid = 65534
	// The namespace of an ordinary user has a single user, who is root in there.
	var first, outside, users uint32
	text, err := os.ReadFile("/proc/self/uid_map")
	if _, scan := fmt.Sscan(string(text), &first, &outside, &users); err != nil || scan != nil {
		t.Fatal(err, scan)
	}
	if os.Geteuid() != 0 || users <= uid {
		population.Skip(t, "only real root can become another user")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}

// TestKnownPopulation: on a population of known size among decoys, root and nobody
// get the same exact numbers, and ss the same for every state.
func TestKnownPopulation(t *testing.T) {
	population.Need(t)
	clients := population.Addresses(9)
	// Decoys: the same clients on a port that is a prefix of ours, UDP on our port,
	// and, since loopback holds both ends, every client with our port as remote.
	decoy := population.Listen(t, "tcp4", "127.0.0.1:4121")
	decoy.Make("established", 11, clients...)
	decoy.Make("close_wait", 13, clients...)
	udp, err := net.ListenPacket("udp4", "127.0.0.1:41213")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	f := population.Listen(t, "tcp4", "127.0.0.1:41213")
	f.Make("established", 120, clients...)
	f.Make("close_wait", 40, clients...)
	f.Make("time_wait", 30, clients...)
	f.Make("fin_wait2", 5, clients...)
	f.Make("unaccepted", 3, clients...)
	f.Make("syn_recv", 7, clients...)

	dir := programs(t)
	program := filepath.Join(dir, "check_mdfront_sockets")
	want := map[string]string{
		"abnormal": "82", "established": "123", "close_wait": "40", "time_wait": "30", "fin_wait2": "5", "syn_recv": "7",
		"syn_sent": "0", "fin_wait1": "0", "close": "0", "last_ack": "0", "closing": "0",
		"clients": "9", "abnormal_clients": "9", "listeners": "1", "accept_queue": "3", "unaccepted": "3",
		"unread": "0", "unsent": "0",
	}
	for _, source := range []string{"auto", "sockdiag", "procnet"} {
		for _, user := range []string{"root", "nobody"} {
			cmd := exec.Command(program, "-s", source, "-t", "20")
			if user == "nobody" {
				cmd = nobody(t, cmd)
			}
			out, code := run(t, cmd)
			if code != 2 {
				t.Errorf("%s as %s: exit %d: %s", source, user, code, out)
			}
			for metric, n := range want {
				if !strings.Contains(out, fmt.Sprintf(" %s=%s;", metric, n)) {
					t.Errorf("%s as %s: %s is not %s in %s", source, user, metric, n, out)
				}
			}
		}
	}
	for state, n := range bySS(t, "41213") {
		metric := strings.ToLower(strings.ReplaceAll(state, "-", "_"))
		metric = strings.NewReplacer("estab", "established", "fin_wait_", "fin_wait", "listen", "listeners").Replace(metric)
		if want[metric] != strconv.Itoa(n) {
			t.Errorf("ss counts %d %s, we say %s", n, state, want[metric])
		}
	}
	for args, want := range map[string]int{
		"-c 82": 0, "-c 81": 2, "-w 10 -c 81": 2, "-w 10 -c 82": 1, "-c @82:": 2, "-c 10:5": 3, "-c 5x": 3, "-c @": 3,
		"-a 127.0.0.1 -a 10.0.0.1 -c 81": 2, "-a 10.0.0.1 -a 127.0.0.1 -c 81": 2,
		"-a 127.0.0.1 -c 82": 0, "-a 127.0.0.0/8 -c 81": 2, "-a 127.0.0.2": 2, "-p 41214": 2, "-p 41214 --no-listener ok": 0,
	} {
		// The seed's policy: what nobody accepts here is a trouble that the default alarms on.
		if out, code := run(t, exec.Command(program, strings.Fields("--policy seed "+args)...)); code != want {
			t.Errorf("%s: exit %d, want %d: %s", args, code, want, out)
		}
	}
}

// TestFullAcceptQueue: a front that accepts nothing is CRITICAL while not one socket
// is abnormal, and HostMonitor hears why.
func TestFullAcceptQueue(t *testing.T) {
	population.Need(t)
	f := population.Listen(t, "tcp4", "127.0.0.1:41215")
	f.Backlog(2)
	f.Make("unaccepted", 2, "127.0.0.1")
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	if out, code := run(t, exec.Command(program, "-p", "41215", "--policy", "seed")); code != 0 || !strings.Contains(out,
		" accept_queue=2;;;0 accept_queue_pct=100%;;;0 unaccepted=2;") {
		t.Errorf("a queue at its backlog: exit %d, %s", code, out)
	}
	f.Make("unaccepted", 1, "127.0.0.1")
	if out, code := run(t, exec.Command(program, "-p", "41215")); code != 2 || !strings.HasPrefix(out,
		"MDFRONT CRITICAL: accept queue of port 41215 is full, 3 of 2; :41215 has 0 abnormal sockets, 3 established"+
			" from 1 client - the front does not accept | ") {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, code := run(t, exec.Command(program, "-p", "41215", "-f", "hostmonitor")); code != 0 ||
		out != "ScriptRes:Bad:0 accept queue of port 41215 is full, 3 of 2\n" {
		t.Errorf("exit %d, %s", code, out)
	}
}

// bySS counts the sockets of a local port by state, as ss spells it.
func bySS(t *testing.T, port string) map[string]int {
	t.Helper()
	if _, err := exec.LookPath("ss"); err != nil {
		population.Skip(t, "there is no ss to compare with")
	}
	out, code := run(t, exec.Command("ss", "-Htan"))
	if code != 0 {
		t.Fatalf("ss: exit %d", code)
	}
	n := map[string]int{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); strings.HasSuffix(f[3], ":"+port) {
			n[f[0]]++
		}
	}
	return n
}

// TestScripts runs sessions at a terminal with the real binaries: testdata/script.
// Besides testscript's own commands they have
//
//	front PORT [STATE=COUNT…]    opens a front on 127.0.0.1 with such sessions
//	exits CODE PROGRAM [ARGS…]   runs a program and wants this exit code
func TestScripts(t *testing.T) {
	population.Need(t)
	dir := programs(t)
	testscript.Run(t, testscript.Params{
		Dir: "../testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"front": func(ts *testscript.TestScript, _ bool, args []string) {
				f := population.Listen(t, "tcp4", "127.0.0.1:"+args[0])
				ts.Defer(f.Close)
				for _, a := range args[1:] {
					state, count, _ := strings.Cut(a, "=")
					n, err := strconv.Atoi(count)
					ts.Check(err)
					f.Make(state, n, population.Addresses(4)...)
				}
			},
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				code := 0
				var exit *exec.ExitError
				if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
					code = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if code != want {
					ts.Fatalf("exit code %d, want %d", code, want)
				}
			},
		},
	})
}

// TestDeadStdout: output that cannot be written is exit 3, whatever the answer is.
func TestDeadStdout(t *testing.T) {
	population.Need(t)
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	for redirection, want := range map[string]int{"": 2, ">/dev/null": 2, "1<>" + t.TempDir() + "/file": 2, ">&-": 3,
		">/dev/full": 3} {
		cmd := exec.Command("sh", "-c", program+" -f nagios "+redirection)
		if _, code := run(t, cmd); code != want {
			t.Errorf("%q: exit %d, want %d", redirection, code, want)
		}
	}

	// A reader that went away is no death by SIGPIPE.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	cmd := exec.Command(program)
	cmd.Stdout = w
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("a closed pipe: %v", err)
	}

	// A reader that does not read is waited for, but not for ever.
	r, w, err = population.FullPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	cmd = exec.Command(program)
	cmd.Stdout = w
	done := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer done.Stop()
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("a full pipe: %v", err)
	}
}

// TestMemoryIsFlat: the peak does not grow with the sockets of others.
func TestMemoryIsFlat(t *testing.T) {
	population.Need(t)
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	peak := func() int {
		kib, err := population.Peak(program, "--no-listener", "ok")
		if err != nil {
			t.Fatal(err)
		}
		return kib
	}
	before := peak()
	f := population.Listen(t, "tcp4", "127.0.0.1:4121")
	f.Make("established", 4000, population.Addresses(50)...)
	after := peak()
	if after > before+2<<10 || after > 16<<10 {
		t.Errorf("peak of %d KiB with 8,000 sockets of others, %d without", after, before)
	}
}

// withoutNetlink forbids AF_NETLINK sockets to the calling thread, as a sandbox
// does, and executes the command. It returns only with an error.
func withoutNetlink(command []string) error {
	runtime.LockOSThread()
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(value uint32, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: no}
	}
	answer := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value}
	}
	// struct seccomp_data: the system call's number at 0, its first argument at 16.
	filter := []unix.SockFilter{
		load(0), equal(unix.SYS_SOCKET, 3),
		load(16), equal(unix.AF_NETLINK, 1),
		answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)),
		answer(unix.SECCOMP_RET_ALLOW),
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0,
		0); err != nil {
		return err
	}
	return syscall.Exec(command[0], command, os.Environ())
}

// TestWithoutNetlink: in a sandbox that forbids netlink the count comes from
// /proc/net/tcp, the answer says so and why, and what /proc cannot tell is U. A queue that
// does not empty may be full, and one as long as any may be is full.
func TestWithoutNetlink(t *testing.T) {
	if runtime.GOARCH == "386" {
		t.Skip("386 makes sockets by socketcall(2), whose arguments seccomp cannot read")
	}
	population.Need(t)
	f := population.Listen(t, "tcp4", "127.0.0.1:41219")
	f.Make("established", 5, population.Addresses(2)...)
	f.Make("close_wait", 4, population.Addresses(2)...)
	hung := population.Listen(t, "tcp4", "127.0.0.1:41220")
	hung.Backlog(16)
	hung.Make("unaccepted", 17, "127.0.0.1")
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sandboxed := func(args ...string) (string, int) {
		return run(t, exec.Command(self, append([]string{noSockDiag, program, "-p", "41219"}, args...)...))
	}
	out, code := sandboxed()
	want := regexp.MustCompile(`^MDFRONT OK: :41219 has 4 abnormal sockets \(4 CLOSE_WAIT\) from 2 clients, ` +
		`2 from 127\.0\.0\.11; accept queue not judged; ` +
		`seen by procnet \(sockdiag: socket: address family not supported by protocol\) \| ` +
		`abnormal=4;;49;0 established=5;.* accept_queue=0;;;0 unaccepted=0;.* retransmitting=\d+;;;0.*\n$`)
	if code != 0 || !want.MatchString(out) {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, code := sandboxed("-c", "feed_age=30"); code != 3 || !strings.HasPrefix(out,
		"MDFRONT UNKNOWN: cannot judge feed_age: this source does not show when data was last se") {
		t.Errorf("exit %d, %s", code, out)
	}
	for args, want := range map[string]string{
		"-p 41220": "MDFRONT UNKNOWN: accept queue of port 41220 does not empty (17, then 17) and may be" +
			" full: its backlog is not known; ",
		"-p 41220 --sample 300ms": "MDFRONT UNKNOWN: accept queue of port 41220 does not empty (17, then 17) and may be" +
			" full: its backlog is not known; ",
	} {
		if out, code := sandboxed(strings.Fields(args)...); code != 3 || !strings.HasPrefix(out, want) {
			t.Errorf("%s: exit %d, %s", args, code, out)
		}
	}
	limit(t, "/proc/sys/net/core/somaxconn", "17")
	if out, code := sandboxed("-p", "41220"); code != 2 || !strings.HasPrefix(out,
		"MDFRONT CRITICAL: accept queue of port 41220 is full, 17 of at most 17 (somaxconn); ") {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, code := sandboxed("-s", "sockdiag"); code != 3 || !strings.HasPrefix(out,
		"MDFRONT UNKNOWN: :41219 cannot be judged: sockdiag: socket: address family not supported by protocol\n") {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, code := sandboxed("-f", "json"); code != 0 || !strings.Contains(out,
		`"source":"procnet (sockdiag: socket: address family not supported by protocol)"`) {
		t.Errorf("exit %d, %s", code, out)
	}
}

// limit sets one of the kernel's limits in the namespace of the tests until the test ends.
func limit(t *testing.T, file, value string) {
	t.Helper()
	old, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(value), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(file, old, 0) })
}

// TestTimeWaitFull: where the kernel keeps no more TIME_WAIT a count of them is a lower
// bound. It may breach a threshold, and it is never OK.
func TestTimeWaitFull(t *testing.T) {
	population.Need(t)
	f := population.Listen(t, "tcp4", "127.0.0.1:41221")
	f.Make("established", 3, population.Addresses(2)...)
	f.Make("time_wait", 12, "127.0.0.66")
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	limit(t, "/proc/sys/net/ipv4/tcp_max_tw_buckets", "12") // these, and those that earlier tests left behind
	for _, test := range []struct {
		args, want string
		code       int
	}{
		{"", "MDFRONT UNKNOWN: abnormal is at least 12: ", 3},
		{"-c abnormal=@12: -c established=5", "MDFRONT CRITICAL: :41221 has at least 12 abnormal", 2},
		{"-c abnormal=@500:", ": the kernel keeps no more TIME_WAIT (tcp_max_tw_buckets); :41221 has at least ", 3},
		{"-v -c top_client_pct=100", "cannot judge top_client_pct: the kernel keeps no more TIME_WAIT (tcp_max_tw_buckets)",
			3},
		{"--normal time_wait,established,listen -c abnormal=1", "MDFRONT UNKNOWN: abnormal is at least 0: ", 3},
		{"--normal time_wait,fin_wait2,established,listen -c abnormal=1", "MDFRONT OK: :41221 has 0 abnormal", 0},
		{"-v", "there may be more than abnormal, fin_wait2, time_wait, clients, abnormal_clients, top_client say: the" +
			" kernel keeps no more", 3},
		{"-f json", `"lower_bounds":["abnormal","fin_wait2","time_wait","clients","abnormal_clients","top_client"]`, 3},
		{"-s procnet", "MDFRONT UNKNOWN: abnormal is at least ", 3},
	} {
		out, code := run(t, exec.Command(program, append([]string{"-p", "41221"}, strings.Fields(test.args)...)...))
		if code != test.code || !strings.Contains(out, test.want) {
			t.Errorf("%s: exit %d, %s", test.args, code, out)
		}
	}
}

// TestNRPECommands runs the commands of contrib/nrpe as NRPE does, by a shell.
func TestNRPECommands(t *testing.T) {
	population.Need(t)
	text, err := os.ReadFile("../contrib/nrpe/frontsockets.cfg")
	if err != nil {
		t.Fatal(err)
	}
	dir := programs(t)
	pattern := regexp.MustCompile(`(?m)^command\[\w+\]=/usr/lib/nagios/plugins/(check_\w+ -p (\d+) .*)$`)
	commands := pattern.FindAllStringSubmatch(string(text), -1)
	if len(commands) != 4 {
		t.Fatalf("found %d commands", len(commands))
	}
	for _, c := range commands {
		command, port := filepath.Join(dir, c[1]), c[2]
		// What --session makes of it depends on the hour.
		out, code := run(t, exec.Command("sh", "-c", command))
		if down := code == 2 && strings.Contains(out, "nothing listens on port "+port); !down &&
			!(code == 0 && strings.Contains(out, "outside of all sessions")) {
			t.Errorf("%s: exit %d, %s", c[1], code, out)
		}
		front := population.Listen(t, "tcp4", "127.0.0.1:"+port)
		front.Make("established", 2, "127.0.0.1")
		out, code = run(t, exec.Command("sh", "-c",
			command+" --normal established,listen,time_wait,close_wait,fin_wait2,syn_recv"))
		if code != 0 || !strings.Contains(out, ":"+port+" has 0 abnormal sockets, 2 established ") || !strings.Contains(out,
			" OK: ") {
			t.Errorf("%s: exit %d, %s", c[1], code, out)
		}
		front.Close()
	}
}
