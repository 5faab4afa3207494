package session

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

// years are the holidays as announced, and the nights before them without a session.
//
// 2015: Dalian Commodity Exchange, notice 297 of 2014; its Mid-Autumn Festival is a
// holiday on a Sunday alone. 2021: the exchanges' notices of December 2020. 2025: the
// State Council's holidays. 2026: CFFEX, notice of 2025-12-17; INE, notice of
// 2026-02-09. The nights of 2025 and 2026 but 02-13 are the last trading days before.
var years = map[int]struct{ holidays, nights string }{
	2015: {`2015-01-01..2015-01-03 2015-02-18..2015-02-24 2015-04-05..2015-04-06 2015-05-01 2015-06-20..2015-06-22
		2015-09-27 2015-10-01..2015-10-07`,
		"2014-12-31 2015-02-17 2015-04-03 2015-04-30 2015-06-19 2015-09-25 2015-09-30"},
	2021: {`2021-01-01..2021-01-03 2021-02-11..2021-02-17 2021-04-03..2021-04-05 2021-05-01..2021-05-05
		2021-06-12..2021-06-14 2021-09-19..2021-09-21 2021-10-01..2021-10-07`,
		"2020-12-31 2021-02-10 2021-04-02 2021-04-30 2021-06-11 2021-09-17 2021-09-30"},
	2025: {`2025-01-01 2025-01-28..2025-02-04 2025-04-04..2025-04-06 2025-05-01..2025-05-05 2025-05-31..2025-06-02
		2025-10-01..2025-10-08`,
		"2024-12-31 2025-01-27 2025-04-03 2025-04-30 2025-05-30 2025-09-30"},
	2026: {`2026-01-01..2026-01-03 2026-02-15..2026-02-23 2026-04-04..2026-04-06 2026-05-01..2026-05-05
		2026-06-19..2026-06-21 2026-09-25..2026-09-27 2026-10-01..2026-10-07`,
		"2025-12-31 2026-02-13 2026-04-03 2026-04-30 2026-06-18 2026-09-24 2026-09-30"},
}

