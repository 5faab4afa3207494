// Faults runs the check again and again, and lets one system call fail in each run: each call
// that the check makes, with each error, made short, or with the end of the process. The answer
// must be the right one, or UNKNOWN with a reason, or none at all; never OK, and never a smaller
// count. What --save and --log leave behind must be whole, or the answer must say that it is not.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"frontsockets/internal/testkit/population"
)

// The front has so many sockets in CLOSE_WAIT, and the check alarms for that many.
const (
	port     = "41213"
	abnormal = 60
)

// dirVar holds the folder of the programs, which are built outside of the namespace.
const dirVar = "FRONTSOCKETS_FAULTS"

// mode is one way to run the check.
type mode struct {
	name string
	args []string
	// saves and logs say that FILE or LOG is written. Both are in the folder of the mode.
	saves, logs bool
}

var modes = []mode{
	{name: "auto"},
	{name: "sockdiag", args: []string{"-s", "sockdiag"}},
	{name: "procnet", args: []string{"-s", "procnet"}},
	{name: "gopsutil", args: []string{"-s", "gopsutil"}},
	{name: "snapshot:FILE", args: []string{"-s", "snapshot:DIR/recorded", "--max-age", "24h"}},
	{name: "ss:FILE", args: []string{"-s", "ss:DIR/ss"}},
	{name: "netstat:FILE", args: []string{"-s", "netstat:DIR/netstat"}},
	{name: "--save", args: []string{"--save", "DIR/saved/file"}, saves: true},
	{name: "--log", args: []string{"--log", "DIR/log"}, logs: true},
}

