package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// answer is the answers of the check and of the old rule, both asked at the same moment.
type answer struct {
	Asked    float64 // seconds since the trouble began; negative before it
	Answered float64 // the same, for the moment of the check's answer
	Status   string  // of the check: OK, WARNING, CRITICAL or UNKNOWN
	Code     string  // of the check's diagnosis
	Reason   string  // of the check's status
	Seed     bool    // reports whether the old rule alarms
}

// finding is the result of one run of a scenario.
type finding struct {
	code        string  // the last diagnosis
	wrong       string  // why the run is a failure, or ""
	ours, seeds float64 // seconds until the check and the old rule noticed; never if they did not
	by          string  // how the check noticed: CRITICAL, or diagnosis
	alarm       float64 // seconds until the check's status was WARNING or CRITICAL
	falseOurs   int     // false alarms of the check
	falseSeeds  int     // and of the old rule
}

// lateLimit is how much later than the old rule the check may alarm: it counts nothing and waits
// for proof, and cron asked the old rule once a minute.
const lateLimit = 2500 * time.Millisecond

// never stands for the seconds until an event that did not come.
const never = math.MaxFloat64

// judge compares the answers with the truth. A diagnosis may come late: before the right one
// it may be healthy or unclear, but no other. The last one must be right.
func judge(s scenario, answers []answer) finding {
	f := finding{ours: never, seeds: never, alarm: never}
	if len(answers) == 0 {
		f.wrong = "there are no answers"
		return f
	}
	for _, a := range answers {
		began := s.begins() && a.Answered >= 0
		if alarm := a.Status != "OK"; alarm && (s.fine() || !began) {
			f.falseOurs++
		}
		if a.Seed && (s.fine() || a.Asked < 0 || !s.begins()) {
			f.falseSeeds++
		}
		allowed := a.Code == "healthy" || a.Code == "unclear" || a.Code == s.truth && began
		if !allowed && f.wrong == "" {
			f.wrong = fmt.Sprintf("%q at %.1f s", a.Code, a.Asked)
		}
		right := a.Code == s.truth && s.truth != "healthy"
		if began && f.ours == never && (right || a.Status == "CRITICAL" && !s.fine()) {
			f.ours, f.by = max(0, a.Asked), "diagnosis"
			if a.Status == "CRITICAL" {
				f.by = a.Status
			}
		}
		if began && f.alarm == never && (a.Status == "WARNING" || a.Status == "CRITICAL") {
			f.alarm = max(0, a.Asked)
		}
		if s.begins() && !s.fine() && a.Seed && a.Asked >= 0 && f.seeds == never {
			f.seeds = a.Asked
		}
	}
	f.code = answers[len(answers)-1].Code
	switch {
	case f.wrong != "":
	case f.code != s.truth:
		f.wrong = fmt.Sprintf("%q at the end", f.code)
	case f.alarm > f.seeds+lateLimit.Seconds():
		f.wrong = "the check alarms much later than the old rule"
	case f.alarm == never && !s.fine():
		f.wrong = "the check does not alarm"
	}
	return f
}

// summary returns the answers with equal ones in one line: "0.2 s: CRITICAL hung ×20 (reason)".
func summary(answers []answer) string {
	var parts []string
	for i := 0; i < len(answers); {
		a, n := answers[i], 0
		for ; i < len(answers) && a.equal(answers[i]); i++ {
			n++
		}
		parts = append(parts, fmt.Sprintf("%.1f s: %s %s ×%d (%s)", a.Asked, a.Status, a.Code, n, a.Reason))
	}
	return strings.Join(parts, "\n    ")
}

// equal reports whether the check answered the same, both times before or after the trouble
// began.
func (a answer) equal(b answer) bool {
	return a.Status == b.Status && a.Code == b.Code && (a.Answered >= 0) == (b.Answered >= 0)
}

// row returns a scenario's row of the table, for all its runs.
func row(s scenario, runs []finding) string {
	var codes, by []string
	var ours, alarms, seeds []float64
	var wrong, falseOurs, falseSeeds int
	for _, f := range runs {
		if !slices.Contains(codes, f.code) {
			codes = append(codes, f.code)
		}
		if f.by != "" && !slices.Contains(by, f.by) {
			by = append(by, f.by)
		}
		if f.wrong != "" {
			wrong++
		}
		ours, alarms, seeds = append(ours, f.ours), append(alarms, f.alarm), append(seeds, f.seeds)
		falseOurs, falseSeeds = falseOurs+f.falseOurs, falseSeeds+f.falseSeeds
	}
	right := "right"
	switch {
	case wrong > 0 && len(runs) > 1:
		right = fmt.Sprintf("**wrong** in %d of %d", wrong, len(runs))
	case wrong > 0:
		right = "**wrong**"
	case len(runs) > 1:
		right = fmt.Sprintf("right in %d of %d", len(runs), len(runs))
	}
	noticed, alarm, old := "–", "–", "–"
	if s.begins() && s.truth != "healthy" {
		noticed = seconds(ours)
		if len(by) > 0 {
			noticed += " " + strings.Join(by, " or ")
		}
	}
	if s.begins() && !s.fine() {
		alarm, old = seconds(alarms), seconds(seeds)
	}
	return fmt.Sprintf("| %s | `%s` | `%s` | %s | %s | %s | %s | %d | %d |",
		s.name, s.truth, strings.Join(codes, "`, `"), right, noticed, alarm, old, falseOurs, falseSeeds)
}

// seconds returns the shortest and the longest time, such as "0.2 to 1.3".
func seconds(times []float64) string {
	slices.Sort(times)
	text := func(x float64) string {
		if x == never {
			return "never"
		}
		return fmt.Sprintf("%.1f", x)
	}
	first, last := text(times[0]), text(times[len(times)-1])
	if first == last {
		return first
	}
	return first + " to " + last
}