func zone(t testing.TB, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// calendar reads specs separated by ';' and holidays separated by blanks.
func calendar(t testing.TB, specs, loc, holidays string) Calendar {
	t.Helper()
	days, err := ParseHolidays(strings.NewReader(strings.Join(strings.Fields(holidays), "\n")), "holidays")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(strings.Split(specs, ";"), zone(t, loc), days)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestYears looks at every day and every night of whole years.
func TestYears(t *testing.T) {
	for year, announced := range years {
		c := calendar(t, "cn-futures", "Asia/Shanghai", announced.holidays)
		end := time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC)
		for day := end.AddDate(-1, 0, 0); day.Before(end); day = day.AddDate(0, 0, 1) {
			trades := day.Weekday() != time.Saturday && day.Weekday() != time.Sunday && !c.closed.has(day)
			night := trades && !slices.Contains(strings.Fields(announced.nights), day.Format(time.DateOnly))
			for hour, want := range map[string]bool{
				"08:54:59": false, "08:55:00": trades, "10:20:00": trades, "11:30:00": false, "12:59:59": false, "13:00:00": trades,
				"15:14:59": trades, "15:15:00": false, "20:54:59": false, "20:55:00": night, "23:59:59": night,
				"24:00:00": night, "26:29:59": night, "26:30:00": false, "30:00:00": false,
			} {
				after, err := time.ParseDuration(hour[:2] + "h" + hour[3:5] + "m" + hour[6:] + "s")
				if err != nil {
					t.Fatal(err)
				}
				at := day.Add(-8 * time.Hour).Add(after)
				if open, _ := c.At(at); open != want {
					t.Errorf("%s %s (%s): in session %v, want %v", day.Format("Mon 2006-01-02"), hour, at.In(c.loc), open, want)
				}
			}
		}
	}
}

func TestAt(t *testing.T) {
	const always, none = "Sun-Sat 00:00-24:00", ""
	holidays := years[2025].holidays + " " + years[2026].holidays
	for _, test := range []struct {
		specs, loc, holidays string
		cases                []string // when, "open" or "shut", the next opening or "never"
	}{
		{"Mon-Fri 20:30-02:45;Mon-Fri 09:00-11:30", "Asia/Shanghai", none, []string{
			"2026-11-02T08:59:59+08:00 shut 2026-11-02T09:00:00+08:00", // Monday: there is no Sunday night
			"2026-11-02T02:00:00+08:00 shut 2026-11-02T09:00:00+08:00",
			"2026-11-02T09:00:00+08:00 open 2026-11-02T20:30:00+08:00",
			"2026-11-02T11:29:59+08:00 open 2026-11-02T20:30:00+08:00",
			"2026-11-02T11:30:00+08:00 shut 2026-11-02T20:30:00+08:00",
			"2026-11-02T20:30:00+08:00 open 2026-11-03T09:00:00+08:00",
			"2026-11-03T00:00:00+08:00 open 2026-11-03T09:00:00+08:00",
			"2026-11-03T02:45:00+08:00 shut 2026-11-03T09:00:00+08:00",
			"2026-11-06T23:59:59+08:00 open 2026-11-09T09:00:00+08:00", // Friday night
			"2026-11-07T02:44:59+08:00 open 2026-11-09T09:00:00+08:00",
			"2026-11-07T02:45:00+08:00 shut 2026-11-09T09:00:00+08:00",
			"2026-11-07T21:00:00+08:00 shut 2026-11-09T09:00:00+08:00",
			"2026-11-08T12:00:00+08:00 shut 2026-11-09T09:00:00+08:00",
			"2026-11-06T18:44:59Z open 2026-11-09T09:00:00+08:00", // any zone will do
		}},
		{"cn-futures", "Asia/Shanghai", holidays, []string{
			"2025-01-24T22:00:00+08:00 open 2025-01-27T08:55:00+08:00", // plain weekend; on Sunday others work
			"2025-01-26T10:00:00+08:00 shut 2025-01-27T08:55:00+08:00",
			"2025-01-27T15:15:00+08:00 shut 2025-02-05T08:55:00+08:00", // Spring Festival 2025
			"2025-02-04T21:00:00+08:00 shut 2025-02-05T08:55:00+08:00",
			"2025-02-05T21:00:00+08:00 open 2025-02-06T08:55:00+08:00",
			"2025-09-30T21:00:00+08:00 shut 2025-10-09T08:55:00+08:00", // National Day 2025
			"2025-10-08T21:00:00+08:00 shut 2025-10-09T08:55:00+08:00",
			"2025-12-31T21:00:00+08:00 shut 2026-01-05T08:55:00+08:00",
			"2026-02-13T15:14:59+08:00 open 2026-02-24T08:55:00+08:00", // Spring Festival 2026
			"2026-02-13T15:15:00+08:00 shut 2026-02-24T08:55:00+08:00",
			"2026-02-13T21:00:00+08:00 shut 2026-02-24T08:55:00+08:00",
			"2026-02-14T01:00:00+08:00 shut 2026-02-24T08:55:00+08:00",
			"2026-02-14T10:00:00+08:00 shut 2026-02-24T08:55:00+08:00",
			"2026-02-23T21:00:00+08:00 shut 2026-02-24T08:55:00+08:00",
			"2026-02-24T08:54:59+08:00 shut 2026-02-24T08:55:00+08:00",
			"2026-02-27T21:00:00+08:00 open 2026-03-02T08:55:00+08:00", // on Saturday others work
			"2026-04-03T21:00:00+08:00 shut 2026-04-07T08:55:00+08:00", // Qingming, Saturday to Monday
			"2026-04-30T21:00:00+08:00 shut 2026-05-06T08:55:00+08:00", // Labour Day, from a Friday
			"2026-06-18T21:00:00+08:00 shut 2026-06-22T08:55:00+08:00", // Friday to Sunday
			"2026-06-22T21:00:00+08:00 open 2026-06-23T08:55:00+08:00",
			"2026-09-30T21:00:00+08:00 shut 2026-10-08T08:55:00+08:00", // National Day 2026
		}},
		{"cn-futures", "Asia/Shanghai", "2026-11-09 2026-11-11 2026-11-15 2026-11-21 2026-12-01..2026-12-04", []string{
			"2026-11-06T21:00:00+08:00 shut 2026-11-10T08:55:00+08:00", // before a Monday alone
			"2026-11-10T15:15:00+08:00 shut 2026-11-12T08:55:00+08:00", // around a Wednesday
			"2026-11-11T21:00:00+08:00 shut 2026-11-12T08:55:00+08:00",
			"2026-11-13T21:00:00+08:00 shut 2026-11-16T08:55:00+08:00", // before a Sunday alone
			"2026-11-20T21:00:00+08:00 shut 2026-11-23T08:55:00+08:00", // before a Saturday alone
			"2026-11-27T21:00:00+08:00 open 2026-11-30T08:55:00+08:00", // a weekend and a Monday before one
			"2026-11-30T21:00:00+08:00 shut 2026-12-07T08:55:00+08:00",
		}},
		// What is a night session, and what does not have to be one.
		{"17:59-24:00;18:00-19:00;00:00-03:00", "Asia/Shanghai", "2026-11-11", []string{
			"2026-11-10T17:59:00+08:00 open 2026-11-12T00:00:00+08:00",
			"2026-11-10T23:59:59+08:00 open 2026-11-12T00:00:00+08:00",
			"2026-11-11T00:00:00+08:00 shut 2026-11-12T00:00:00+08:00",
			"2026-11-09T18:30:00+08:00 open 2026-11-10T00:00:00+08:00",
		}},
		{"18:00-19:00", "Asia/Shanghai", "2026-11-11", []string{"2026-11-10T12:00:00+08:00 shut 2026-11-12T18:00:00+08:00"}},
		{"10:00-00:01", "Asia/Shanghai", "2026-11-11", []string{"2026-11-10T12:00:00+08:00 shut 2026-11-12T10:00:00+08:00"}},
		{"10:00-00:00", "Asia/Shanghai", "2026-11-11", []string{"2026-11-10T12:00:00+08:00 open 2026-11-12T10:00:00+08:00"}},
		// A Saturday or Sunday with sessions is no weekend: the night before it trades.
		{"21:00-02:00", "Asia/Shanghai", "2026-11-09", []string{
			"2026-11-06T22:00:00+08:00 open 2026-11-07T21:00:00+08:00",
			"2026-11-08T22:00:00+08:00 shut 2026-11-10T21:00:00+08:00",
		}},
		// A Wednesday without sessions is none either: the holiday is far away.
		{"Tue 21:00-02:00", "Asia/Shanghai", "2026-11-12",
			[]string{"2026-11-10T22:00:00+08:00 open 2026-11-17T21:00:00+08:00"}},
		{always, "Asia/Shanghai", "2026-11-11", []string{
			"2026-11-10T23:59:59+08:00 open 2026-11-12T00:00:00+08:00",
			"2026-11-11T00:00:00+08:00 shut 2026-11-12T00:00:00+08:00",
			"2026-11-12T00:00:00+08:00 open 2026-11-13T00:00:00+08:00",
		}},
		// Overlapping sessions open one after the other.
		{"09:00-12:00;10:00-11:00", "Asia/Shanghai", none, []string{
			"2026-11-10T09:30:00+08:00 open 2026-11-10T10:00:00+08:00",
			"2026-11-10T11:30:00+08:00 open 2026-11-11T09:00:00+08:00",
		}},
		{"Mon 09:00-10:00", "Asia/Shanghai", "2026-11-01..2026-11-30\n2026-12-01..2026-12-16", []string{
			"2026-11-11T00:00:00+08:00 shut 2026-12-21T09:00:00+08:00", // 40 days ahead
			"2026-11-10T23:59:59+08:00 shut never",
		}},
		{"Mon 09:00-10:00", "Asia/Shanghai", "2026-11-01..2026-11-30\n2026-12-01..2026-12-31\n2027-01-01..2027-01-31",
			[]string{"2026-11-10T00:00:00+08:00 shut never"}},
		// Chicago goes to summer time on 2026-03-08 at 02:00 and back on 2026-11-01 at 02:00, both Sundays.
		{"Sun-Fri 17:00-16:00", "America/Chicago", "2026-05-25", []string{
			"2026-03-06T16:30:00-06:00 shut 2026-03-06T17:00:00-06:00",
			"2026-03-07T15:59:59-06:00 open 2026-03-08T17:00:00-05:00",
			"2026-03-07T16:00:00-06:00 shut 2026-03-08T17:00:00-05:00",
			"2026-03-08T16:59:59-05:00 shut 2026-03-08T17:00:00-05:00",
			"2026-03-08T17:00:00-05:00 open 2026-03-09T17:00:00-05:00",
			"2026-10-31T16:00:00-05:00 shut 2026-11-01T17:00:00-06:00",
			"2026-11-01T16:59:59-06:00 shut 2026-11-01T17:00:00-06:00",
			"2026-11-02T16:00:00-06:00 shut 2026-11-02T17:00:00-06:00",
			"2026-05-22T17:00:00-05:00 open 2026-05-26T17:00:00-05:00", // Monday is a holiday, Sunday its evening before
		}},
		{"Sat 17:00-16:00", "America/Chicago", none, []string{ // 22 hours, then 24
			"2026-03-08T15:59:59-05:00 open 2026-03-14T17:00:00-05:00",
			"2026-03-08T16:00:00-05:00 shut 2026-03-14T17:00:00-05:00",
			"2026-11-01T15:59:59-06:00 open 2026-11-07T17:00:00-06:00",
			"2026-11-01T16:00:00-06:00 shut 2026-11-07T17:00:00-06:00",
		}},
		{"02:00-03:00", "America/Chicago", none, []string{ // skipped once, and never twice
			"2026-03-07T03:00:00-06:00 shut 2026-03-09T02:00:00-05:00",
			"2026-03-08T03:00:00-05:00 shut 2026-03-09T02:00:00-05:00",
			"2026-11-01T01:59:59-05:00 shut 2026-11-01T02:00:00-06:00",
			"2026-11-01T02:00:00-06:00 open 2026-11-02T02:00:00-06:00",
		}},
		// London goes to summer time on 2026-03-29 at 01:00 and back on 2026-10-25 at 02:00, both Sundays.
		{"01:15-01:45", "Europe/London", none, []string{
			"2026-03-28T02:00:00Z shut 2026-03-30T01:15:00+01:00",
			"2026-03-29T01:30:00Z shut 2026-03-30T01:15:00+01:00",
			"2026-10-25T01:14:59+01:00 shut 2026-10-25T01:15:00+01:00",
			"2026-10-25T01:15:00+01:00 open 2026-10-26T01:15:00Z", // one session of an hour and a half
			"2026-10-25T01:50:00+01:00 open 2026-10-26T01:15:00Z",
			"2026-10-25T01:44:59Z open 2026-10-26T01:15:00Z",
			"2026-10-25T01:45:00Z shut 2026-10-26T01:15:00Z",
		}},
		{"01:30-08:00;20:00-01:30", "Europe/London", none, []string{
			"2026-03-29T00:59:59Z open 2026-03-29T02:00:00+01:00", // both at the jump
			"2026-03-29T02:00:00+01:00 open 2026-03-29T20:00:00+01:00",
			"2026-10-25T01:29:59+01:00 open 2026-10-25T01:30:00+01:00",
			"2026-10-25T01:30:00+01:00 open 2026-10-25T20:00:00Z",
		}},
		{"Mon-Fri 08:00-16:30", "Europe/London", none, []string{
			"2026-03-27T16:30:00Z shut 2026-03-30T08:00:00+01:00",
			"2026-10-23T16:30:00+01:00 shut 2026-10-26T08:00:00Z",
		}},
		// São Paulo's summer time came on 2018-11-04 at 00:00 and went on 2018-02-18 at 00:00.
		{"Sat 22:00-24:00;Sun 00:00-01:30", "America/Sao_Paulo", none, []string{
			"2018-11-03T23:59:59-03:00 open 2018-11-04T01:00:00-02:00",
			"2018-11-04T01:00:00-02:00 open 2018-11-10T22:00:00-02:00",
			"2018-02-17T23:30:00-02:00 open 2018-02-18T00:00:00-03:00",
			"2018-02-17T23:59:59-03:00 open 2018-02-18T00:00:00-03:00",
		}},
		// St John's went back over midnight: 2010-11-07 at 00:01 was 2010-11-06, 23:01, again.
		{"Sun 00:00-01:00;Sat 23:45-23:50", "America/St_Johns", none, []string{
			"2010-11-06T23:44:59-02:30 shut 2010-11-06T23:45:00-02:30",
			"2010-11-06T23:59:59-02:30 open 2010-11-07T00:00:00-02:30",
			"2010-11-06T23:30:00-03:30 open 2010-11-13T23:45:00-03:30",
			"2010-11-07T01:00:00-03:30 shut 2010-11-13T23:45:00-03:30",
		}},
		// Apia had no 2011-12-30, a Friday.
		{"09:00-17:00", "Pacific/Apia", none, []string{"2011-12-29T17:00:00-10:00 shut 2011-12-31T09:00:00+14:00"}},
	} {
		c := calendar(t, test.specs, test.loc, test.holidays)
		for _, text := range test.cases {
			words := strings.Fields(text)
			at, err := time.Parse(time.RFC3339, words[0])
			if err != nil {
				t.Fatal(err)
			}
			open, next := c.At(at)
			got := next.Format(time.RFC3339)
			if next.IsZero() {
				got = "never"
			}
			if (words[1] == "open") != open || words[2] != got {
				t.Errorf("%s: %s: open %v, next %s", test.specs, text, open, got)
			}
		}
	}
}

func TestAlways(t *testing.T) {
	for range 2 {
		c, err := Parse(nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Time{{}, time.Unix(1e9, 0)} {
			if open, next := c.At(at); !open || !next.IsZero() {
				t.Errorf("open %v, next %v", open, next)
			}
		}
	}
}

// TestSpellings has pairs that mean the same.
func TestSpellings(t *testing.T) {
	for spec, same := range map[string]string{
		"mon-FRI 09:00-11:30":                   "Mon,Tue,Wed,Thu,Fri 09:00-11:30",
		"Sat-Mon 9:00-10:00":                    "Mon,Sat,Sun 09:00-10:00",
		"Sun-Thu 00:00-24:00":                   "Thu-Thu,Sun-Wed 0:00-24:00",
		"20:30-02:45":                           "Mon-Sun 20:30-02:45",
		"  Fri\t20:00-00:00 ":                   "Fri 20:00-24:00",
		"Sun-Sat 01:00-02:00":                   "Tue-Mon 01:00-02:00",
		" CN-Futures ":                          "cn-futures",
		"Mon-Thu,Sat,Wed-Thu,Sat-Sat 1:00-2:00": "Mon-Thu,Sat 01:00-02:00",
	} {
		a, b := calendar(t, spec, "UTC", ""), calendar(t, same, "UTC", "")
		if !slices.Equal(a.sessions, b.sessions) {
			t.Errorf("%q is %v, %q is %v", spec, a.sessions, same, b.sessions)
		}
	}
}

func TestWrongSpecs(t *testing.T) {
	for spec, want := range map[string]string{
		"":                       "it has no hours",
		" \t":                    "it has no hours",
		"Mon-Fri":                "it has no hours",
		"cn-future":              "it has no hours",
		"Mon-Fry 9-15":           "'Fry' is not a day",
		"Monday 09:00-10:00":     "'Monday' is not a day",
		"Mon-Tue-Wed 9:00-10:00": "'Tue-Wed' is not a day",
		"\u017fun 09:00-10:00":   "'\u017fun' is not a day",
		"Mon, 09:00-10:00":       "a day is missing",
		"-Fri 09:00-10:00":       "a day is missing",
		"Mon- 09:00-10:00":       "a day is missing",
		"Mon Tue 09:00-10:00":    "'09:00-10:00' is too much",
		"Mon 09:00 - 10:00":      "'-' is too much",
		"Mon 09:00":              "'09:00' is not two times with a plain '-' between them",
		"Mon 09:00\u201310:00":   "'09:00\u201310:00' is not two times with a plain '-' between them",
		"Mon cn-futures":         "'cn' is not a time from 00:00 to 24:00",
		"Mon 9-15":               "'9' is not a time from 00:00 to 24:00",
		"Mon 09:00-":             "'' is not a time from 00:00 to 24:00",
		"Mon 09:00-10:00-11:00":  "'10:00-11:00' is not a time from 00:00 to 24:00",
		"Mon 09:00-10:60":        "'10:60' is not a time from 00:00 to 24:00",
		"Mon 09:00-24:01":        "'24:01' is not a time from 00:00 to 24:00",
		"Mon 09:00-25:00":        "'25:00' is not a time from 00:00 to 24:00",
		"Mon 09:00-10:00:00":     "'10:00:00' is not a time from 00:00 to 24:00",
		"Mon 09:00-10:00,5":      "'10:00,5' is not a time from 00:00 to 24:00",
		"Mon 09:00-1:5":          "'1:5' is not a time from 00:00 to 24:00",
		"Mon 009:00-10:00":       "'009:00' is not a time from 00:00 to 24:00",
		"Mon +9:00-10:00":        "'+9:00' is not a time from 00:00 to 24:00",
		"Mon \uff10\uff19:00-10": "'\uff10\uff19:00' is not a time from 00:00 to 24:00",
		"Mon 9am-5pm":            "'9am' is not a time from 00:00 to 24:00",
		"24:00-02:00":            "24:00 is an end only",
		"24:00-24:00":            "24:00 is an end only",
		"9:00-09:00":             "it closes when it opens, at 9:00 (all day is 00:00-24:00)",
		"00:00-00:00":            "it closes when it opens, at 00:00 (all day is 00:00-24:00)",
	} {
		want = "'" + spec + "' is not a session: " + want + "; use one such as Mon-Fri 20:30-02:45 or cn-futures"
		if c, err := Parse([]string{"cn-futures", spec}, time.UTC, nil); err == nil || err.Error() != want {
			t.Errorf("Parse(%q) = %v, %v; want the error %q", spec, c, err, want)
		}
	}
}

// FuzzAt compares At with clocks that are read: in session is a matter of what they show.
func FuzzAt(f *testing.F) {
	zones := []*time.Location{time.UTC, zone(f, "Asia/Shanghai"), zone(f, "America/Chicago"), zone(f, "Europe/London"),
		zone(f, "America/Sao_Paulo"), zone(f, "America/St_Johns"), zone(f, "Pacific/Apia"), zone(f, "Australia/Lord_Howe")}
	for i, spec := range []string{"Mon-Fri 20:30-02:45", "cn-futures", "Sun-Fri 17:00-16:00", "01:15-01:45",
		"Sat-Mon,Wed 0:00-24:00", "23:59-23:58", "Mon-Fry 9-15"} {
		f.Add(spec, int64(1793491200), uint8(i), uint16(0))
		f.Add(spec, int64(1772950000), uint8(i), uint16(1<<12))
	}
	f.Fuzz(func(t *testing.T, spec string, unix int64, zone uint8, holiday uint16) {
		loc := zones[int(zone)%len(zones)]
		c, err := Parse([]string{spec}, loc, nil)
		if err != nil {
			if !strings.Contains(err.Error(), "'"+spec+"'") {
				t.Fatalf("the error %q does not quote %q", err, spec)
			}
			return
		}
		at := time.Unix(unix%(1<<32), 0) // 1833 to 2106
		open, next := c.At(at)
		if !next.After(at) || next.Sub(at) > 15*24*time.Hour {
			t.Fatalf("%q at %v: next is %v", spec, at.In(loc), next)
		}
		if again, _ := c.At(next); !again {
			t.Fatalf("%q is not in session when it opens, %v", spec, next)
		}
		// Without changes of the clocks nearby, they say by themselves what is in session.
		steady := func(at time.Time) bool {
			start, end := at.In(loc).ZoneBounds()
			return (start.IsZero() || at.Sub(start) > 48*time.Hour) && (end.IsZero() || end.Sub(at) > 48*time.Hour)
		}
		shows := func(at time.Time) bool {
			at = at.In(loc)
			sinceMidnight := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute +
				time.Duration(at.Second())*time.Second
			today := int(at.Weekday())
			return slices.ContainsFunc(c.sessions, func(h hours) bool {
				return h.days[today] && h.open <= sinceMidnight && sinceMidnight < h.close ||
					h.days[(today+6)%7] && sinceMidnight+midnight < h.close
			})
		}
		if steady(at) && open != shows(at) {
			t.Fatalf("%q at %v: in session %v", spec, at.In(loc), open)
		}
		if before := next.Add(-time.Second); before.After(at) && !open {
			for ; before.After(at); before = before.Add(-10 * time.Minute) {
				if steady(before) && shows(before) {
					t.Fatalf("%q at %v: next is %v, but %v is in session", spec, at.In(loc), next, before.In(loc))
				}
			}
		}
		// A holiday closes what opens on it or is a night before it, and opens nothing.
		y, m, d := at.In(loc).Date()
		day := time.Date(y, m, d+int(holiday%40), 0, 0, 0, 0, time.UTC)
		c.holidays = Holidays{{day, day.AddDate(0, 0, int(holiday>>8)%16)}}
		c.closed = c.holidays.merged()
		openThen, nextThen := c.At(at)
		if openThen && !open || nextThen.Before(next) && !nextThen.IsZero() {
			t.Fatalf("%q at %v with holidays %v: %v, %v; without %v, %v", spec, at.In(loc), c.holidays, openThen, nextThen,
				open, next)
		}
		if y, m, d := nextThen.Date(); c.closed.has(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)) {
			t.Fatalf("%q at %v with holidays %v opens on %v", spec, at.In(loc), c.holidays, nextThen)
		}
	})
}
