//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fleetVar switches on the tests of docs/FLEET.md, which take too long for make e2e: make fleet.
const fleetVar = "FRONTSOCKETS_FLEET"

// fleetLimit is testLimit for one of these tests.
const fleetLimit = 40 * time.Minute

// requireFleet skips a test that make fleet has not started. With REQUIRE_KERNEL=1 the test fails
// instead.
func requireFleet(t *testing.T) {
	t.Helper()
	switch {
	case os.Getenv(fleetVar) != "":
	case os.Getenv("REQUIRE_KERNEL") == "1":
		t.Fatal("make fleet runs this test")
	default:
		t.Skip("make fleet runs this test")
	}
}

// The fleet of the measurements: hosts with 7 groups of a trade and a market-data front each.
const (
	fleetHosts  = 72
	fleetGroups = 7
	fleetFronts = fleetHosts * fleetGroups * 2 // 1,008
)

// fleetFront is one of the fronts that each host has.
type fleetFront struct {
	name, kind string
	port       int
}

// frontsOfHost returns the fronts of one host. Names and ports are those of contrib/icinga2.
func frontsOfHost() (fronts []fleetFront) {
	for group := range fleetGroups {
		n := strconv.Itoa(group + 1)
		fronts = append(fronts, fleetFront{"front" + n, "front", 41205 + 10*group},
			fleetFront{"mdfront" + n, "mdfront", 41213 + 10*group})
	}
	return fronts
}

// usage is what processes have used.
type usage struct {
	processor time.Duration // of the processes and of their children that have ended
	memory    int64         // bytes; memory that several processes share counts once
}

// since returns the processor time since an earlier moment as a share of one core, in per cent.
func (u usage) since(earlier usage, wall time.Duration) float64 {
	return 100 * float64(u.processor-earlier.processor) / float64(wall)
}

// usageOf returns what the processes with that name have used.
func usageOf(t *testing.T, name string) (sum usage) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), "(")
		comm, after, _ := strings.Cut(after, ") ")
		fields := strings.Fields(after)
		if comm != name || len(fields) < 15 {
			continue
		}
		found = true
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			ticks, _ := strconv.ParseInt(field, 10, 64)
			sum.processor += time.Duration(ticks) * (time.Second / 100)
		}
		sum.memory += proportionalMemory(filepath.Dir(file))
	}
	if !found {
		t.Fatalf("no process is called %s", name)
	}
	return sum
}

// proportionalMemory returns the memory of a process; a page that n processes share counts as 1/n.
func proportionalMemory(dir string) int64 {
	text, err := os.ReadFile(dir + "/smaps_rollup")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, found := bytes.CutPrefix(line, []byte("Pss:")); found {
			kib, _ := strconv.ParseInt(strings.Fields(string(rest))[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// quantile returns the value below which the share q of the values is. The values must be sorted.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// load is one measurement.
type load struct {
	system  string
	wall    time.Duration // how long it was measured
	results int           // results of checks that were sent or due
	lost    int           // results that did not arrive
	values  int           // values that the server stored
	delays  []time.Duration
	server  float64 // share of one core, in per cent
	others  string  // the same for the other processes
	memory  string
}

// fleetRowPrefix is the start of a line that a machine prints for the table of docs/FLEET.md.
const fleetRowPrefix = "fleet row: "

// report prints the row of a measurement. It fails the test if a result is lost, unless the measurement
// looked for the limit.
func (l load) report(t *testing.T, mayLose bool) {
	t.Helper()
	if l.lost > 0 && !mayLose {
		t.Errorf("%s: %d of %d results are lost", l.system, l.lost, l.results)
	}
	slices.Sort(l.delays)
	perMinute := func(n int) float64 { return float64(n) / l.wall.Minutes() }
	values := "–"
	if l.values > 0 {
		values = fmt.Sprintf("%.0f", perMinute(l.values)/60)
	}
	fmt.Printf("%s| %s | %.0f | %.0f min | %d | %s | %s | %s | %.0f %% | %s | %s |\n", fleetRowPrefix, l.system,
		perMinute(l.results), l.wall.Minutes(), l.lost, values, milliseconds(quantile(l.delays, 0.5)),
		milliseconds(quantile(l.delays, 0.99)), l.server, l.others, l.memory)
}

// milliseconds writes a delay.
func milliseconds(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// mebibytes writes an amount of memory.
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

var (
	fleetRowsMutex sync.Mutex
	fleetRows      []string
)

// addFleetRow adds a row to the table.
func addFleetRow(row string) {
	fleetRowsMutex.Lock()
	defer fleetRowsMutex.Unlock()
	fleetRows = append(fleetRows, row)
}

// printFleetTable prints the rows of all machines in Markdown.
func printFleetTable(w io.Writer) {
	if len(fleetRows) == 0 {
		return
	}
	fmt.Fprintln(w, "\n| system | results a minute | for | lost | values/s | delay, median | delay, 99 % |"+
		" server | others | memory |")
	fmt.Fprintln(w, "| --- | --: | --: | --: | --: | --: | --: | --: | --- | --- |")
	for _, row := range fleetRows {
		fmt.Fprintln(w, row)
	}
}
