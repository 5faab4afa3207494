// Command front_drill is a pretend front with its clients, all of them in
// real processes on loopback. It acts out the ways in which a front plays
// dead, for demos, fire drills and tests.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jessevdk/go-flags"
)

// The exit codes, as the help explains them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `Usage:
  front_drill healthy|hang|leak|loop [options]

A pretend front and its clients, in real processes on loopback.

Scenarios:
  healthy  N clients are connected and get a tick every 500ms
  hang     as healthy, then the front is stopped (SIGSTOP); the clients give up,
           close and reconnect: CLOSE_WAIT piles up, the accept queue fills
  leak     N clients come and close, but the front never closes its side:
           N CLOSE_WAIT, while one more client is served as usual
  loop     one client is thrown out by the front and reconnects at once until
           there are N TIME_WAIT, then so slowly that about N to 2N of them
           remain; 5 more clients are served as usual

Options:
  --port P         port of the front, 1 to 65535 (default: 41213)
  --clients N      the N above, 1 to 5000 (default: 60)
  --for DURATION   how long to go on once ready, up to 1h (default: 30s)
  --address ADDR   loopback address of the front (default: 127.0.0.1)
  -h, --help       show this help

On Linux the clients come from 127.0.0.11 to 127.0.0.19, the one thrown out
from 127.0.0.66; elsewhere, and with --address ::1, all share one address.

A line that starts with "front_drill: ready" says that the scenario has taken
its full shape. The drill cleans up at its end, on Ctrl-C, SIGTERM and SIGHUP,
and when the process that started it ends. What loop leaves in TIME_WAIT is
the kernel's, for about a minute.

Exit codes:
  0  the drill ended as planned, on a signal or with its parent
  1  the drill could not be set up, or broke off
  2  the command line is wrong

Examples:
  front_drill healthy
  front_drill hang --port 41205 --clients 200 --for 2m
  front_drill loop --clients 300 --address ::1
`

// drill is what the command line asks for.
type drill struct {
	scenario string
	address  net.IP
	port     int
	clients  int
	hold     time.Duration
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program. The supervisor starts the same program again as
// the front and as the clients, with a part's name as the first argument.
func run(args []string, stdout, stderr io.Writer) int {
	parent := os.Getppid()
	part := ""
	if len(args) > 0 && (args[0] == partFront || args[0] == partClients) {
		part, args = args[0], args[1:]
	}
	d, help, err := parse(args)
	if help {
		fmt.Fprint(stdout, usage)
		return exitDone
	}
	if err != nil {
		fmt.Fprintf(stderr, "front_drill: %v\n", err)
		return exitUsage
	}
	if part != "" {
		fmt.Fprintf(stdout, "%s%v\n", wordError, d.play(part, stdout))
		return exitFailed
	}

	say := func(format string, a ...any) { fmt.Fprintf(stdout, "front_drill: "+format+"\n", a...) }
	early, err := d.supervise(parent, say, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "front_drill: %v\n", err)
		return exitFailed
	}
	if early != "" {
		say("stopped early: %s", early)
	}
	say("done")
	return exitDone
}

// parse reads the command line. All values are taken as text and checked
// here, so that every error names the option and the value as typed.
func parse(args []string) (d drill, help bool, err error) {
	var opts struct {
		Port    string `long:"port" default:"41213"`
		Clients string `long:"clients" default:"60"`
		For     string `long:"for" default:"30s"`
		Address string `long:"address" default:"127.0.0.1"`
		Help    bool   `short:"h" long:"help"`
	}
	words, err := flags.NewParser(&opts, flags.PassDoubleDash).ParseArgs(args)
	if err != nil || opts.Help {
		return d, err == nil, err
	}
	if len(words) == 0 {
		return d, false, errors.New("no scenario given: healthy, hang, leak or loop (--help explains them)")
	}
	d.scenario = words[0]
	if !slices.Contains([]string{"healthy", "hang", "leak", "loop"}, d.scenario) {
		return d, false, fmt.Errorf("%q is not a scenario: healthy, hang, leak or loop", d.scenario)
	}
	if len(words) > 1 {
		return d, false, fmt.Errorf("unexpected argument after %s: %q", d.scenario, strings.Join(words[1:], " "))
	}
	if d.port, err = number("--port", opts.Port, 65535); err != nil {
		return d, false, err
	}
	if d.clients, err = number("--clients", opts.Clients, 5000); err != nil {
		return d, false, err
	}
	if d.hold, err = time.ParseDuration(opts.For); err != nil || d.hold <= 0 || d.hold > time.Hour {
		return d, false, fmt.Errorf("--for: %q is not a duration above 0 and up to 1h, such as 30s", opts.For)
	}
	// A pretend front has no business on a network that others can reach.
	if d.address = net.ParseIP(opts.Address); !d.address.IsLoopback() {
		return d, false, fmt.Errorf("--address: %q is not a loopback IP address, such as 127.0.0.1 or ::1", opts.Address)
	}
	return d, false, nil
}

func number(option, text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s: %q is not a number from 1 to %d", option, text, most)
	}
	return n, nil
}

// args is the command line that parse turns back into d.
func (d drill) args() []string {
	return []string{d.scenario, "--port", strconv.Itoa(d.port), "--clients", strconv.Itoa(d.clients),
		"--for", d.hold.String(), "--address", d.address.String()}
}

// endpoint is where the front listens.
func (d drill) endpoint() string {
	return net.JoinHostPort(d.address.String(), strconv.Itoa(d.port))
}

// served is the number of clients that stay connected and get ticks.
func (d drill) served() int {
	switch d.scenario {
	case "leak":
		return 1
	case "loop":
		return 5
	}
	return d.clients
}

// spread tells whether clients can come from several addresses: Linux alone
// owns all of 127.0.0.0/8 without further set-up, and ::1 is a single address.
func (d drill) spread() bool {
	return runtime.GOOS == "linux" && d.address.To4() != nil
}
