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
	setUpLimit  = time.Minute            // for a scenario to become complete
	limitMargin = 15 * time.Second       // after which the parts end if the supervisor does not end them
	parentCheck = 250 * time.Millisecond // between two checks of the parent process
)

// supervisor runs the front and the clients, and reads the messages that both write to their
// standard output, one on a line.
type supervisor struct {
	drill
	printLine    func(format string, a ...any)
	stderr       io.Writer
	parent       int // process id
	parts        []*exec.Cmd
	stdins       []io.Writer // a part begins the trouble when it reads a line, and ends when its stdin closes
	frontEnded   bool        // reports whether the supervisor has ended the front
	messages     chan string
	received     map[string]int // how often each message has come
	signals      chan os.Signal
	parentTicker *time.Ticker
	stopReason   string // why the drill ends early, or ""
}

// supervise runs the drill. Both parts have ended when it returns. stopReason is not "" if a
// signal or the end of the parent process ended the drill early.
func (d drill) supervise(
	parent int, printLine func(string, ...any), stderr io.Writer,
) (stopReason string, err error) {
	if runtime.GOOS == "windows" {
		switch d.scenario {
		case "hang":
			return "", errors.New("hang needs SIGSTOP, which windows does not have")
		case "nofile":
			return "", errors.New("nofile needs RLIMIT_NOFILE, which windows does not have")
		}
	}
	// The kernel kills the parts when the thread that started them ends (PR_SET_PDEATHSIG), so
	// this thread must not end.
	runtime.LockOSThread()
	s := &supervisor{
		drill: d, printLine: printLine, stderr: stderr, parent: parent,
		messages: make(chan string), received: map[string]int{},
		signals: make(chan os.Signal, 1), parentTicker: time.NewTicker(parentCheck),
	}
	signal.Notify(s.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer s.end()
	if err := s.run(); s.stopReason == "" {
		return "", err
	}
	return s.stopReason, nil
}

// run starts both parts and acts the scenario.
func (s *supervisor) run() error {
	front, err := s.start(partFront)
	if err != nil {
		return err
	}
	if err := s.await(messageListens, 1, setUpLimit); err != nil {
		return err
	}
	s.printLine("front (pid %d) listens on %s", front.Pid, s.endpoint())

	clients, err := s.start(partClients)
	if err != nil {
		return err
	}
	if err := s.await(messageServed, s.initialClients(), setUpLimit); err != nil {
		return err
	}
	addresses := 1
	if s.hasManyAddresses() {
		addresses = min(s.initialClients(), addressCount)
	}
	s.printLine("%s connected from %s (pid %d)", count(s.initialClients(), "client", "clients"),
		count(addresses, "address", "addresses"), clients.Pid)

	shape := "all clients get ticks (ESTABLISHED)"
	if s.scenario == "quiet" {
		shape = "all clients are connected (ESTABLISHED)"
	}
	if !slices.Contains(unchanging, s.scenario) {
		if err := s.await("", 1, s.after); err != nil {
			return err
		}
		shape, err = s.beginChange(front)
	}
	if err != nil {
		return err
	}
	s.printLine("ready: %s; for %v", shape, s.holdTime)
	return s.await("", 1, s.holdTime)
}

// changes has the change that begins in each scenario. The parts then send message for each client.
// shape is what the sockets show when the change is complete, counted what is counted.
var changes = map[string]struct{ what, message, shape, counted string }{
	"burst":  {"more clients log in", messageServed, "logged in, all clients get ticks (ESTABLISHED)", "client"},
	"logoff": {"all clients log off", messageLeft, "logged off normally (TIME_WAIT)", "client"},
	"hang":   {"the front is stopped", messageGaveUp, "closed by clients but not by the front (CLOSE_WAIT)", "connection"},
	"stuck":  {"the front stops accepting", messageGaveUp, notAccepted, "connection"},
	"deaf":   {"the front stops reading", messageDeaf, "not read by the front (Recv-Q)", "connection"},
	"frozen": {"the ticks stop", messageServed, "logged in since, none gets ticks (ESTABLISHED)", "client"},
	"nofile": {"the front has no free descriptors", messageGaveUp, notAccepted, "connection"},
	"leak":   {"the front stops closing", messageLeft, "leaked by the front (CLOSE_WAIT)", "connection"},
	"loop":   {"the front disconnects one client", messageThrown, "one client disconnected (TIME_WAIT)", "time"},
	"slow":   {"one client does not read", messageUnsent, "does not take what the front sends (Send-Q)", "client"},
	"down":   {"the front ends", messageGaveUp, "disconnected, cannot reconnect", "client"},
}

// notAccepted is the shape of both scenarios in which the front does not accept.
const notAccepted = "not accepted, closed by clients (CLOSE_WAIT)"

// beginChange begins the change of the scenario, waits until it is complete, and returns what
// the sockets then show.
func (s *supervisor) beginChange(front *os.Process) (shape string, err error) {
	change := changes[s.scenario]
	s.printLine("trouble: %s", change.what)
	more := s.clients
	if s.scenario == "frozen" || s.scenario == "slow" {
		more = 1
	}
	n := s.received[change.message] + more
	switch s.scenario {
	case "hang":
		if err := suspend(front); err != nil {
			return "", fmt.Errorf("stop the front: %w", err)
		}
		s.printLine("front stopped (SIGSTOP); clients reconnect")
	case "down":
		s.frontEnded = true
		if err := front.Kill(); err != nil {
			return "", fmt.Errorf("end the front: %w", err)
		}
	default:
		// The front changes first, so that no client acts before it has changed.
		if _, err := io.WriteString(s.stdins[0], "now\n"); err != nil {
			return "", fmt.Errorf("begin: %w", err)
		}
		if err := s.await(messageBegun, 1, setUpLimit); err != nil {
			return "", err
		}
	}
	if _, err := io.WriteString(s.stdins[1], "now\n"); err != nil {
		return "", fmt.Errorf("begin: %w", err)
	}
	shape = change.shape + ": " + count(more, change.counted, change.counted+"s")
	return shape, s.await(change.message, n, setUpLimit+s.over)
}

// await counts the messages of the parts until one has come n times since the start. No part
// sends the empty message: await("", 1, limit) waits for the time.
func (s *supervisor) await(message string, n int, limit time.Duration) error {
	timeUp := time.After(limit)
	for s.received[message] < n {
		select {
		case line := <-s.messages:
			if text, failed := strings.CutPrefix(line, messageError); failed {
				if s.frontEnded && strings.HasPrefix(text, "process "+partFront) {
					continue
				}
				return errors.New(text)
			}
			s.received[line]++
		case sig := <-s.signals:
			s.stopReason = sig.String()
			return errors.New(s.stopReason)
		case <-s.parentTicker.C:
			if os.Getppid() != s.parent {
				s.stopReason = "the process that started the drill has ended"
				return errors.New(s.stopReason)
			}
		case <-timeUp:
			if message == "" {
				return nil
			}
			return fmt.Errorf("not ready after %v: message %q came %d times, not %d", limit, message, s.received[message], n)
		}
	}
	return nil
}

// count returns the number with the right form of the word.
func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// start starts this program again as one of the parts and returns its process.
func (s *supervisor) start(part string) (*os.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{part}, s.args()...)...)
	cmd.Stderr = s.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	setOwnGroup(cmd.SysProcAttr)
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
		start = func() error { return startInNetns(s.netns, cmd) }
	}
	if err := start(); err != nil {
		return nil, err
	}
	s.parts = append(s.parts, cmd)
	s.stdins = append(s.stdins, stdin)
	go func() {
		for in := bufio.NewScanner(stdout); in.Scan(); {
			s.messages <- in.Text()
		}
		s.messages <- fmt.Sprintf("%sprocess %s (pid %d) has ended", messageError, part, cmd.Process.Pid)
	}()
	return cmd.Process, nil
}

// end kills the parts. It kills the front first: the kernel then resets its connections, so
// that no TIME_WAIT is left. A kill also ends a stopped process.
func (s *supervisor) end() {
	for _, cmd := range s.parts {
		// We ignore both errors: the process may have ended already, and Wait always returns an
		// error for a killed process.
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}
