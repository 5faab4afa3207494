// Package session knows when a market trades: weekly trading hours, their time
// zone and the public holidays. It is told what time it is and reads no clock.
//
// A session belongs to the day on which it opens. On a holiday none opens, and one
// that has opened runs to its end: Friday's night session into Saturday.
//
// A night session is one that runs past midnight or opens at 18:00 or later. None
// opens on the evening before a holiday. None opens before a weekend with a holiday
// in it or after it: on Friday if Saturday, Sunday or Monday is a holiday. The
// Chinese exchanges have this rule. A weekend alone closes nothing. It is made of the
// Saturdays and Sundays on which no session ever opens.
//
// Times are those of the wall clock. Where clocks go back, a session opens at the
// first time that they show its opening and closes at the last time that they show
// its close. If they jump over an opening or a close, it takes place at the moment of
// the jump. A session that they jump over as a whole does not take place.
package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Calendar is when a market trades. The zero Calendar is always in session.
type Calendar struct {
	sessions []hours
	loc      *time.Location
	holidays Holidays
	closed   Holidays // the holidays in order, as spans of days that do not overlap
	opens    [7]bool  // the weekdays on which any session opens
}

// hours is a session that takes place every week.
type hours struct {
	days        [7]bool       // the weekdays on which it opens
	open, close time.Duration // since the midnight that this day starts with, open < close < open + 24 h
}

// Named is a calendar that Parse knows by name.
type Named struct {
	Name string
	// Days is when each of the sessions opens, Hours from when to when.
	Days  string
	Hours []string
}

// Calendars are those that Parse knows by name. Day and night sessions start with the call
// auction. At night gold and oil close last, at 02:30.
//
// cn-futures has no break from 10:15 to 10:30: commodities pause, but index futures trade. From
// 11:30 to 13:00 nothing trades. Index futures resume first, and bonds close last, at 15:15.
// cn-commodities has the pauses of the commodity exchanges, in which a front may send nothing.
var Calendars = []Named{
	{"cn-futures", "Mon-Fri", []string{"08:55-11:30", "13:00-15:15", "20:55-02:30"}},
	{"cn-commodities", "Mon-Fri", []string{"08:55-10:15", "10:30-11:30", "13:30-15:15", "20:55-02:30"}},
}

// String returns the hours in one line: "Mon-Fri 08:55-11:30, 13:00-15:15, 20:55-02:30".
func (n Named) String() string { return n.Days + " " + strings.Join(n.Hours, ", ") }

// expand returns the sessions of a named calendar, and the spec itself if it is no name.
func expand(spec string) (weekly []string) {
	name := strings.ToLower(strings.TrimSpace(spec))
	i := slices.IndexFunc(Calendars, func(n Named) bool { return n.Name == name })
	if i < 0 {
		return []string{spec}
	}
	for _, hours := range Calendars[i].Hours {
		weekly = append(weekly, Calendars[i].Days+" "+hours)
	}
	return weekly
}

const (
	midnight = 24 * time.Hour // the end of a day
	// horizon is how many days ahead an opening or a close is looked for: longer than any
	// holiday of a market.
	horizon = 40
	// maxSessions is how many sessions a calendar may have. A market has fewer than ten in a
	// week, and the time to judge a calendar grows with their number.
	maxSessions = 500
)

// Parse reads sessions, one in each spec, their zone and the holidays, which may be nil.
// Without a spec the Calendar is always in session, whatever the holidays.
//
//	Mon-Fri 09:00-11:30       from 09:00 on, and 11:30 is no longer in session
//	Sun-Thu,Sat 20:30-02:45   until 02:45 of the next day
//	00:00-24:00               every day, all day
//	cn-futures                one of Calendars
//
// Days are Mon to Sun in either case; a range of days may run over the end of the
// week. Times are 00:00 to 23:59, or 24:00 as an end. A night session is one spec, not
// two that meet at midnight, of which the second would be a session of the next day.
// The error quotes the spec and says what is wrong with it.
func Parse(specs []string, loc *time.Location, holidays Holidays) (Calendar, error) {
	c := Calendar{loc: loc, holidays: holidays, closed: holidays.merged()}
	if len(specs) > maxSessions {
		return Calendar{}, fmt.Errorf("%d sessions, and a calendar may have %d", len(specs), maxSessions)
	}
	for _, spec := range specs {
		for _, s := range expand(spec) {
			h, err := parse(s)
			if err != nil {
				const such = "use one such as Mon-Fri 20:30-02:45 or cn-futures"
				return Calendar{}, fmt.Errorf("'%s' is not a session: %w; %s", spec, err, such)
			}
			c.sessions = append(c.sessions, h)
			for day := range h.days {
				c.opens[day] = c.opens[day] || h.days[day]
			}
		}
	}
	return c, nil
}

func parse(spec string) (h hours, err error) {
	days, times := "Sun-Sat", ""
	switch words := strings.Fields(spec); {
	case len(words) == 1 && strings.Contains(spec, ":"):
		times = words[0]
	case len(words) == 2:
		days, times = words[0], words[1]
	case len(words) > 2:
		return h, fmt.Errorf("'%s' is too much", words[2])
	default:
		return h, errors.New("it has no hours")
	}
	if h.days, err = parseDays(days); err != nil {
		return h, err
	}
	open, end, isRange := strings.Cut(times, "-")
	if !isRange {
		return h, fmt.Errorf("'%s' is not two times with a plain '-' between them", times)
	}
	if h.open, err = parseTime(open); err != nil {
		return h, err
	}
	if h.close, err = parseTime(end); err != nil {
		return h, err
	}
	switch {
	case h.open == midnight:
		return h, errors.New("24:00 is an end only")
	case h.open == h.close:
		return h, fmt.Errorf("it closes when it opens, at %s (all day is 00:00-24:00)", open)
	case h.open > h.close:
		h.close += midnight
	}
	return h, nil
}

