package session

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// write spells holidays as ParseHolidays reads them.
func (h Holidays) write() string {
	var b strings.Builder
	for _, s := range h {
		b.WriteString(s.first.Format(time.DateOnly) + ".." + s.last.Format(time.DateOnly) + "\n")
	}
	return b.String()
}

func TestParseHolidays(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"\ufeff":                              "",
		"# none\r\n\r\n \t\n#":                "",
		"2026-10-01":                          "2026-10-01..2026-10-01\n",
		"\ufeff2026-10-01..2026-10-08\r\n":    "2026-10-01..2026-10-08\n",
		" 2026-10-01 ..\t2026-10-08 # autumn": "2026-10-01..2026-10-08\n",
		"2026-05-01#Labour Day\n2026-01-01\n": "2026-05-01..2026-05-01\n2026-01-01..2026-01-01\n",
		"2024-02-29..2024-02-29\n2024-02-29":  "2024-02-29..2024-02-29\n2024-02-29..2024-02-29\n",
		"2025-12-31..2026-01-03":              "2025-12-31..2026-01-03\n",

		// What people have: names, other spellings of a date, a heading.
		"2026-10-01 国庆节":                        "2026-10-01..2026-10-01\n",
		"2026-10-01,国庆节\r\n2026-01-01，元旦":       "2026-10-01..2026-10-01\n2026-01-01..2026-01-01\n",
		"20261001\n2026/10/02\n2026/1/3;x":      "2026-10-01..2026-10-01\n2026-10-02..2026-10-02\n2026-01-03..2026-01-03\n",
		"20261001..20261007\tNational Day":      "2026-10-01..2026-10-07\n",
		"2026/10/1 .. 2026/10/7,国庆节":            "2026-10-01..2026-10-07\n",
		"# of 2026\n日期,节日\n2026-10-01,国庆节":      "2026-10-01..2026-10-01\n",
		"\ufeffdate;holiday\n2026-10-01;x":      "2026-10-01..2026-10-01\n",
		"2026-10-01 # \xb9\xfa\xc7\xec, in GBK": "2026-10-01..2026-10-01\n",
	} {
		if h, err := ParseHolidays(strings.NewReader(text), "x"); err != nil || h.write() != want {
			t.Errorf("%q reads %q, %v; want %q", text, h.write(), err, want)
		}
	}
}

// TestWrongHolidays: the error has the line's number and the reason, and no text of the file.
func TestWrongHolidays(t *testing.T) {
	const noDate, noDay = "there is no date where one should begin", "there is no such day"
	const digits, noBlank = "digits follow the date; give each date or range a line of its own, and" +
		" put # before other digits",
		"neither a blank nor a comma follows the date"
	for text, want := range map[string]string{
		"2026-02-30":                  noDay,
		"2025-02-29":                  noDay,
		"2026-13-01":                  noDay,
		"20261301":                    noDay,
		"2026/2/30":                   noDay,
		"2026-10-1":                   noDate,
		"26-10-01":                    noDate,
		"10-01":                       noDate,
		"heading":                     noDate, // not where the file starts
		"2026-10-01..":                noDate,
		"..2026-10-01":                noDate,
		"2026-10-01...2026-10-08":     noDate,
		"2026-10-01..10-08":           noDate,
		"\ufeff2026-10-01":            noDate, // not where the file starts
		"\uff12\uff10\uff12\uff16":    noDate,
		"2026-10-01, 2026-10-02":      digits,
		"2026-10-01 - 2026-10-07":     digits,
		"2026-10-01 至 10月7日":          digits,
		"2026-10-01-2026-10-08":       noBlank,
		"2026-10-01~2026-10-08":       noBlank,
		"2026-10-01T00:00:00Z":        noBlank,
		"202610011":                   noBlank,
		"2026-10-08..2026-10-01":      "it ends before it starts",
		"2026-10-01..2026-11-01":      "it is over 31 days long",
		"2026-10-01 \xb9\xfa\xc7\xec": "not UTF-8: if it is GBK, write it into another file with iconv -f GBK -t UTF-8",
	} {
		h, err := ParseHolidays(strings.NewReader("# two lines before\n2026-01-01\n"+text+" # and more\n2026-01-02\n"),
			"/etc/holidays")
		if h != nil || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "3: ") ||
			strings.Contains(strings.ReplaceAll(err.Error(), "write 2026-10-01 or 2026-10-01..2026-10-07", ""), text) {
			t.Errorf("%q: %v, %v; want the error %q", text, h, err, want)
		}
	}
	if h, err := ParseHolidays(strings.NewReader("2\x000\x002\x006\x00\n"), "utf16"); h != nil || err == nil ||
		err.Error() != "line 1: not text but binary: give a file of plain text, in utf16" {
		t.Errorf("%v, %v", h, err)
	}
	if h, err := ParseHolidays(strings.NewReader("\xff\xfe2\x000\x00"), "utf16"); h != nil || err == nil ||
		!strings.HasPrefix(err.Error(), "not UTF-8 but UTF-16: write it into another file with iconv -f UTF-16 -t UTF-8") {
		t.Errorf("%v, %v", h, err)
	}
	cut := io.MultiReader(strings.NewReader("2026-01-01\n2026-01-02\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if h, err := ParseHolidays(cut, "cut"); h != nil || !errors.Is(err, io.ErrUnexpectedEOF) ||
		!strings.HasSuffix(err.Error(), ", in cut") {
		t.Errorf("%v, %v", h, err)
	}
	if h, err := ParseHolidays(strings.NewReader("\n#"+strings.Repeat("x", 1<<17)), "long"); h != nil || err == nil ||
		err.Error() != "line 2: over 65536 bytes long: line breaks were lost, or it is no text, in long" {
		t.Errorf("%v, %v", h, err)
	}
}

func FuzzParseHolidays(f *testing.F) {
	for _, text := range []string{"", "2026-10-01", "2026-10-01..2026-10-08 # x\r\n\n# y\n2026-01-01",
		"\ufeff2026-10-08..2026-10-01", "2026-02-30", "..", "0000-01-01..9999-12-31"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHolidays(strings.NewReader(text), "name")
		if err != nil {
			if !strings.HasSuffix(err.Error(), ", in name") || h != nil {
				t.Fatalf("%v, %v", h, err)
			}
			return
		}
		days := h.merged()
		for _, s := range h {
			if s.first.After(s.last) || !days.has(s.first) || !days.has(s.last) {
				t.Fatalf("%q reads %v", text, h)
			}
		}
		same := []string{h.write()}
		if !strings.HasPrefix(text, "\ufeff") {
			same = append(same, "\ufeff"+strings.ReplaceAll(text, "\n", "\r\n"))
		}
		for _, other := range same {
			if again, err := ParseHolidays(strings.NewReader(other), "name"); err != nil || !slices.Equal(again, h) {
				t.Fatalf("%q reads %v, but %q reads %v, %v", text, h, other, again, err)
			}
		}
	})
}
