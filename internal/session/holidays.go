package session

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"frontsockets/internal/textfile"
)

// Holidays are the days on which no session opens, in any order.
type Holidays []span

// span is the days from first to last, both included, each as its midnight in UTC.
type span struct{ first, last time.Time }

// ParseHolidays reads a file of holidays, called name in errors. Each line is a date
// or a range of dates, both included; the rest of a line after '#' is a comment. A date may be
// followed by a blank or a comma and the holiday's name, and the first line may be a heading.
//
//	# National Day 2026
//	2026-10-01..2026-10-07
//	2026-01-01,New Year's Day
//	20260101
//	2026/1/1
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
	first := true
	err := textfile.Each(r, name, func(line string) error {
		date, _, _ := strings.Cut(line, "#")
		date = strings.TrimSpace(date)
		if err := textfile.CheckUTF8(date); err != nil {
			return err
		}
		isHeading := first && isHeading(date)
		if first = false; isHeading {
			return nil
		}
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

// isHeading reports whether the line names the columns of a table: it has letters and no digit.
func isHeading(line string) bool {
	return strings.ContainsFunc(line, unicode.IsLetter) && !strings.ContainsFunc(line, unicode.IsDigit)
}

// parseSpan reads a date or a range of dates, and ignores the holiday's name after it.
func parseSpan(text string) (s span, err error) {
	first, rest, err := cutDate(text)
	if err != nil {
		return s, err
	}
	s = span{first, first}
	if last, isRange := strings.CutPrefix(strings.TrimSpace(rest), ".."); isRange {
		if s.last, rest, err = cutDate(strings.TrimSpace(last)); err != nil {
			return s, err
		}
	}
	if err := checkHolidayName(rest); err != nil {
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

// leadingDate is a date at the beginning of a text, as in ISO 8601, or with '/' as spreadsheets write it.
var leadingDate = textfile.Lazy(`^(\d{4})(?:-(\d\d)-(\d\d)|/(\d\d?)/(\d\d?)|(\d\d)(\d\d))`)

// cutDate returns the date that the text begins with, and the rest of the text.
func cutDate(text string) (day time.Time, rest string, err error) {
	found := leadingDate().FindStringSubmatch(text)
	if found == nil {
		return day, "", errors.New("there is no date where one should begin")
	}
	digits := found[1]
	for _, part := range found[2:] {
		if len(part) == 1 {
			part = "0" + part
		}
		digits += part
	}
	if day, err = time.Parse("20060102", digits); err != nil {
		return day, "", errors.New("there is no such day")
	}
	return day, text[len(found[0]):], nil
}

// checkHolidayName checks what follows the date. A digit there is likely part of another date,
// which must not be ignored.
func checkHolidayName(rest string) error {
	if rest == "" {
		return nil
	}
	separator, _ := utf8.DecodeRuneInString(rest)
	if !unicode.IsSpace(separator) && !strings.ContainsRune(",，;；", separator) {
		return errors.New("neither a blank nor a comma follows the date")
	}
	if strings.ContainsFunc(rest, unicode.IsDigit) {
		return errors.New("digits follow the date; give each date or range a line of its own, and put # before other digits")
	}
	return nil
}

// Last returns the last of the days, as its midnight in UTC. It returns the zero time if there are none.
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

// has reports whether the day is a holiday. h must be as merged returns it.
func (h Holidays) has(day time.Time) bool {
	i, _ := slices.BinarySearchFunc(h, day, func(s span, day time.Time) int { return s.last.Compare(day) })
	return i < len(h) && !h[i].first.After(day)
}
