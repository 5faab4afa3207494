// Command front_drill runs a simulated front with its clients, all of them as real processes
// on loopback. It acts the ways in which a front stops serving while its process and its port
// are still there, for demos, fire drills and tests.
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

	"frontsockets/internal/suggest"
	"frontsockets/internal/version"
)

// The exit codes, as the help explains them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `Usage:
  front_drill SCENARIO [options]

A simulated front and its clients, in real processes on loopback.

Scenarios without trouble:
  healthy  N clients are connected and get a tick every 500ms
  quiet    N clients are connected and get a heartbeat every 15s, like those of
           a trade front when nobody trades; use --port 41205: a market-data
           check says that the feed is stalled
  burst    a few clients are healthy, then N more log in
  logoff   healthy at first; then all N clients log off and the front closes:
           N TIME_WAIT

Scenarios with trouble; all are healthy at first:
  hang     the front is stopped (SIGSTOP); the clients give up, close and
           reconnect: CLOSE_WAIT piles up, the accept queue fills
  stuck    the front stops accepting; its N clients still get their ticks, and
           N others connect, give up, close and try again: the accept queue
           fills
  deaf     the front stops reading; it still accepts, and its N clients still
           get their ticks
  frozen   the ticks stop; the N clients stay, and the front still reads and
           accepts: every 2s one more client logs in, gets an answer and stays
  nofile   as stuck, because the front has no free descriptors; it tries to
           accept again and again, which keeps a processor busy
  leak     N clients connect and close, and the front never closes its side:
           N CLOSE_WAIT; one more client is served as usual
  loop     the front disconnects one client, which reconnects at once until
           there are N TIME_WAIT, then so slowly that about N to 2N of them
           remain; 5 more clients are served as usual
  slow     one more client connects and never reads; N are served as usual
  down     the front ends; the clients try to reconnect

Options:
  --port P         port of the front, 1 to 65535 (default: 41213)
  --clients N      the N above, 1 to 5000 (default: 60)
  --others K       for burst, leak and loop: the number of other clients, which
                   are served as usual, 1 to 5000 (default: 5; leak: 1)
  --after TIME     time until the trouble begins, up to 1h (default: 0s)
  --over TIME      for burst, logoff, leak and loop: the time over which the N
                   are spread, up to 1h (default: 0s, as fast as possible)
  --for TIME       how long to continue once ready, up to 1h (default: 30s)
  --address ADDR   loopback address of the front (default: 127.0.0.1)
  --clients-netns FILE
                   Linux, root: the clients run in this network namespace, as
                   on another host; ADDR is then any address of the front's host
  -V, --version    print the version
  -h, --help       show this help

A TIME is a duration such as 500ms or 2m, or seconds such as 30.

On Linux the clients have the addresses 127.0.0.11 to 127.0.0.19, and the client
in trouble has 127.0.0.66. On other systems, and with IPv6, all clients have the
address of the front. Windows has no hang and no nofile.

The line "front_drill: trouble ..." is printed when the trouble, or another
change, begins; "front_drill: ready ..." when the scenario is complete. The
drill cleans up at its end, on Ctrl-C, SIGTERM and SIGHUP, and when the process
that started it ends. The kernel keeps the TIME_WAIT sockets of loop and logoff
for about a minute.

Exit codes:
  0  the drill ended as planned, on a signal or with its parent
  1  the drill could not be set up, or failed
  2  the command line is wrong

Examples:
  front_drill healthy
  front_drill hang --port 41205 --clients 200 --for 2m
  front_drill loop --clients 300 --address ::1
  front_drill leak --clients 100 --others 50 --after 10s --over 20s
