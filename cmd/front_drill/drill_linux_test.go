package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"frontsockets/internal/testkit/population"
)

const timeLimit = 40 * time.Second // for each step, also on a slow machine

// The states, as numbered in /proc/net/tcp.
const (
	established = "01"
	timeWait    = "06"
	synRecv     = "03"
	closeWait   = "08"
	listening   = "0A"
)

// socket is a row of /proc/net/tcp or /proc/net/tcp6.
type socket struct {
	local, remote string // address without port
	state         string
	unsent        uint64 // send queue
	queued        uint64 // receive queue; accept queue of a listener
}

// sockets returns the front's sockets on the port. It skips rows that come twice, since the
// table changes while the kernel writes it, and clients of other tests that have the same port
// at their own address.
func sockets(t *testing.T, port int) []socket {
	t.Helper()
	var found []socket
	seen := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n")[1:] {
			f := strings.Fields(line)
			if len(f) < 5 || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			if local := address(t, f[1]); seen[f[1]+f[2]] || local != "127.0.0.1" && local != "::1" {
				continue
			}
			seen[f[1]+f[2]] = true
			row := socket{local: address(t, f[1]), remote: address(t, f[2]), state: f[3]}
			if _, err := fmt.Sscanf(f[4], "%x:%x", &row.unsent, &row.queued); err != nil {
				t.Fatal(err)
			}
			found = append(found, row)
		}
	}
	return found
}

// address returns the usual form of an address in the kernel's notation (words in host order).
func address(t *testing.T, field string) string {
	t.Helper()
	digits, _, _ := strings.Cut(field, ":")
	raw, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(raw, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	return net.IP(raw).String()
}

// countStates returns the number of rows in each state.
func countStates(rows []socket) map[string]int {
	n := map[string]int{}
	for _, row := range rows {
		n[row.state]++
	}
	return n
}

// eventually polls until ok reports true. It fails the test with the last observation.
func eventually(t *testing.T, limit time.Duration, what string, ok func() (bool, any)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		good, saw := ok()
		if good {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v, last seen: %v", what, limit, saw)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// freePort returns a free port of the address.
func freePort(t *testing.T, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		population.Skip(t, fmt.Sprintf("cannot listen on %s: %v", address, err))
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// stat returns the state letter and the parent of a process. The state is "" if the process has
// ended, also if its parent has not waited for it yet.
func stat(pid int) (state string, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if f[0] == "Z" || f[0] == "X" {
		return "", 0
	}
	parent, _ = strconv.Atoi(f[1])
	return f[0], parent
}

// running is a drill that a test has started, with the process ids of its parts.
type running struct {
	cmd            *exec.Cmd
	port           int
	front, clients int
	text           []string    // lines that were read
	lines          chan string // lines to read
	stderr         bytes.Buffer
}

// startDrill starts a drill on a free port. If via is given, that program runs it.
func startDrill(t *testing.T, address, line string, via ...string) *running {
	t.Helper()
	r := &running{port: freePort(t, address), lines: make(chan string, 100)}
	args := append(via, os.Args[0])
	args = append(args, strings.Fields(line)...)
	args = append(args, "--port", strconv.Itoa(r.port), "--address", address)
	r.cmd = exec.Command(args[0], args[1:]...)
	r.cmd.Env = append(os.Environ(), asDrill)
	r.cmd.Stderr = &r.stderr
	// A grandchild may hold the pipes longer than the process itself lives.
	r.cmd.WaitDelay = timeLimit
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.lines)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			r.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		// A failed test may leave parts. The supervisor ends when they end.
		for _, pid := range []int{r.front, r.clients} {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if bytes.Contains(line, fmt.Appendf(nil, "\x00--port\x00%d\x00", r.port)) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	})
	return r
}

// awaitLine reads lines up to the first one with the prefix.
func (r *running) awaitLine(t *testing.T, prefix string) {
	t.Helper()
	pid := regexp.MustCompile(`^front_drill: (front|\d+ clients?) .*\(pid (\d+)\)`)
	timeUp := time.After(timeLimit)
	for {
		select {
		case line, open := <-r.lines:
			if !open {
				_ = r.cmd.Wait()
				t.Fatalf("the drill ended without %q: %q, stderr %q", prefix, r.text, &r.stderr)
			}
			r.text = append(r.text, line)
			if m := pid.FindStringSubmatch(line); m != nil {
				n, _ := strconv.Atoi(m[2])
				if m[1] == "front" {
					r.front = n
				} else {
					r.clients = n
				}
			}
			if strings.HasPrefix(line, prefix) {
				return
			}
		case <-timeUp:
			t.Fatalf("no line %q within %v: %q", prefix, timeLimit, r.text)
		}
	}
}

// wait waits until the drill has ended and returns its exit code.
func (r *running) wait(t *testing.T) int {
	t.Helper()
	ended := time.AfterFunc(timeLimit, func() { _ = r.cmd.Process.Kill() })
	defer ended.Stop()
	for line := range r.lines {
		r.text = append(r.text, line)
	}
	_ = r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}

// requireGone requires that both parts have ended within the limit, and that no socket is left
// but those that the kernel keeps.
func (r *running) requireGone(t *testing.T, limit time.Duration) {
	t.Helper()
	eventually(t, limit, "the drill has ended", func() (bool, any) {
		front, _ := stat(r.front)
		clients, _ := stat(r.clients)
		n := countStates(sockets(t, r.port))
		left := fmt.Sprintf("front %d %q, clients %d %q, sockets %v", r.front, front, r.clients, clients, n)
		delete(n, timeWait)
		delete(n, synRecv) // stays after its listener has closed, until its next timer
		return r.front != 0 && r.clients != 0 && front == "" && clients == "" && len(n) == 0, left
	})
}

// interrupt ends a drill by the signal and requires that it cleans up.
func (r *running) interrupt(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	if code := r.wait(t); code != 0 || r.stderr.Len() > 0 {
		t.Errorf("code %d, output %q, stderr %q", code, r.text, &r.stderr)
	}
	want := []string{"front_drill: stopped early: " + sig.String(), "front_drill: done"}
	if n := len(r.text); n < 2 || !slices.Equal(r.text[n-2:], want) {
		t.Errorf("output %q does not end with %q", r.text, want)
	}
	r.requireGone(t, 0)
}

// TestSupervisorKilled requires that the kernel ends the parts when the supervisor is killed.
func TestSupervisorKilled(t *testing.T) {
	for _, scenario := range []string{"healthy", "hang"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			r := startDrill(t, "127.0.0.1", scenario+" --clients 20 --for 5m")
			r.awaitLine(t, "front_drill: ready")
			if err := r.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			r.requireGone(t, 5*time.Second)
		})
	}
}

