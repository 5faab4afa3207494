// Package verdict judges the metrics of a front by thresholds, and returns the status.
package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/threshold"
)

// Status is a plugin's answer; its number is the exit code.
type Status int

// The statuses. UNKNOWN ranks under CRITICAL and over WARNING.
const (
	OK Status = iota
	Warning
	Critical
	Unknown
)

func (s Status) rank() int {
	return [...]int{OK: 0, Warning: 1, Unknown: 2, Critical: 3}[s]
}

// Or returns the worse of two statuses.
func (s Status) Or(other Status) Status {
	if other.rank() > s.rank() {
		return other
	}
	return s
}

// StatusNames are the words that ParseStatus reads, by status.
var StatusNames = []string{"ok", "warning", "critical", "unknown"}

// ParseStatus reads one of StatusNames, in either case.
func ParseStatus(s string) (Status, error) {
	if i := slices.Index(StatusNames, strings.ToLower(s)); i >= 0 {
		return Status(i), nil
	}
	return Unknown, fmt.Errorf("'%s' is not a status", s)
}

// Thresholds has at most one range for each metric.
type Thresholds map[tally.Metric]threshold.Range

// Policy is what a front is judged by.
type Policy struct {
	Warning, Critical Thresholds
	// FromPreset has, by status, the metrics whose range is that of a ready-made policy.
	FromPreset map[Status]map[tally.Metric]bool
	// Diagnosis is the status of each diagnosis that alarms.
	Diagnosis map[diagnosis.Code]Status
	// NoListener is the status when nothing listens on one of the ports. Even if it is OK
	// the answer says so.
	NoListener Status
}

// Problem is one thing found wrong.
type Problem struct {
	Status Status
	// Metric is the metric that is wrong, or tally.NumMetrics if it is not a metric.
	Metric tally.Metric
	// Text says what is wrong, with the threshold. Short says it without.
	Text, Short string
}

// Verdict is the status, and the problems that make it, worst first.
type Verdict struct {
	Status   Status
	Problems []Problem
}

// OutOfSession is the verdict at a time when nobody trades: nothing is a problem then.
var OutOfSession = Verdict{Status: OK}

// NotHealthy returns the diagnosis, or Unclear if it is Healthy in spite of a problem.
func (v Verdict) NotHealthy(d diagnosis.Diagnosis) diagnosis.Diagnosis {
	if d.Code == diagnosis.Healthy && v.Status != OK {
		p := v.Problems[0]
		problem := diagnosis.Evidence{Metric: "problem", Value: p.Short, Why: p.Text}
		return diagnosis.Diagnosis{Code: diagnosis.Unclear, Evidence: []diagnosis.Evidence{problem}}
	}
	return d
}

// Judge judges every port, listener and threshold, and the diagnosis. None hides another,
// and the worst is the status.
func Judge(p Policy, ports tcp.Ports, r tally.Result, d diagnosis.Diagnosis) Verdict {
	problems := slices.Concat(missingListeners(p, ports, r), fullQueues(r), maybeFullQueues(r), trouble(p, d))
	for m := range tally.NumMetrics {
		problems = append(problems, judge(p, m, r.Values[m])...)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(b.Status.rank(), a.Status.rank()) })
	v := Verdict{OK, problems}
	if len(problems) > 0 {
		v.Status = problems[0].Status
	}
	return v
}

// missingListeners returns a problem if a port has no listener, or if the source cannot see
// whether it has one.
func missingListeners(p Policy, ports tcp.Ports, r tally.Result) []Problem {
	if why := r.Values[tally.Listeners].Unknown; r.HiddenStates.Has(tcp.Listen) && p.NoListener != OK {
		return []Problem{{Unknown, tally.Listeners, "cannot tell if the front listens: " + why, "listeners unknown"}}
	}
	missing := r.PortsWithoutListener(ports)
	if len(missing) == 0 {
		return nil
	}
	text := diagnosis.NoListener(missing)
	return []Problem{{p.NoListener, tally.NumMetrics, text, text}}
}

