package output

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"frontsockets/internal/testkit/population"
)

// TestPromtool: what promtool knows of the naming guide and of the format has nothing to say
// of any answer, whatever the front is called.
func TestPromtool(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		population.Skip(t, "there is no promtool (Debian: prometheus)")
	}
	check := func(what string, r Report) {
		t.Helper()
		var out bytes.Buffer
		cmd := exec.Command("promtool", "check", "metrics")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(Prometheus(r, Style{})), &out, &out
		if err := cmd.Run(); err != nil || out.Len() > 0 {
			t.Errorf("%s: %v: %s", what, err, &out)
		}
	}
	all := reports(t)
	for name, r := range all {
		check(name, r)
	}
	sampled := all["healthy"]
	sampled.Sampled = true
	check("sampled", sampled)
	for _, name := range []string{
		"TYPE", "HELP", "TYPE frontsockets_up counter", "HELP frontsockets_up", `a"b\c\n`, `\`, `"`, "#", "{}", "} 1",
		"行情前置7", "é\u00a0", " ", strings.Repeat("前", 64), "\x00\n\xff\u2028",
	} {
		r := all["failed"] // its comment has the name too
		r.Name = name
		check(name, r)
	}
	check("a usage error", Report{Usage: true, Failure: "TYPE"})
}
