package browser

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	mostBytes = 3 << 20 // of the page of a day of 14 fronts
	mostWait  = 2 * time.Second
)

var looks = []look{
	light,
	{name: "dark", lang: "en", colour: "dark", width: 1240},
	{name: "print", lang: "en", media: "print", width: 1040},
	{name: "print while dark", lang: "en", media: "print", colour: "dark", width: 1040},
	{name: "narrow", lang: "en", width: 390},
	{name: "Chinese", lang: "zh", width: 1240},
	{name: "Chinese dark", lang: "zh", colour: "dark", width: 1240},
	{name: "Chinese print", lang: "zh", media: "print", width: 1040},
}

// TestDay opens the page of 14 fronts and a day, in every look.
func TestDay(t *testing.T) {
	log := writeDay(t, lineAt)
	pages := map[string]string{"en": report(t, log, "en"), "zh": report(t, log, "zh")}
	for _, file := range pages {
		checkSize(t, file)
	}
	for _, as := range looks {
		t.Run(as.name, func(t *testing.T) {
			p := open(t, pages[as.lang], as)
			if got := ask[string](t, p, `document.documentElement.lang`); got != as.lang {
				t.Errorf("the language is %s, want %s", got, as.lang)
			}
			if got, want := ask[int](t, p, `document.querySelectorAll("section").length`), dayIncidents(); got != want {
				t.Errorf("%d incidents, want %d", got, want)
			}
			checkReady(t, p)
			checkPaper(t, p)
			checkRoom(t, p)
			p.picture(t, "day "+as.name)
		})
	}
	t.Run("strip", func(t *testing.T) { checkStrip(t, open(t, pages["en"], light)) })
	t.Run("keyboard", func(t *testing.T) { checkKeyboard(t, open(t, pages["en"], light)) })
	t.Run("shapes", func(t *testing.T) { checkShapes(t, open(t, pages["en"], light)) })
}

// TestFlapping opens the page of a day on which every status changes all the time: the longest page.
func TestFlapping(t *testing.T) {
	file := report(t, writeDay(t, flappingAt), "en")
	checkSize(t, file)
	p := open(t, file, light)
	checkReady(t, p)
	checkRoom(t, p)
	p.picture(t, "flapping")
}

func checkSize(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the page has %d kB", info.Size()>>10)
	if info.Size() >= mostBytes {
		t.Errorf("the page has %d bytes, want less than %d", info.Size(), mostBytes)
	}
}

func checkReady(t *testing.T, p *tab) {
	t.Helper()
	t.Logf("ready after %s", p.loaded)
	if p.loaded > mostWait {
		t.Errorf("ready after %s, want at most %s", p.loaded, mostWait)
	}
}

func dayIncidents() int {
	n := 0
	for _, trouble := range dayTroubles {
		if trouble.code != "gap" {
			n++
		}
	}
	return n
}

// checkPaper wants dark paper if the reader does, but never in print.
func checkPaper(t *testing.T, p *tab) {
	t.Helper()
	dark := p.colour == "dark" && p.media != "print"
	const brightness = `(s => s.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 3)`
	paper := ask[float64](t, p, brightness+`(getComputedStyle(document.body).backgroundColor)`)
	ink := ask[float64](t, p, brightness+`(getComputedStyle(document.body).color)`)
	if dark != (paper < ink) || math.Abs(paper-ink) < 150 {
		t.Errorf("the paper has brightness %g and the ink %g", paper, ink)
	}
}

// checkRoom wants that nothing is wider than the window or than its drawing, and that no label
// of an axis and no mark of an incident lies on the next one.
func checkRoom(t *testing.T, p *tab) {
	t.Helper()
	if wide := ask[int](t, p, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
		t.Errorf("the page is %d pixels wider than the window", wide)
	}
	for _, problem := range ask[[]string](t, p, `(() => {
		const problems = [];
		for (const svg of document.querySelectorAll("figure .scroll > svg")) {
			const room = svg.getBoundingClientRect();
			const texts = [...svg.querySelectorAll("text")];
			for (const text of texts) {
				const box = text.getBoundingClientRect();
				if (box.left < room.left - 1 || box.right > room.right + 1 || box.top < room.top - 1 ||
					box.bottom > room.bottom + 1) problems.push("cut off: " + text.textContent);
			}
			texts.forEach((a, i) => texts.slice(i + 1).forEach(b => {
				const x = a.getBoundingClientRect(), y = b.getBoundingClientRect();
				if (x.left < y.right && y.left < x.right && x.top + 4 < y.bottom && y.top + 4 < x.bottom)
					problems.push("one on the other: " + a.textContent + ", " + b.textContent);
			}));
		}
		return problems;
	})()`) {
		t.Error(problem)
	}
}

