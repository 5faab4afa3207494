package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"frontsockets/internal/report"
	"frontsockets/internal/testkit/population"
)

func TestMain(m *testing.M) { population.Main(m) }

// programs builds the programs into a folder.
func programs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-trimpath", "-tags", "forceposix", "-o", dir}
	for _, name := range names {
		args = append(args, "frontsockets/cmd/"+name)
	}
	build := exec.Command("go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// TestPipes: a reader that goes away ends the program without a word, and nothing of the copy of
// stdin is left. A FIFO can be a LOG.
func TestPipes(t *testing.T) {
	program := filepath.Join(programs(t, "front_report"), "front_report")
	temporary, dir := t.TempDir(), t.TempDir()
	log := filepath.Join(dir, "log")
	write(t, log, strings.Repeat(story(), 500))
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for script, want := range map[string]string{
		`"$0" "$1" | head -1`:             "Fronts: 1, from 2026-11-25 10:00:00 to 10:02:00 (+08:00). Looks: 3.\n",
		`"$0" - <"$1" | head -1`:          "Fronts: 1, from 2026-11-25 10:00:00 to 10:02:00 (+08:00). Looks: 3.\n",
		`cat "$1" | "$0" - | true`:        "",
		`"$0" "$1" | true`:                "",
		`"$0" "$1" >/dev/full; echo $?`:   "1\n",
		`"$0" --help >/dev/full; echo $?`: "1\n",
		`cat "$1" >"$2" & "$0" "$2"`:      "\n    10.1.2.3: 60 CLOSE_WAIT here\n",
		`gzip -c "$1" | "$0" /dev/stdin`:  "\n    10.1.2.3: 60 CLOSE_WAIT here\n",
		`"$0" /dev/stdin <"$1"`:           "\n    10.1.2.3: 60 CLOSE_WAIT here\n",
		`"$0" --html "$2" "$1"; echo $?`:  "1\n",
		`"$0" "$1" /dev/zero; echo $?`:    "1\n",
	} {
		cmd := exec.Command("sh", "-c", script, program, log, fifo)
		cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "TMPDIR="+temporary)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		err := cmd.Run()
		if !limit.Stop() {
			t.Errorf("%s: hangs", script)
		}
		if err != nil || !strings.Contains(stdout.String(), want) || want == "" && stdout.Len() > 0 {
			t.Errorf("%s: %v, %q, want %q", script, err, &stdout, want)
		}
		if strings.Contains(stderr.String(), "goroutine") || strings.Count(stderr.String(), "\n") > 1 {
			t.Errorf("%s: stderr %s", script, &stderr)
		}
	}
	requireFiles(t, temporary, "")
	if info, err := os.Stat(fifo); err != nil || info.Mode().IsRegular() {
		t.Errorf("--html has replaced the FIFO: %v, %v", info, err)
	}
}

