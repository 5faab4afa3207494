package plugins

import (
	"time"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/verdict"
)

// timeLayout is how the answer writes a time of the calendar.
const timeLayout = "Mon 2006-01-02 15:04 MST"

// applySession makes the answer OK outside of all sessions. A recording is judged if
// somebody traded then or trades now. Otherwise a recording that is left from the weekend would
// be OK on Monday. With --at only that time counts.
func (i *inspection) applySession(now time.Time) {
	if !i.settings.calendar.HasSessions() {
		return
	}
	seen := i.Look.Time
	if !i.settings.at.IsZero() {
		now, seen = i.settings.at, i.settings.at
		i.Notes = append(i.Notes, "sessions judged as of "+now.Format(timeLayout)+" (--at)")
	}
	open, next := i.settings.calendar.At(now)
	openThen, _ := i.settings.calendar.At(seen)
	i.Session = i.describeSession(now, open, openThen, next)
	i.noteHolidays(now)
	if open || openThen {
		return
	}
	if next.IsZero() {
		i.Result, i.Failure = nil, "no session opens in the next 40 days, so --session or --holidays are wrong"
		return
	}
	i.Verdict = verdict.OutOfSession
	i.Diagnosis = diagnosis.Diagnosis{Code: diagnosis.Healthy, Text: "outside of all sessions"}
	i.Outside = "outside of all sessions, the next opens " + next.Format(timeLayout)
}

// describeSession returns what -v says of the calendar.
func (i *inspection) describeSession(now time.Time, open, openThen bool, next time.Time) string {
	text := "open"
	switch until := i.settings.calendar.Until(now); {
	case open && !until.IsZero():
		text += " until " + until.Format(timeLayout)
	case !open && next.IsZero():
		text = "closed"
	case !open:
		text = "closed until " + next.Format(timeLayout)
	}
	if !open && openThen {
		text += ", open when the sockets were seen"
	}
	switch holidays := i.settings.calendar.Holidays(); {
	case holidays == nil:
		return text + "; no holidays are known (--holidays)"
	case len(holidays) == 0:
		return text + "; the file of holidays has no date"
	default:
		return text + "; holidays are known to " + holidays.Last().Format(time.DateOnly)
	}
}

// noteHolidays says at the end of the line that the file of holidays is out of date. It
// changes no status: on most days there is no holiday.
func (i *inspection) noteHolidays(now time.Time) {
	holidays := i.settings.calendar.Holidays()
	if holidays == nil {
		return
	}
	switch last := holidays.Last(); {
	case last.IsZero():
		i.Notes = append(i.Notes, "no holidays known (--holidays)")
	case last.Before(i.settings.calendar.Today(now)):
		i.Notes = append(i.Notes, "no holidays known after "+last.Format(time.DateOnly)+" (--holidays)")
	}
}
