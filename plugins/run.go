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
	"frontsockets/internal/tcp"
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

type lookFunc func(context.Context, []source.Source, source.Query, func() source.Visit) (source.Seen, error)

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
// code. It reads stdin if a recording is to come from there, and writes to stdout
// only. It starts at UNKNOWN: only package verdict can make it OK.
func (p Profile) Run(args []string, stdin io.Reader, stdout, _ io.Writer) int {
	// Completion of go-flags would print words and exit 0 instead of checking.
	os.Unsetenv("GO_FLAGS_COMPLETION")
	// A reader that went away is a failed write, and no death by signal.
	signal.Ignore(syscall.SIGPIPE)

	out, code := p.guarded(func() ([]byte, int) { return p.respond(args, stdin, time.Now()) })
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
func (p Profile) respond(args []string, stdin io.Reader, now time.Time) (out []byte, code int) {
	s, err := p.parse(args, source.World{Stdin: stdin, Now: now})
	var shown errShown
	if errors.As(err, &shown) {
		return []byte(shown), exitUnknown
	}
	report := output.Report{Service: p.Service, Name: s.name, Ports: s.query.Ports, Policy: s.policy, Time: now}
	report.Host, _ = os.Hostname() // without it the report is as good
	if err != nil {
		report.Usage, report.Failure = true, err.Error()
	} else {
		p.check(s, &report)
	}
	return s.format.Render(report, s.style), s.format.ExitCode(report)
}

// check looks, judges and saves, within the time limit.
func (p Profile) check(s settings, report *output.Report) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	l, err := await(ctx, func() (look, error) { return p.see(ctx, s) })
	if err != nil {
		report.Failure = s.explain(err)
		return
	}
	if !l.seen.Recorded {
		l.seen.Host, l.seen.Time = report.Host, report.Time
	}
	report.Source, report.Passed = l.seen.Source, l.passed
	report.Recorded, report.Host, report.Time = l.seen.Recorded, l.seen.Host, l.seen.Time
	report.Result, report.Verdict = &l.result, l.verdict
	if s.save == "" {
		return
	}
	_, err = await(ctx, func() (none struct{}, err error) {
		return none, l.recording.Save(s.save, s.query, l.seen)
	})
	if err != nil {
		report.Unsaved = fmt.Sprintf("snapshot %s not written: %s", s.save, s.explain(err))
	}
}

// explain is an error in words for the operator.
func (s settings) explain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s (-t)", s.timeout)
	}
	return err.Error()
}

// await gives what do comes to, or the context's error if that is sooner. A panic is
// an error.
func await[T any](ctx context.Context, do func() (T, error)) (v T, err error) {
	type outcome struct {
		v   T
		err error
	}
	outcomes := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if cause := recover(); cause != nil {
				o.err = errors.New(bug(cause))
			}
			outcomes <- o
		}()
		o.v, o.err = do()
	}()
	select {
	case o := <-outcomes:
		return o.v, o.err
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// look is what was seen and what it means.
type look struct {
	seen      source.Seen
	passed    string // why no better source spoke
	result    tally.Result
	verdict   verdict.Verdict
	recording *source.Recording // if it is to be saved
}

// see tallies and judges what the first source that speaks can see.
func (p Profile) see(ctx context.Context, s settings) (look, error) {
	see := p.look
	if see == nil {
		see = source.Look
	}
	var t *tally.Tally
	var r *source.Recording
	seen, err := see(ctx, s.sources, s.query, func() source.Visit {
		// A new start forgets what a failed one counted.
		t = tally.New(s.rules)
		if s.save == "" {
			return t.Add
		}
		r = new(source.Recording)
		return func(row *tcp.Socket) {
			t.Add(row)
			r.Add(row)
		}
	})
	if err != nil {
		return look{}, err
	}
	result := t.Result(seen.Tells, seen.Blind)
	return look{seen, seen.Why(), result, verdict.Judge(s.policy, s.query.Ports, result), r}, nil
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
