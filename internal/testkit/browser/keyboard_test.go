package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// checkKeyboard walks through the page with Tab. It follows every link to an incident with
// Enter, which must show that incident.
func checkKeyboard(t *testing.T, p *tab) {
	const mostStops = 2000
	followed := map[string]int{}
	for stop := 0; ; stop++ {
		if stop == mostStops {
			t.Fatalf("Tab does not come to the end of the page after %d stops", mostStops)
		}
		p.do(t, chromedp.KeyEvent(kb.Tab))
		focus := ask[string](t, p, `(a => a === document.body ? "end" : a.getAttribute("href") || "")(
			document.activeElement)`)
		if focus == "end" || stop > 0 && focus == "#incidents" {
			break
		}
		if !strings.HasPrefix(focus, "#incident-") {
			continue
		}
		followed[focus]++
		ask[bool](t, p, `(window.left = document.activeElement, true)`)
		p.do(t, chromedp.KeyEvent(kb.Enter))
		shown := ask[bool](t, p, fmt.Sprintf(`(() => {
			const top = document.querySelector(%q).getBoundingClientRect().top;
			return location.hash === %q && top > -2 && top < innerHeight;
		})()`, focus, focus))
		if !shown {
			t.Errorf("Enter on the link to %s does not show it", focus)
		}
		ask[bool](t, p, `(window.left.focus(), true)`)
	}
	for i := 1; i <= dayIncidents(); i++ {
		if link := fmt.Sprintf("#incident-%d", i); followed[link] != 2 {
			t.Errorf("Tab came %d times to a link to %s, want one in the strip and one in the table", followed[link], link)
		}
	}
}

// hostile are names that must come out as text.
var hostile = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' onmouseover='alert(1)`,
	`javascript:alert(1)`,
	`</title></svg><iframe src="https://example.com/">`,
	"\u202egnp.exe\u2066",
	"bell\a, escape\x1b[31m, null\x00, line\u2028",
	`{{.Labels}} &lt;b&gt; ${alert(1)}`,
	strings.Repeat("long", 16), // as long as a name may be
	"行情前置一二三四五六七八九十一二三四",
}

// TestHostile opens the page of a log in which fronts and clients have hostile names.
func TestHostile(t *testing.T) {
	log := filepath.Join(t.TempDir(), "hostile.log")
	var text []byte
	for i, name := range hostile {
		now := trouble{front: 7, from: clock(10, 0), status: "CRITICAL", code: "hung", state: "close_wait", clients: 2,
			sockets: 60}
		l := logLine(name, clock(10, i), now, day, false)
		l.Host, l.Reason, l.Process.Name = name, name, name
		l.Clients[0].Address, l.Clients[0].Name, l.Clients[1].Name = name, name, hostile[(i+1)%len(hostile)]
		l.Why["code"] = []string{"hung", name}[i%2]
		encoded, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, encoded...), '\n')
	}
	if err := os.WriteFile(log, text, 0o600); err != nil {
		t.Fatal(err)
	}
	narrow, inChinese := look{name: "narrow", lang: "en", width: 390}, look{name: "Chinese", lang: "zh", width: 1240}
	for _, as := range []look{light, narrow, inChinese} {
		t.Run(as.name, func(t *testing.T) {
			p := open(t, report(t, log, as.lang), as)
			p.picture(t, "hostile "+as.name)
			checkRoom(t, p)
			checkHarmless(t, p)
		})
	}
}

// checkHarmless wants the names as text, and nothing in the page that could run or load.
func checkHarmless(t *testing.T, p *tab) {
	t.Helper()
	const foreign = `document.querySelectorAll("script, iframe, img, object, embed, form, base, [href^='javascript'i], " +
		"[src], a:not([href^='#'])").length`
	if n := ask[int](t, p, foreign); n != 0 {
		t.Errorf("%d elements that the page should not have", n)
	}
	if n := ask[int](t, p, `[...document.querySelectorAll("*")].filter(e =>
		[...e.attributes].some(a => a.name.startsWith("on"))).length`); n != 0 {
		t.Errorf("%d elements have a handler", n)
	}
	text := ask[string](t, p, `document.body.textContent`)
	for _, name := range hostile {
		want := strings.Map(func(r rune) rune {
			if strings.ContainsRune("\a\x1b\x00\u2028\u202e\u2066", r) {
				return '\ufffd'
			}
			return r
		}, name)
		if n := strings.Count(text, want); n < 4 {
			t.Errorf("%q is in the page %d times, want 4 at least", want, n)
		}
	}
	for _, r := range "\a\x1b\x00\u2028\u202e\u2066" {
		if strings.ContainsRune(text, r) {
			t.Errorf("the page has the character %U", r)
		}
	}
}
