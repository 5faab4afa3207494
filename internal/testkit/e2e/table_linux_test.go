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

// rowPrefix begins the lines by which a machine reports to the table.
const rowPrefix = "e2e row: "

var (
	rowsMutex sync.Mutex
	rows      []string
)

func addRow(row string) {
	rowsMutex.Lock()
	defer rowsMutex.Unlock()
	rows = append(rows, strings.ReplaceAll(row, "|", "\t"))
}

// report adds a row to the table: the seconds are those from the hang to CRITICAL and from
// the restart to OK, and the perfdata that of the hang, as the server tells them.
func report(t *testing.T, system, version string, critical, recovery time.Duration, perfdata string) {
	t.Helper()
	if critical < -time.Second || recovery < -time.Second || critical > time.Minute || recovery > time.Minute { // some tell whole seconds
		t.Errorf("%s: CRITICAL after %v, recovery after %v", system, critical, recovery)
	}
	whole := "yes"
	if why := intact(perfdata); why != "" {
		t.Errorf("%s: perfdata: %s", system, why)
		whole = "no"
	}
	fmt.Printf("%s%s|%s|%.1f|%.1f|%s\n", rowPrefix, system, version, critical.Seconds(), recovery.Seconds(), whole)
}

// table prints what the machines reported.
func table(w io.Writer) {
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