// fullQueues returns a problem for each listener whose accept queue is over its backlog: the kernel
// drops its connections now.
func fullQueues(r tally.Result) (problems []Problem) {
	for _, l := range r.Listeners {
		if !l.Overflowing() {
			continue
		}
		text := fmt.Sprintf("accept queue of port %d is full, %d of %d", l.Local.Port(), l.Queue, l.Backlog)
		if !l.Facts.Has(tcp.FactBacklog) {
			text = fmt.Sprintf("accept queue of port %d is full, %d of at most %d (somaxconn)", l.Local.Port(), l.Queue,
				l.MaxBacklog)
		}
		problems = append(problems, Problem{Critical, tally.AcceptQueue, text, text})
	}
	return problems
}

// trouble returns a problem if the diagnosis alarms. missingListeners has reported Down
// already, unless --no-listener gave it a lower status.
func trouble(p Policy, d diagnosis.Diagnosis) []Problem {
	status, set := p.Diagnosis[d.Code]
	if !set || d.Code == diagnosis.Down && p.NoListener.rank() >= status.rank() {
		return nil
	}
	text := d.Text
	if text == "" {
		text = "the diagnosis is " + string(d.Code)
	}
	return []Problem{{status, tally.NumMetrics, text, text}}
}

// maybeFullQueues returns a problem for each listener whose accept queue may be full: its backlog is
// not known, and the queue did not empty between two looks.
func maybeFullQueues(r tally.Result) (problems []Problem) {
	for _, l := range r.Listeners {
		if l.MayOverflow() && l.NotEmptied && !l.Overflowing() {
			text := fmt.Sprintf("accept queue of port %d does not empty (%d, then %d) and may be full: its backlog is not known",
				l.Local.Port(), l.Before, l.Queue)
			problems = append(problems, Problem{Unknown, tally.AcceptQueue, text, text})
		}
	}
	return problems
}

// judge compares one metric with its thresholds. Of two breaches, or two uncertain ones, it reports
// the critical one only.
func judge(p Policy, m tally.Metric, v tally.Value) []Problem {
	var problems []Problem
	for _, level := range []struct {
		status Status
		name   string
		ranges Thresholds
	}{{Critical, "critical", p.Critical}, {Warning, "warning", p.Warning}} {
		limit, set := level.ranges[m]
		breached, harmless := decide(limit, v)
		switch {
		case !set:
		case !v.Known():
			return []Problem{{Unknown, m, fmt.Sprintf("cannot judge %s: %s", m, v.Unknown), m.String() + " unknown"}}
		case breached:
			text := fmt.Sprintf("%s is %s%s%s (%s %s)", m, atLeast(v), v, m.Unit(), level.name, limit)
			return append(problems, Problem{level.status, m, text, short(m, v)})
		case !harmless && len(problems) == 0:
			text := fmt.Sprintf("%s is %s%s%s: %s", m, atLeast(v), v, m.Unit(), v.LowerBound)
			problems = append(problems, Problem{Unknown, m, text, text})
		}
	}
	return problems
}

// decide says what is certain of a value: that it breaches the range, or that it does not.
func decide(limit threshold.Range, v tally.Value) (breached, harmless bool) {
	if v.LowerBound != "" {
		return limit.AlertsFrom(v.N)
	}
	breached = limit.Alerts(v.N)
	return breached, !breached
}

func atLeast(v tally.Value) string {
	if v.LowerBound == "" {
		return ""
	}
	return "at least "
}

func short(m tally.Metric, v tally.Value) string {
	if m == tally.FeedAge {
		return "feed stalled " + v.String() + " s"
	}
	return strings.TrimSpace(strings.ReplaceAll(m.String(), "_", " ") + " " + v.String() + " " + m.Unit())
}
