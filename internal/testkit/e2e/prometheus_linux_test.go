//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// textfiles is the folder of node exporter's textfile collector.
const textfiles = "/var/lib/prometheus/node-exporter"

// TestPrometheus runs the units of contrib in systemd. They write files for node exporter, and
// Prometheus evaluates the alert rules of contrib.
func TestPrometheus(t *testing.T) {
	if !machine(t) {
		return
	}
	install(t)
	checkExpositions(t)
	mdfront, _ := newFront(t, "--port", "41213"), newFront(t, "--port", "41205")

	place(t, "spool/frontsockets.sysusers", "/etc/sysusers.d/frontsockets.conf")
	run(t, "systemd-sysusers")
	run(t, "install", "-d", "-m", "1775", "-g", "frontsockets", textfiles)
	systemctl := startSystemd(t)
	const front1 = "/etc/default/frontsockets-front1"
	good := "CHECK=front\nARGS=\"-n front1 -p 41205 --session 'Mon-Sun 00:00-24:00'\"\n"
	write(t, front1, good)
	systemctl("start", "frontsockets-textfile@mdfront.timer", "frontsockets-textfile@front1.timer")

	// The machine has no D-Bus, which the systemd collector needs.
	launch(t, "runuser", "-u", "prometheus", "--", "prometheus-node-exporter", "--no-collector.systemd")
	startPrometheus(t)

	stopReading := readRepeatedly(t, textfiles+"/frontsockets-mdfront.prom")
	awaitEqual(t, "healthy")
	awaitNoAlert(t)

	began := mdfront.act("hang")
	alert := awaitAlert(t, "FrontSocketsCritical", "ports", "41213")
	toCritical := time.Since(began)
	const summary = "mdfront :41213 on localhost:9100 is CRITICAL"
	if alert.Annotations["diagnosis"] != "hung" || alert.Annotations["summary"] != summary ||
		alert.Labels["severity"] != "critical" || alert.Labels["service"] != "mdfront" {
		t.Errorf("the alert is %+v", alert)
	}
	perfdata := awaitEqual(t, "hung")
	if got := len(alerts(t)); got != 1 {
		t.Errorf("one front hangs, and there are %d alerts: %+v", got, alerts(t))
	}

	began = time.Now()
	mdfront.act("healthy")
	awaitNoAlert(t)
	toRecovery := time.Since(began)
	awaitEqual(t, "healthy")

	// The check cannot read its source, and publishes that.
	write(t, front1, good+`ARGS="-n front1 -p 41205 -s snapshot:/nowhere"`+"\n")
	awaitAlert(t, "FrontSocketsUnknown", "name", "front1")
	write(t, front1, good)
	awaitNoAlert(t)

	// With a wrong option the check publishes nothing: the file stays and becomes stale.
	write(t, front1, good+`ARGS="-n front1 -c 5x"`+"\n")
	awaitAlert(t, "FrontSocketsStale", "file", textfiles+"/frontsockets-front1.prom")
	write(t, front1, good)
	awaitNoAlert(t)

	stopReading()
	systemctl("stop", "frontsockets-textfile@mdfront.timer")
	awaitAlert(t, "FrontSocketsStale", "file", textfiles+"/frontsockets-mdfront.prom")
	run(t, "rm", textfiles+"/frontsockets-mdfront.prom")
	awaitAlert(t, "FrontSocketsGone", "service", "mdfront")

	if got := query(t, `max_over_time(node_textfile_scrape_error[5m])`); len(got) != 1 || got[0].value() != 0 {
		t.Errorf("node exporter could not read a file: %+v", got)
	}
	if left := run(t, "find", textfiles, "-mindepth", "1", "!", "-name", "*.prom", "!", "-name", "*.new"); left != "" {
		t.Errorf("files left in the folder: %s", left)
	}
	installed := version(t, `version ([0-9.]+)`, "prometheus", "--version")
	report(t, "node exporter and Prometheus", installed, toCritical, toRecovery, perfdata)
}

// checkExpositions lets promtool check the golden files and the files of contrib.
func checkExpositions(t *testing.T) {
	t.Helper()
	goldens, err := filepath.Glob(repo + "/testdata/output/*.prometheus")
	if err != nil || len(goldens) < 10 {
		t.Fatal(goldens, err)
	}
	for _, golden := range goldens {
		// The last line of a golden file is the exit code.
		if out, code := try(t, "sh", "-c", `sed '$d' "$1" | promtool check metrics`, "sh", golden); code != 0 || out != "" {
			t.Errorf("%s: exit %d, %s", golden, code, out)
		}
	}
	run(t, "promtool", "check", "rules", repo+"/contrib/prometheus/frontsockets.rules.yml")
	run(t, "promtool", "test", "rules", repo+"/contrib/prometheus/frontsockets.rules.test.yml")
}

