package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"frontsockets/internal/testkit/population"
)

// guardFlags returns the linker's flags for a program with a guard, as the Makefile has them.
func guardFlags() string {
	if slices.Contains([]string{"amd64", "arm64", "386"}, runtime.GOARCH) {
		return "-E frontsockets_entry"
	}
	return ""
}

// TestGuard: where Go's runtime cannot start, the answer is UNKNOWN, and says so.
func TestGuard(t *testing.T) {
	population.Need(t)
	if guardFlags() == "" {
		population.Skip(t, "no guard on "+runtime.GOARCH)
	}
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	for _, limit := range []string{"ulimit -n 3", "ulimit -n 5", "ulimit -v 600000", "export GOMEMLIMIT=x"} {
		cmd := exec.Command("sh", "-c", limit+`; exec "$0"`, program)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.HasPrefix(string(out), "UNKNOWN: this check ended without an answer: ") ||
			bytes.Count(out, []byte("\n")) != 1 {
			t.Errorf("%s: %v, %q", limit, err, out)
		}
	}
}

// TestGuardIsKilled: the check ends with its guard.
func TestGuardIsKilled(t *testing.T) {
	population.Need(t)
	if guardFlags() == "" {
		population.Skip(t, "no guard on "+runtime.GOARCH)
	}
	cmd := exec.Command(filepath.Join(programs(t), "check_mdfront_sockets"), "--sample", "8s")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	children := fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", cmd.Process.Pid)
	var child string
	for range 100 {
		if b, _ := os.ReadFile(children); len(b) > 0 {
			child = strings.TrimSpace(string(b))
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if child == "" {
		cmd.Process.Kill()
		cmd.Wait()
		population.Skip(t, "this kernel does not list children")
	}
	time.Sleep(300 * time.Millisecond) // until it has asked to end with its guard
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	for range 100 {
		if _, err := os.Stat("/proc/" + child + "/fd/0"); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the check, process %s, is still there", child)
}
