// Command front_drill is a pretend front with its clients, all of them in
// real processes on loopback. It acts out the ways in which a front plays
// dead, for demos, fire drills and tests.
package main

import (
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
  front_drill SCENARIO [options]

A pretend front and its clients, in real processes on loopback.

Scenarios without trouble:
  healthy  N clients are connected and get a tick every 500ms
  quiet    N clients are connected and get a heartbeat every 15s, as at a trade
           front when nobody trades
  burst    as healthy with a few clients, then N more log in
  logoff   as healthy, then the clients log off, the front closes: N TIME_WAIT

Scenarios with trouble; all are healthy at first:
  hang     the front is stopped (SIGSTOP); the clients give up, close and
           reconnect: CLOSE_WAIT piles up, the accept queue fills
  stuck    the front accepts no more, while its N clients get their ticks; N
           others connect, give up, close and try again: the accept queue fills
  deaf     the front reads no more; it accepts, and N clients get their ticks
  frozen   no more ticks, while N clients stay and the front goes on to read and
           to accept: every 2s a client more logs in, gets an answer and stays
  nofile   as stuck, because the front has no descriptors left, and it tries
           again and again (a processor is busy)
  leak     N clients come and close, but the front never closes its side:
           N CLOSE_WAIT, while one more client is served as usual
  loop     one client is thrown out by the front and reconnects at once until
           there are N TIME_WAIT, then so slowly that about N to 2N of them
           remain; 5 more clients are served as usual
  slow     one more client, which never reads; N are served as usual
  down     the front ends; the clients reconnect in vain

Options:
  --port P         port of the front, 1 to 65535 (default: 41213)
  --clients N      the N above, 1 to 5000 (default: 60)
  --others K       of burst, leak and loop: the clients served as usual besides,
                   1 to 5000 (default: 5; leak: 1)
  --after TIME     time until the trouble begins, up to 1h (default: 0s)
  --over TIME      of burst, logoff, leak and loop: the time that the N take,
                   up to 1h (default: 0s, as fast as they can)
  --for TIME       how long to go on once ready, up to 1h (default: 30s)
  --address ADDR   loopback address of the front (default: 127.0.0.1)
  --clients-netns FILE
                   Linux, root: the clients live in this network namespace, as
                   on another host; ADDR is then any address of the front's
  -h, --help       show this help

On Linux the clients come from the front's neighbours, 127.0.0.11 to 127.0.0.19,
the one in trouble from 127.0.0.66; elsewhere, and with IPv6, all share one
address. Windows has no hang and no nofile.

A line that starts with "front_drill: trouble" says that the trouble begins, or
what else is to change, and one that starts with "front_drill: ready" that the
scenario has taken its full shape. The drill cleans up at its end, on Ctrl-C,
SIGTERM and SIGHUP, and when the process that started it ends. What loop and
logoff leave in TIME_WAIT is the kernel's, for about a minute.

Exit codes:
  0  the drill ended as planned, on a signal or with its parent
  1  the drill could not be set up, or broke off
  2  the command line is wrong

Examples:
  front_drill healthy
  front_drill hang --port 41205 --clients 200 --for 2m
  front_drill loop --clients 300 --address ::1
  front_drill leak --clients 100 --others 50 --after 10s --over 20s
`

// The scenarios, and those to which an option does not apply.
var (
	scenarios = []string{"healthy", "quiet", "burst", "logoff", "hang", "stuck", "deaf", "frozen", "nofile", "leak", "loop", "slow", "down"}
	steady    = []string{"healthy", "quiet"}                // nothing begins
	paced     = []string{"burst", "logoff", "leak", "loop"} // one after the other
	besides   = map[string]int{"burst": 5, "leak": 1, "loop": 5}
)

// drill is what the command line asks for.
type drill struct {
	scenario string
	address  net.IP
	port     int
	clients  int
	others   int           // clients besides
	after    time.Duration // until the trouble begins
	over     time.Duration // that the clients take for it
	hold     time.Duration
	netns    string // the clients' network namespace
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
		Others  string `long:"others"`
		After   string `long:"after" default:"0s"`
		Over    string `long:"over" default:"0s"`
		For     string `long:"for" default:"30s"`
		Address string `long:"address" default:"127.0.0.1"`
		Netns   string `long:"clients-netns"`
		Help    bool   `short:"h" long:"help"`
	}
	words, err := flags.NewParser(&opts, flags.PassDoubleDash).ParseArgs(args)
	if err != nil {
		return d, false, fmt.Errorf("%w, see --help", err)
	}
	if opts.Help {
		return d, true, nil
	}
	names := strings.Join(scenarios, ", ")
	if len(words) == 0 {
		return d, false, fmt.Errorf("no scenario given: %s (--help explains them)", names)
	}
	d.scenario = words[0]
	if !slices.Contains(scenarios, d.scenario) {
		return d, false, fmt.Errorf("%q is not a scenario: %s", d.scenario, names)
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
	most, has := besides[d.scenario]
	if d.others = most; opts.Others != "" {
		if !has {
			return d, false, fmt.Errorf("--others: %s has no clients besides", d.scenario)
		}
		if d.others, err = number("--others", opts.Others, 5000); err != nil {
			return d, false, err
		}
	}
	if d.after, err = duration("--after", opts.After, 0); err != nil {
		return d, false, err
	}
	if d.after > 0 && slices.Contains(steady, d.scenario) {
		return d, false, fmt.Errorf("--after: in %s nothing begins", d.scenario)
	}
	if d.over, err = duration("--over", opts.Over, 0); err != nil {
		return d, false, err
	}
	if d.over > 0 && !slices.Contains(paced, d.scenario) {
		return d, false, fmt.Errorf("--over: %s comes at once", d.scenario)
	}
	if d.hold, err = duration("--for", opts.For, 1); err != nil {
		return d, false, err
	}
	d.netns = opts.Netns
	// A pretend front has no business on a network that others can reach.
	if d.address = net.ParseIP(opts.Address); d.address == nil || d.netns == "" && !d.address.IsLoopback() {
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

func duration(option, text string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > time.Hour {
		least := map[bool]string{true: "above 0", false: "from 0s"}[least > 0]
		return 0, fmt.Errorf("%s: %q is not a duration %s and up to 1h, such as 30s", option, text, least)
	}
	return d, nil
}

// args is the command line that parse turns back into d.
func (d drill) args() []string {
	args := []string{d.scenario, "--port", strconv.Itoa(d.port), "--clients", strconv.Itoa(d.clients),
		"--after", d.after.String(), "--over", d.over.String(),
		"--for", d.hold.String(), "--address", d.address.String()}
	if d.others > 0 {
		args = append(args, "--others", strconv.Itoa(d.others))
	}
	if d.netns != "" {
		args = append(args, "--clients-netns", d.netns)
	}
	return args
}

// endpoint is where the front listens.
func (d drill) endpoint() string {
	return net.JoinHostPort(d.address.String(), strconv.Itoa(d.port))
}

// served is the number of clients that are connected at first and get ticks.
func (d drill) served() int {
	if d.others > 0 {
		return d.others
	}
	return d.clients
}

// spread tells whether clients can come from several addresses: Linux alone
// owns all of 127.0.0.0/8 without further set-up, and ::1 is a single address.
func (d drill) spread() bool {
	return runtime.GOOS == "linux" && d.address.To4() != nil
}
