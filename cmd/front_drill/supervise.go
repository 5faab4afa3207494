package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	setUpLimit  = time.Minute            // for a scenario to take its full shape
	limitMargin = 15 * time.Second       // that the parts live on beyond the drill, at most
	parentCheck = 250 * time.Millisecond // between two looks at the parent process
)

// supervisor runs the front and the clients and hears from both, one word a
// line, on their standard output.
type supervisor struct {
	drill
	say     func(format string, a ...any)
	stderr  io.Writer
	parent  int
	parts   []*exec.Cmd
	starts  []io.Writer // a part begins the trouble when a line comes here, and ends when it closes
	ended   bool        // the front was, by order
	lines   chan string
	seen    map[string]int
	signals chan os.Signal
	look    *time.Ticker
	early   string // why the drill is to end before its time
}

// supervise runs the drill from start to end. Whatever ends it, both parts are
// gone when it returns; early is set if that was a signal or the parent.
func (d drill) supervise(parent int, say func(string, ...any), stderr io.Writer) (early string, err error) {
	if runtime.GOOS == "windows" {
		switch d.scenario {
		case "hang":
			return "", errors.New("hang needs SIGSTOP, which windows does not have")
		case "nofile":
			return "", errors.New("nofile needs RLIMIT_NOFILE, which windows does not have")
		}
	}
	// The kernel takes the end of the thread that started a process for the
	// end of its parent; this thread must therefore last.
	runtime.LockOSThread()
	s := &supervisor{drill: d, say: say, stderr: stderr, parent: parent,
		lines: make(chan string), seen: map[string]int{},
		signals: make(chan os.Signal, 1), look: time.NewTicker(parentCheck)}
	signal.Notify(s.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer s.end()
	if err := s.run(); s.early == "" {
		return "", err
	}
	return s.early, nil
}

func (s *supervisor) run() error {
	front, err := s.start(partFront)
	if err != nil {
		return err
	}
	if err := s.await(wordListens, 1, setUpLimit); err != nil {
		return err
	}
	s.say("front (pid %d) listens on %s", front.Pid, s.endpoint())

	clients, err := s.start(partClients)
	if err != nil {
		return err
	}
	if err := s.await(wordServed, s.served(), setUpLimit); err != nil {
		return err
	}
	addresses := 1
	if s.spread() {
		addresses = min(s.served(), sources)
	}
	s.say("%s connected from %s (pid %d)", count(s.served(), "client", "clients"),
		count(addresses, "address", "addresses"), clients.Pid)

	shape := "all clients get ticks (ESTABLISHED)"
	if s.scenario == "quiet" {
		shape = "all clients are connected (ESTABLISHED)"
	}
	if !slices.Contains(steady, s.scenario) {
		if err := s.await("", 1, s.after); err != nil {
			return err
		}
		shape, err = s.begin(front)
	}
	if err != nil {
		return err
	}
	s.say("ready: %s; for %v", shape, s.hold)
	return s.await("", 1, s.hold)
}

// changes are what begins in a scenario, the word that the parts say then for each
// client, and the shape that this gives.
var changes = map[string]struct{ what, word, shape, counted string }{
	"burst":  {"more clients log in", wordServed, "logged in, all clients get ticks (ESTABLISHED)", "client"},
	"logoff": {"all clients log off", wordLeft, "logged off in order (TIME_WAIT)", "client"},
	"hang":   {"the front is stopped", wordGaveUp, "closed by clients but not by the front (CLOSE_WAIT)", "connection"},
	"stuck":  {"the front accepts no more", wordGaveUp, "not accepted, closed by clients (CLOSE_WAIT)", "connection"},
	"deaf":   {"the front reads no more", wordDeaf, "not read by the front (Recv-Q)", "connection"},
	"frozen": {"no more ticks", wordServed, "logged in since, none gets ticks (ESTABLISHED)", "client"},
	"nofile": {"the front has no descriptors left", wordGaveUp, "not accepted, closed by clients (CLOSE_WAIT)", "connection"},
	"leak":   {"the front closes no more", wordLeft, "leaked by the front (CLOSE_WAIT)", "connection"},
	"loop":   {"one client is thrown out", wordThrown, "one client thrown out (TIME_WAIT)", "time"},
	"slow":   {"one client does not read", wordUnsent, "does not take what the front sends (Send-Q)", "client"},
	"down":   {"the front ends", wordGaveUp, "reconnect in vain", "client"},
}

// begin begins the trouble, or what else is to change, waits until it has taken
// its shape and gives that.
func (s *supervisor) begin(front *os.Process) (shape string, err error) {
	change := changes[s.scenario]
	s.say("trouble: %s", change.what)
	more := s.clients
	if s.scenario == "frozen" || s.scenario == "slow" {
		more = 1
	}
	n := s.seen[change.word] + more
	switch s.scenario {
	case "hang":
		if err := stop(front); err != nil {
			return "", fmt.Errorf("stop the front: %w", err)
		}
		s.say("front stopped (SIGSTOP); clients reconnect")
	case "down":
		s.ended = true
		if err := front.Kill(); err != nil {
			return "", fmt.Errorf("end the front: %w", err)
		}
	default:
		// The front comes first: the clients are to meet it as it is then.
		if _, err := io.WriteString(s.starts[0], "now\n"); err != nil {
			return "", fmt.Errorf("begin: %w", err)
		}
		if err := s.await(wordBegun, 1, setUpLimit); err != nil {
			return "", err
		}
	}
	if _, err := io.WriteString(s.starts[1], "now\n"); err != nil {
		return "", fmt.Errorf("begin: %w", err)
	}
	return change.shape + ": " + count(more, change.counted, change.counted+"s"), s.await(change.word, n, setUpLimit+s.over)
}

// await counts the words of the parts until one has come n times since the
// start. No part says the empty word: to await that is to let the time pass.
func (s *supervisor) await(word string, n int, limit time.Duration) error {
	timeUp := time.After(limit)
	for s.seen[word] < n {
		select {
		case line := <-s.lines:
			if text, failed := strings.CutPrefix(line, wordError); failed {
				if s.ended && strings.HasPrefix(text, "process "+partFront) {
					continue
				}
				return errors.New(text)
			}
			s.seen[line]++
		case sig := <-s.signals:
			s.early = sig.String()
			return errors.New(s.early)
		case <-s.look.C:
			if os.Getppid() != s.parent {
				s.early = "the process that started the drill has ended"
				return errors.New(s.early)
			}
		case <-timeUp:
			if word == "" {
				return nil
			}
			return fmt.Errorf("not ready after %v: %q came %d times, not %d", limit, word, s.seen[word], n)
		}
	}
	return nil
}

func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// start starts this program again as one of the parts.
func (s *supervisor) start(part string) (*os.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{part}, s.args()...)...)
	cmd.Stderr = s.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	ownGroup(cmd.SysProcAttr)
	dieWithParent(cmd.SysProcAttr)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	start := cmd.Start
	if part == partClients && s.netns != "" {
		start = func() error { return startIn(s.netns, cmd) }
	}
	if err := start(); err != nil {
		return nil, err
	}
	s.parts = append(s.parts, cmd)
	s.starts = append(s.starts, stdin)
	go func() {
		for in := bufio.NewScanner(stdout); in.Scan(); {
			s.lines <- in.Text()
		}
		s.lines <- fmt.Sprintf("%sprocess %s (pid %d) has ended", wordError, part, cmd.Process.Pid)
	}()
	return cmd.Process, nil
}

// end kills the parts, the front first: its connections are then reset, which
// leaves nothing in TIME_WAIT. A kill also ends a stopped process.
func (s *supervisor) end() {
	for _, cmd := range s.parts {
		// Neither error matters: the process may have ended by itself, and
		// a killed one never ends well.
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}
