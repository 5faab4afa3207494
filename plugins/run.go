package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"frontsockets/internal/output"
	"frontsockets/internal/source"
	"frontsockets/internal/tally"
	"frontsockets/internal/verdict"
)

// Profile is one check: what a kind of front has for defaults.
type Profile struct {
	Program  string // name of the binary
	Title    string // what it does, for help
	Service  string // first word of the service output
	Port     string // default of -p
	Critical string // default range of -c abnormal=: so many and more

	look lookFunc // tests put a false world here; nil is the real one
}

type lookFunc func(context.Context, []source.Source, source.Query, func(source.Source) source.Visit) (source.Seen, error)

// The two checks.
var (
	MDFront = Profile{
		Program:  "check_mdfront_sockets",
		Title:    "Judge the client sockets of a market-data front",
		Service:  "MDFRONT",
		Port:     "41213",
		Critical: "@50:",
	}
	Front = Profile{
		Program:  "check_front_sockets",
		Title:    "Judge the client sockets of a trade front",
		Service:  "FRONT",
		Port:     "41205",
		Critical: "@100:",
	}
)

const exitUnknown = int(verdict.Unknown)

// Run is the check from the command line (without the program's name) to the exit
// code. It writes to stdout only; stdin and stderr are not used. It starts at
// UNKNOWN: only package verdict can make it OK.
func (p Profile) Run(args []string, _ io.Reader, stdout, _ io.Writer) int {
	// Completion of go-flags would print words and exit 0 instead of checking.
	os.Unsetenv("GO_FLAGS_COMPLETION")
	// A reader that went away is a failed write, and no death by signal.
	signal.Ignore(syscall.SIGPIPE)

	out, code := p.guarded(func() ([]byte, int) { return p.respond(args) })
	return write(stdout, out, code)
}

// guarded turns a panic into an UNKNOWN. A panic of the look does not come this far;
// this one may be of the rendering, so there is no format to be trusted.
func (p Profile) guarded(respond func() ([]byte, int)) (out []byte, code int) {
	defer func() {
		if cause := recover(); cause != nil {
			failed := output.Report{Service: p.Service, Usage: true, Failure: bug(cause)}
			out, code = output.Nagios(failed, output.Style{}), exitUnknown
		}
	}()
	return respond()
}

// respond is what to print, and the exit code.
func (p Profile) respond(args []string) (out []byte, code int) {
	s, err := p.parse(args)
	var shown errShown
	if errors.As(err, &shown) {
		return []byte(shown), exitUnknown
	}
	report := output.Report{Service: p.Service, Name: s.name, Ports: s.query.Ports, Policy: s.policy, Time: time.Now()}
	report.Host, _ = os.Hostname() // without it the report is as good
	if err != nil {
		report.Usage, report.Failure = true, err.Error()
	} else {
		p.check(s, &report)
	}
	return s.format.Render(report, s.style), s.format.ExitCode(report)
}

// check looks and judges, within the time limit.
func (p Profile) check(s settings, report *output.Report) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if cause := recover(); cause != nil {
				a.err = errors.New(bug(cause))
			}
			answers <- a
		}()
		a = p.judge(ctx, s)
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	switch {
	case errors.Is(a.err, context.DeadlineExceeded):
		report.Failure = fmt.Sprintf("no answer within %s (-t)", s.timeout)
	case a.err != nil:
		report.Failure = a.err.Error()
	default:
		report.Source, report.Passed = a.source, a.passed
		report.Result, report.Verdict = &a.result, a.verdict
	}
}

// answer is what a look came to.
type answer struct {
	source  string
	passed  string // why no better source spoke
	result  tally.Result
	verdict verdict.Verdict
	err     error
}

// judge tallies and judges what the first source that speaks can see.
func (p Profile) judge(ctx context.Context, s settings) answer {
	look := p.look
	if look == nil {
		look = source.Look
	}
	var t *tally.Tally
	seen, err := look(ctx, s.sources, s.query, func(src source.Source) source.Visit {
		rules := s.rules
		rules.Tells, rules.Blind = src.Tells, src.Blind
		t = tally.New(rules) // a new start forgets what a failed one counted
		return t.Add
	})
	if err != nil {
		return answer{err: err}
	}
	result := t.Result()
	return answer{source: seen.Name, passed: seen.Why(), result: result, verdict: verdict.Judge(s.policy, s.query.Ports, result)}
}

// bug describes a panic, with the line that panicked: in the stack, the second
// line under the topmost frame "panic(".
func bug(cause any) string {
	place := "an unknown place"
	_, after, _ := strings.Cut(string(debug.Stack()), "\npanic(")
	if lines := strings.SplitN(after, "\n", 5); len(lines) == 5 {
		place, _, _ = strings.Cut(strings.TrimSpace(lines[3]), " ")
	}
	return fmt.Sprintf("this check has a bug: %v, at %s", cause, place[strings.LastIndexByte(place, '/')+1:])
}

// write prints the answer and gives the exit code, which is UNKNOWN's if the
// answer could not be written, or not in the time that a reader may be slow.
func write(w io.Writer, b []byte, code int) int {
	const patience = 3 * time.Second // with the usual -t still under the 10 s of check_nrpe
	if f, ok := w.(*os.File); ok && closed(f) {
		return exitUnknown
	}
	result := make(chan error, 1)
	go func() {
		_, err := w.Write(b)
		result <- err
	}()
	select {
	case err := <-result:
		if err == nil {
			return code
		}
	case <-time.After(patience):
	}
	return exitUnknown
}
