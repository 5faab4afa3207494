package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"frontsockets/internal/testkit/population"
)

const (
	captureRows   = 10_000_000 // one in a hundred is a session of the front
	captureRounds = 7
	minRatio      = 2        // that awk must take longer than the check
	maxPeak       = 32 << 10 // KiB of memory of the check
)

// reader is a program that counts sockets in the capture.
type reader struct {
	name  string
	args  []string
	exit  int // the exit code that it must have
	want  int // the number that it must print
	times []time.Duration
}

// measureCapture runs the check, and the awk of the old script, on a long netstat capture.
func measureCapture(dir string) {
	awk, err := exec.LookPath("mawk")
	if err != nil {
		fmt.Println("\nThe capture is skipped: mawk is not installed.")
		return
	}
	file := filepath.Join(dir, "netstat.txt")
	counts := writeCapture(file)
	source := "netstat:" + file
	check := filepath.Join(dir, "check_mdfront_sockets")
	ours := &reader{name: "check_mdfront_sockets", args: []string{check, "-s", source, "-f", "value", "-t", "60"},
		exit: 2, want: counts.front}
	theirs := &reader{name: "mawk", args: []string{awk, "$6!~/ESTABLISHED/{n++} END{print n}", file}, want: counts.all}
	for range captureRounds {
		ours.run()
		theirs.run()
	}
	ratio := theirs.median() / ours.median()
	kib, err := population.Peak(check, "-s", source, "-t", "60")
	must(err, "memory")
	verdict := func(met bool) string {
		if met {
			return "met"
		}
		return "NOT MET"
	}
	fmt.Printf("\nA netstat capture of %d rows: mawk / ours %.2f (at least %d: %s), peak memory %.1f MiB (under %d: %s)\n",
		captureRows, ratio, minRatio, verdict(ratio >= minRatio), float64(kib)/1024, maxPeak/1024, verdict(kib < maxPeak))
}

// run runs the program once, and ends the benchmark if its answer is wrong.
func (r *reader) run() {
	cmd := exec.Command(r.args[0], r.args[1:]...)
	start := time.Now()
	out, _ := cmd.Output() // an exit code other than 0 is compared below
	r.times = append(r.times, time.Since(start))
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if code := cmd.ProcessState.ExitCode(); err != nil || n != r.want || code != r.exit {
		must(fmt.Errorf("exit code %d, output %q; want exit code %d, output %d", code, out, r.exit, r.want), r.name)
	}
}

// median returns the median time in seconds.
func (r *reader) median() float64 {
	slices.Sort(r.times)
	return r.times[len(r.times)/2].Seconds()
}

// captureHeader is what netstat prints before the first row.
const captureHeader = "Active Internet connections (servers and established)\n" +
	"Proto Recv-Q Send-Q Local Address           Foreign Address         State      \n"

// writeCapture writes the capture and counts the lines that are not ESTABLISHED. counts.all
// includes the two lines of the header, as the old script does; counts.front has only the
// sockets of the front.
func writeCapture(file string) (counts struct{ all, front int }) {
	f, err := os.Create(file)
	must(err, "capture")
	w := bufio.NewWriterSize(f, 1<<20)
	io.WriteString(w, captureHeader)
	counts.all = 2
	states := strings.Fields("ESTABLISHED ESTABLISHED TIME_WAIT ESTABLISHED CLOSE_WAIT ESTABLISHED FIN_WAIT2")
	ports := []int{4121, 8080, 443, 41205, 50000, 22}
	for i := range captureRows {
		local, state := ports[i%len(ports)], states[i%len(states)]
		if i%100 == 0 {
			local = port
		}
		if state != "ESTABLISHED" {
			counts.all++
			if local == port {
				counts.front++
			}
		}
		fmt.Fprintf(w, "tcp   %6d %6d %-23s %-23s %-11s\n", 0, i%50/49*512, "10.1.0.7:"+strconv.Itoa(local),
			fmt.Sprintf("10.1.%d.%d:%d", i>>8&255, i&255, 30000+i%30000), state)
	}
	must(w.Flush(), "capture")
	must(f.Close(), "capture")
	return counts
}
