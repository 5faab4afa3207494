//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// rowPrefix is the start of a line that a machine prints for the table.
const rowPrefix = "e2e row: "

var (
	rowsMutex sync.Mutex
	rows      []string
)

// addRow adds a row, whose columns are separated by |.
func addRow(row string) {
	rowsMutex.Lock()
	defer rowsMutex.Unlock()
	rows = append(rows, strings.ReplaceAll(row, "|", "\t"))
}

// report prints a row of the table. critical is the time from the hang to CRITICAL, recovery is the
// time from the restart to OK, and perfdata is that of the hang, all as stored by the server.
func report(t *testing.T, system, version string, critical, recovery time.Duration, perfdata string) {
	t.Helper()
	for _, d := range []time.Duration{critical, recovery} {
		if d < -time.Second || d > time.Minute { // some servers store whole seconds, so d may be below 0
			t.Errorf("%s: CRITICAL after %v, recovery after %v", system, critical, recovery)
		}
	}
	whole := "yes"
	if why := checkPerfdata(perfdata); why != "" {
		t.Errorf("%s: perfdata: %s", system, why)
		whole = "no"
	}
	fmt.Printf("%s%s|%s|%.1f|%.1f|%s\n", rowPrefix, system, version, critical.Seconds(), recovery.Seconds(), whole)
}

// printTable prints the rows of all machines.
func printTable(w io.Writer) {
	if len(rows) == 0 {
		return
	}
	slices.Sort(rows)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nsystem\tversion\tseconds to CRITICAL\tseconds to recovery\tperfdata intact")
	for _, row := range rows {
		fmt.Fprintln(tw, row)
	}
	tw.Flush()
}