`

var (
	scenarios = []string{"healthy", "quiet", "burst", "logoff", "hang", "stuck", "deaf", "frozen", "nofile",
		"leak", "loop", "slow", "down"}

	// unchanging are the scenarios in which no change begins: they have no --after.
	unchanging = []string{"healthy", "quiet"}

	// paced are the scenarios in which the clients act one after the other: they have --over.
	paced = []string{"burst", "logoff", "leak", "loop"}

	// defaultOthers are the scenarios that have --others, with its default.
	defaultOthers = map[string]int{"burst": 5, "leak": 1, "loop": 5}
)

// The largest values of the options.
const (
	maxPort    = 65535
	maxClients = 5000
	maxTime    = time.Hour
)

// drill is what the command line asks for.
type drill struct {
	scenario string
	address  net.IP
	port     int
	clients  int
	others   int           // clients that are served as usual; 0 in scenarios without them
	after    time.Duration // until the trouble begins
	over     time.Duration // over which the clients are spread
	holdTime time.Duration // from "ready" to the end
	netns    string        // file of the clients' network namespace, or ""
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the whole program and returns the exit code. The supervisor starts the same
// program again as the front and as the clients, with the part's name as the first argument.
func run(args []string, stdout, stderr io.Writer) int {
	parent := os.Getppid()
	part := ""
	if len(args) > 0 && (args[0] == partFront || args[0] == partClients) {
		part, args = args[0], args[1:]
	}
	d, info, err := parse(args)
	if info != "" {
		fmt.Fprint(stdout, info)
		return exitDone
	}
	if err != nil {
		fmt.Fprintf(stderr, "front_drill: %v\n", err)
		return exitUsage
	}
	if part != "" {
		fmt.Fprintf(stdout, "%s%v\n", messageError, d.play(part, stdout))
		return exitFailed
	}

	printLine := func(format string, a ...any) { fmt.Fprintf(stdout, "front_drill: "+format+"\n", a...) }
	stopReason, err := d.supervise(parent, printLine, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "front_drill: %v\n", err)
		return exitFailed
	}
	if stopReason != "" {
		printLine("stopped early: %s", stopReason)
	}
	printLine("done")
	return exitDone
}

// options are the options as typed. All values are text, and this program checks them, so that
// every error names the option and the value as typed.
type options struct {
	Port    string `long:"port" default:"41213"`
	Clients string `long:"clients" default:"60"`
	Others  string `long:"others"`
	After   string `long:"after" default:"0s"`
	Over    string `long:"over" default:"0s"`
	For     string `long:"for" default:"30s"`
	Address string `long:"address" default:"127.0.0.1"`
	Netns   string `long:"clients-netns"`
	Version bool   `short:"V" long:"version"`
	Help    bool   `short:"h" long:"help"`
}

// parse reads the command line. info is the text that it asks for: the help or the version. The help
// wins over every other option and every error.
func parse(args []string) (d drill, info string, err error) {
	var opts options
	parser := flags.NewParser(&opts, flags.PassDoubleDash)
	words, err := parser.ParseArgs(args)
	switch {
	case opts.Help || asksForHelp(args):
		return d, usage, nil
	case err != nil:
		return d, "", fmt.Errorf("%w, see --help", unknownOption(parser, err))
	case opts.Version:
		return d, "front_drill " + version.String() + "\n", nil
	}
	if d.scenario, err = parseScenario(words); err != nil {
		return d, "", err
	}
	for _, set := range []func(options) error{d.setNumbers, d.setTimes, d.setAddress} {
		if err := set(opts); err != nil {
			return d, "", err
		}
	}
	return d, "", nil
}

// asksForHelp reports whether the help is asked for anywhere before "--".
func asksForHelp(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "-h") || slices.Contains(args, "--help")
}

// unknownOption adds to the error which option was meant.
func unknownOption(parser *flags.Parser, err error) error {
	var known *flags.Error
	if !errors.As(err, &known) || known.Type != flags.ErrUnknownFlag {
		return err
	}
	var long []string
	for _, option := range parser.Groups()[0].Options() {
		long = append(long, "--"+option.LongName)
	}
	_, name, _ := strings.Cut(known.Message, "`")
	return fmt.Errorf("%w%s", err, suggest.DidYouMean("--"+strings.TrimSuffix(name, "'"), long))
}

