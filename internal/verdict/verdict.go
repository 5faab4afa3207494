// Package verdict judges the metrics of a front by a policy. It is pure.
package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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

// Or is the worse of two statuses.
func (s Status) Or(other Status) Status {
	if other.rank() > s.rank() {
		return other
	}
	return s
}

// ParseStatus reads ok, warning, critical or unknown, in either case.
func ParseStatus(s string) (Status, error) {
	switch strings.ToLower(s) {
	case "ok":
		return OK, nil
	case "warning":
		return Warning, nil
	case "critical":
		return Critical, nil
	case "unknown":
		return Unknown, nil
	}
	return Unknown, fmt.Errorf("'%s' is not a status", s)
}

// OutOfSession is the verdict at a time when nobody trades: nothing is a problem then.
func (v Verdict) OutOfSession() Verdict { return Verdict{Status: OK} }

// Thresholds has at most one range for each metric.
type Thresholds map[tally.Metric]threshold.Range

// Policy is what to hold against a front.
type Policy struct {
	Warning, Critical Thresholds
	// Lenient has the metrics whose ranges of this level are not the operator's own. That no client is
	// connected, so that there is no feed to be late, is no problem for these.
	Lenient map[Status]map[tally.Metric]bool
	// NoListener is what it means that nothing listens on one of the ports. Even if
	// it is OK it is told.
	NoListener Status
}

// Problem is one thing found wrong.
type Problem struct {
	Status Status
	// Metric is the metric that is wrong, and tally.NumMetrics if it is none.
	Metric tally.Metric
	// Text says what is wrong with its limit, Short without.
	Text, Short string
}

// Verdict is the status, and the problems that make it, worst first.
type Verdict struct {
	Status   Status
	Problems []Problem
}

// Judge looks at every port, listener and threshold, and none hides another:
// the worst wins. OK comes from here and from nowhere else.
func Judge(p Policy, ports tcp.Ports, r tally.Result) Verdict {
	problems := slices.Concat(silent(p, ports, r), overflowing(r))
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

// silent finds the ports without a listener.
func silent(p Policy, ports tcp.Ports, r tally.Result) []Problem {
	missing := r.Silent(ports)
	if len(missing) == 0 {
		return nil
	}
	text := fmt.Sprintf("nothing listens on port %d", missing[0])
	if n := len(missing); n > 1 {
		text += fmt.Sprintf(" and %d more", n-1)
	}
	return []Problem{{p.NoListener, tally.NumMetrics, text, text}}
}

// overflowing finds the listener that has its accept queue over its backlog, and
// of several the first: the kernel is dropping its connections now.
func overflowing(r tally.Result) []Problem {
	for _, l := range r.Listeners {
		if l.Overflows() {
			text := fmt.Sprintf("accept queue of port %d is full, %d of %d", l.Local.Port(), l.Queue, l.Backlog)
			return []Problem{{Critical, tally.AcceptQueue, text, text}}
		}
	}
	return nil
}

// judge holds the thresholds of one metric against its value. A breach of both
// is told once, as critical.
func judge(p Policy, m tally.Metric, v tally.Value) []Problem {
	for _, level := range []struct {
		status Status
		name   string
		ranges Thresholds
	}{{Critical, "critical", p.Critical}, {Warning, "warning", p.Warning}} {
		limit, set := level.ranges[m]
		switch {
		case !set, v.Empty && p.Lenient[level.status][m]:
		case !v.Known():
			text := fmt.Sprintf("%s is not known: %s", m, v.Unknown)
			return []Problem{{Unknown, m, text, text}}
		case limit.Alerts(v.N):
			return []Problem{{level.status, m, fmt.Sprintf("%s is %s%s (%s %s)", m, v, m.Unit(), level.name, limit), short(m, v)}}
		}
	}
	return nil
}

func short(m tally.Metric, v tally.Value) string {
	if m == tally.FeedAge {
		return "feed stalled " + v.String() + " s"
	}
	return strings.TrimSpace(strings.ReplaceAll(m.String(), "_", " ") + " " + v.String() + " " + m.Unit())
}
