package plugins

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
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
		if filepath.Ext(file) == ".gz" {
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
