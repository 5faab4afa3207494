package plugins

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"frontsockets/internal/testkit/population"
)

// TestRuntimeEnvironment: variables that Go's runtime reads change neither the answer nor how long
// it takes.
func TestRuntimeEnvironment(t *testing.T) {
	population.Need(t)
	population.Listen(t, "tcp4", "127.0.0.1:41216").Make("established", 7, population.Addresses(3)...)
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	for _, variable := range []string{
		"GOMAXPROCS=500", "GOMAXPROCS=x", "GOMEMLIMIT=1MiB", "GOMEMLIMIT=1", "GOGC=off", "GOGC=1", "GOGC=x",
		"GODEBUG=asynctimerchan=1,panicnil=1", "GODEBUG=x", "GOTRACEBACK=crash", "GO_FLAGS_COMPLETION=1",
	} {
		cmd := exec.Command(program, "-p", "41216", "--policy", "seed")
		cmd.Env = []string{variable}
		start := time.Now()
		if out, code := run(t, cmd); code != 0 || !strings.HasPrefix(out, "MDFRONT OK: :41216 has 0 abnormal sockets, 7 ") {
			t.Errorf("%s: exit %d, %s", variable, code, out)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: it took %s", variable, took)
		}
	}
}

// TestDumpSignals: a signal at which Go's runtime prints its stacks and exits with 2, which is
// CRITICAL, does not end the check. Its time limit does.
func TestDumpSignals(t *testing.T) {
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGTRAP, syscall.SIGPIPE} {
		cmd := exec.Command(program, "-s", "ss:-", "-t", "1500ms")
		stdin, w, err := os.Pipe() // it waits for a capture that does not come
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin = stdin
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Error(err)
		}
		cmd.Wait()
		w.Close()
		stdin.Close()
		if code := cmd.ProcessState.ExitCode(); code != 3 || stderr.Len() > 0 ||
			!strings.Contains(stdout.String(), "cannot be judged: ss:- not read within 1.5s (-t)") {
			t.Errorf("%s: exit %d, %s, stderr has %.200s", signal, code, &stdout, &stderr)
		}
	}
}

// TestBrokenMemoryLimit: what the program cannot take back ends it before main, with an empty
// stdout. The commands in contrib make an UNKNOWN of that.
func TestBrokenMemoryLimit(t *testing.T) {
	cmd := exec.Command(filepath.Join(programs(t), "check_mdfront_sockets"))
	cmd.Env = []string{"GOMEMLIMIT=x"}
	cmd.Stderr = io.Discard
	if out, err := cmd.Output(); len(out) > 0 || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("%v, %s: docs/REFERENCE.md says that it ends with exit code 2 and nothing on stdout", err, out)
	}
}