// startSystemd starts systemd with the units of contrib, and returns a function that runs systemctl.
// The machine is not booted, so this is the user manager of root. It runs the units as the system
// manager does.
func startSystemd(t *testing.T) func(args ...string) {
	t.Helper()
	const runtime = "XDG_RUNTIME_DIR=/run" // as for the system manager
	run(t, "mkdir", "-p", "/run/systemd/system")
	for _, dir := range []string{"/etc/systemd/system", "/etc/systemd/user"} {
		for _, unit := range []string{"frontsockets-textfile@.service", "frontsockets-textfile@.timer"} {
			place(t, "prometheus/"+unit, filepath.Join(dir, unit))
		}
	}
	for _, unit := range []string{"mdfront.service", "front1.service", "mdfront.timer"} {
		// verify may exit with 0 although it prints warnings.
		if out := run(t, "systemd-analyze", "verify", "/etc/systemd/system/frontsockets-textfile@"+unit); out != "" {
			t.Error(out)
		}
	}
	run(t, "mount", "-t", "sysfs", "sysfs", "/sys")
	run(t, "mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
	// The timers run every second, so that the test is short.
	write(t, "/etc/systemd/user/frontsockets-textfile@.timer.d/quick.conf",
		"[Timer]\nOnCalendar=\nOnCalendar=*-*-* *:*:*\nAccuracySec=1ms\n")
	write(t, "/etc/systemd/user/frontsockets-textfile@.service.d/quick.conf", "[Unit]\nStartLimitIntervalSec=0\n")
	// The control groups belong to the whole host, so the test removes those that systemd leaves.
	group := "/sys/fs/cgroup/" + filepath.Base(os.Getenv(baseVar))
	t.Cleanup(func() { _ = exec.Command("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run() })
	const script = `mkdir "$1" && echo $$ >"$1/cgroup.procs" &&
	exec env "$2" /lib/systemd/systemd --user --unit=basic.target`
	launch(t, "sh", "-c", script, "sh", group, runtime)
	command := func(args ...string) (string, int) {
		return try(t, "env", append([]string{runtime, "systemctl", "--user"}, args...)...)
	}
	await(t, slow, "systemd", func() (bool, string) {
		out, code := command("is-active", "basic.target")
		return code == 0, out
	})
	return func(args ...string) {
		t.Helper()
		if out, code := command(args...); code != 0 {
			status, _ := command("status", "frontsockets-textfile@*")
			t.Fatalf("systemctl %v: exit %d, %s\n%s", args, code, out, status)
		}
	}
}

// startPrometheus starts Prometheus with Debian's configuration, and with the rules as the README
// says.
func startPrometheus(t *testing.T) {
	t.Helper()
	const config, rules = "/etc/prometheus/prometheus.yml", "/etc/prometheus/frontsockets.rules.yml"
	place(t, "prometheus/frontsockets.rules.yml", rules)
	change(t, config, `# - "first_rules.yml"`, `- frontsockets.rules.yml`)
	// Prometheus works every second, and the minutes of the rules are seconds, so that the test is
	// short.
	change(t, config, `(scrape|evaluation)_interval:( +)\d+s`, "${1}_interval: 1s")
	change(t, config, `scrape_timeout:.*`, "scrape_timeout: 1s")
	change(t, rules, `for: \dm`, "for: 1s")
	change(t, rules, `> 120`, "> 5")
	change(t, rules, `\[5m\]`, "[2s]")
	run(t, "promtool", "check", "config", config)
	launch(t, "runuser", "-u", "prometheus", "--", "prometheus",
		"--config.file="+config, "--storage.tsdb.path=/var/lib/prometheus/metrics2")
	await(t, slow, "Prometheus", func() (bool, string) {
		r, err := http.Get("http://127.0.0.1:9090/-/ready")
		if err != nil {
			return false, err.Error()
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK, r.Status
	})
}

// change replaces a pattern in a file. The file must have a match.
func change(t *testing.T, file, pattern, by string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := regexp.MustCompile(pattern)
	if !p.Match(text) {
		t.Fatalf("%s has no match of %q", file, pattern)
	}
	write(t, file, p.ReplaceAllString(string(text), by))
}

// readRepeatedly reads a file again and again, as node exporter may read it at any time. The returned
// function stops that and requires that the file was complete each time.
func readRepeatedly(t *testing.T, file string) (stop func()) {
	t.Helper()
	await(t, slow, file, func() (bool, string) {
		_, err := os.Stat(file)
		return err == nil, fmt.Sprint(err)
	})
	stopped, problem := make(chan bool), make(chan string)
	go func() {
		found := ""
		for reads := 1; ; reads++ {
			select {
			case <-stopped:
				if reads < 100 {
					found = fmt.Sprintf("read only %d times", reads)
				}
				problem <- found
				return
			case <-time.After(time.Millisecond):
			}
			text, err := os.ReadFile(file)
			samples := strings.Count(string(text), "\nfrontsockets_")
			const others = 4 // samples that are not metrics, such as frontsockets_status
			// A front that hangs may have no feed_age, request_age and rtt.
			if err != nil || samples < others+len(metrics)-3 || !strings.HasSuffix(string(text), "\n") {
				found = fmt.Sprintf("%v, %d samples in %q", err, samples, text)
			}
		}
	}()
	return func() {
		t.Helper()
		stopped <- true
		if found := <-problem; found != "" {
			t.Errorf("%s: %s", file, found)
		}
	}
}

// ask calls the API of Prometheus and reads the data of its answer.
func ask(t *testing.T, path string, data any) {
	t.Helper()
	r, err := http.Get("http://127.0.0.1:9090/api/v1/" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	answer := struct {
		Status string
		Data   any
	}{Data: data}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %v, %+v", path, err, answer)
	}
}

// promSample is one sample of the result of a query.
type promSample struct {
	Metric map[string]string
	Value  [2]any
}

// value returns the value of the sample, or NaN.
func (s promSample) value() float64 {
	v, err := strconv.ParseFloat(s.Value[1].(string), 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// query returns the result of a query of Prometheus.
func query(t *testing.T, expr string) []promSample {
	t.Helper()
	var data struct{ Result []promSample }
	ask(t, "query?query="+url.QueryEscape(expr), &data)
	return data.Result
}

// promAlert is an alert of Prometheus.
type promAlert struct {
	State               string
	Labels, Annotations map[string]string
}

// alerts returns the pending and firing alerts.
func alerts(t *testing.T) []promAlert {
	t.Helper()
	var data struct{ Alerts []promAlert }
	ask(t, "alerts", &data)
	return data.Alerts
}

// metricOf returns the metric's name and value as the check has them, of one sample.
func metricOf(s promSample) (name string, value float64) {
	name, value = strings.TrimPrefix(s.Metric["__name__"], "frontsockets_"), s.value()
	if percent, is := strings.CutSuffix(name, "_ratio"); is {
		return percent + "_pct", math.Round(value*1e4) / 1e2
	}
	switch state := s.Metric["state"]; {
	case state == "listen":
		return "listeners", value
	case state != "":
		return state, value
	}
	return strings.TrimSuffix(name, "_seconds"), value
}

// awaitAlert waits until the alert fires with the label, and returns it.
func awaitAlert(t *testing.T, name, label, value string) (firing promAlert) {
	t.Helper()
	await(t, slow, name, func() (bool, string) {
		got := alerts(t)
		for _, a := range got {
			if a.State == "firing" && a.Labels["alertname"] == name && a.Labels[label] == value {
				firing = a
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", got)
	})
	return firing
}

// awaitNoAlert waits until both fronts are OK in Prometheus and there are no alerts.
func awaitNoAlert(t *testing.T) {
	t.Helper()
	await(t, time.Minute, "all fronts OK and no alerts", func() (bool, string) {
		got, ok := alerts(t), query(t, "frontsockets_status == 0")
		return len(got) == 0 && len(ok) == 2, fmt.Sprintf("alerts %+v, fronts that are OK: %+v", got, ok)
	})
}

// awaitEqual waits until Prometheus has the diagnosis, and every metric of the market-data front with
// the same value as the check's JSON. It returns the metrics of Prometheus as perfdata.
func awaitEqual(t *testing.T, diagnosis string) (perfdata string) {
	t.Helper()
	await(t, slow, "equal metrics", func() (bool, string) {
		out, _ := try(t, "/usr/lib/nagios/plugins/check_mdfront_sockets", "-f", "json")
		var want struct {
			Metrics   map[string]*float64
			Diagnosis struct{ Code string }
		}
		if err := json.Unmarshal([]byte(out), &want); err != nil || len(want.Metrics) != len(metrics) {
			t.Fatalf("%v: %s", err, out)
		}
		got, code := map[string]float64{}, ""
		const ofFront = `{__name__=~"frontsockets_.*",service="mdfront",ports="41213",instance="localhost:9100"}`
		for _, s := range query(t, ofFront) {
			name, value := metricOf(s)
			got[name] = value
			if name == "diagnosis" {
				code += s.Metric["code"]
			}
		}
		if code != diagnosis || want.Diagnosis.Code != diagnosis || got["up"] != 1 {
			return false, fmt.Sprintf("diagnosis %q, up %v", code, got["up"])
		}
		if age := time.Since(time.Unix(int64(got["seen_timestamp"]), 0)); age > 10*time.Second {
			return false, fmt.Sprintf("the check looked %v ago", age)
		}
		for _, name := range []string{"build_info", "up", "status", "diagnosis", "seen_timestamp"} {
			delete(got, name)
		}
		for name, v := range want.Metrics {
			switch {
			case v == nil: // Prometheus has no sample of an unknown metric
			case (name == "feed_age" || name == "request_age" || name == "rtt") && math.Abs(got[name]-*v) < 5:
				got[name] = *v // measured a moment earlier
			}
		}
		known := map[string]float64{}
		for name, v := range want.Metrics {
			if v != nil {
				known[name] = *v
			}
		}
		perfdata = ""
		for _, name := range metrics {
			if v, has := got[name]; has {
				perfdata += fmt.Sprintf("%s=%s ", name, strconv.FormatFloat(v, 'f', -1, 64))
			}
		}
		return maps.Equal(got, known), fmt.Sprintf("Prometheus has %v, the check %v", got, known)
	})
	return perfdata
}
