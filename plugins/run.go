package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"
	_ "time/tzdata" // the zones, wherever the system has none

	"frontsockets/internal/output"
	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
	"frontsockets/internal/verdict"
	"frontsockets/internal/version"
)

// Profile is one check: the defaults of one kind of front.
type Profile struct {
	Program  string // name of the binary
	Title    string // what it does, for help
	Service  string // first word of the service output
	Port     string // default of -p
	Critical string // default range of -c abnormal=: so many and more
	Feed     bool   // the front sends data to every client all the time

	sources []tcp.Source // tests look here instead
}

// The two checks.
var (
	MDFront = Profile{
		Program:  "check_mdfront_sockets",
		Title:    "Judge the client sockets of a market-data front",
		Service:  "MDFRONT",
		Port:     "41213",
		Critical: "@50:",
		Feed:     true,
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

// Run runs the check with the arguments of its command line and returns the exit code. It
// reads stdin if a recording is to come from there, and writes to stdout only. Without a
// result the status is UNKNOWN.
func (p Profile) Run(args []string, stdin io.Reader, stdout io.Writer) int {
	ignoreEnvironment()
	ignoreSignals()
	out, code := p.guarded(func() ([]byte, int) { return p.respond(args, stdin, time.Now()) })
	return write(stdout, out, code)
}

// guarded turns a panic of respond into an UNKNOWN. await turns a panic of a look into an error. A panic
// here may come from a renderer, so the answer is in the nagios format. With
// Usage its text is the failure alone.
func (p Profile) guarded(respond func() ([]byte, int)) (out []byte, code int) {
	defer func() {
		if cause := recover(); cause != nil {
			failed := output.Report{Service: p.Service, Usage: true, Failure: describePanic(cause)}
			out, code = output.Nagios(failed, output.Style{}), exitUnknown
		}
	}()
	return respond()
}

// respond returns what to print, and the exit code.
func (p Profile) respond(args []string, stdin io.Reader, now time.Time) (out []byte, code int) {
	s, err := p.parse(args, textfile.File{Stdin: stdin, Now: now})
	var help helpRequested
	if errors.As(err, &help) {
		return []byte(help), exitUnknown
	}
	host, _ := os.Hostname() // an empty name does no harm
	report := output.Report{
		Version: version.String(), Service: p.Service, Name: s.name, Ports: s.query.Ports, Policy: s.policy,
		Sampled: s.sample > 0, Exclude: s.query.Exclude, Look: tcp.Look{Host: host, Time: now}, Notes: s.notes,
	}
	if s.clients != nil {
		report.Names = s.clients.nameOf
	}
	if err != nil {
		report.Usage, report.Failure = !errors.As(err, new(lateError)), err.Error()
	} else {
		report = p.check(s, report)
	}
	return s.format.Render(report, s.style), s.format.ExitCode(report)
}

// write prints the answer and returns the exit code. It returns that of UNKNOWN if the answer could not
// be written in time.
func write(w io.Writer, b []byte, code int) int {
	const limit = 3 * time.Second // with the default -t still under the 10 s of check_nrpe
	if f, ok := w.(*os.File); ok && isClosed(f) {
		return exitUnknown
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := await(ctx, func() (int, error) { return w.Write(b) }); err != nil {
		return exitUnknown
	}
	return code
}

// await returns the outcome of do, or the context's error if that comes first. A panic is
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
				o.err = errors.New(describePanic(cause))
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

// describePanic describes a panic with the line that panicked: in the stack, the second
// line after the topmost frame "panic(".
func describePanic(cause any) string {
	place := "an unknown place"
	_, after, _ := strings.Cut(string(debug.Stack()), "\npanic(")
	if lines := strings.SplitN(after, "\n", 5); len(lines) == 5 {
		place, _, _ = strings.Cut(strings.TrimSpace(lines[3]), " ")
	}
	place = place[strings.LastIndexByte(place, '/')+1:]
	return "this check has a bug: " + fmt.Sprint(cause) + ", at " + place
}
