package session

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// TestCommodities: as cn-futures, with the pauses of the commodity exchanges.
func TestCommodities(t *testing.T) {
	futures := calendar(t, "cn-futures", "Asia/Shanghai", "2026-10-01..2026-10-07")
	commodities := calendar(t, "CN-commodities", "Asia/Shanghai", "2026-10-01..2026-10-07")
	begin := time.Date(2026, 9, 28, 0, 0, 0, 0, futures.loc)
	for at := begin; at.Before(begin.AddDate(0, 0, 14)); at = at.Add(time.Minute) {
		clock := at.Format("15:04")
		pause := clock >= "10:15" && clock < "10:30" || clock >= "11:30" && clock < "13:30"
		want, _ := futures.At(at)
		if got, _ := commodities.At(at); got != (want && !pause) {
			t.Errorf("%s: in session %v, want %v", at, got, want && !pause)
		}
	}
}

// TestUntil: a session that follows another without a gap continues it.
func TestUntil(t *testing.T) {
	for _, test := range []struct{ specs, at, want string }{
		{"cn-futures", "2026-11-25T10:20:00+08:00", "2026-11-25T11:30:00+08:00"},
		{"cn-futures", "2026-11-25T11:30:00+08:00", ""},
		{"cn-futures", "2026-11-28T01:00:00+08:00", "2026-11-28T02:30:00+08:00"}, // Friday's night
		{"cn-commodities", "2026-11-25T10:20:00+08:00", ""},
		{"Mon 09:00-12:00;Mon 12:00-13:00;Mon 12:30-15:00", "2026-11-23T09:00:00+08:00", "2026-11-23T15:00:00+08:00"},
		{"Mon-Fri 00:00-24:00", "2026-11-25T10:20:00+08:00", "2026-11-28T00:00:00+08:00"},
		{"00:00-24:00", "2026-11-25T10:20:00+08:00", ""}, // it has no end
	} {
		c := calendar(t, test.specs, "Asia/Shanghai", "")
		at, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if until := c.Until(at); !until.IsZero() {
			got = until.Format(time.RFC3339)
		}
		if got != test.want {
			t.Errorf("%s at %s is open until %q, want %q", test.specs, test.at, got, test.want)
		}
	}
	if until := (Calendar{}).Until(time.Now()); !until.IsZero() {
		t.Errorf("what is always in session ends %s", until)
	}
}

// TestUntilByMinutes: Until is the first minute after t at which At finds no session.
func TestUntilByMinutes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var specs []string
		for range 1 + r.IntN(5) {
			open := r.IntN(24 * 60)
			end := (open + 1 + r.IntN(20*60)) % (24 * 60)
			day := [...]string{"Mon", "Tue", "Fri", "Mon-Fri", "Sat", "Sun"}[r.IntN(6)]
			specs = append(specs, fmt.Sprintf("%s %02d:%02d-%02d:%02d", day, open/60, open%60, end/60, end%60))
		}
		c := calendar(t, strings.Join(specs, ";"), "Europe/London", "2026-10-20 2026-10-27..2026-10-28")
		at := time.Date(2026, 10, 19+r.IntN(14), 0, r.IntN(24*60), 0, 0, c.loc)
		want := at
		for open, _ := c.At(want); open && want.Sub(at) < 20*24*time.Hour; open, _ = c.At(want) {
			want = want.Add(time.Minute)
		}
		if got := c.Until(at); want.Equal(at) != got.IsZero() || !got.IsZero() && !got.Equal(want) {
			t.Errorf("%q at %s is open until %s, want %s", specs, at, got, want)
		}
	}
}

// TestLargeCalendar: the largest calendar that can be given is judged in a moment.
func TestLargeCalendar(t *testing.T) {
	var specs []string
	for i := range maxSessions { // each begins where the one before ends
		specs = append(specs, fmt.Sprintf("%02d:%02d-%02d:%02d", i/60, i%60, (i+1)/60, (i+1)%60))
	}
	var text strings.Builder
	for day := range 50_000 {
		fmt.Fprintln(&text, time.Date(1950, 1, 1+2*day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	start := time.Now()
	holidays, err := ParseHolidays(strings.NewReader(text.String()), "holidays")
	if err != nil {
		t.Fatal(err)
	}
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(specs, london, holidays)
	if err != nil {
		t.Fatal(err)
	}
	c.At(time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC))
	c.Until(time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC))
	limit := 2 * time.Second
	if testing.Short() { // under the race detector
		limit *= 10
	}
	if took := time.Since(start); took > limit {
		t.Errorf("%d sessions and 50,000 holidays took %s", len(specs), took)
	} else {
		t.Log(took)
	}
	if _, err := Parse(append(specs, "09:00-10:00"), london, nil); err == nil ||
		err.Error() != "501 sessions, and a calendar may have 500" {
		t.Error(err)
	}
	text.WriteString("2026-01-01\n")
	if _, err := ParseHolidays(strings.NewReader(text.String()), "holidays"); err == nil ||
		err.Error() != "over 50000 lines, in holidays" {
		t.Error(err)
	}
}

func TestLast(t *testing.T) {
	for text, want := range map[string]string{
		"": "0001-01-01", "2026-10-01..2026-10-07\n2026-01-01": "2026-10-07", "2026-01-01": "2026-01-01",
	} {
		h, err := ParseHolidays(strings.NewReader(text), "x")
		if got := h.Last().Format(time.DateOnly); err != nil || h == nil || got != want {
			t.Errorf("%q ends %s, %v; want %s", text, got, err, want)
		}
	}
}

// TestShippedHolidays: the file in contrib has the holidays of TestYears, and of the next year
// what is certain.
func TestShippedHolidays(t *testing.T) {
	f, err := os.Open("../../contrib/cn-futures/holidays")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shipped, err := ParseHolidays(f, "holidays")
	if err != nil {
		t.Fatal(err)
	}
	want := calendar(t, "cn-futures", "UTC", years[2026].holidays+" 2027-01-01").holidays
	for day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2028; day = day.AddDate(0, 0, 1) {
		if got := shipped.merged().has(day); got != want.merged().has(day) {
			t.Errorf("%s is a holiday: %v", day.Format(time.DateOnly), got)
		}
	}
}
