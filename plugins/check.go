package plugins

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/logfile"
	"frontsockets/internal/output"
	"frontsockets/internal/process"
	"frontsockets/internal/snapshot"
	"frontsockets/internal/source"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/verdict"
)

// check looks, judges, saves and logs within the time limit, and completes the report.
func (p Profile) check(s settings, report output.Report) output.Report {
	ctx, cancel := context.WithDeadline(context.Background(), s.deadline)
	defer cancel()
	report = p.inspect(ctx, s, report)
	if s.log != "" {
		s.appendLog(ctx, &report)
	}
	return report
}

// logBudget is how long the log may take when the look has used up the time limit. A look that came
// too late belongs in the log, too.
const logBudget = 250 * time.Millisecond

// appendLog appends the report to the log.
func (s settings) appendLog(ctx context.Context, report *output.Report) {
	if deadline, _ := ctx.Deadline(); time.Until(deadline) < logBudget {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.Background(), logBudget)
		defer cancel()
	}
	line := output.LogLine(*report)
	_, err := await(ctx, func() (none struct{}, err error) { return none, logfile.Append(s.log, line) })
	if err != nil {
		report.AddWriteError(fmt.Sprintf("log not written: %s: %s", s.late(err, "not done"), s.log))
	}
}

// inspect looks, judges and saves, and completes the report.
func (p Profile) inspect(ctx context.Context, s settings, report output.Report) output.Report {
	i := &inspection{Report: report, settings: s, feed: p.Feed}
	if p.sources != nil {
		i.settings.sources = p.sources
	}
	// i is read only once run has ended: an inspection that is too late still writes to it.
	var answered atomic.Pointer[inspection]
	done, err := await(ctx, func() (*inspection, error) { return i, i.run(ctx, &answered) })
	if err != nil {
		if done = answered.Load(); done == nil {
			what := "no answer"
			if name := s.sources[0].Name; strings.Contains(name, ":") { // a recording: it is not the front that is slow
				what = name + " not read"
			}
			report.Failure = s.late(err, what)
			return report
		}
		done.Notes = append(done.Notes, "no second look or search for the process: "+s.late(err, "no time for it"))
	}
	if len(s.query.Addresses) > 0 && done.Result != nil && len(done.Result.PortsWithoutListener(done.Ports)) > 0 {
		done.Notes = append(done.Notes, fmt.Sprintf("looked only at %s (-a)", list(s.addresses)))
	}
	done.applySession(report.Look.Time)
	if s.save != "" && done.Failure == "" {
		// Save ends with ctx by itself, and needs a moment then to remove its temporary file.
		_, err := await(context.Background(), func() (none struct{}, err error) {
			return none, done.recording.Save(ctx, s.save, s.query, done.Look)
		})
		if err != nil {
			done.AddWriteError(fmt.Sprintf("snapshot not written: %s: %s", s.late(err, "not done"), s.save))
		}
	}
	return done.Report
}

// late returns the text of an error. If the time is up, the text says what is missing, such as
// "no answer".
func (s settings) late(err error, what string) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("%s within %s (-t)", what, s.timeout)
	}
	return err.Error()
}

// inspection is one check on its way from the sockets to the report.
type inspection struct {
	output.Report // completed step by step

	settings settings
	feed     bool
	// baseline is what a look is compared with: the full one of --sample, or that of the look
	// that raised a suspicion, with its suspects only.
	baseline        *tally.Baseline
	baselineStarted time.Time       // when the look of the baseline was begun
	suspectBaseline *tally.Baseline // of the last look
	lookStarted     time.Time       // when the last look was begun
	recording       *snapshot.Recording
	listenerOwner   *process.Owner // found with the baseline, nil if not; Report.Owner describes it
	suspicion       bool           // one look is not enough to say what was diagnosed
	searched        time.Duration  // spent on searches for processes
}

// run takes the steps of a check: baseline, count, judge, find the owner. As soon as there is an
// answer, it stores a copy of the inspection.
func (i *inspection) run(ctx context.Context, answered *atomic.Pointer[inspection]) error {
	if err := i.takeBaseline(ctx); err != nil {
		return err
	}
	if err := i.count(ctx); err != nil {
		return err
	}
	i.judge()
	answer := *i
	answer.Notes = slices.Clone(i.Notes) // both may get more, in different goroutines
	answered.Store(&answer)
	// What follows is optional. It ends before the time is up, so that the answer is in time.
	ctx, cancel := context.WithDeadline(ctx, i.settings.deadline.Add(-i.settings.timeout/answerShare))
	defer cancel()
	i.confirm(ctx)
	i.findOwner(ctx)
	i.findPortUser(ctx)
	return nil
}

