package plugins

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/testkit/population"
)

// search runs a check that searches for a process. On a busy host the search may be out of time, so
// it gets some more tries.
func search(t *testing.T, program string, change func(*exec.Cmd), args ...string) (out string, code int) {
	t.Helper()
	for range 20 {
		cmd := exec.Command(program, append(args, "--policy", "seed")...)
		change(cmd)
		if out, code = run(t, cmd); !strings.Contains(out, "the search through /proc stopped") {
			break
		}
	}
	return out, code
}

func asRoot(*exec.Cmd) {}

// TestOwner: who listens is told when asked, to whom may know.
func TestOwner(t *testing.T) {
	population.Need(t)
	population.Listen(t, "tcp4", "127.0.0.1:41251").Make("established", 2, "127.0.0.1")
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(fmt.Sprintf(`\nprocess %d \(%s\): state \S+, \d+%% CPU, [1-9]\d* threads, `+
		`[1-9]\d* of [1-9]\d* descriptors, started 20\S+T\S+\n`, os.Getpid(), strings.TrimSpace(string(comm))))
	for _, args := range []string{"-v", "-v --sample 100ms", "-v -s procnet"} {
		out, code := search(t, program, asRoot, append(strings.Fields(args), "-p", "41251")...)
		if code != 0 || !want.MatchString(out) {
			t.Errorf("%s: exit %d, %s", args, code, out)
		}
	}
	asNobody := func(cmd *exec.Cmd) { nobody(t, cmd) }
	out, _ := search(t, program, asRoot, "-p", "41251", "-f", "json")
	if !strings.Contains(out, fmt.Sprintf(`"process":{"pid":%d,"name":`, os.Getpid())) {
		t.Error(out)
	}
	out, code := search(t, program, asNobody, "-p", "41251", "-v")
	if code != 0 || !strings.Contains(out, "\nprocess unknown: the process belongs to uid 0: run the check as that user"+
		" or with CAP_SYS_PTRACE, or run ss -ltnp as root\n") {
		t.Errorf("nobody: exit %d, %s", code, out)
	}
	if out, _ := run(t, exec.Command(program, "-p", "41251")); strings.Contains(out, "process") {
		t.Errorf("nobody asked: %s", out)
	}
}

// TestPortInUse: a local program that has the front's port as its source port is named, since
// the front cannot start; where it connected to the front itself it is no session of it.
func TestPortInUse(t *testing.T) {
	population.Need(t)
	server, err := net.Listen("tcp4", "127.0.0.1:41255")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 6), Port: 41254}}
	conn, err := dialer.Dial("tcp4", "127.0.0.1:41255")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	const words = " uses the port; if not the front, end it and set ip_local_reserved_ports | "
	const remedy = "add 41254 to net.ipv4.ip_local_reserved_ports\n"
	out, code := search(t, program, asRoot, "-p", "41254", "-v")
	self := fmt.Sprintf(" - process %d (", os.Getpid())
	if code != 2 || !strings.Contains(out, self) || !strings.Contains(out, words) || !strings.Contains(out, remedy) {
		t.Errorf("exit %d, %s", code, out)
	}
	out, code = search(t, program, func(cmd *exec.Cmd) { nobody(t, cmd) }, "-p", "41254", "-v")
	if code != 2 || !strings.Contains(out, " - a process of uid 0"+words) ||
		!strings.Contains(out, "evidence: process not known, the process belongs to uid 0") {
		t.Errorf("nobody: exit %d, %s", code, out)
	}
	out, _ = search(t, program, asRoot, "-p", "41254-41255", "-v")
	if !strings.Contains(out, "\nleft out: 1 socket of local programs that use port 41254 as their source port\n") ||
		!strings.Contains(out, self) {
		t.Error(out)
	}
}

// TestLoopingClient: one client of 500 loops, and the first line says who and how much. Once it has stopped,
// it may as well be many clients behind one address that have logged off.
func TestLoopingClient(t *testing.T) {
	population.Need(t)
	f := population.Listen(t, "tcp4", "127.0.0.1:41252")
	f.Make("established", 499, population.Addresses(499)...)
	f.Make("time_wait", 30, "127.9.9.9")
	time.Sleep(1100 * time.Millisecond) // it comes back again and again
	f.Make("time_wait", 30, "127.9.9.9")
	f.Make("time_wait", 13, population.Addresses(13)...)
	names := file(t, "127.9.9.0/24 Client A, desk 2\n")
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	for args, want := range map[string]string{
		"": `^MDFRONT CRITICAL: :41252 has \d+ abnormal sockets \(\d+ TIME_WAIT\) from 14 clients, \d+ from 127\.9\.9\.9` +
			` - one client looping, [89][\d.]+ % of them \| `,
		"--policy strict --clients " + names: `^MDFRONT WARNING: one client looping, [89][\d.]+ % of them; :41252 has \d+` +
			` abnormal sockets \(\d+ TIME_WAIT\) from 14 clients, \d+ from 127\.9\.9\.9 \(Client A, desk 2\) \| `,
		"-f json": `"diagnosis":{"code":"client_loop","text":"one client looping, [89][\d.]+ % of them",` +
			`"evidence":\[{"metric":"top_client","value":"\d+",`,
	} {
		cmd := exec.Command(program, append(strings.Fields(args), "-p", "41252")...)
		out := outputDuring(t, cmd, func() { f.Make("time_wait", 1, "127.9.9.9") })
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s: %s", args, out)
		}
	}
	out, _ := run(t, exec.Command(program, "-p", "41252"))
	if !strings.Contains(out, " - one client looping, or many behind one address, ") {
		t.Error(out)
	}
}

// outputDuring returns the output of a command, during which act is done ten times a second.
func outputDuring(t *testing.T, cmd *exec.Cmd, act func()) string {
	t.Helper()
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // any exit code
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return out.String()
		case <-time.After(100 * time.Millisecond):
			act()
		}
	}
}

// TestSilentClient: a client that does not read has its window shut. The others are
// well, the count is 0, and still it is said who. A source that does not tell for how long is not sure.
func TestSilentClient(t *testing.T) {
	population.Need(t)
	f := population.Listen(t, "tcp4", "127.0.0.1:41253")
	f.Make("established", 20, population.Addresses(20)...)
	front, _ := f.Session("127.9.9.9")
	front.SetWriteDeadline(time.Now().Add(time.Second))
	for {
		if _, err := front.Write(make([]byte, 64<<10)); err != nil {
			break // nothing more goes in
		}
	}
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	const count = `^MDFRONT OK: :41253 has 0 abnormal sockets, 21 established from 21 clients`
	for source, want := range map[string]string{
		"sockdiag": count + ` - one client does not read, 127\.9\.9\.9 (?s:.*)\nevidence: zero window 1, sessions of` +
			` 127\.9\.9\.9 that have taken no data for 2s or longer\nevidence: unsent_bytes \d{5,}B, wait for 127\.9\.9\.9\n`,
		"procnet": count + `; accept queue not judged(?s:.*)\nevidence: zero window 1, sessions whose client takes no more` +
			` data\nevidence: missing the time of the last data sent, would tell for how long\n`,
	} {
		var out string
		for range 100 { // until the kernel's first probe, and 2 s after the last data
			out, _ = run(t, exec.Command(program, "-p", "41253", "-s", source, "-v"))
			if strings.Contains(out, "evidence: zero window") {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s: %s, want %s", source, out, want)
		}
	}
}
