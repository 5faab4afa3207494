//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"frontsockets/internal/tally"
)

// slow is the limit of a step that may be slow on a busy machine.
const slow = 30 * time.Second

// install installs the package that make dist has built.
func install(t *testing.T) {
	t.Helper()
	run(t, "dpkg", "-i", builtDeb(t))
}

// place copies a file of contrib, as its README says.
func place(t *testing.T, name, to string) {
	t.Helper()
	run(t, "install", "-D", "-m", "644", filepath.Join(repo, "contrib", name), to)
}

// write writes a file, and makes its folder.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command and returns its output. The command must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, code := try(t, name, args...)
	if code != 0 {
		t.Fatalf("%s %s: exit code %d\n%s", name, strings.Join(args, " "), code, out)
	}
	return out
}

// try runs a command and returns its output and exit code.
func try(t *testing.T, name string, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// process is a server or a drill that a test has started.
type process struct {
	cmd *exec.Cmd
	log string // the file of its output
}

// launch starts a process that runs until the test ends. If the test fails, it logs the output.
func launch(t *testing.T, name string, args ...string) *process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), filepath.Base(name))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := &process{cmd: exec.Command(name, args...), log: log.Name()}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			text := p.output()
			t.Logf("output of %s %s:\n%s", name, strings.Join(args, " "), text[max(0, len(text)-4000):])
		}
	})
	return p
}

// output returns what the process has written so far.
func (p *process) output() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// stop ends the process and its children, and waits for it.
func (p *process) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	_ = p.cmd.Wait()
	timer.Stop()
}

// await polls until done reports ok. After the limit it fails the test with the last why.
func await(t *testing.T, limit time.Duration, what string, done func() (ok bool, why string)) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		ok, why := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v without %s: %s", limit, what, why)
		}
	}
}

// front is a front_drill that acts one scenario after the other on its port.
type front struct {
	t    *testing.T
	via  []string // a command that runs the drill in another namespace, or nil
	args []string // options of front_drill
	now  *process // the current drill
}

// newFront starts a healthy front. args are options of front_drill.
func newFront(t *testing.T, args ...string) *front {
	t.Helper()
	f := &front{t: t, args: args}
	f.act("healthy")
	return f
}

// act ends the current drill, starts one with the scenario, and waits until the scenario is
// complete. It returns the time when the trouble began.
func (f *front) act(scenario string, args ...string) (began time.Time) {
	f.t.Helper()
	if f.now != nil {
		f.now.stop()
	}
	words := slices.Concat(f.via, []string{"front_drill", scenario, "--for", "10m"}, f.args, args)
	f.now = launch(f.t, words[0], words[1:]...)
	await(f.t, time.Minute, "a front that is "+scenario, func() (bool, string) {
		out := f.now.output()
		if began.IsZero() && strings.Contains(out, "front_drill: trouble") {
			began = time.Now()
		}
		return strings.Contains(out, "front_drill: ready"), out
	})
	if began.IsZero() {
		began = time.Now()
	}
	return began
}

var (
	// metricPart is one metric of perfdata.
	metricPart = regexp.MustCompile(`^([a-z_0-9]+)=[0-9.]+(?:%|B|s)?(?:;[^ ]*)?$`)

	// metrics are the labels of a check's perfdata, in their order.
	metrics = func() (names []string) {
		for m := range tally.OneLook {
			names = append(names, m.String())
		}
		return names
	}()
)

// checkPerfdata returns what is wrong with the perfdata that a server has stored, or "". All
// metrics must be present, once and in order, but for those of a front without clients, which
// has no ages and no round-trip time.
func checkPerfdata(perfdata string) string {
	var got []string
	for _, part := range strings.Fields(perfdata) {
		m := metricPart.FindStringSubmatch(part)
		if m == nil {
			return fmt.Sprintf("%q is not perfdata", part)
		}
		got = append(got, m[1])
	}
	optional := func(m string) bool { return m == "feed_age" || m == "request_age" || m == "rtt" }
	required := slices.DeleteFunc(slices.Clone(metrics), func(m string) bool {
		return optional(m) &&
			!slices.Contains(got, m)
	})
	if !slices.Equal(got, required) {
		return fmt.Sprintf("the metrics are %v", got)
	}
	return ""
}