// parseScenario returns the scenario, which must be the only argument.
func parseScenario(words []string) (string, error) {
	names := strings.Join(scenarios, ", ")
	if len(words) == 0 {
		return "", fmt.Errorf("no scenario given: %s (--help explains them)", names)
	}
	if !slices.Contains(scenarios, words[0]) {
		return "", fmt.Errorf("%q is not a scenario%s: %s", words[0], suggest.DidYouMean(words[0], scenarios), names)
	}
	if len(words) > 1 {
		return "", fmt.Errorf("unexpected argument after %s: %q", words[0], strings.Join(words[1:], " "))
	}
	return words[0], nil
}

// setNumbers checks and sets the port and the numbers of clients.
func (d *drill) setNumbers(opts options) (err error) {
	if d.port, err = number("--port", opts.Port, maxPort); err != nil {
		return err
	}
	if d.clients, err = number("--clients", opts.Clients, maxClients); err != nil {
		return err
	}
	others, hasOthers := defaultOthers[d.scenario]
	d.others = others
	if opts.Others == "" {
		return nil
	}
	if !hasOthers {
		return fmt.Errorf("--others: %s has no other clients", d.scenario)
	}
	d.others, err = number("--others", opts.Others, maxClients)
	return err
}

// setTimes checks and sets the times.
func (d *drill) setTimes(opts options) (err error) {
	if d.after, err = duration("--after", opts.After, 0); err != nil {
		return err
	}
	if d.after > 0 && slices.Contains(unchanging, d.scenario) {
		return fmt.Errorf("--after: no trouble begins in %s", d.scenario)
	}
	if d.over, err = duration("--over", opts.Over, 0); err != nil {
		return err
	}
	if d.over > 0 && !slices.Contains(paced, d.scenario) {
		return fmt.Errorf("--over: the trouble of %s cannot be spread over a time", d.scenario)
	}
	d.holdTime, err = duration("--for", opts.For, 1)
	return err
}

// setAddress checks and sets the address and the clients' namespace. Without a namespace the
// address must be on loopback: other hosts must not reach a simulated front.
func (d *drill) setAddress(opts options) error {
	d.netns = opts.Netns
	if d.address = net.ParseIP(opts.Address); d.address == nil || d.netns == "" && !d.address.IsLoopback() {
		return fmt.Errorf("--address: %q is not a loopback IP address, such as 127.0.0.1 or ::1", opts.Address)
	}
	return nil
}

// number parses a number from 1 to limit.
func number(option, text string, limit int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		return 0, fmt.Errorf("%s: %q is not a number from 1 to %d", option, text, limit)
	}
	return n, nil
}

// duration parses a duration from least to maxTime, or a number of seconds.
func duration(option, text string, least time.Duration) (time.Duration, error) {
	withUnit := text
	if strings.Trim(text, "0123456789.") == "" {
		withUnit += "s"
	}
	d, err := time.ParseDuration(withUnit)
	if err != nil || d < least || d > maxTime {
		from := "from 0s"
		if least > 0 {
			from = "above 0"
		}
		return 0, fmt.Errorf("%s: %q is not a duration %s and up to 1h, such as 30, 30s or 2m", option, text, from)
	}
	return d, nil
}

// args returns the command line that parse turns into d.
func (d drill) args() []string {
	args := []string{d.scenario, "--port", strconv.Itoa(d.port), "--clients", strconv.Itoa(d.clients),
		"--after", d.after.String(), "--over", d.over.String(),
		"--for", d.holdTime.String(), "--address", d.address.String()}
	if d.others > 0 {
		args = append(args, "--others", strconv.Itoa(d.others))
	}
	if d.netns != "" {
		args = append(args, "--clients-netns", d.netns)
	}
	return args
}

// endpoint returns the address and the port of the front.
func (d drill) endpoint() string {
	return net.JoinHostPort(d.address.String(), strconv.Itoa(d.port))
}

// initialClients returns the number of clients that connect first and get ticks.
func (d drill) initialClients() int {
	if d.others > 0 {
		return d.others
	}
	return d.clients
}

// hasManyAddresses reports whether the clients can have several addresses. Only Linux has all
// of 127.0.0.0/8 without configuration, and ::1 is a single address.
func (d drill) hasManyAddresses() bool {
	return runtime.GOOS == "linux" && d.address.To4() != nil
}
