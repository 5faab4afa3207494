package plugins

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"frontsockets/internal/testkit/population"
)

// withoutTCPDiag names a variable that says that this kernel has no tcp_diag module. sock_diag must
// say so then, and the check must read /proc/net/tcp.
const withoutTCPDiag = "FRONTSOCKETS_WITHOUT_TCP_DIAG"

// known is a population in every state, and what the check must count.
var known = []struct {
	state string
	count int
}{
	{"established", 21}, {"close_wait", 13}, {"time_wait", 11}, {"fin_wait2", 7}, {"fin_wait2_orphan", 2},
	{"fin_wait1", 1}, {"closing", 2}, {"last_ack", 3}, {"unaccepted", 3}, {"syn_recv", 4},
}

var knownMetrics = map[string]string{
	"established": "24", "close_wait": "13", "time_wait": "11", "fin_wait1": "1", "fin_wait2": "9", "closing": "2",
	"last_ack": "3", "syn_recv": "4", "syn_sent": "0", "close": "0", "listeners": "1", "abnormal": "43",
}

// TestEverySourceAndUser: root and an ordinary user see by every source what was made, for an IPv4,
// an IPv6 and a dual-stack listener, and a snapshot of it has the same numbers.
func TestEverySourceAndUser(t *testing.T) {
	population.Need(t)
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	for i, world := range []struct {
		name, network, address string
		clients                []string
	}{
		{"IPv4", "tcp4", "127.0.0.1", population.Addresses(5)},
		{"IPv6", "tcp6", "[::1]", []string{"::1"}},
		{"IPv4-mapped", "tcp", "[::]", append(population.Addresses(4), "::1")},
	} {
		t.Run(world.name, func(t *testing.T) {
			port := strconv.Itoa(41261 + i)
			f := population.Listen(t, world.network, world.address+":"+port)
			f.Backlog(64)
			for _, k := range known {
				f.Make(k.state, k.count, world.clients...)
			}
			snapshot := filepath.Join(t.TempDir(), "snapshot")
			run(t, exec.Command(program, "-p", port, "--save", snapshot))
			for path, mode := range map[string]os.FileMode{filepath.Dir(filepath.Dir(snapshot)): 0o755, snapshot: 0o644} {
				if err := os.Chmod(path, mode); err != nil { // so that nobody may read it
					t.Fatal(err)
				}
			}
			for _, source := range []string{"auto", "sockdiag", "procnet", "gopsutil", "snapshot:" + snapshot} {
				for _, user := range []string{"root", "nobody"} {
					name, _, _ := strings.Cut(source, ":")
					t.Run(name+" as "+user, func(t *testing.T) {
						t.Parallel() // where the backlog is not known, an answer takes a second
						compareWorld(t, program, port, source, user, len(world.clients))
					})
				}
			}
		})
	}
}

// compareWorld compares an answer with the known population.
func compareWorld(t *testing.T, program, port, source, user string, clients int) {
	t.Helper()
	cmd := exec.Command(program, "-p", port, "-s", source, "-f", "json", "-t", "20")
	if user == "nobody" {
		cmd = nobody(t, cmd)
	}
	out, _ := run(t, cmd)
	// The old request fails in another way.
	const refused = "sockdiag: the request was refused: operation not supported; sockdiag: the request was refused:" +
		" the kernel has no tcp_diag (as root: modprobe tcp_diag): no such file or directory"
	missing := os.Getenv(withoutTCPDiag) != ""
	if missing && source == "sockdiag" {
		if !strings.Contains(out, `cannot be judged: `+refused+`"`) {
			t.Error(out)
		}
		return
	}
	if missing && source == "auto" && !strings.Contains(out, `"source":"procnet (`+refused+`)"`) {
		t.Error(out)
	}
	got := metrics(t, out)
	for metric, want := range knownMetrics {
		if got[metric] != want {
			t.Errorf("%s is %s, want %s", metric, got[metric], want)
		}
	}
	queue, backlog := "3", "64"
	if source == "procnet" || missing {
		backlog = "null"
	}
	if source == "gopsutil" {
		queue, backlog = "null", "null"
	}
	if got["clients"] != strconv.Itoa(clients) {
		t.Errorf("clients is %s, want %d", got["clients"], clients)
	}
	if want := fmt.Sprintf(`"accept_queue":%s,"backlog":%s,`, queue, backlog); !strings.Contains(out, want) {
		t.Errorf("no %s in %s", want, out)
	}
}

// TestDrill: the check says what trouble the drill acts.
func TestDrill(t *testing.T) {
	population.Need(t)
	dir := programs(t)
	for i, scenario := range []struct{ name, want string }{
		{"hang", `^MDFRONT CRITICAL: .*the front does not `},
		{"loop", `^MDFRONT CRITICAL: .* TIME_WAIT\) from 127\.0\.0\.66 - one client looping, 100 % of them \| `},
	} {
		port := strconv.Itoa(41271 + i)
		drill := exec.Command(filepath.Join(dir, "front_drill"), scenario.name, "--port", port, "--for", "5m")
		stdout, err := drill.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := drill.Start(); err != nil {
			t.Fatal(err)
		}
		limit := time.AfterFunc(2*time.Minute, func() { drill.Process.Kill() })
		lines := bufio.NewScanner(stdout)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "front_drill: ready") {
		}
		// Sessions that are all closed within a second could be many clients that log off.
		time.Sleep(2 * time.Second)
		out, code := run(t, exec.Command(filepath.Join(dir, "check_mdfront_sockets"), "-p", port, "-t", "20"))
		if code != 2 || !regexp.MustCompile(scenario.want).MatchString(out) {
			t.Errorf("%s: exit %d, %s", scenario.name, code, out)
		}
		drill.Process.Signal(syscall.SIGTERM)
		for lines.Scan() {
		}
		if err := drill.Wait(); err != nil {
			t.Errorf("%s: %v", scenario.name, err)
		}
		limit.Stop()
	}
}
