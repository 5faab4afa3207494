package plugins

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/testkit/population"
)

// TestLogAtOnce: 200 checks append to one file at once while it is rotated, and every fourth is
// killed at some moment. No line is lost but those of the killed ones, and each line is whole or
// the torn one of a killed check.
func TestLogAtOnce(t *testing.T) {
	dir := t.TempDir()
	check := filepath.Join(programs(t), "check_mdfront_sockets")
	crowd := filepath.Join(dir, "ss") // a line of many pages, so that a kill may tear it
	text := "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 128 0.0.0.0:41213 0.0.0.0:*\n"
	for i := range 250 {
		text += fmt.Sprintf("ESTAB 0 0 10.1.0.7:41213 10.1.2.%d:50000\n", i+1)
	}
	if err := os.WriteFile(crowd, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	done, rotated := make(chan struct{}), make(chan int)
	go func() { // as logrotate with "create"
		n := 0
		for ; ; n++ {
			select {
			case <-done:
				rotated <- n
				return
			case <-time.After(20 * time.Millisecond):
				_ = os.Rename(log, fmt.Sprintf("%s.%d", log, n)) // it may not be there yet
			}
		}
	}()

	const checks = 200
	var all sync.WaitGroup
	parallel := make(chan struct{}, 40)
	killed := make([]bool, checks)
	for i := range checks {
		all.Add(1)
		go func() {
			defer all.Done()
			parallel <- struct{}{}
			defer func() { <-parallel }()
			cmd := exec.Command(check, "-s", "ss:"+crowd, "-n", fmt.Sprint("n", i), "--log", log, "-t", "60", "--policy", "seed")
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			if i%4 == 0 {
				time.Sleep(time.Duration(i) * time.Millisecond)
				_ = cmd.Process.Signal(syscall.SIGKILL) // it may have ended
			}
			_ = cmd.Wait()
			killed[i] = cmd.ProcessState.ExitCode() != 0
			if killed[i] && i%4 != 0 {
				t.Errorf("check %d: %s", i, cmd.ProcessState)
			}
		}()
	}
	all.Wait()
	close(done)
	if n := <-rotated; n < 3 {
		t.Errorf("the log was rotated %d times: too few to show anything", n)
	}
	lines, torn := linesOf(t, log)
	lost := 0
	for i := range checks {
		switch n := lines[fmt.Sprint("n", i)]; {
		case n == 0 && killed[i]:
			lost++
		case n != 1:
			t.Errorf("check %d (killed: %v) has %d lines", i, killed[i], n)
		}
	}
	if torn > lost {
		t.Errorf("%d torn lines, but %d killed checks without a line", torn, lost)
	}
	t.Logf("%d checks, %d lines, %d killed without a line, %d of these left a torn one", checks, len(lines), lost, torn)
}

// linesOf returns how many whole lines each front has in a log and in its older files, and how
// many lines are torn.
func linesOf(t *testing.T, log string) (whole map[string]int, torn int) {
	t.Helper()
	files, err := filepath.Glob(log + "*")
	if err != nil {
		t.Fatal(err)
	}
	whole = map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".gz") {
			text = unzip(t, text)
		}
		for line := range bytes.Lines(text) {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			var l logLine
			if json.Unmarshal(line, &l) != nil {
				torn++
				continue
			}
			whole[l.Name]++
		}
	}
	return whole, torn
}

// TestLogFullDisk: a line for which there is no room makes the answer UNKNOWN, which says how much of
// it was written. When there is room again, the next line is whole.
func TestLogFullDisk(t *testing.T) {
	population.Need(t)
	population.Listen(t, "tcp4", "127.0.0.1:41244").Make("time_wait", 200, population.Addresses(60)...)
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	dir := t.TempDir()
	// A file system of 16 pages, in a mount namespace of the shell's. All but one are full at first.
	script := `mount -t tmpfs -o size=64k none "$1" && head -c 61440 /dev/zero >"$1/other" || exit 99
		check() { "$2" -p 41244 -c 1000 --log "$1/log" -f json >"$3"; echo "exit $?"; }
		check "$1" "$2" /dev/fd/2
		check "$1" "$2" /dev/fd/2
		rm "$1/other"
		check "$1" "$2" /dev/null
		cat "$1/log"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir, program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	first, second, _ := strings.Cut(stderr.String(), "\n")
	partly := regexp.MustCompile(`log not written: only 4096 of \d{4,} bytes: no space left on device: ` + dir + `/log"`)
	if !partly.MatchString(first) || !strings.Contains(first, `"status":"UNKNOWN"`) {
		t.Errorf("without room: %s", first)
	}
	if !strings.Contains(second, "log not written: no space left on device: "+dir+"/log\"") {
		t.Errorf("without any room: %s", second)
	}
	lines := strings.Split(string(out), "\n")
	var l logLine
	if !strings.HasPrefix(string(out), "exit 3\nexit 3\nexit 0\n") || len(lines) != 6 || lines[5] != "" ||
		len(lines[3]) != 4096 || json.Unmarshal([]byte(lines[4]), &l) != nil || len(l.Clients) != 60 {
		t.Errorf("%q, want a torn line and a whole one", out)
	}
}

// TestLogUnreadable: a log that the check may append to but not read gets an error that says so.
func TestLogUnreadable(t *testing.T) {
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	dir, err := os.MkdirTemp("", "frontsockets")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	log := filepath.Join(dir, "log")
	cmd := nobody(t, exec.Command(program, "-s", "ss:/dev/null", "--log", log, "-f", "json"))
	uid := int(cmd.SysProcAttr.Credential.Uid)
	for _, prepare := range []func() error{
		func() error { return os.WriteFile(log, nil, 0o200) },
		func() error { return os.Chown(dir, uid, uid) },
		func() error { return os.Chown(log, uid, uid) },
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
	}
	out, code := run(t, cmd)
	want := "log not written: permission denied; the check must read the log and append to it: " + log
	if code != 3 || !strings.Contains(out, want) {
		t.Errorf("exit %d, %s, want %s", code, out, want)
	}
}
