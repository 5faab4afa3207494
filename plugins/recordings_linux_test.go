package plugins

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/population"
)

// tool runs a program of the system and gives what it printed.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		population.Skip(t, "there is no "+name)
	}
	// To stderr netstat -p says what an ordinary user may not see.
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

// TestOneTruth: one population, seen by every source, has one tally: what a source
// knows is what sock_diag knows, and the rest is U.
func TestOneTruth(t *testing.T) {
	population.Need(t)
	const port = "41241"
	f := population.Listen(t, "tcp", "[::]:"+port)
	// An address over 23 characters, as the last here when mapped, shows that no column is cut.
	clients := append(population.Addresses(4), "::1", "127.200.200.200")
	f.Make("established", 20, clients...)
	f.Make("close_wait", 13, clients...)
	f.Make("time_wait", 11, clients...)
	f.Make("fin_wait2", 7, clients...)
	front, peer := f.Session(clients[0])
	if _, err := peer.Write(make([]byte, 700)); err != nil {
		t.Fatal(err)
	}
	if _, err := front.Write(make([]byte, 300)); err != nil {
		t.Fatal(err)
	}
	f.Make("unaccepted", 3, clients...)
	population.Listen(t, "tcp4", "127.0.0.1:4124").Make("time_wait", 4, clients[0])

	dir := t.TempDir()
	record := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	const (
		addresses = tcp.FactClient
		queues    = addresses | tcp.FactRecvQ | tcp.FactSendQ
		ss        = queues | tcp.FactBacklog
		ssI       = ss | tcp.FactLastDataSent | tcp.FactRTT
		everySS   = ssI | tcp.FactDrops
		proc      = queues | tcp.FactInode | tcp.FactRetransmits
	)
	type seen struct {
		source string
		tells  tcp.Facts
	}
	var all []seen
	for _, s := range []seen{
		{"sockdiag", ^tcp.Facts(0)}, {"procnet", proc}, {"gopsutil", addresses},
		{"netstat:" + record("netstat", tool(t, "netstat", "-anW")), queues},
		{"netstat:" + record("netstat-o", tool(t, "netstat", "-anoW")), queues | tcp.FactRetransmits},
		{"netstat:" + record("netstat-p", tool(t, "netstat", "-anpW")), queues},
		{"netstat:" + record("busybox", tool(t, "busybox", "netstat", "-an")), queues},
		{"ss:" + record("ss", tool(t, "ss", "-tan")), ss},
		{"ss:" + record("ss-H", tool(t, "ss", "-Htan")), ss},
		{"ss:" + record("ss-u", tool(t, "ss", "-tuan")), ss},
		{"ss:" + record("ss-i", tool(t, "ss", "-tani")), ssI},
		{"ss:" + record("ss-mi", tool(t, "ss", "-tanmi")), everySS},
		{"ss:" + record("ss-Hmi", tool(t, "ss", "-Htanmi")), everySS},
		{"ss:" + record("ss-O", tool(t, "ss", "-tanmiOoe")), everySS},
	} {
		all = append(all, s)
		snapshot := filepath.Join(dir, strings.ReplaceAll(filepath.Base(s.source), ":", "-")+".snapshot")
		// Its queue may be full. On a slow machine the front is hung, and its sessions stall.
		out, code := check(t, MDFront, "-p", port, "-s", s.source, "--save", snapshot, "--policy", "seed")
		if code != 0 && s.source != "procnet" {
			t.Errorf("%s: exit %d, %s", s.source, code, out)
		}
		all = append(all, seen{"snapshot:" + snapshot, s.tells})
	}

	look := func(source string) map[string]string {
		out, _ := check(t, MDFront, "-p", port, "-s", source, "--stalled-after", "10m", "-f", "json")
		return metrics(t, out)
	}
	truth := look("sockdiag")
	for metric, n := range map[string]string{
		"abnormal": "31", "established": "24", "close_wait": "13", "time_wait": "11", "fin_wait2": "7", "clients": "6",
		"unaccepted": "3", "unread_bytes": "700", "accept_queue": "3", "stalled": "0", "retransmitting": "0",
	} {
		if truth[metric] != n {
			t.Errorf("sockdiag says %s=%s, want %s", metric, truth[metric], n)
		}
	}
	needs := map[tally.Metric]tcp.Facts{
		tally.AcceptQueue: tcp.FactRecvQ, tally.AcceptQueuePct: tcp.FactRecvQ | tcp.FactBacklog,
		tally.Unaccepted: tcp.FactInode, tally.Unread: tcp.FactRecvQ, tally.UnreadBytes: tcp.FactRecvQ,
		tally.Unsent: tcp.FactSendQ, tally.UnsentBytes: tcp.FactSendQ, tally.Retransmitting: tcp.FactRetransmits,
		tally.Stalled: tcp.FactLastDataSent, tally.StalledPct: tcp.FactLastDataSent, tally.FeedAge: tcp.FactLastDataSent,
		tally.ZeroWindow: tcp.FactRetransmits, tally.RequestAge: tcp.FactLastDataSent, tally.RTT: tcp.FactRTT,
	}
	for _, s := range all {
		got := look(s.source)
		if strings.Contains(got["reason"], "cannot be judged") {
			t.Errorf("%s: %s", s.source, got["reason"])
			continue
		}
		for m := range tally.NumMetrics {
			want := truth[m.String()]
			if !s.tells.Has(needs[m]) {
				want = "U"
			}
			if (m == tally.FeedAge || m == tally.RequestAge) && want != "U" { // it grows while we look
				if got[m.String()] == "U" {
					t.Errorf("%s does not know %s", s.source, m)
				}
				continue
			}
			if got[m.String()] != want {
				t.Errorf("%s says %s=%s, want %s", s.source, m, got[m.String()], want)
			}
		}
	}
}

