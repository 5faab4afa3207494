//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// writersConfig has the writers, a log of all that Icinga ignores, and a check that prints a
// golden.
const writersConfig = `
object GraphiteWriter "graphite" { enable_send_thresholds = true }
object InfluxdbWriter "influxdb" {
	database = "icinga2"
	enable_send_thresholds = true
	flush_interval = 1s
	service_template = { measurement = "$service.check_command$"; tags = { service = "$service.name$" } }
}
object FileLogger "all" { severity = "debug"; path = "/var/log/icinga2/all.log" }
object CheckCommand "golden" {
	command = [ "/bin/sh", "-c", "sed '$$d' \"$$1\"; exit $$(sed -n '$$s/exit //p' \"$$1\")", "sh", "$golden$" ]
}
object Host "goldens" { check_command = "dummy" }
`

// TestIcingaWriters: Icinga's Graphite and InfluxDB writers send every metric of every golden,
// and an upper limit over which 60 abnormal sockets are.
func TestIcingaWriters(t *testing.T) {
	if !machine(t) {
		return
	}
	copyToUpperLayer(t, "/etc/icinga2")
	run(t, "icinga2", "api", "setup", "--cn", "fronts")
	write(t, "/etc/icinga2/conf.d/api-users.conf", apiUser)
	config, want := writersConfig, map[string]float64{}
	files, err := filepath.Glob(repo + "/testdata/output/*.nagios")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".nagios")
		golden := "/var/tmp/goldens/" + filepath.Base(file)
		run(t, "install", "-D", "-m", "644", file, golden)
		config += fmt.Sprintf("object Service %q { host_name = \"goldens\"; check_command = \"golden\"; vars.golden = %q;"+
			" max_check_attempts = 1; check_interval = 2s; retry_interval = 2s }\n", name, golden)
		for metric, n := range goldenMetrics(t, name) {
			want[name+" "+metric+" value"] = n
		}
	}
	want["sixty abnormal crit"] = 49 // and 60 is over it
	write(t, "/etc/icinga2/conf.d/writers.conf", config)

	graphite, influxdb := &received{}, &received{}
	graphite.listenGraphite(t)
	influxdb.listenInfluxDB(t)
	i := &icinga{t: t, name: "fronts", address: "127.0.0.1", clock: newClock(t)}
	i.start()
	for system, got := range map[string]*received{"Graphite": graphite, "InfluxDB": influxdb} {
		await(t, slow, "all metrics in "+system, func() (bool, string) { return got.has(want) })
		fmt.Printf("%s: %d metrics of %d answers\n", system, len(want)-1, len(files))
	}
	if s := i.await("goldens!sixty", 2, "MDFRONT CRITICAL: "); checkPerfdata(s.perfdata) != "" {
		t.Errorf("the perfdata in Icinga: %s", checkPerfdata(s.perfdata))
	}

	log, err := os.ReadFile("/var/log/icinga2/all.log")
	if err != nil {
		t.Fatal(err)
	}
	// What cannot be written without a colon, as in the golden "ranges", it cannot send.
	known := regexp.MustCompile(`Ignoring unsupported perfdata (warning|critical) range, value: '[^']*:[^']*'\.$`)
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "Ignoring") && !known.MatchString(strings.TrimSpace(line)) {
			t.Errorf("Icinga's log: %s", line)
		}
	}
}

// goldenMetrics returns the metrics that are known in a golden.
func goldenMetrics(t *testing.T, name string) map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(repo + "/testdata/output/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Metrics map[string]*float64 }
	if err := json.NewDecoder(strings.NewReader(string(text))).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	known := map[string]float64{}
	for metric, n := range answer.Metrics {
		if n != nil {
			known[metric] = *n
		}
	}
	return known
}

// received is what a writer has sent: "SERVICE METRIC value" or crit, with the number.
type received struct {
	mutex sync.Mutex
	got   map[string]float64
}

func (r *received) put(service, metric, field, number string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.got == nil {
		r.got = map[string]float64{}
	}
	if n, err := strconv.ParseFloat(number, 64); err == nil {
		r.got[service+" "+metric+" "+field] = n
	}
}

// has reports whether all that is wanted has come, and no other metric.
func (r *received) has(want map[string]float64) (ok bool, why string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for key, n := range want {
		if got, has := r.got[key]; !has || got != n {
			return false, fmt.Sprintf("%s is %v, %v, want %v", key, got, has, n)
		}
	}
	for key := range r.got {
		if _, wanted := want[key]; !wanted && strings.HasSuffix(key, " value") {
			return false, key + " is not in the answer"
		}
	}
	return true, ""
}

// listenGraphite takes lines such as "icinga2.goldens.services.sixty.golden.perfdata.abnormal.crit 49 TIME".
func (r *received) listenGraphite(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:2003")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	line := regexp.MustCompile(`^icinga2\.goldens\.services\.(\w+)\.golden\.perfdata\.(.+)\.(value|crit) (\S+) `)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if m := line.FindStringSubmatch(lines.Text()); m != nil {
						r.put(m[1], m[2], m[3], m[4])
					}
				}
			}()
		}
	}()
}

// listenInfluxDB takes lines such as "golden,metric=abnormal,service=sixty crit=49,min=0,value=60 TIME".
func (r *received) listenInfluxDB(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:8086")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	metric, service := regexp.MustCompile(`[, ]metric=([^ ,]+)`), regexp.MustCompile(`[, ]service=([^ ,]+)`)
	field := regexp.MustCompile(`[, ](value|crit)=([^ ,]+)`)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		text, _ := io.ReadAll(request.Body)
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "golden,") {
				continue // Debian's own services
			}
			m, s := metric.FindStringSubmatch(line), service.FindStringSubmatch(line)
			for _, f := range field.FindAllStringSubmatch(line, -1) {
				if m != nil && s != nil {
					r.put(s[1], m[1], f[1], f[2])
				}
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
}