func main() {
	short := flag.Bool("short", false, "inject few faults, and only into the first of each call")
	out := flag.String("o", "", "also write the table into this Markdown `file`, between its marks")
	flag.Parse()
	if os.Getenv(dirVar) == "" {
		os.Exit(build())
	}
	code, entered := population.Enter()
	if !entered {
		os.Exit(code)
	}
	if why := population.Missing(); why != "" {
		must(errors.New(why))
	}
	w := newWorld(os.Getenv(dirVar))
	defer w.end()
	if !w.measure(*short) {
		w.end()
		os.Exit(1)
	}
	if *out != "" {
		must(writeTable(*out, w.table()))
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// build builds the programs and starts this one again. It returns the exit code.
func build() int {
	dir, err := os.MkdirTemp("", "frontsockets-faults-")
	must(err)
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	must(err)
	for _, cmd := range []*exec.Cmd{
		exec.Command("go", "build", "-trimpath", "-tags", "forceposix", "-o", dir, "frontsockets/cmd/check_mdfront_sockets",
			"frontsockets/cmd/front_drill"),
		exec.Command(self, os.Args[1:]...),
	} {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", dirVar+"="+dir)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "faults:", err)
			return 1
		}
	}
	return 0
}

// world is the front, and what was found.
type world struct {
	dir    string
	drill  *exec.Cmd
	stdout *os.File
	counts map[string]map[string]*count // mode → fault → outcomes
}

// count is how runs ended.
type count struct{ right, unknown, none, wrong int }

func newWorld(dir string) *world {
	w := &world{dir: dir, counts: map[string]map[string]*count{}}
	w.drill = exec.Command(filepath.Join(dir, "front_drill"), "leak", "--port", port, "--clients", strconv.Itoa(abnormal),
		"--for", "1h")
	w.drill.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	lines, err := w.drill.StdoutPipe()
	must(err)
	must(w.drill.Start())
	ready := false
	for s := bufio.NewScanner(lines); !ready && s.Scan(); {
		ready = strings.Contains(s.Text(), "ready")
	}
	if !ready {
		must(errors.New("the drill ended before it was ready"))
	}
	w.stdout, err = os.Create(filepath.Join(dir, "stdout"))
	must(err)
	must(os.Mkdir(filepath.Join(dir, "saved"), 0o700))
	check := filepath.Join(dir, "check_mdfront_sockets")
	out, err := exec.Command(check, "--save", filepath.Join(dir, "recorded")).Output()
	if len(out) == 0 {
		must(fmt.Errorf("the check does not save: %w", err))
	}
	var ss, netstat strings.Builder
	ss.WriteString("State Recv-Q Send-Q Local Address:Port Peer Address:Port\n" +
		"LISTEN 0 128 127.0.0.1:" + port + " 0.0.0.0:*\n")
	netstat.WriteString("Proto Recv-Q Send-Q Local Address           Foreign Address         State\n" +
		"tcp        0      0 127.0.0.1:" + port + "         0.0.0.0:*               LISTEN\n")
	for i := range abnormal {
		fmt.Fprintf(&ss, "CLOSE-WAIT 0 0 127.0.0.1:%s 127.0.0.11:%d\n", port, 50000+i)
		fmt.Fprintf(&netstat, "tcp        0      0 127.0.0.1:%s         127.0.0.11:%d        CLOSE_WAIT\n", port, 50000+i)
	}
	must(os.WriteFile(filepath.Join(dir, "ss"), []byte(ss.String()), 0o600))
	must(os.WriteFile(filepath.Join(dir, "netstat"), []byte(netstat.String()), 0o600))
	return w
}

func (w *world) end() {
	_ = w.drill.Process.Signal(os.Interrupt)
	_ = w.drill.Wait()
}

// shortFaults are the faults that -short injects.
var shortFaults = []string{"EINTR", "EIO", "short", "SIGKILL"}

// measure injects all faults and reports whether no answer was wrong.
func (w *world) measure(short bool) bool {
	ok := true
	for _, m := range modes {
		w.counts[m.name] = map[string]*count{}
		plain, err := w.runMode(m, injection{})
		must(err)
		if what := w.judge(m, plain); what != right {
			must(fmt.Errorf("%s without a fault is %s: exit %d, %s", m.name, what, plain.exit, plain.stdout))
		}
		for _, f := range faults {
			if short && !slices.Contains(shortFaults, f.name) {
				continue
			}
			c := &count{}
			w.counts[m.name][f.name] = c
			for _, inject := range plan(f, plain.calls, short) {
				end, err := w.runMode(m, inject)
				must(err)
				what := w.judge(m, end)
				c.add(what)
				if what == wrong {
					ok = false
					text, _, _ := strings.Cut(end.stdout, " | ")
					fmt.Printf("WRONG: %s, %s at call %d of %s (and later ones: %v): exit %d, %s\n", m.name, f.name,
						inject.nth, callName(inject.call), inject.all, end.exit, text)
				}
			}
		}
		fmt.Printf("%s: %s\n", m.name, w.total(m.name))
	}
	fmt.Print("\n" + w.table())
	return ok
}

// plan returns the runs of a fault: in each call that the check makes, the first ones, and all.
func plan(f fault, calls map[uint64]int, short bool) []injection {
	// unhurt are calls that cannot fail, or that only end the process.
	unhurt := []uint64{unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_EXECVE, unix.SYS_RT_SIGRETURN}
	sized := []uint64{unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64} // their third argument is a size
	var runs []injection
	for _, call := range slices.Sorted(keys(calls)) {
		if slices.Contains(unhurt, call) || f.short && !slices.Contains(sized, call) {
			continue
		}
		first := min(calls[call], 4)
		if short {
			first = 1
		}
		for n := 1; n <= first; n++ {
			runs = append(runs, injection{fault: f, call: call, nth: n})
		}
		if !short && (f.errno != 0 || f.short) {
			runs = append(runs, injection{fault: f, call: call, nth: 1, all: true})
		}
	}
	return runs
}

func keys(m map[uint64]int) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func callName(call uint64) string {
	if name, known := callNames[call]; known {
		return name
	}
	return fmt.Sprint("call number ", call)
}

// What was there before a run, so that a run that writes nothing can be told from one that does.
const before = "before\n"

func (w *world) runMode(m mode, inject injection) (ending, error) {
	args := []string{filepath.Join(w.dir, "check_mdfront_sockets"), "-p", port, "-c", strconv.Itoa(abnormal - 1),
		"--policy", "seed", "-t", "500ms"}
	for _, arg := range m.args {
		args = append(args, strings.ReplaceAll(arg, "DIR", w.dir))
	}
	if m.saves {
		must(os.RemoveAll(filepath.Join(w.dir, "saved")))
		must(os.Mkdir(filepath.Join(w.dir, "saved"), 0o700))
		must(os.WriteFile(filepath.Join(w.dir, "saved", "file"), []byte(before), 0o600))
	}
	if m.logs {
		must(os.WriteFile(filepath.Join(w.dir, "log"), []byte(before), 0o600))
	}
	return run(args, w.stdout, inject)
}

// outcome is how a run ended.
type outcome string

const (
	right   outcome = "right"
	unknown outcome = "UNKNOWN"
	none    outcome = "no answer"
	wrong   outcome = "wrong"
)

func (c *count) add(what outcome) {
	switch what {
	case right:
		c.right++
	case unknown:
		c.unknown++
	case none:
		c.none++
	case wrong:
		c.wrong++
	}
}

// judge says what an ending is. Without an answer the exit code must not be OK or WARNING.
func (w *world) judge(m mode, end ending) outcome {
	answer := outcome(wrong)
	counted := fmt.Sprintf(" %d abnormal sockets", abnormal)
	switch {
	case end.exit == 2 && strings.HasPrefix(end.stdout, "MDFRONT CRITICAL: ") && strings.Contains(end.stdout, counted):
		answer = right
	case end.exit == 3 && strings.HasPrefix(end.stdout, "MDFRONT UNKNOWN: "):
		answer = unknown
	case end.killed || end.late || end.stdout == "" && end.exit != 0 && end.exit != 1:
		answer = none
	}
	told := strings.Contains(end.stdout, "not written")
	if answer == right && !told && (m.saves && !w.saved() || m.logs && !w.logged()) {
		return wrong
	}
	// Go's runtime ends the process without a word: that is as a kill.
	if m.saves && end.stdout != "" && !end.late && w.leftBehind() {
		return wrong
	}
	return answer
}

// saved reports whether the snapshot is whole and new.
func (w *world) saved() bool {
	text, err := os.ReadFile(filepath.Join(w.dir, "saved", "file"))
	must(err)
	return strings.HasSuffix(string(text), fmt.Sprintf("{\"sockets\":%d}\n", strings.Count(string(text), "\n")-2))
}

// leftBehind reports whether there is another file besides the snapshot, or that is neither old
// nor whole.
func (w *world) leftBehind() bool {
	files, err := os.ReadDir(filepath.Join(w.dir, "saved"))
	must(err)
	text, err := os.ReadFile(filepath.Join(w.dir, "saved", "file"))
	must(err)
	return len(files) != 1 || string(text) != before && !w.saved()
}

// logged reports whether the log has a whole line more.
func (w *world) logged() bool {
	text, err := os.ReadFile(filepath.Join(w.dir, "log"))
	must(err)
	line, found := strings.CutPrefix(string(text), before)
	return found && strings.HasSuffix(line, "\n") && json.Valid([]byte(line))
}

// total sums up a mode.
func (w *world) total(mode string) string {
	var sum count
	for _, c := range w.counts[mode] {
		sum.right, sum.unknown = sum.right+c.right, sum.unknown+c.unknown
		sum.none, sum.wrong = sum.none+c.none, sum.wrong+c.wrong
	}
	return fmt.Sprintf("%d runs, %d right, %d UNKNOWN, %d without an answer, %d wrong",
		sum.right+sum.unknown+sum.none+sum.wrong, sum.right, sum.unknown, sum.none, sum.wrong)
}

// table returns the outcomes: right / UNKNOWN / no answer / wrong.
func (w *world) table() string {
	var b strings.Builder
	b.WriteString("| |")
	for _, f := range faults {
		b.WriteString(" " + f.name + " |")
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(faults)) + "\n")
	for _, m := range modes {
		fmt.Fprintf(&b, "| `%s` |", m.name)
		for _, f := range faults {
			c, injected := w.counts[m.name][f.name]
			if !injected {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(&b, " %d / %d / %d / %d |", c.right, c.unknown, c.none, c.wrong)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The marks in a document between which the table stands.
const beginMark, endMark = "<!-- faults: begin -->\n", "<!-- faults: end -->\n"

func writeTable(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(text), beginMark)
	_, tail, closed := strings.Cut(rest, endMark)
	if !found || !closed {
		return fmt.Errorf("%s has no marks for the table", file)
	}
	return os.WriteFile(file, []byte(head+beginMark+"\n"+table+"\n"+endMark+tail), 0o644)
}
