package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// answer is what was said to one question, which both were asked at the same moment.
type answer struct {
	Asked    float64 // seconds since the trouble began; below 0, before it
	Answered float64 // the same for our answer
	Status   string  // ours: OK, WARNING, CRITICAL or UNKNOWN
	Code     string  // of our diagnosis
	Reason   string
	Seed     bool // the old rule's alarm
}

// finding is what a run of a scenario shows.
type finding struct {
	code        string  // the last diagnosis
	wrong       string  // why that or an earlier one is wrong, or ""
	ours, seeds float64 // seconds until the alarm, never if there was none
	by          string  // what ours was: CRITICAL, or the diagnosis
	alarm       float64 // seconds until our status was no longer OK
	falseOurs   int     // false alarms
	falseSeeds  int
}

const never = math.MaxFloat64 // seconds

// judge compares the answers with the truth. A diagnosis may be late: until it is
// right it may be healthy or unclear, but never another. The last has to be right.
func judge(s scenario, answers []answer) finding {
	f := finding{ours: never, seeds: never, alarm: never}
	if len(answers) == 0 {
		f.wrong = "no answers"
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
	case f.alarm > f.seeds:
		f.wrong = "our alarm came later than the seed's"
	case f.alarm == never && !s.fine() && !s.unalarmed:
		f.wrong = "no alarm"
	}
	return f
}

// story tells the answers in short, such as "OK healthy ×6, CRITICAL hung ×20".
func story(answers []answer) string {
	var parts []string
	for i := 0; i < len(answers); {
		a, n := answers[i], 0
		for ; i < len(answers) && answers[i].Status == a.Status && answers[i].Code == a.Code && (answers[i].Answered >= 0) == (a.Answered >= 0); i++ {
			n++
		}
		parts = append(parts, fmt.Sprintf("%.1f s: %s %s ×%d (%s)", a.Asked, a.Status, a.Code, n, a.Reason))
	}
	return strings.Join(parts, "\n    ")
}

// row is a scenario's line of the table, for all its runs.
func row(s scenario, runs []finding) string {
	var codes, by []string
	var ours, alarms, seeds []float64
	var wrong, false0, false1 int
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
		false0, false1 = false0+f.falseOurs, false1+f.falseSeeds
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
	first, alarm, old := "–", "–", "–"
	if s.begins() && s.truth != "healthy" {
		first = seconds(ours)
		if len(by) > 0 {
			first += " " + strings.Join(by, " or ")
		}
	}
	if s.begins() && !s.fine() {
		alarm, old = seconds(alarms), seconds(seeds)
	}
	return fmt.Sprintf("| %s | `%s` | `%s` | %s | %s | %s | %s | %d | %d |",
		s.name, s.truth, strings.Join(codes, "`, `"), right, first, alarm, old, false0, false1)
}

// seconds gives the fastest and slowest.
func seconds(of []float64) string {
	slices.Sort(of)
	text := func(x float64) string {
		if x == never {
			return "never"
		}
		return fmt.Sprintf("%.1f", x)
	}
	first, last := text(of[0]), text(of[len(of)-1])
	if first == last {
		return first
	}
	return first + " to " + last
}
