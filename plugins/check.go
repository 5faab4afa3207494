package plugins

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/output"
	"frontsockets/internal/process"
	"frontsockets/internal/snapshot"
	"frontsockets/internal/source"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/verdict"
)

// check looks, judges and saves within the time limit, and completes the report.
func (p Profile) check(s settings, report output.Report) output.Report {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	i := &inspection{settings: s, feed: p.Feed, Report: report}
	if p.sources != nil {
		i.sources = p.sources
	}
	done, err := await(ctx, func() (*inspection, error) { return i, i.run(ctx) })
	if err != nil {
		report.Failure = s.explain(err)
		return report
	}
	done.applySession(report.Look.Time)
	if s.save != "" && done.Failure == "" {
		_, err := await(ctx, func() (none struct{}, err error) {
			return none, done.recording.Save(s.save, s.query, done.Look)
		})
		if err != nil {
			done.SaveError = fmt.Sprintf("snapshot %s not written: %s", s.save, s.explain(err))
		}
	}
	return done.Report
}

// explain returns an error in words for the operator.
func (s settings) explain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s (-t)", s.timeout)
	}
	return err.Error()
}

// inspection is one check on its way from the sockets to the report.
type inspection struct {
	settings
	feed bool
	output.Report

	baseline  *tally.Baseline // of --sample, or of the look that raised a suspicion
	compared  time.Time       // when the baseline was begun
	suspects  *tally.Baseline // of the last look
	started   time.Time       // when the last look was begun
	recording *snapshot.Recording
	owner     *process.Owner
	suspicion bool // one look is not enough to say what was diagnosed
}

// run takes the steps of a check: baseline, count, judge, find the owner.
func (i *inspection) run(ctx context.Context) error {
	if err := i.takeBaseline(ctx); err != nil {
		return err
	}
	if err := i.count(ctx); err != nil {
		return err
	}
	i.judge()
	i.confirm(ctx)
	i.findOwner(ctx)
	return nil
}

// takeBaseline takes the first of two looks, if --sample asks for two, and waits for the
// time of the second.
func (i *inspection) takeBaseline(ctx context.Context) error {
	if i.sample == 0 {
		return nil
	}
	i.compared = time.Now()
	_, err := source.First(ctx, i.sources, i.query, func() tcp.Visit {
		i.baseline = tally.NewBaseline()
		return i.baseline.Add
	})
	if err != nil {
		return err
	}
	if i.showOwner {
		// If the search finds nothing, the one of findOwner says why.
		i.owner, _ = bestEffort(ctx, func(ctx context.Context) (*process.Owner, error) {
			owner, err := process.Find(ctx, i.baseline.Inodes())
			if err == nil {
				owner.StartCPU(ctx)
			}
			return owner, err
		})
	}
	select {
	case <-time.After(i.sample - time.Since(i.compared)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// count looks and tallies what the first source that succeeds can see.
func (i *inspection) count(ctx context.Context) error {
	var interval time.Duration
	if i.baseline != nil {
		interval = time.Since(i.compared)
	}
	i.started = time.Now()
	var t *tally.Tally
	look, err := source.First(ctx, i.sources, i.query, func() tcp.Visit {
		t = tally.New(i.rules, i.baseline, interval)
		if i.save == "" {
			return t.Add
		}
		i.recording = new(snapshot.Recording)
		return func(s *tcp.Socket) {
			t.Add(s)
			i.recording.Add(s)
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
	i.Look, i.Result, i.suspects = look, &result, t.Suspects()
	return nil
}

// judge diagnoses, and compares the counts and the diagnosis with the thresholds.
func (i *inspection) judge() {
	d := diagnosis.Diagnose(*i.Result, i.Ports, i.feed, i.Owner)
	i.suspicion = d.Suspicion
	d = d.Unconfirmed()
	i.Verdict = verdict.Judge(i.Policy, i.Ports, *i.Result, d)
	i.Diagnosis = i.Verdict.Explain(d)
}

// confirm looks again if the first look points to the front: a moment later, and once more a
// second later, the same sockets must still be stuck. A healthy front costs no second look, or
// a short one. Without the time for them the suspicion is not said.
func (i *inspection) confirm(ctx context.Context) {
	const moment = 250 * time.Millisecond // longer than most fronts take between two batches
	if !i.suspicion || i.Look.Recorded {
		return
	}
	if i.baseline == nil {
		i.baseline, i.compared = i.suspects, i.started
	}
	for _, apart := range []time.Duration{moment, diagnosis.MinimumInterval} {
		wait := apart - time.Since(i.compared)
		deadline, limited := ctx.Deadline()
		if !i.suspicion || limited && time.Until(deadline) < wait+moment {
			return
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		recording := i.recording
		if i.count(ctx) != nil {
			i.recording = recording // the look before stays the answer
			return
		}
		i.judge()
	}
}

// findOwner finds the process that listens, and diagnoses again with what it shows. That
// takes a walk through all processes: unless it was asked for, it is worth that only to
// know why a front hangs, or whether it does.
func (i *inspection) findOwner(ctx context.Context) {
	wanted := i.showOwner || i.Diagnosis.AskOwner
	if i.Look.Recorded || len(i.Result.Listeners) == 0 || !wanted {
		return
	}
	p, err := bestEffort(ctx, func(ctx context.Context) (tcp.Process, error) {
		owner, err := i.owner, error(nil)
		if owner == nil {
			// Of several listeners the one with the longest queue is in trouble.
			longest := slices.MaxFunc(i.Result.Listeners, func(a, b tally.Listener) int { return cmp.Compare(a.Queue, b.Queue) })
			owner, err = process.Find(ctx, []uint64{longest.Inode})
		}
		if err != nil {
			return tcp.Process{}, err
		}
		return owner.Describe(ctx), nil
	})
	if err != nil {
		i.OwnerUnknown = err.Error()
		return
	}
	i.Owner = &p
	i.judge()
}

// bestEffort does what is good to know and must not cost the answer: it takes a quarter of
// the time that is left, and a second at most. The files of a process that hangs may hang.
func bestEffort[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	limit := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/4)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := await(ctx, func() (T, error) { return do(ctx) })
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the search through /proc stopped after %s; run as the front's user, or see ss -ltnp",
			limit.Round(time.Millisecond))
	}
	return v, err
}

// applySession makes the answer OK outside of all sessions. A recording is judged if
// somebody traded then or trades now: one that a collector left behind at the weekend does
// not close the week.
func (i *inspection) applySession(now time.Time) {
	open, next := i.calendar.At(now)
	if openThen, _ := i.calendar.At(i.Look.Time); open || openThen {
		return
	}
	if next.IsZero() {
		i.Result, i.Failure = nil, "no session opens in the next 40 days, so --session or --holidays are wrong"
		return
	}
	i.Verdict = i.Verdict.OutOfSession()
	i.Diagnosis = diagnosis.Diagnosis{Code: diagnosis.Healthy, Text: "outside of all sessions"}
	i.Outside = "outside of all sessions, the next opens " + next.Format("Mon 2006-01-02 15:04 MST")
}
