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

// captureRows is the length of the capture, a line in a hundred of it the front's.
const captureRows = 10_000_000

// capture lets the check and the awk of the old script read a long netstat capture.
func capture(dir string) {
	awk, err := exec.LookPath("mawk")
	if err != nil {
		fmt.Println("\nThe capture is left out: mawk is not installed.")
		return
	}
	file := filepath.Join(dir, "netstat.txt")
	counts := writeCapture(file)
	source := "netstat:" + file
	check := filepath.Join(dir, "check_mdfront_sockets")
	readers := []struct {
		name  string
		cmd   []string
		exit  int
		want  int
		times []time.Duration
	}{
		{name: "check_mdfront_sockets", cmd: []string{check, "-s", source, "-f", "value", "-t", "60"}, exit: 2, want: counts.front},
		{name: "mawk", cmd: []string{awk, "$6!~/ESTABLISHED/{n++} END{print n}", file}, want: counts.all},
	}
	const rounds = 7
	for range rounds {
		for i := range readers {
			r := &readers[i]
			cmd := exec.Command(r.cmd[0], r.cmd[1:]...)
			start := time.Now()
			out, _ := cmd.Output() // the exit code is compared
			r.times = append(r.times, time.Since(start))
			if n, err := strconv.Atoi(strings.TrimSpace(string(out))); err != nil || n != r.want || cmd.ProcessState.ExitCode() != r.exit {
				must(fmt.Errorf("exit %d, counts %q, want %d", cmd.ProcessState.ExitCode(), out, r.want), r.name)
			}
		}
	}
	median := func(i int) time.Duration {
		slices.Sort(readers[i].times)
		return readers[i].times[rounds/2]
	}
	ratio := float64(median(1)) / float64(median(0))
	kib, err := population.Peak(check, "-s", source, "-t", "60")
	must(err, "memory")
	verdict := func(met bool) string {
		if met {
			return "met"
		}
		return "NOT MET"
	}
	fmt.Printf("\nA netstat capture of %d rows: mawk / ours %.2f (at least 2: %s), peak memory %.1f MiB (under 32: %s)\n",
		captureRows, ratio, verdict(ratio >= 2), float64(kib)/1024, verdict(kib < 32<<10))
}

// writeCapture writes the rows, and counts those that are not ESTABLISHED: all, as the
// old script's awk does with the header's two, and the front's.
func writeCapture(file string) (counts struct{ all, front int }) {
	f, err := os.Create(file)
	must(err, "capture")
	w := bufio.NewWriterSize(f, 1<<20)
	io.WriteString(w, "Active Internet connections (servers and established)\nProto Recv-Q Send-Q Local Address           Foreign Address         State      \n")
	counts.all = 2
	states := []string{"ESTABLISHED", "ESTABLISHED", "TIME_WAIT", "ESTABLISHED", "CLOSE_WAIT", "ESTABLISHED", "FIN_WAIT2"}
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
			fmt.Sprintf("10.1.%d.%d:%d", i>>8&7, i&255, 30000+i%30000), state)
	}
	must(w.Flush(), "capture")
	must(f.Close(), "capture")
	return counts
}
