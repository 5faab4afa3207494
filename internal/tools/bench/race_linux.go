package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Those that the contract is about.
const (
	ours       = "check_mdfront_sockets"
	minimal    = "minimal C dump"
	ssPipeline = "ss pipeline"
	script     = "netstat pipeline, the old script"
	idle       = "true"
)

// contender is one way to count the sockets of the front, as a whole process.
type contender struct {
	name  string
	args  []string
	needs []string // tools
	exit  int
	want  int  // what it has to count; 0 is anything, -1 is nothing
	lines bool // it does not print a number but a line for each

	counted int
	times   []time.Duration
	median  float64 // ms
	peak    int64   // KiB
}

// host is the contenders on a host with so many other sockets.
type host struct {
	contenders []*contender
	leftOut    []string
	stdout     *os.File // of whoever runs: nobody has to read a file meanwhile
}

func newHost(dir, self string) *host {
	stdout, err := os.Create(filepath.Join(dir, "stdout"))
	must(err, "temporary folder")
	h := &host{stdout: stdout}
	check := filepath.Join(dir, "check_mdfront_sockets")
	ss := fmt.Sprintf("ss -Htan state all sport = :%d | awk '$1 !~ /ESTAB|LISTEN/' | wc -l", port)
	netstat := fmt.Sprintf("netstat -an | grep %d | awk '$6!~/ESTABLISHED/{print $6}' | wc -l", port)
	for _, c := range []*contender{
		{name: ours, args: []string{check, "-f", "value"}, exit: 2, want: abnormal},
		{name: "check_mdfront_sockets --version", args: []string{check, "--version"}, exit: 3, want: -1},
		{name: minimal, args: []string{filepath.Join(dir, "minimal")}, needs: []string{"cc"}, want: sockets},
		{name: ssPipeline, args: []string{"sh", "-c", ss}, needs: []string{"ss", "awk"}, want: abnormal},
		{name: "ss with a kernel filter", args: []string{"ss", "-Htan", "sport", "=", fmt.Sprintf(":%d", port)},
			needs: []string{"ss"}, want: sockets, lines: true},
		{name: script, args: []string{"sh", "-c", netstat}, needs: []string{"netstat", "awk"}},
		{name: "gopsutil net.Connections", args: []string{self, gopsutilMode}, want: sockets},
		{name: idle, args: []string{"true"}, needs: []string{"true"}, want: -1},
	} {
		missing := slices.IndexFunc(c.needs, func(tool string) bool { _, err := exec.LookPath(tool); return err != nil })
		if missing >= 0 {
			h.leftOut = append(h.leftOut, fmt.Sprintf("%s (%s not installed)", c.name, c.needs[missing]))
			continue
		}
		h.contenders = append(h.contenders, c)
	}
	return h
}

// race lets the contenders take turns, so that the noise of the machine hits all
// alike. The order is another one each round, and a quick one runs once before it
// is timed, so that nobody finds the caches as somebody else left them. The slow sit
// out most rounds.
func (h *host) race(f *front) {
	const rounds, least, share, quick = 101, 3, 8 * time.Second, 100 * time.Millisecond
	runs, warms := map[*contender]int{}, map[*contender]bool{}
	for _, c := range h.contenders {
		f.renew()
		took := c.run(h.stdout)
		runs[c], warms[c] = min(max(int(share/took), least), rounds), took < quick
	}
	order := slices.Clone(h.contenders)
	for round := range rounds {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, c := range order {
			if round*runs[c]/rounds != (round+1)*runs[c]/rounds {
				f.renew()
				if warms[c] {
					c.run(h.stdout)
				}
				c.times = append(c.times, c.run(h.stdout))
			}
		}
	}
	for _, c := range h.contenders {
		slices.Sort(c.times)
		c.median = c.times[len(c.times)/2].Seconds() * 1000
		for range 1 + len(c.times)/20 {
			c.peak = max(c.peak, c.runForPeak())
		}
	}
}