// One part in answerShare of -t is kept for the answer and --save. A second look or a search must not
// use it up.
const answerShare = 10

// takeBaseline takes the first of two looks, if --sample asks for two, and waits until the second
// is due.
func (i *inspection) takeBaseline(ctx context.Context) error {
	if i.settings.sample == 0 {
		return nil
	}
	i.baselineStarted = time.Now()
	_, err := source.First(ctx, i.settings.sources, i.settings.query, func() tcp.Visit {
		i.baseline = tally.NewFullBaseline()
		return i.included(i.baseline.Add)
	})
	if err != nil {
		return err
	}
	if listeners := i.baseline.Listeners(); i.settings.showOwner && len(listeners) > 0 {
		i.listenerOwner, err = bestEffort(ctx, i, func(ctx context.Context) (*process.Owner, error) {
			owner, err := process.Find(ctx, listeners)
			if err == nil {
				owner.StartCPU()
			}
			return owner, err
		})
		if err != nil { // one search is enough
			i.OwnerUnknown = err.Error()
		}
	}
	select {
	case <-time.After(i.settings.sample - time.Since(i.baselineStarted)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// count looks and tallies what the first source that succeeds can see.
func (i *inspection) count(ctx context.Context) error {
	var interval time.Duration
	if i.baseline != nil {
		interval = time.Since(i.baselineStarted)
	}
	i.lookStarted = time.Now()
	var t *tally.Tally
	look, err := source.First(ctx, i.settings.sources, i.settings.query, func() tcp.Visit {
		t = tally.New(i.settings.rules, i.baseline, interval)
		add := i.included(t.Add)
		if i.settings.save == "" {
			return add
		}
		i.recording = new(snapshot.Recording)
		return func(s *tcp.Socket) {
			add(s)
			i.recording.Add(s) // what --exclude leaves out too: another check may judge it
		}
	})
	if err != nil {
		return err
	}
	if !look.Recorded {
		look.Host, look.Time = i.Look.Host, i.Look.Time
	}
	look.Compared = look.Compared || i.baseline != nil
	result := t.Result(look)
	i.Look, i.Result, i.suspectBaseline = look, &result, t.SuspectBaseline()
	return nil
}

// included returns the visitor of the sockets that --exclude does not leave out. It counts what it
// leaves out, from 0 in each look.
func (i *inspection) included(visit tcp.Visit) tcp.Visit {
	i.Excluded = 0
	if len(i.settings.query.Exclude) == 0 {
		return visit
	}
	return func(s *tcp.Socket) {
		if i.settings.query.Excludes(s) {
			i.Excluded++
			return
		}
		visit(s)
	}
}

// judge diagnoses, and compares the counts and the diagnosis with the thresholds.
func (i *inspection) judge() {
	d := diagnosis.Diagnose(*i.Result, i.Ports, i.feed, i.Owner)
	i.suspicion = d.Suspicion
	d = d.Unconfirmed()
	i.Verdict = verdict.Judge(i.Policy, i.Ports, *i.Result, d)
	i.Diagnosis = i.Verdict.NotHealthy(d)
}

// confirm looks again if one look is not enough for what was diagnosed: 250 ms after it, which clears most
// healthy fronts, and MinimumInterval after it. The same sockets must still be stuck. Without the
// backlog a full queue looks like any other, so one more look is made if connections wait. If there
// is no time for a look, the answer says so, and the suspicion stays unconfirmed.
func (i *inspection) confirm(ctx context.Context) {
	const shortly = 250 * time.Millisecond // longer than most fronts take between two batches
	if i.Look.Recorded {
		return
	}
	lookAgain, waits := i.suspicion, []time.Duration{shortly, diagnosis.MinimumInterval}
	if i.baseline == nil {
		i.baseline, i.baselineStarted = i.suspectBaseline, i.lookStarted
		lookAgain = lookAgain || slices.ContainsFunc(i.Result.Listeners, tally.Listener.MayOverflow)
	} else { // --sample has looked twice already
		waits = waits[1:]
	}
	for _, wait := range waits {
		wait -= time.Since(i.baselineStarted)
		deadline, limited := ctx.Deadline()
		if !lookAgain {
			return
		}
		err := context.DeadlineExceeded
		if !limited || time.Until(deadline) >= wait+shortly {
			err = i.lookAgain(ctx, wait)
		}
		if err != nil { // the look before stays the answer
			i.Notes = append(i.Notes, "no second look: "+i.settings.late(err, "no time for it"))
			return
		}
		lookAgain = i.suspicion
	}
}

// lookAgain counts and judges once more after a wait. After an error, or when ctx ends, the
// inspection is as it was.
func (i *inspection) lookAgain(ctx context.Context, wait time.Duration) error {
	next := *i // a look that is too late still writes to it
	_, err := await(ctx, func() (none struct{}, err error) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return none, ctx.Err()
		}
		if err := next.count(ctx); err != nil {
			return none, err
		}
		next.judge()
		return none, nil
	})
	if err == nil {
		*i = next
	}
	return err
}

// findOwner finds the process that listens, and diagnoses again with what it shows. The search goes
// through all processes. So it is made only on request, for a suspected hang, and after a restart,
// when the log does not have these listeners yet.
func (i *inspection) findOwner(ctx context.Context) {
	wanted := i.settings.showOwner || i.Diagnosis.AskOwner || i.settings.log != "" && !i.loggedListeners()
	listeners, owner := i.Result.Listeners, i.listenerOwner
	if port := i.Diagnosis.Port; port > 0 { // another port may have another process
		listeners, owner = i.Result.Ports[port].Listeners, nil
	}
	if i.Look.Recorded || len(listeners) == 0 || !wanted || i.OwnerUnknown != "" {
		return
	}
	p, err := bestEffort(ctx, i, func(ctx context.Context) (tcp.Process, error) {
		var err error
		if owner == nil {
			// Of several listeners the one with the longest queue is in trouble.
			longest := slices.MaxFunc(listeners, func(a, b tally.Listener) int { return cmp.Compare(a.Queue, b.Queue) })
			owner, err = process.Find(ctx, []tcp.Socket{{Facts: longest.Facts, Inode: longest.Inode, UID: longest.UID}})
		}
		if err != nil {
			return tcp.Process{}, err
		}
		return owner.Describe(), nil
	})
	if err != nil {
		i.OwnerUnknown = err.Error()
		return
	}
	i.Owner = &p
	i.judge()
}

// loggedListeners reports whether the end of the log has every listener.
func (i *inspection) loggedListeners() bool {
	var members []string
	for _, l := range i.Result.Listeners {
		members = append(members, fmt.Sprintf(`"inode":%d}`, l.Inode))
	}
	return logfile.Mentions(i.settings.log, members...)
}

// findPortUser finds the process that has a session on a port without a listener. If a local program got
// the port as its source port, the front cannot start.
func (i *inspection) findPortUser(ctx context.Context) {
	if i.Look.Recorded || i.Diagnosis.Code != diagnosis.Down {
		return
	}
	for _, port := range i.Result.PortsWithoutListener(i.Ports) {
		session, used := i.Result.PortSessions[port]
		if !used {
			continue
		}
		p, err := bestEffort(ctx, i, func(ctx context.Context) (tcp.Process, error) {
			user, err := process.Find(ctx, []tcp.Socket{session})
			if err != nil {
				return tcp.Process{}, err
			}
			return user.Describe(), nil
		})
		i.Diagnosis = i.Diagnosis.PortInUse(session, p, err)
		return
	}
}

// searchBudget is how long the searches for processes may take together: about 75,000
// descriptors, and little of the 3 s in which Zabbix' agent wants an answer.
const searchBudget = 250 * time.Millisecond

// bestEffort takes an optional step, whose failure or delay does not cost the answer. It has a
// quarter of the time that is left, and at most what is left of searchBudget. The files of a
// process that hangs may hang.
func bestEffort[T any](ctx context.Context, i *inspection, do func(context.Context) (T, error)) (T, error) {
	limit := searchBudget - i.searched
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/4)
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := await(ctx, func() (T, error) { return do(ctx) })
	i.searched += time.Since(start)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the search through /proc stopped after %s; try again, or see ss -ltnp",
			limit.Round(time.Millisecond))
	}
	return v, err
}