func TestParentKilled(t *testing.T) {
	t.Parallel()
	// The shell has one more command to run, so it does not exec the drill and stays its parent.
	r := startDrill(t, "127.0.0.1", "hang --clients 20 --for 5m", "sh", "-c", `"$0" "$@"; exit 9`)
	r.awaitLine(t, "front_drill: ready")
	_, supervisor := stat(r.front)
	if _, shell := stat(supervisor); shell != r.cmd.Process.Pid {
		t.Fatalf("the shell %d is not the parent of %d", r.cmd.Process.Pid, supervisor)
	}
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.requireGone(t, 5*time.Second)
	eventually(t, 5*time.Second, "the supervisor has ended", func() (bool, any) {
		state, _ := stat(supervisor)
		return state == "", state
	})
	r.wait(t)
	const want = "front_drill: stopped early: the process that started the drill has ended"
	if line := r.text[len(r.text)-2]; line != want {
		t.Errorf("output %q", r.text)
	}
}

// TestPartEndsWithItsInput requires that a part ends when its standard input closes: on some
// systems no signal tells it that the supervisor has ended.
func TestPartEndsWithItsInput(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], partFront, "healthy", "--port", strconv.Itoa(freePort(t, "127.0.0.1")))
	cmd.Env = append(os.Environ(), asDrill)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(timeLimit, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	if line, err := bufio.NewReader(output).ReadString('\n'); line != messageListens+"\n" {
		t.Errorf("the part wrote %q (%v)", line, err)
	}
	input.Close()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("code %d", code)
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(os.Args[0], "hang", "--port", strconv.Itoa(port))
	cmd.Env = append(os.Environ(), asDrill)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	want := fmt.Sprintf("front_drill: the front cannot listen: listen tcp %s: bind: address already in use; to see which"+
		" program has it run ss -ltnp 'sport = :%d', or give another --port\n", l.Addr(), port)
	if code := cmd.ProcessState.ExitCode(); code != 1 || stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("code %d, stdout %q, stderr %q", code, &stdout, &stderr)
	}
}

// TestFrontKilled requires that the drill fails when its front ends unexpectedly.
func TestFrontKilled(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "healthy --clients 3 --for 5m")
	r.awaitLine(t, "front_drill: ready")
	if err := syscall.Kill(r.front, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	code := r.wait(t)
	want := fmt.Sprintf("front_drill: process as-front (pid %d) has ended\n", r.front)
	if code != 1 || r.stderr.String() != want || strings.Contains(strings.Join(r.text, "\n"), "done") {
		t.Errorf("code %d, output %q, stderr %q", code, r.text, &r.stderr)
	}
	r.requireGone(t, 0)
}
