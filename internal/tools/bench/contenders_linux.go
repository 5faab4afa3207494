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

// The contenders that have a target.
const (
	ours       = "check_mdfront_sockets"
	minimal    = "minimal C dump"
	ssPipeline = "ss pipeline"
	script     = "netstat pipeline, the old script"
	logging    = "check_mdfront_sockets --log"
	emptyRun   = "true" // a program that does nothing
)

// contender is one way to count the sockets of the front, as a whole process.
type contender struct {
	name  string
	args  []string
	needs []string // tools that must be installed
	exit  int      // the exit code that it must have
	want  int      // the number that it must count; 0: any number, -1: it prints no number
	lines bool     // it prints one line for each socket, not a number

	counted int
	times   []time.Duration
	median  float64 // ms
	peak    int64   // KiB
}

// host has the contenders that run on one host.
type host struct {
	contenders []*contender
	skipped    []string // contenders whose tools are missing
	stdout     *os.File // of each contender; a pipe would need a reader during the measurement
}

// newHost returns a host with the contenders whose tools are installed.
func newHost(dir, self string) *host {
	stdout, err := os.Create(filepath.Join(dir, "stdout"))
	must(err, "temporary folder")
	h := &host{stdout: stdout}
	for _, c := range allContenders(dir, self) {
		missing := slices.IndexFunc(c.needs, func(tool string) bool { _, err := exec.LookPath(tool); return err != nil })
		if missing >= 0 {
			h.skipped = append(h.skipped, fmt.Sprintf("%s (%s is not installed)", c.name, c.needs[missing]))
			continue
		}
		h.contenders = append(h.contenders, c)
	}
	return h
}

// allContenders returns the programs to compare. dir has those that were built.
func allContenders(dir, self string) []*contender {
	check := filepath.Join(dir, "check_mdfront_sockets")
	ss := fmt.Sprintf("ss -Htan state all sport = :%d | awk '$1 !~ /ESTAB|LISTEN/' | wc -l", port)
	netstat := fmt.Sprintf("netstat -an | grep %d | awk '$6!~/ESTABLISHED/{print $6}' | wc -l", port)
	return []*contender{
		{name: ours, args: []string{check, "-f", "value"}, exit: 2, want: abnormal},
		{name: "check_mdfront_sockets --version", args: []string{check, "--version"}, exit: 3, want: -1},
		{name: logging, args: []string{check, "-f", "value", "--log", filepath.Join(dir, "log")}, exit: 2, want: abnormal},
		{name: minimal, args: []string{filepath.Join(dir, "minimal")}, needs: []string{"cc"}, want: sockets},
		{name: ssPipeline, args: []string{"sh", "-c", ss}, needs: []string{"ss", "awk"}, want: abnormal},
		{name: "ss with a kernel filter", args: []string{"ss", "-Htan", "sport", "=", fmt.Sprintf(":%d", port)},
			needs: []string{"ss"}, want: sockets, lines: true},
		{name: script, args: []string{"sh", "-c", netstat}, needs: []string{"netstat", "awk"}},
		{name: "gopsutil net.Connections", args: []string{self, gopsutilMode}, want: sockets},
		{name: emptyRun, args: []string{"true"}, needs: []string{"true"}, want: -1},
	}
}

const (
	rounds      = 101                    // at most this many runs of a contender
	minRuns     = 3                      // at least this many
	totalTime   = 8 * time.Second        // that the runs of one contender may take
	warmUpLimit = 100 * time.Millisecond // a contender that is quicker runs once before each timed run
)

// measure runs the contenders in turn, so that the noise of the machine affects all of them
// equally. The order is random in each round. A quick contender runs once before it is
// timed, so that it does not depend on the caches that another one left. A slow contender
// skips most rounds.
func (h *host) measure(f *front) {
	runs, warmsUp := map[*contender]int{}, map[*contender]bool{}
	for _, c := range h.contenders {
		f.renew()
		took := c.run(h.stdout)
		runs[c], warmsUp[c] = min(max(int(totalTime/took), minRuns), rounds), took < warmUpLimit
	}
	order := slices.Clone(h.contenders)
	for round := range rounds {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, c := range order {
			if round*runs[c]/rounds != (round+1)*runs[c]/rounds { // its runs are spread over the rounds
				f.renew()
				if warmsUp[c] {
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

// run runs the contender, checks its exit code and its count, and returns the time from its
// start to its end.
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
	if c.want >= 0 {
		c.readCount(stdout)
	}
	return took
}

// readCount reads what the contender printed, and ends the benchmark if the count is wrong.
func (c *contender) readCount(stdout *os.File) {
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
}

// runForPeak runs the contender once more and returns its largest resident set in KiB; for a
// pipeline, that of its largest process. A process starts with the peak of the process that
// forked it (exec_mmap in the kernel's fs/exec.c), and this program is larger than most
// contenders. So a shell forks the contender and becomes an echo that does not wait for it.
// This program is the subreaper and waits for the orphan.
func (c *contender) runForPeak() int64 {
	must(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
	shell := []string{"-c", `"$@" >/dev/null & exec echo $!`, "sh"}
	out, err := exec.Command("sh", append(shell, c.args...)...).Output()
	must(err, c.name)
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	must(err, c.name)
	var usage unix.Rusage
	_, err = unix.Wait4(pid, nil, 0, &usage)
	must(err, c.name)
	return int64(usage.Maxrss)
}

// printTable prints the contenders, the fastest first.
func (h *host) printTable() {
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

// ms returns the contender's median in milliseconds, or NaN if it was skipped.
func (h *host) ms(name string) float64 {
	if i := slices.IndexFunc(h.contenders, func(c *contender) bool { return c.name == name }); i >= 0 {
		return h.contenders[i].median
	}
	return math.NaN()
}

// printTarget prints a target, the value x, and whether this run met it. The exit code does
// not depend on it: a busy machine is not a fault of the program.
func printTarget(what string, x float64, met bool) {
	switch {
	case math.IsNaN(x):
		fmt.Printf("- %s: not measured\n", what)
	case met:
		fmt.Printf("- %s: %.2f, met\n", what, x)
	default:
		fmt.Printf("- %s: %.2f, NOT MET\n", what, x)
	}
}

// printStartUpTarget prints the target for the time that a check takes on a small host.
func (h *host) printStartUpTarget() {
	x := h.ms(ours) - h.ms(emptyRun)
	printTarget("start-up of a whole check over true ≤ 3 ms", x, x <= 3)
	x = h.ms(logging) - h.ms(ours)
	printTarget("a line of --log with 54 clients ≤ 0.3 ms", x, x <= 0.3)
}

// printRatioTargets prints the targets that compare the check with the others.
func (h *host) printRatioTargets() {
	x := h.ms(ours) / h.ms(minimal)
	printTarget("ours / minimal C ≤ 1.3", x, x <= 1.3)
	x = h.ms(ssPipeline) / h.ms(ours)
	printTarget("ss pipeline / ours ≥ 1.6", x, x >= 1.6)
	x = h.ms(script) / h.ms(ours)
	printTarget("script / ours ≥ 20", x, x >= 20)
	for _, c := range h.contenders {
		if c.name == ours {
			x = float64(c.peak) / 1024
			printTarget("peak < 16 MiB", x, x < 16)
		}
	}
}
