package plugins

import (
	"strings"
	"testing"
)

// TestHostMonitorDocuments: the guide to migration and HostMonitor's README give the same
// commands for replacing the scripts.
func TestHostMonitorDocuments(t *testing.T) {
	readme := readText(t, "../contrib/hostmonitor/README.md")
	_, step, found := strings.Cut(readText(t, "../docs/MIGRATING.md"), "## Minute 5: ")
	_, block, opened := strings.Cut(step, "```\n")
	block, _, closed := strings.Cut(block, "```\n")
	if !found || !opened || !closed || strings.Count(block, "\n") < 5 {
		t.Fatalf("minute 5 of the guide has no commands: %q", block)
	}
	for command := range strings.Lines(block) {
		if !strings.Contains(readme, "\n   "+command) {
			t.Errorf("HostMonitor's README does not have %q", command)
		}
	}
}
