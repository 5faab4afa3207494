package session

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"frontsockets/internal/textfile"
)

// Holidays are the days on which no session opens, in any order.
type Holidays []span

// span is the days from first to last, both included, each as its midnight in UTC.
type span struct{ first, last time.Time }

// ParseHolidays reads a file of holidays, called name in errors. Each line is a date
// or a range of dates, both included; the rest of a line after '#' is a comment.
//
//	# National Day 2026
//	2026-10-01..2026-10-07
//	2026-01-01
//
// List each public holiday with the weekend days that it covers: a holiday on a Sunday
// also closes the night session of Friday. Do not list an ordinary weekend,
// nor one on which others work to make up for a holiday. The exchanges are closed then anyway,
// and as a holiday it would close Friday's night session.
//
// Empty lines, CRLF and a byte order mark are ignored. Anything else is an error with the line's
// number and the name, but not the text: see textfile.Each.
func ParseHolidays(r io.Reader, name string) (Holidays, error) {
	holidays := Holidays{} // not nil: a file without a date is a file
	err := textfile.Each(r, name, func(line string) error {
		date, _, _ := strings.Cut(line, "#")
		date = strings.TrimSpace(date)
		s, err := parseSpan(date)
		if err != nil {
			return fmt.Errorf("not a holiday: %w; write 2026-10-01 or 2026-10-01..2026-10-07", err)
		}
		holidays = append(holidays, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return holidays, nil
}

func parseSpan(text string) (s span, err error) {
	first, last, isRange := strings.Cut(text, "..")
	if !isRange {
		last = first
	}
	if s.first, err = parseDate(first); err != nil {
		return s, err
	}
	if s.last, err = parseDate(last); err != nil {
		return s, err
	}
	const longest = 31 // days: no market is closed for more, so it is a slip of the pen
	switch days := s.last.Sub(s.first).Hours() / 24; {
	case days < 0:
		return s, errors.New("it ends before it starts")
	case days >= longest:
		return s, fmt.Errorf("it is over %d days long", longest)
	}
	return s, nil
}

func parseDate(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return day, errors.New("it has no date, or more than that")
	}
	return day, nil
}

// Last returns the last of the days, as its midnight in UTC. It is the zero time if there is none.
func (h Holidays) Last() (last time.Time) {
	for _, s := range h {
		if s.last.After(last) {
			last = s.last
		}
	}
	return last
}

// merged returns the same days as spans in ascending order that do not overlap.
func (h Holidays) merged() Holidays {
	sorted := slices.Clone(h)
	slices.SortFunc(sorted, func(a, b span) int { return a.first.Compare(b.first) })
	merged := sorted[:0]
	for _, s := range sorted {
		if n := len(merged); n > 0 && !s.first.After(merged[n-1].last) {
			if s.last.After(merged[n-1].last) {
				merged[n-1].last = s.last
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// has reports whether the day is one of those that merged has returned.
func (h Holidays) has(day time.Time) bool {
	i, _ := slices.BinarySearchFunc(h, day, func(s span, day time.Time) int { return s.last.Compare(day) })
	return i < len(h) && !h[i].first.After(day)
}
