package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The logs to report: a look a minute at each front, with so many clients in a line.
const (
	logFronts, logClients = 14, 50
	logLooks              = 24 * 60
	monthDays             = 30
)

// measureReport compares front_report on the log of a day with jq, which only counts its
// lines, and measures a month.
func measureReport(dir string) {
	day, page := filepath.Join(dir, "day.log"), filepath.Join(dir, "day.html")
	writeDay(day, 0, false)
	report := filepath.Join(dir, "front_report")
	fmt.Printf("\nOn the log of a day: %d fronts, %d looks, %d clients a line, %d MB:\n\n",
		logFronts, logFronts*logLooks, logClients, sizeOf(day)>>20)
	words, peak := timeOf(report, day)
	printTarget("seconds of front_report < 2", words.Seconds(), words < 2*time.Second)
	printTarget("its peak < 100 MiB", peak, peak < 100)
	if _, err := exec.LookPath("jq"); err == nil {
		counting, _ := timeOf("jq", "-c", "select(.exit_code > 0) | .time", day)
		printTarget("jq that prints the time of each bad line / front_report ≥ 1",
			counting.Seconds()/words.Seconds(), counting >= words)
	} else {
		fmt.Println("skipped: jq is not installed")
	}
	took, _ := timeOf(report, "--html", page, day)
	printTarget("seconds of front_report --html < 2", took.Seconds(), took < 2*time.Second)
	printTarget("MB of the page < 3", float64(sizeOf(page))/1e6, sizeOf(page) < 3e6)
	must(os.Remove(day), "log")

	month := filepath.Join(dir, "month")
	must(os.Mkdir(month, 0o700), "folder of logs")
	for i := range monthDays {
		writeDay(filepath.Join(month, fmt.Sprintf("%02d.log.gz", i)), i, true)
	}
	took, peak = timeOf(report, month)
	what := fmt.Sprintf("seconds of front_report on %d days in gzip < 60", monthDays)
	printTarget(what, took.Seconds(), took < time.Minute)
	printTarget("its peak < 100 MiB", peak, peak < 100)
}

// timeOf returns the median time of three runs, and the largest resident set in MiB.
func timeOf(program string, args ...string) (time.Duration, float64) {
	var times []time.Duration
	peak := 0.0
	for range 3 {
		cmd := exec.Command(program, args...)
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		start := time.Now()
		must(cmd.Run(), program)
		times = append(times, time.Since(start))
		peak = max(peak, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024)
	}
	slices.Sort(times)
	return times[1], peak
}

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	must(err, "size")
	return info.Size()
}

// writeDay writes the log of a day, on which one front is in trouble for 20 minutes. The lines
// are those of --log, with other names and times.
func writeDay(file string, day int, zip bool) {
	f, err := os.Create(file)
	must(err, "log")
	w := bufio.NewWriterSize(f, 1<<20)
	out := io.Writer(w)
	var packed *gzip.Writer
	if zip {
		packed, err = gzip.NewWriterLevel(w, gzip.BestSpeed)
		must(err, "gzip")
		out = packed
	}
	well, bad := logLine("OK", 0, 0), logLine("CRITICAL", 2, 60)
	begin := time.Date(2026, 11, 1+day, 0, 0, 0, 0, time.FixedZone("CST", 8*60*60))
	for minute := range logLooks {
		for front := range logFronts {
			line := well
			if front == 6 && minute >= 620 && minute < 640 {
				line = bad
			}
			line = strings.Replace(line, "FRONT", fmt.Sprint("front", front+1), 1)
			line = strings.Replace(line, "TIME", begin.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339), 1)
			_, err := io.WriteString(out, line)
			must(err, "log")
		}
	}
	if packed != nil {
		must(packed.Close(), "log")
	}
	must(w.Flush(), "log")
	must(f.Close(), "log")
}

// logLine returns a line of --log, in which FRONT and TIME are to be replaced.
func logLine(status string, code, timeWait int) string {
	type object = map[string]any
	var clients []object
	for i := range logClients {
		states := object{"established": 3}
		abnormal := 0
		if i == 0 && timeWait > 0 {
			states["time_wait"], abnormal = timeWait, timeWait
		}
		clients = append(clients, object{"address": fmt.Sprintf("10.1.2.%d", i+1), "name": fmt.Sprint("Client ", i),
			"sessions": 3 + abnormal, "abnormal": abnormal, "states": states, "unread_bytes": 0, "unsent_bytes": 0,
			"retransmitting": 0, "zero_window": 0, "stalled": 0, "feed_age": 0.123, "request_age": 1.5, "rtt": 0.000231})
	}
	metrics := object{}
	for _, name := range []string{"abnormal", "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait",
		"close", "close_wait", "last_ack", "closing", "clients", "abnormal_clients", "top_client", "top_client_pct",
		"listeners", "accept_queue", "accept_queue_pct", "unaccepted", "unread", "unread_bytes", "unsent", "unsent_bytes",
		"retransmitting", "stalled", "stalled_pct", "feed_age", "zero_window", "request_age", "rtt"} {
		metrics[name] = 0
	}
	metrics["abnormal"] = timeWait
	rest, err := json.Marshal(object{"ports": "41213", "status": status, "exit_code": code, "reason": "some words",
		"diagnosis": object{"code": "healthy", "text": "", "evidence": []any{}}, "metrics": metrics, "out_of_session": false,
		"states": object{"established": 3 * logClients, "time_wait": timeWait}, "clients": clients, "clients_omitted": 0,
		"listeners": []object{{"address": "0.0.0.0", "port": 41213, "accept_queue": 0, "backlog": 128, "inode": 4711}},
		"host":      "host1", "time": "TIME", "service": "MDFRONT", "version": "v1.0.0", "format": 1})
	must(err, "line")
	return `{"name":"FRONT",` + string(rest[1:]) + "\n"
}
