// Package threshold reads the ranges of the monitoring plugins' development
// guidelines, section "Threshold and ranges".
package threshold

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Range is a threshold: [@][start:][end].
//
//	10      alerts below 0 or above 10
//	10:     alerts below 10
//	~:10    alerts above 10
//	10:20   alerts below 10 or above 20
//	@10:20  alerts from 10 to 20, both ends included
//
// The zero Range is "0", which alerts on everything but 0.
type Range struct {
	start, end float64 // ±Inf where open
	inside     bool    // '@': alert inside, not outside
}

// Parse reads a range. The error quotes the text and says what is wrong with it.
func Parse(s string) (Range, error) {
	r, err := parse(s)
	if err != nil {
		return Range{}, fmt.Errorf("'%s' is not a range: %w", s, err)
	}
	return r, nil
}

func parse(s string) (Range, error) {
	var r Range
	rest, inside := strings.CutPrefix(s, "@")
	r.inside = inside
	start, end, hasStart := strings.Cut(rest, ":")
	if !hasStart {
		start, end = "0", rest
		if end == "" {
			return r, errors.New("a number is missing")
		}
	}
	var err error
	if start == "~" {
		r.start = math.Inf(-1)
	} else if r.start, err = number(start); err != nil {
		return r, fmt.Errorf("the start %w", err)
	}
	if end == "" {
		r.end = math.Inf(1)
	} else if r.end, err = number(end); err != nil {
		return r, fmt.Errorf("the end %w", err)
	}
	if r.start > r.end {
		return r, fmt.Errorf("the start %s is above the end %s", formatFloat(r.start), formatFloat(r.end))
	}
	return r, nil
}

// number reads a plain decimal such as -5 or 2.5. It refuses an exponent, a unit, hex, infinity and
// blanks: strconv would let some of them through, and monitoring systems would read them differently.
func number(s string) (float64, error) {
	if s == "" {
		return 0, errors.New("is missing")
	}
	digits, dots := 0, 0
	for i, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && dots == 0:
			dots++
		case c == '-' && i == 0:
		default:
			return 0, fmt.Errorf("'%s' is not a number", s)
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if digits == 0 || err != nil {
		return 0, fmt.Errorf("'%s' is not a number", s)
	}
	const exact = 15 // digits that a float64 keeps, so that String writes what was read
	if significant := strings.TrimLeft(s, "-0"); len(significant)-strings.Count(significant, ".") > exact {
		return 0, fmt.Errorf("has more than %d digits", exact)
	}
	return f + 0, nil // +0 makes -0 plain
}

// Alerts reports whether the value breaches the range. The ends belong to the range.
func (r Range) Alerts(v float64) bool {
	within := r.start <= v && v <= r.end
	return within == r.inside
}

// AlertsFrom says what is certain of a value that is v or more: that it breaches the range, or that it
// does not. It returns false for both if that depends on the value.
func (r Range) AlertsFrom(v float64) (breached, harmless bool) {
	open := math.IsInf(r.end, 1)
	if r.inside {
		return v >= r.start && open, v > r.end
	}
	return v > r.end, v >= r.start && open
}

// Plain returns the plainest range that alerts on the same values of a metric: many readers of
// perfdata drop one with '@'. No metric is below 0; whole says that it has integers only. A
// range without a plain equal is returned as it is.
func (r Range) Plain(whole bool) Range {
	// Named by the values that do not alert.
	everything, nothing := Range{end: math.Inf(1)}, Range{start: math.Inf(-1), end: -1}
	plain := r
	switch integers := r.inside && whole; {
	case r.start <= 0 && r.end < 0: // the whole range is below 0
		plain = nothing
		if r.inside {
			plain = everything
		}
	case r.start <= 0 && !r.inside:
		plain = Range{end: r.end}
	case r.start <= 0 && math.IsInf(r.end, 1):
		plain = nothing
	case integers && math.Ceil(r.start) > r.end:
		plain = everything // there is no integer in it
	case integers && r.start <= 0:
		plain = Range{start: math.Floor(r.end) + 1, end: math.Inf(1)}
	case integers && math.IsInf(r.end, 1):
		plain = Range{end: math.Ceil(r.start) - 1}
	}
	if _, err := parse(plain.String()); err != nil { // too many digits
		return r
	}
	return plain
}

// UpperBound returns the value above which the range alerts, if it alerts on all values above
// and on none below, and +Inf for any other range. As in Plain, no value is below 0, and whole says that
// there are integers only.
func (r Range) UpperBound(whole bool) float64 {
	if r = r.Plain(whole); r.inside || r.start > 0 || r.end < 0 {
		return math.Inf(1)
	}
	return r.end
}

// String returns the shortest spelling, which Parse reads back as the same Range.
func (r Range) String() string {
	var b strings.Builder
	if r.inside {
		b.WriteByte('@')
	}
	switch {
	case math.IsInf(r.start, -1):
		b.WriteString("~:")
	case r.start != 0 || math.IsInf(r.end, 1):
		b.WriteString(formatFloat(r.start) + ":")
	}
	if !math.IsInf(r.end, 1) {
		b.WriteString(formatFloat(r.end))
	}
	return b.String()
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