// drawn is a segment of a strip as the browser has it.
type drawn struct {
	Title       string
	X, Width    float64
	Class, Name string
}

// checkStrip wants the segments of every strip at the right times and places.
func checkStrip(t *testing.T, p *tab) {
	segments := ask[[]drawn](t, p, `[...document.querySelectorAll("rect.segment")].map(s => ({
		Title: s.querySelector("title").textContent, Class: s.getAttribute("class"),
		X: s.x.baseVal.value, Width: s.width.baseVal.value, Name: s.getAttribute("aria-label") || ""}))`)
	got := map[string][]string{} // front → segments
	for _, s := range segments {
		front, rest, _ := strings.Cut(s.Title, ": ")
		got[front] = append(got[front], rest)
		checkPlace(t, s, rest)
		if strings.Contains(rest, "CRITICAL") && s.Name != s.Title {
			t.Errorf("a screen reader says %q of %q", s.Name, s.Title)
		}
	}
	if len(got) != dayFronts {
		t.Errorf("%d strips, want %d", len(got), dayFronts)
	}
	for front := 1; front <= dayFronts; front++ {
		name := fmt.Sprintf("front%d", front)
		if want := wantedStrip(front); !slices.Equal(got[name], want) {
			t.Errorf("%s: the strip is\n%s\nwant\n%s", name, strings.Join(got[name], "\n"), strings.Join(want, "\n"))
		}
	}
}

// checkPlace wants a segment where its times are: the names of the fronts have 190 of 1000 units.
func checkPlace(t *testing.T, s drawn, rest string) {
	t.Helper()
	const left, width, least = 190, 1000 - 190, 2
	from, to, found := strings.Cut(rest[strings.LastIndex(rest, " ")+1:], "–")
	begin, errBegin := time.Parse(time.TimeOnly, from)
	end, errEnd := time.Parse(time.TimeOnly, to)
	if !found || errBegin != nil || errEnd != nil {
		t.Errorf("%q has no times", s.Title)
		return
	}
	place := func(at time.Time) float64 {
		return left + at.Sub(at.Truncate(24*time.Hour)).Minutes()/(dayLooks-1)*width
	}
	x, right := place(begin), place(end)
	if math.Abs(s.X-x) > 0.2 || math.Abs(s.X+s.Width-max(right, x+least)) > 1.2 {
		t.Errorf("%q is at %g to %g, want %g to %g", s.Title, s.X, s.X+s.Width, x, right)
	}
}

// wantedStrip returns the segments of a front, by its troubles.
func wantedStrip(front int) []string {
	var strip []string
	begin, kind := day, ""
	for minute := range dayLooks + 1 {
		at := day.Add(time.Duration(minute) * time.Minute)
		now := ""
		if minute < dayLooks {
			l, looked := lineAt(front, at)
			switch now = l.Status; {
			case !looked:
				now = "no look"
			case l.Closed:
				now = "no trading session"
			}
		}
		if now == kind {
			continue
		}
		if now == "" {
			at = at.Add(-time.Minute) // the axis ends with the last look
		}
		if kind != "" {
			strip = append(strip, fmt.Sprintf("%s %s–%s", kind, begin.Format(time.TimeOnly), at.Format(time.TimeOnly)))
		}
		begin, kind = at, now
	}
	return strip
}

// checkShapes wants that the kinds of segments can be told apart without colours: each has
// a height or a pattern of its own.
func checkShapes(t *testing.T, p *tab) {
	shapes := ask[[]string](t, p, `[...document.querySelectorAll("figure .legend rect[class^=k]")].map(r => {
		const fill = getComputedStyle(r).fill;
		return r.height.baseVal.value + " " + (fill.startsWith("url") ? fill : "plain");
	})`)
	slices.Sort(shapes)
	if len(shapes) != 6 || len(slices.Compact(shapes)) != 6 {
		t.Errorf("the kinds of segments look like %q", shapes)
	}
}