// TestPageFullDisk: a page for which there is no room is not written, the old one stays and nothing
// is left of the new one.
func TestPageFullDisk(t *testing.T) {
	population.Need(t)
	program, dir := filepath.Join(programs(t, "front_report"), "front_report"), t.TempDir()
	log := write(t, filepath.Join(t.TempDir(), "log"), story())
	// A file system of two pages, in a mount namespace of the shell's.
	script := `mount -t tmpfs -o size=8k none "$1" && echo old >"$1/page" || exit 99
		"$2" --html "$1/page" "$3" 2>&1; echo "exit $?"; ls -A "$1"; cat "$1/page"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir, program, log)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	want := "front_report: --html " + dir + "/page: not written: no space left on device\nexit 1\npage\nold\n"
	if err != nil || string(out) != want {
		t.Errorf("%v, %s, want %s", err, out, want)
	}
}

// drill is a running front_drill.
type drill struct {
	cmd   *exec.Cmd
	front string // the process id of its front
	mutex sync.Mutex
	seen  chan string
}

// startDrill starts a scenario.
func startDrill(t *testing.T, program string, args ...string) *drill {
	t.Helper()
	d := &drill{cmd: exec.Command(program, args...), seen: make(chan string, 100)}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.end)
	go func() {
		defer close(d.seen)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			text := strings.TrimPrefix(scanner.Text(), "front_drill: ")
			d.mutex.Lock()
			if pid := regexp.MustCompile(`^front \(pid (\d+)\)`).FindStringSubmatch(text); pid != nil {
				d.front = pid[1]
			}
			d.mutex.Unlock()
			d.seen <- text
		}
	}()
	return d
}

// await waits for a line that begins so, and returns the time.
func (d *drill) await(t *testing.T, begin string) time.Time {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case text, open := <-d.seen:
			if !open {
				t.Fatalf("the drill ended without %q", begin)
			}
			if strings.HasPrefix(text, begin) {
				return time.Now()
			}
		case <-limit:
			t.Fatalf("no %q", begin)
		}
	}
}

func (d *drill) pid() string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.front
}

func (d *drill) end() {
	if d.cmd.ProcessState == nil {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		_ = d.cmd.Wait()
	}
}

// watch is the looks at one front: when each began and ended.
type watch struct {
	mutex        sync.Mutex
	began, ended []time.Time
}

// run looks each second, until stop is closed.
func (w *watch) run(stop chan struct{}, program string, args ...string) {
	for next := time.Now(); ; next = next.Add(time.Second) {
		select {
		case <-stop:
			return
		case <-time.After(time.Until(next)):
		}
		if late := time.Since(next); late > time.Second {
			next = time.Now()
		}
		began := time.Now()
		_ = exec.Command(program, args...).Run() // its exit code is in the log too
		w.mutex.Lock()
		w.began, w.ended = append(w.began, began), append(w.ended, time.Now())
		w.mutex.Unlock()
	}
}

// await waits until so many looks have begun after a moment, and ended.
func (w *watch) await(t *testing.T, after time.Time, looks int) {
	t.Helper()
	for limit := time.Now().Add(40 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, last := w.around(after, looks); !last.IsZero() {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("not %d looks after %s", looks, after)
		}
	}
}

// around returns when the last look that began before a moment did, and when the look ended that is
// so many looks after it, to the seconds of the log. It is zero if there was none.
func (w *watch) around(moment time.Time, looks int) (first, last time.Time) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	n := 0
	for i, began := range w.began {
		if !began.After(moment) {
			first = began.Truncate(time.Second)
			continue
		}
		if n++; n == looks {
			return first, w.ended[i]
		}
	}
	return first, time.Time{}
}

// runs is how often TestRealStory ran.
var runs atomic.Int32

// TestRealStory acts three fronts: one is well; one hangs, is ended and started again; a client of
// the third loops. Each is checked each second, and the story of the log is what has happened.
func TestRealStory(t *testing.T) {
	population.Need(t)
	if testing.Short() {
		t.Skip("it takes 25 s")
	}
	dir := programs(t, "front_drill", "check_mdfront_sockets", "front_report")
	in := func(name string) string { return filepath.Join(dir, name) }
	log := in("log")
	// Each run has ports of its own, because the kernel keeps the TIME_WAIT of the last one for a minute.
	port := 41300 + 10*int(runs.Add(1))
	front1, front2, front3 := strconv.Itoa(port+1), strconv.Itoa(port+2), strconv.Itoa(port+3)
	well := startDrill(t, in("front_drill"), "healthy", "--port", front1, "--for", "5m")
	hang := startDrill(t, in("front_drill"), "hang", "--port", front2, "--after", "5s", "--for", "5m")
	loop := startDrill(t, in("front_drill"), "loop", "--port", front3, "--after", "5s", "--for", "5m")
	for _, d := range []*drill{well, hang, loop} {
		d.await(t, "front (pid ") // it listens
	}

	stop := make(chan struct{})
	var all sync.WaitGroup
	watches := map[string]*watch{front1: {}, front2: {}, front3: {}}
	for port, w := range watches {
		all.Add(1)
		go func() {
			defer all.Done()
			w.run(stop, in("check_mdfront_sockets"), "-p", port, "-n", "front"+port[len(port)-1:], "--log", log, "-t", "30")
		}()
	}
	looping := loop.await(t, "trouble")
	loopReady := loop.await(t, "ready")
	stopped := hang.await(t, "trouble")
	hangReady := hang.await(t, "ready")
	watches[front2].await(t, hangReady, 3)
	hang.end()
	ended := time.Now()
	watches[front2].await(t, ended, 1)
	again := startDrill(t, in("front_drill"), "healthy", "--port", front2, "--for", "5m")
	againReady := again.await(t, "ready")
	watches[front2].await(t, againReady, 4)
	close(stop)
	all.Wait()

	logs, _, err := report.Logs([]string{log}, nil)
	if err != nil {
		t.Fatal(err)
	}
	story, err := report.Read(logs, report.Bound{}, report.Bound{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(in("front_report"), log).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
	if story.Skipped.N > 0 || len(story.Fronts) != 3 || len(story.Incidents) != 2 {
		t.Fatalf("%d lines skipped, %d fronts, %d incidents", story.Skipped.N, len(story.Fronts), len(story.Incidents))
	}
	byFront := map[string]*report.Incident{}
	for _, n := range story.Incidents {
		byFront[n.Front.Title] = n
	}
	between := func(what string, got, earliest, latest time.Time, w *watch) {
		t.Helper()
		first, _ := w.around(earliest, 1)
		_, last := w.around(latest, 2)
		if last.IsZero() || got.Before(first) || got.After(last) {
			t.Errorf("%s at %s, want %s to %s", what, got, first, last)
		}
	}
	requireHang(t, byFront["front2"], hang.pid(), again.pid())
	between("the hang begins", byFront["front2"].From, stopped, hangReady, watches[front2])
	between("the hang ends", byFront["front2"].To, ended, againReady, watches[front2])
	between("the restart", byFront["front2"].Restarts[0].At, ended, againReady, watches[front2])
	requireLoop(t, byFront["front3"])
	between("the loop begins", byFront["front3"].From, looping, loopReady, watches[front3])
	for _, want := range []string{"and well at front1", ": the front, not the client\n", "    127.0.0.66: ",
		"process before " + hang.pid() + " (front_drill, since "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in the story", want)
		}
	}
}

// requireHang requires that the front is blamed, not its clients, and that its restart was seen.
func requireHang(t *testing.T, n *report.Incident, before, after string) {
	t.Helper()
	if n == nil {
		t.Fatal("front2 has no incident")
	}
	if n.Worst != report.Critical || !n.Over || len(n.Restarts) != 1 {
		t.Fatalf("worst %s, over %v, %d restarts", n.Worst, n.Over, len(n.Restarts))
	}
	restart := n.Restarts[0]
	if restart.Before == nil || fmt.Sprint(restart.Before.PID) != before || restart.After == nil ||
		fmt.Sprint(restart.After.PID) != after {
		t.Errorf("restart %+v, %+v, want %s and %s", restart.Before, restart.After, before, after)
	}
	codes := ""
	for _, step := range n.Steps {
		codes += step.Code + " "
	}
	if !strings.Contains(codes, "hung") {
		t.Errorf("diagnoses %s", codes)
	}
	for _, c := range n.Clients {
		if c.Verdict != report.TheFront {
			t.Errorf("client %s has verdict %d", c.Address, c.Verdict)
		}
	}
	for _, o := range n.Others {
		if o.Front.Title == "front1" && (!o.Looked || o.Status != report.OK) {
			t.Errorf("front1 is not well: %+v", o)
		}
	}
}

// requireLoop requires that the looping client is named, and that the incident is not over.
func requireLoop(t *testing.T, n *report.Incident) {
	t.Helper()
	if n == nil {
		t.Fatal("front3 has no incident")
	}
	if n.Worst != report.Critical || n.Over || n.Lost || len(n.Restarts) != 0 {
		t.Errorf("worst %s, over %v, lost %v, %d restarts", n.Worst, n.Over, n.Lost, len(n.Restarts))
	}
	if n.First == nil || n.First.Address != "127.0.0.66" || n.Clients[0].Address != "127.0.0.66" {
		t.Errorf("first client %+v", n.First)
	}
	if last := n.Steps[len(n.Steps)-1].Code; last != "client_loop" {
		t.Errorf("the last diagnosis is %s", last)
	}
}
