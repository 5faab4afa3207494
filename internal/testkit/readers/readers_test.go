// Package readers has the parsers of monitoring systems read every golden answer. It is a
// module of its own, so that what these need is no part of the programs' go.mod.
package readers

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gonagios "github.com/atc0005/go-nagios"
	"github.com/influxdata/telegraf/plugins/parsers/nagios"
)

const goldens = "../../../testdata/output"

// reading is what a reader made of one metric.
type reading struct {
	value    float64
	critical bool
}

// readers read a plugin's output.
var readers = []struct {
	name string
	read func(t *testing.T, output string) map[string]reading
}{
	{"Telegraf 1.35.4 (parser nagios)", telegraf},
	{"go-nagios 0.20.0 (ParsePerfData)", goNagios},
	{"Monitoring::Plugin (Perl)", monitoringPlugin},
	{"Checkmk MRPE (its rules)", mrpe},
}

// TestReaders: every reader gets every metric of every answer, with the check's own value,
// and finds critical what the check calls critical.
func TestReaders(t *testing.T) {
	table := "reader: answers with perfdata, metrics read, CRITICAL for 60 against the default of 50"
	for _, r := range readers {
		t.Run(r.name, func(t *testing.T) {
			answers, metrics, sixty := 0, 0, false
			for name, golden := range read(t, "nagios") {
				want, critical := wanted(t, name, golden)
				got := r.read(t, golden)
				if len(want) > 0 {
					answers++
				}
				metrics += len(got)
				for metric, n := range want {
					switch g, found := got[metric]; {
					case !found:
						t.Errorf("%s: %s is lost", name, metric)
					case g.value != n:
						t.Errorf("%s: %s is %v, want %v", name, metric, g.value, n)
					case g.critical != critical[metric]:
						t.Errorf("%s: %s is critical: %v, want %v", name, metric, g.critical, critical[metric])
					}
					delete(got, metric)
				}
				if len(got) > 0 {
					t.Errorf("%s: there is no such metric: %v", name, slices.Collect(maps.Keys(got)))
				}
				sixty = sixty || name == "sixty" && critical["abnormal"]
			}
			if answers < 10 || !sixty {
				t.Errorf("%d answers have perfdata, and 60 are critical: %v", answers, sixty)
			}
			table += fmt.Sprintf("\n%s: %d, %d, %v", r.name, answers, metrics, sixty && !t.Failed())
		})
	}
	fmt.Println(table)
}

// read returns the goldens of a format by name, without the exit code.
func read(t *testing.T, format string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(goldens, "*."+format))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), "."+format)
		texts[name] = regexp.MustCompile(`(?m)^exit \d\n\z`).ReplaceAllString(string(text), "")
	}
	return texts
}

