package plugins

import (
	"strings"
	"testing"
	"time"

	"frontsockets/internal/session"
)

// TestAt: --at judges the calendar as if it were that time, whatever the time is.
func TestAt(t *testing.T) {
	saturday := time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)
	const outside = "OK: outside of all sessions, the next opens "
	for args, want := range map[string]string{
		"--session cn-futures --at 2026-11-25T10:20":              "CRITICAL: :41213 has 60 ",
		"--session cn-futures --at 2026-11-25T03:20:00Z":          "CRITICAL: :41213 has 60 ",
		"--session cn-commodities --at 2026-11-25T10:20":          outside + "Wed 2026-11-25 10:30 CST; ",
		"--session cn-commodities --at 2026-11-25T13:29:59+08:00": outside + "Wed 2026-11-25 13:30 CST; ",
		"--session cn-futures":                                    outside + "Mon 2026-11-30 08:55 CST; ",
	} {
		out, _ := at(saturday, front(60), strings.Fields(args)...)
		if !strings.HasPrefix(out, "MDFRONT "+want) || strings.Contains(out, "(--at)") != strings.Contains(args, "--at") {
			t.Errorf("%s: %s", args, out)
		}
	}
	// A blank in the time, and a zone of its own.
	out, code := at(saturday, front(60),
		"--session", "09:00-17:00", "--session-tz", "Europe/London", "--at", "2026-11-25 16:59", "-v")
	if code != 2 || !strings.Contains(out, "; sessions judged as of Wed 2026-11-25 16:59 GMT (--at) | ") ||
		!strings.Contains(out, "\nsession: open until Wed 2026-11-25 17:00 GMT; no holidays are known (--holidays)\n") {
		t.Errorf("exit %d, %s", code, out)
	}
	// A recording is judged by --at alone.
	file := saved(t, 60)
	out, code = at(noon, MDFront, "-s", "snapshot:"+file, "--session", "cn-futures", "--at", "2026-11-28 12:00")
	if code != 0 || !strings.HasPrefix(out, "MDFRONT "+outside+"Mon 2026-11-30 08:55 CST; ") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// TestHolidaysEnd: a file of holidays that is out of date is told, and changes no status.
func TestHolidaysEnd(t *testing.T) {
	holidays := file(t, "2026-10-01..2026-10-07\n")
	for _, test := range []struct{ holidays, at, note, session string }{
		{holidays, "2026-10-07 22:00", "", "closed until Thu 2026-10-08 08:55 CST; holidays are known to 2026-10-07"},
		{holidays, "2026-10-08 08:55", "; no holidays known after 2026-10-07 (--holidays) | ",
			"open until Thu 2026-10-08 11:30 CST; holidays are known to 2026-10-07"},
		{holidays, "2026-10-08 08:00", "; no holidays known after 2026-10-07 (--holidays) | ",
			"closed until Thu 2026-10-08 08:55 CST; holidays are known to 2026-10-07"},
		{file(t, "# none yet\n"), "2026-10-08 09:00", "; no holidays known (--holidays) | ",
			"open until Thu 2026-10-08 11:30 CST; the file of holidays has no date"},
		{"../contrib/cn-futures/holidays", "2026-12-31 21:30", "",
			"closed until Mon 2027-01-04 08:55 CST; holidays are known to 2027-01-01"},
	} {
		out, code := at(noon, front(0), "--session", "cn-futures", "--holidays", test.holidays, "--at", test.at, "-v")
		first, details, _ := strings.Cut(out, "\n")
		if code != 0 || strings.Contains(first, "no holidays") != (test.note != "") || !strings.Contains(first, test.note) ||
			!strings.Contains(details, "session: "+test.session+"\n") {
			t.Errorf("%s: exit %d, %s", test.at, code, out)
		}
	}
}

// TestSessionsInDocuments: --help and the documents say the hours of every calendar.
func TestSessionsInDocuments(t *testing.T) {
	texts := map[string]string{"--help": MDFront.help()}
	for _, file := range []string{"../README.md", "../README.zh-CN.md", "../docs/REFERENCE.md"} {
		texts[file] = readText(t, file)
	}
	for name, text := range texts {
		plain := strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "`", "")
		for _, c := range session.Calendars {
			if !strings.Contains(plain, c.Name+": "+c.String()) && !strings.Contains(plain, c.Name+"："+c.String()) {
				t.Errorf("%s does not say %s: %s", name, c.Name, c)
			}
		}
	}
}
