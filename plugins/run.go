package plugins

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // the zones, wherever the system has none

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
	Feed     bool   // it sends data to every client all the time
	Strict   policy // what --policy strict is

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
		Feed:     true,
		Strict: policy{
			warning:  []string{"stalled_pct=0"},
			critical: []string{"feed_age=10", "accept_queue_pct=50", "stalled_pct=20", "top_client=@49:", "close_wait=@49:", "syn_recv=@49:", "fin_wait1=@49:", "last_ack=@49:"},
		},
	}
	Front = Profile{
		Program:  "check_front_sockets",
		Title:    "Judge the client sockets of a trade front",
		Service:  "FRONT",
		Port:     "41205",
		Critical: "@100:",
		Strict: policy{
			warning:  []string{"unread=25"},
			critical: []string{"unread=50", "accept_queue_pct=50", "top_client=@99:", "close_wait=@99:", "syn_recv=@99:", "fin_wait1=@99:", "last_ack=@99:"},
		},
	}
)

// policy is ready-made thresholds, as after -w and -c.
type policy struct{ warning, critical []string }

// policies are those that --policy knows. The old script's rule is the default; the
// strict ones are what docs/LAB.md shows to be early without false alarms. They begin one
// below the old limits, since that script counted the listener too.
func (p Profile) policies() map[string]policy {
	return map[string]policy{"seed": {critical: []string{"abnormal=" + p.Critical}}, "strict": p.Strict}
}

const exitUnknown = int(verdict.Unknown)

// Run is the check from the command line (without the program's name) to the exit
// code. It reads stdin if a recording is to come from there, and writes to stdout
// only. It starts at UNKNOWN: only package verdict can make it OK.
func (p Profile) Run(args []string, stdin io.Reader, stdout, _ io.Writer) int {
	// Completion of go-flags would print words and exit 0 instead of checking, and
	// ZONEINFO could make any zone of a zone.
	os.Unsetenv("GO_FLAGS_COMPLETION")
	os.Unsetenv("ZONEINFO")
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
	report := output.Report{Service: p.Service, Name: s.name, Ports: s.query.Ports, Policy: s.policy, Time: now, Sampled: s.sample > 0}
	if s.clients != nil {
		report.Names = s.clients.of
	}
	report.Host, _ = os.Hostname() // without it the report is as good
	if err != nil {
		report.Usage, report.Failure = true, err.Error()
	} else {
		p.check(s, &report, now)
	}
	return s.format.Render(report, s.style), s.format.ExitCode(report)
}

// check looks, judges and saves, within the time limit.
func (p Profile) check(s settings, report *output.Report, now time.Time) {
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
	report.Diagnosis, report.Owner, report.OwnerUnknown = l.diagnosis, l.owner, l.ownerUnknown
	// A recording is judged if anybody traded then, and if anybody trades now: one that a
	// collector left behind at the weekend does not close the week.
	open, next := s.calendar.At(now)
	if then, _ := s.calendar.At(report.Time); !open && !then {
		if next.IsZero() {
			report.Result, report.Failure = nil, "no session opens in the next 40 days, so --session or --holidays are wrong"
			return
		}
		report.Verdict = report.Verdict.OutOfSession()
		report.Diagnosis = verdict.Diagnosis{Code: verdict.Healthy, Text: "outside of all sessions"}
		report.Outside = "outside of all sessions, the next opens " + next.Format("Mon 2006-01-02 15:04 MST")
	}
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
	diagnosis verdict.Diagnosis
	recording *source.Recording // if it is to be saved

	owner        *tcp.Process // of the listeners, if asked for or needed
	ownerUnknown string       // why it is not known
}

// see tallies and judges what the first source that speaks can see.
func (p Profile) see(ctx context.Context, s settings) (look, error) {
	see := p.look
	if see == nil {
		see = source.Look
	}
	var earlier *tally.Earlier
	var owner *source.Owner
	start := time.Now()
	if s.sample > 0 {
		_, err := see(ctx, s.sources, s.query, func() source.Visit {
			earlier = tally.NewEarlier()
			return earlier.Add
		})
		if err != nil {
			return look{}, err
		}
		if s.owner {
			owner, _ = briefly(ctx, func(ctx context.Context) (*source.Owner, error) {
				owner, err := source.FindOwner(ctx, earlier.Inodes())
				if err == nil {
					owner.Measure(ctx)
				}
				return owner, err
			}) // if there is none, the search below says why
		}
		select {
		case <-time.After(s.sample - time.Since(start)):
		case <-ctx.Done():
			return look{}, ctx.Err()
		}
	}
	interval := time.Since(start)
	var t *tally.Tally
	var r *source.Recording
	seen, err := see(ctx, s.sources, s.query, func() source.Visit {
		// A new start forgets what a failed one counted.
		t = tally.New(s.rules)
		if earlier != nil {
			t.Since(earlier, interval)
		}
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
	l := look{seen: seen, passed: seen.Why(), result: result, recording: r}
	l.verdict = verdict.Judge(s.policy, s.query.Ports, result)
	l.diagnosis = verdict.Diagnose(result, s.query.Ports, p.Feed, nil).Of(l.verdict)
	// Who owns the listener takes a walk through all processes. Without being asked it is
	// worth that only to know why a front hangs, or whether it does.
	if seen.Recorded || len(result.Listeners) == 0 || !s.owner && !(s.hints && l.diagnosis.AskOwner) {
		return l, nil
	}
	if owner == nil {
		// Of several listeners it is the one with the longest queue that is in trouble.
		longest := slices.MaxFunc(result.Listeners, func(a, b tally.Listener) int { return cmp.Compare(a.Queue, b.Queue) })
		inodes := []uint64{longest.Inode}
		owner, err = briefly(ctx, func(ctx context.Context) (*source.Owner, error) { return source.FindOwner(ctx, inodes) })
		if err != nil {
			l.ownerUnknown = err.Error()
			return l, nil
		}
	}
	facts, err := briefly(ctx, func(ctx context.Context) (tcp.Process, error) { return owner.Facts(ctx), nil })
	if err != nil {
		l.ownerUnknown = err.Error()
		return l, nil
	}
	l.owner = &facts
	l.diagnosis = verdict.Diagnose(result, s.query.Ports, p.Feed, &facts).Of(l.verdict)
	return l, nil
}

// briefly does what is good to know and must not cost the answer: it takes a quarter of
// the time that is left, and a second at most. The files of a process that hangs may hang.
func briefly[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	limit := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/4)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := await(ctx, func() (T, error) { return do(ctx) })
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", limit.Round(time.Millisecond))
	}
	return v, err
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
