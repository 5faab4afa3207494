package plugins

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFIFOs: nothing waits for somebody to write to a FIFO that an option names.
func TestFIFOs(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--clients ":                       "--clients: not a regular file: a FIFO: ",
		"--session cn-futures --holidays ": "--holidays: not a regular file: a FIFO: ",
		"-t 300ms -s netstat:":             ":41213 cannot be judged: netstat:PATH not read within 300ms (-t)",
		"-t 300ms -s snapshot:":            ":41213 cannot be judged: snapshot:PATH not read within 300ms (-t)",
	} {
		start := time.Now()
		out, code := at(noon, front0(strings.TrimPrefix(args, "-t 300ms ")), strings.Fields(args+fifo)...)
		took := time.Since(start)
		want = "MDFRONT UNKNOWN: " + strings.Replace(want, "PATH", fifo, 1)
		if code != 3 || !strings.HasPrefix(out, want) || took > 3*time.Second {
			t.Errorf("%s: exit %d after %s, %s", args, code, took, out)
		}
	}
}