// wanted returns the known metrics that JSON has of an answer, and those that -v calls
// critical.
func wanted(t *testing.T, name, golden string) (values map[string]float64, critical map[string]bool) {
	t.Helper()
	var answer struct{ Metrics map[string]*float64 }
	if err := json.Unmarshal([]byte(read(t, "json")[name]), &answer); err != nil {
		t.Fatal(err)
	}
	values, critical = map[string]float64{}, map[string]bool{}
	for metric, n := range answer.Metrics {
		if n != nil {
			values[metric] = *n
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^CRITICAL: ([a-z_0-9]+) is `).FindAllStringSubmatch(golden, -1) {
		critical[m[1]] = true
	}
	return values, critical
}

// perfdata returns what follows the bar on the first line.
func perfdata(output string) string {
	first, _, _ := strings.Cut(output, "\n")
	_, after, _ := strings.Cut(first, "|")
	return after
}

// telegraf takes a metric for critical when it is outside of critical_lt and critical_gt.
func telegraf(t *testing.T, output string) map[string]reading {
	t.Helper()
	metrics, err := new(nagios.Parser).Parse([]byte(output))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]reading{}
	for _, m := range metrics {
		if m.Name() != "nagios" {
			continue
		}
		label, _ := m.GetTag("perfdata")
		value, _ := m.GetField("value")
		low, hasLow := m.GetField("critical_lt")
		high, hasHigh := m.GetField("critical_gt")
		n := value.(float64)
		got[label] = reading{n, hasLow && n < low.(float64) || hasHigh && n > high.(float64)}
	}
	return got
}

func goNagios(t *testing.T, output string) map[string]reading {
	t.Helper()
	got := map[string]reading{}
	if perfdata(output) == "" {
		return got
	}
	metrics, err := gonagios.ParsePerfData(perfdata(output))
	if err != nil {
		t.Fatalf("%v: %s", err, perfdata(output))
	}
	for _, m := range metrics {
		if err := m.Validate(); err != nil {
			t.Errorf("%s: %v", m.Label, err)
		}
		n, err := strconv.ParseFloat(m.Value, 64)
		if err != nil {
			t.Errorf("%s: %v", m.Label, err)
		}
		limit := gonagios.ParseRangeString(m.Crit)
		got[m.Label] = reading{n, m.Crit != "" && limit.CheckRange(m.Value)}
	}
	return got
}

const perl = `
use Monitoring::Plugin::Performance;
for (Monitoring::Plugin::Performance->parse_perfstring($ARGV[0])) {
	print join(' ', $_->label, $_->value, $_->threshold->get_status($_->value)), "\n";
}`

func monitoringPlugin(t *testing.T, output string) map[string]reading {
	t.Helper()
	if err := exec.Command("perl", "-MMonitoring::Plugin", "-e", "1").Run(); err != nil {
		skip(t, "there is no Monitoring::Plugin (Debian: libmonitoring-plugin-perl)")
	}
	out, err := exec.Command("perl", "-e", perl, perfdata(output)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := map[string]reading{}
	for line := range strings.Lines(string(out)) {
		var label string
		var n float64
		var status int
		if _, err := fmt.Sscan(line, &label, &n, &status); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got[label] = reading{n, status == 2}
	}
	return got
}

// mrpe reads as Checkmk's section mrpe does, as far as its source tells: it splits at blanks,
// and a value that begins with U makes the service UNKNOWN. A name becomes one of files and
// URLs, so it must have no special character. Its status is the exit code; it shows levels and
// does not judge by them. Here a range is compared that begins with no '@'.
func mrpe(t *testing.T, output string) map[string]reading {
	t.Helper()
	got := map[string]reading{}
	for _, field := range strings.Fields(perfdata(output)) {
		label, values, _ := strings.Cut(field, "=")
		if label == "" || strings.ContainsAny(label, `':/\ `) || strings.HasPrefix(values, "U") {
			t.Errorf("Checkmk does not take %q", field)
		}
		parts := strings.Split(values, ";")
		n, err := strconv.ParseFloat(strings.TrimRight(parts[0], "%Bs"), 64)
		if err != nil {
			t.Errorf("%q: %v", field, err)
		}
		low, high, isRange := strings.Cut(parts[2], ":")
		if !isRange {
			low, high = "0", parts[2]
		}
		upper, errUpper := strconv.ParseFloat(high, 64)
		lower, errLower := strconv.ParseFloat(low, 64)
		got[label] = reading{n, errUpper == nil && n > upper || isRange && errLower == nil && n < lower}
	}
	return got
}

// TestCheckmkLocal: the local check of contrib has the status and every metric of every answer,
// and takes a check that cannot start for UNKNOWN.
func TestCheckmkLocal(t *testing.T) {
	// A line of a local check, as Checkmk's documents have it.
	line := regexp.MustCompile(`^([0-3]) "MDFRONT front7" (\S+) (MDFRONT [^|]+|check_mdfront_sockets gave no answer)$`)
	local := func(script string) []string {
		t.Helper()
		dir := t.TempDir()
		for _, check := range []string{"check_mdfront_sockets", "check_front_sockets"} {
			if err := os.WriteFile(filepath.Join(dir, check), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("../../../contrib/checkmk/frontsockets_local")
		cmd.Env = append(os.Environ(), "PLUGINS="+dir)
		out, err := cmd.CombinedOutput()
		first, _, _ := strings.Cut(string(out), "\n")
		m := line.FindStringSubmatch(first)
		if err != nil || m == nil || strings.Count(string(out), "\n") != 2 {
			t.Fatalf("%v: %s", err, out)
		}
		return m
	}
	for name, golden := range read(t, "nagios") {
		want, _ := wanted(t, name, golden)
		got := local("cat <<'END'\n" + golden + "END\nexit 1\n")
		metrics := strings.Split(got[2], "|")
		if got[1] != "1" || len(want) == 0 && got[2] != "-" || len(want) > 0 && len(metrics) != len(want) {
			t.Errorf("%s: %s", name, got[0])
		}
		for _, metric := range metrics {
			label, number, _ := strings.Cut(metric, "=")
			if n, err := strconv.ParseFloat(number, 64); len(want) > 0 && (err != nil || n != want[label]) {
				t.Errorf("%s: %s, want %v", name, metric, want[label])
			}
		}
	}
	if got := local("exit 2\n"); got[1] != "3" {
		t.Errorf("a check that gave no answer: %s", got[0])
	}
}

// skip skips a test for a tool that this machine lacks, and fails it under REQUIRE_KERNEL=1.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_KERNEL") == "1" {
		t.Fatalf("REQUIRE_KERNEL=1, but %s", why)
	}
	t.Skip(why)
}