// parseDays reads "Mon-Thu,Sat".
func parseDays(s string) (days [7]bool, err error) {
	for _, part := range strings.Split(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		day, err := parseDay(first)
		if err != nil {
			return days, err
		}
		end, err := parseDay(last)
		if err != nil {
			return days, err
		}
		for days[day] = true; day != end; days[day] = true {
			day = (day + 1) % 7
		}
	}
	return days, nil
}

// parseDay returns the day's time.Weekday.
func parseDay(s string) (int, error) {
	if s == "" {
		return 0, errors.New("a day is missing")
	}
	day := slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, strings.ToLower(s))
	if day < 0 {
		return 0, fmt.Errorf("'%s' is not a day", s)
	}
	return day, nil
}

// parseTime returns the time since midnight, 24 h at most.
func parseTime(s string) (time.Duration, error) {
	if s == "24:00" {
		return midnight, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("'%s' is not a time from 00:00 to 24:00", s)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

// At reports whether t is in session and when, after t, a session opens next, in the
// zone of the sessions. When t is in session, that may be an opening before its end
// if sessions overlap. The zero time says that none opens in the next 40 days, or that
// the Calendar is always in session.
func (c Calendar) At(t time.Time) (open bool, next time.Time) {
	if len(c.sessions) == 0 {
		return true, next
	}
	for _, s := range c.timesFrom(t, horizon) {
		if s.open.After(t) {
			return open, s.open
		}
		open = open || s.close.After(t)
	}
	return open, next
}

// Until returns when the session that t is in ends, in the zone of the sessions. One that
// opens when another ends, or before, continues it. The zero time says that t is in no
// session, or that none ends in the next 40 days.
func (c Calendar) Until(t time.Time) time.Time {
	end := t
	for _, s := range c.timesFrom(t, horizon+1) {
		if s.open.After(end) {
			break
		}
		if s.close.After(end) {
			end = s.close
		}
	}
	if !end.After(t) || end.Sub(t) > horizon*24*time.Hour {
		return time.Time{}
	}
	return end
}

// times is when a session takes place.
type times struct{ open, close time.Time }

// timesFrom returns the sessions of the day before t, of its day and of so many days after, in the
// order of their openings. Those of the day before may still run.
func (c Calendar) timesFrom(t time.Time, days int) (list []times) {
	if len(c.sessions) == 0 {
		return nil
	}
	y, m, d := t.In(c.loc).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	for n := -1; n <= days; n++ {
		day := today.AddDate(0, 0, n)
		for _, h := range c.sessions {
			if !c.takesPlace(h, day) {
				continue
			}
			s := times{instant(day.Add(h.open), c.loc, false), instant(day.Add(h.close), c.loc, true)}
			if s.open.Before(s.close) {
				list = append(list, s)
			}
		}
	}
	slices.SortFunc(list, func(a, b times) int { return a.open.Compare(b.open) })
	return list
}

// HasSessions reports whether the Calendar has any; without them it is always in session.
func (c Calendar) HasSessions() bool { return len(c.sessions) > 0 }

// Today returns the date that t has in the zone of the sessions, as its midnight in UTC.
func (c Calendar) Today(t time.Time) time.Time {
	if c.loc != nil {
		t = t.In(c.loc)
	}
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// Holidays returns the holidays that Parse was given.
func (c Calendar) Holidays() Holidays { return c.holidays }

// takesPlace reports whether the session opens on the day, which is its midnight in UTC.
func (c Calendar) takesPlace(h hours, day time.Time) bool {
	if !h.days[day.Weekday()] || c.closed.has(day) {
		return false
	}
	if night := h.close > midnight || h.open >= 18*time.Hour; !night {
		return true
	}
	for day = day.AddDate(0, 0, 1); c.weekend(day.Weekday()) && !c.closed.has(day); {
		day = day.AddDate(0, 0, 1)
	}
	return !c.closed.has(day)
}

func (c Calendar) weekend(day time.Weekday) bool {
	return (day == time.Saturday || day == time.Sunday) && !c.opens[day]
}

// instant returns when the clocks at loc show the time that wall shows in UTC. If they go back and show
// it twice, it returns the first time or, with last, the last. If they jump over it, it returns the moment
// of the jump. time.Date promises none of this. instant considers one change of the clocks: the first one
// after the day before wall.
func instant(wall time.Time, loc *time.Location, last bool) time.Time {
	before := wall.AddDate(0, 0, -1).In(loc)
	_, change := before.ZoneBounds()
	shown := func(at time.Time) time.Time { // with the clocks as they are set at this time
		_, offset := at.Zone()
		return wall.Add(-time.Duration(offset) * time.Second).In(loc)
	}
	first, second := shown(before), shown(change)
	switch {
	case change.IsZero():
		return first
	case last && !second.Before(change):
		return second
	case first.Before(change):
		return first
	case second.Before(change):
		return change
	}
	return second
}