// run runs the contender from before its start until it was waited for, and checks
// what it counted.
func (c *contender) run(stdout *os.File) time.Duration {
	must(stdout.Truncate(0), "stdout")
	_, err := stdout.Seek(0, io.SeekStart)
	must(err, "stdout")
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	err = cmd.Run()
	took := time.Since(start)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		must(err, c.name)
	}
	if code := cmd.ProcessState.ExitCode(); code != c.exit {
		must(fmt.Errorf("exit code %d, want %d", code, c.exit), c.name)
	}
	if c.want < 0 {
		return took
	}
	out, err := os.ReadFile(stdout.Name())
	must(err, "stdout")
	c.counted = strings.Count(string(out), "\n")
	if !c.lines {
		c.counted, err = strconv.Atoi(strings.TrimSpace(string(out)))
		must(err, c.name)
	}
	if c.want > 0 && c.counted != c.want {
		must(fmt.Errorf("it counts %d sockets, want %d", c.counted, c.want), c.name)
	}
	return took
}

// runForPeak runs the contender once more and gives its largest resident set, of a
// pipeline that of its largest process. A process starts with the peak of whoever
// forked it (exec_mmap in the kernel's fs/exec.c), and this program is larger than
// most contenders. So a shell forks it and goes, as an echo that waits for nobody, and
// this program, as the subreaper, waits for the orphan.
func (c *contender) runForPeak() int64 {
	must(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
	out, err := exec.Command("sh", append([]string{"-c", `"$@" >/dev/null & exec echo $!`, "sh"}, c.args...)...).Output()
	must(err, c.name)
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	must(err, c.name)
	var usage unix.Rusage
	_, err = unix.Wait4(pid, nil, 0, &usage)
	must(err, c.name)
	return int64(usage.Maxrss)
}

// table prints the contenders, fastest first.
func (h *host) table() {
	fmt.Println("| whole process | it counts | time / ours | peak MiB | median ms, this machine, this run | runs |")
	fmt.Println("| --- | --: | --: | --: | --: | --: |")
	slices.SortFunc(h.contenders, func(a, b *contender) int { return cmp.Compare(a.median, b.median) })
	for _, c := range h.contenders {
		counted := strconv.Itoa(c.counted)
		switch {
		case c.want < 0:
			counted = ""
		case c.want == 0:
			counted = fmt.Sprintf("%d instead of %d", c.counted, abnormal)
		}
		fmt.Printf("| %s | %s | %.2f | %.1f | %.2f | %d |\n",
			c.name, counted, c.median/h.ms(ours), float64(c.peak)/1024, c.median, len(c.times))
	}
}

// ms is the contender's median, not a number if it was left out.
func (h *host) ms(name string) float64 {
	if i := slices.IndexFunc(h.contenders, func(c *contender) bool { return c.name == name }); i >= 0 {
		return h.contenders[i].median
	}
	return math.NaN()
}

// promise prints what is promised, and whether this run kept it. No exit code
// hangs on it: a noisy machine is no fault of the program.
func promise(what string, x float64, kept bool) {
	switch {
	case math.IsNaN(x):
		fmt.Printf("- %s: not measured\n", what)
	case kept:
		fmt.Printf("- %s: %.2f, met\n", what, x)
	default:
		fmt.Printf("- %s: %.2f, NOT MET\n", what, x)
	}
}

func (h *host) startUpContract() {
	x := h.ms(ours) - h.ms(idle)
	promise("start-up of a whole check over true ≤ 3 ms", x, x <= 3)
}

func (h *host) ratioContract() {
	x := h.ms(ours) / h.ms(minimal)
	promise("ours / minimal C ≤ 1.3", x, x <= 1.3)
	x = h.ms(ssPipeline) / h.ms(ours)
	promise("ss pipeline / ours ≥ 1.6", x, x >= 1.6)
	x = h.ms(script) / h.ms(ours)
	promise("script / ours ≥ 20", x, x >= 20)
	for _, c := range h.contenders {
		if c.name == ours {
			x = float64(c.peak) / 1024
			promise("peak < 16 MiB", x, x < 16)
		}
	}
}