// TestWaitingInput: a FIFO without a writer and a stdin that says nothing are waited
// for until the time is over, and not longer.
func TestWaitingInput(t *testing.T) {
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, source := range []string{"netstat:" + fifo, "ss:" + fifo, "snapshot:" + fifo, "netstat:-", "ss:-",
		"snapshot:-"} {
		cmd := exec.Command(program, "-s", source, "-t", "300ms")
		cmd.Stdin = r
		start := time.Now()
		out, code := run(t, cmd)
		if code != 3 || !strings.Contains(out, source+" not read within 300ms (-t)") || time.Since(start) > 5*time.Second {
			t.Errorf("%s: exit %d after %s, %s", source, code, time.Since(start), out)
		}
	}
}

// TestGrowingCapture: a file that somebody still writes is no capture yet.
func TestGrowingCapture(t *testing.T) {
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	file := filepath.Join(t.TempDir(), "capture")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	row := strings.Repeat("tcp 0 0 10.1.0.7:8080 10.1.2.3:5 TIME_WAIT\n", 1000)
	for range 2000 { // 80 MB take longer to read than the writer needs for a row
		if _, err := f.WriteString(row); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	written := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				written <- nil
				return
			case <-time.After(time.Millisecond):
				if _, err := f.WriteString(row[:43]); err != nil {
					written <- err
					return
				}
			}
		}
	}()
	out, code := run(t, exec.Command(program, "-s", "netstat:"+file, "-t", "60"))
	close(stop)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if code != 3 || !strings.Contains(out, "the file changed while it was read") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// TestFullDisk: a snapshot for which there is no room is not written, the old one stays
// and nothing is left of the new one.
func TestFullDisk(t *testing.T) {
	population.Need(t)
	population.Listen(t, "tcp4", "127.0.0.1:41243").Make("time_wait", 200, population.Addresses(20)...)
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	dir := t.TempDir()
	// A file system of two pages, in a mount namespace of the shell's.
	script := `mount -t tmpfs -o size=8k none "$1" && echo old >"$1/mdfront" || exit 99
		"$2" -p 41243 -c 1000 --save "$1/mdfront"; echo "exit $?"; ls -A "$1"; cat "$1/mdfront"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir, program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	out, code := run(t, cmd)
	want := "; snapshot not written: no space left on device: " + dir + "/mdfront | "
	if code != 0 || !strings.HasPrefix(out, "MDFRONT UNKNOWN: :41243 has 200 abnormal ") || !strings.Contains(out,
		want) || !strings.HasSuffix(out, "\nexit 3\nmdfront\nold\n") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// elsewhere as first argument makes the test binary a front in a network namespace of
// its own, with a session of each kind, until its stdin ends.
const elsewhere = "-elsewhere"

func frontElsewhere() error {
	if why := population.Missing(); why != "" {
		return fmt.Errorf("%s", why)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:41213")
	if err != nil {
		return err
	}
	for range 3 {
		if _, err := net.Dial("tcp4", l.Addr().String()); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	_, err = bufio.NewReader(os.Stdin).ReadByte()
	return err
}

// TestNetns: a front in another network namespace is seen by the number of its
// process, by path and by name, through every source; our own namespace stays ours.
func TestNetns(t *testing.T) {
	population.Need(t)
	cmd := exec.Command("/proc/self/exe", elsewhere)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() // it ends with an end of file, and its exit code is not the question
	defer stdin.Close()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the front says %q, %v", line, err)
	}
	pid := fmt.Sprint(cmd.Process.Pid)

	own := namespaces(t)
	if len(own) != 1 {
		t.Fatalf("the threads are in namespaces %v", own)
	}
	look := func(netns, source string) {
		t.Helper()
		out, code := check(t, MDFront, "--netns", netns, "-s", source, "-f", "json", "--policy", "seed")
		got := metrics(t, out)
		want := 0
		if source == "procnet" { // the front accepts nobody
			want = 3
		}
		if code != want || got["established"] != "3" || got["listeners"] != "1" {
			t.Errorf("--netns %s -s %s: exit %d, %s", netns, source, code, out)
		}
		if now := namespaces(t); !slices.Equal(now, own) {
			t.Errorf("--netns %s -s %s: the threads are in namespaces %v, were in %v", netns, source, now, own)
		}
		if out, code := check(t, MDFront); code != 2 || !strings.Contains(out, "nothing listens on port 41213") {
			t.Errorf("our own namespace has the other's front: exit %d, %s", code, out)
		}
	}
	for _, source := range []string{"auto", "sockdiag", "procnet", "gopsutil"} {
		look(pid, source)
	}
	look("/proc/"+pid+"/ns/net", "auto")
	for netns, want := range map[string]string{
		"4194305":            "netns 4194305: /proc/4194305/ns/net does not exist",
		"nowhere":            "netns nowhere: /run/netns/nowhere does not exist",
		"/dev/null":          "netns /dev/null: /dev/null is not a network namespace",
		"/proc/self/ns/user": "netns /proc/self/ns/user: /proc/self/ns/user is not a network namespace",
	} {
		if out, code := check(t, MDFront, "--netns", netns); code != 3 || !strings.Contains(out, want) {
			t.Errorf("--netns %s: exit %d, %s", netns, code, out)
		}
	}
	// While it looks the thread is there: a snapshot of it says nothing else.
	file := filepath.Join(t.TempDir(), "snapshot")
	check(t, MDFront, "--netns", pid, "--save", file)
	if out, code := check(t, MDFront, "-s", "snapshot:"+file, "--policy", "seed"); code != 0 || !strings.Contains(out,
		" established=3;") {
		t.Errorf("the snapshot: exit %d, %s", code, out)
	}

	// Without the right: which one is missing.
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	out, code := run(t, nobody(t, exec.Command(program, "--netns", pid)))
	if want := "netns " + pid + ": open /proc/" + pid +
		"/ns/net: permission denied: this needs CAP_SYS_PTRACE, which root has\n"; code != 3 ||
		!strings.Contains(out, want) {
		t.Errorf("exit %d, %s", code, out)
	}
	out, code = run(t, nobody(t, exec.Command(program, "--netns", "/proc/self/ns/net")))
	want := ": enter /proc/self/ns/net: operation not permitted: this needs CAP_SYS_ADMIN, which root has\n"
	if code != 3 || !strings.Contains(out, want) {
		t.Errorf("exit %d, %s", code, out)
	}

	name := "frontsockets" + pid
	tool(t, "ip", "netns", "attach", name, pid)
	defer func() { tool(t, "ip", "netns", "delete", name) }()
	look(name, "auto")
}

// namespaces are the network namespaces of all threads.
func namespaces(t *testing.T) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil && !slices.Contains(found, name) { // a thread may end
			found = append(found, name)
		}
	}
	return found
}
