package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/testkit/golden"
)

// hung returns the looks of a front that hangs and is restarted.
func hung() []look {
	crowd := []client{
		{address: "10.1.2.3", name: "Huatai", states: map[string]int{"close_wait": 40, "established": 2}, unread: 4096},
		closeWait("10.1.2.4", 20),
	}
	well := []client{established("10.1.2.3", 3), established("10.1.2.4", 2)}
	front := look{inode: 70, pid: 100, started: begin.Add(-2 * time.Hour)}
	looks := with(minutes(front, ".....wCCCC.........."), crowd, well)
	for i := range looks {
		switch {
		case i == 9: // ended
			looks[i].code, looks[i].reason = "down", "nothing listens on port 41213"
			looks[i].inode, looks[i].pid, looks[i].clients = 0, 0, nil
		case i > 9:
			looks[i].inode, looks[i].pid, looks[i].started = 71, 200, begin.Add(9*time.Minute+30*time.Second)
		case i == 5:
			looks[i].clients = []client{closeWait("10.1.2.4", 15)}
		case i == 8:
			looks[i].clients[1] = closeWait("10.1.2.4", 30)
		}
	}
	return looks
}

// stories are the logs whose stories are golden files.
func stories() map[string]string {
	looping := with(minutes(look{name: "front2"}, "........wwww.....xxx"), []client{timeWait("10.1.2.9", 70),
		established("10.1.2.3", 1)}, []client{established("10.1.2.3", 1)})
	healthy := with(minutes(look{name: "front1"}, "..........     ....."), nil, []client{established("10.1.2.3", 3),
		established("10.1.2.4", 2), {address: "10.1.2.9", states: map[string]int{"time_wait": 30}}})
	hostile := with(minutes(look{name: "front\x1b[31m7\n\u202e"}, ".CC"), []client{{address: "10.1.2.3",
		name: "<script>alert(1)</script>\r\n\x07\u200b\xff", states: map[string]int{"close_wait": 60}}}, nil)
	for i := range hostile {
		hostile[i].host, hostile[i].code = "a\tb", "evil\x1b]0;x\x07"
		hostile[i].reason = "a %s %d reason\n\nIncident 9 of 9: front1\x1b[2J" + strings.Repeat("long ", 500)
	}
	return map[string]string{
		"three-fronts": text(hung()...) + text(looping...) + text(healthy...),
		"healthy":      text(minutes(look{}, ".....")...) + text(minutes(look{name: "front1"}, ".........xx")...),
		"hostile": text(hostile...) + "garbage\n" + hostile[0].line()[:50] + "\n" +
			strings.Replace(hostile[0].line(), `"format":1`, `"format":9`, 1),
		"two-days": text(minutes(look{at: begin.Add(-11 * time.Hour)}, "..U")...) + text(minutes(look{}, "...wCCC...")...),
	}
}

// TestGenerated: the stories as golden files, in all languages.
func TestGenerated(t *testing.T) {
	for name, content := range stories() {
		s := storyOf(t, content)
		for i, l := range Languages {
			golden.File(t, filepath.Join("..", "..", "testdata", "report", name+"."+l.Name+".txt"), words(t, s, i))
		}
	}
}

// TestHostile: text of a log can neither move a terminal's cursor nor begin a line.
func TestHostile(t *testing.T) {
	s := storyOf(t, stories()["hostile"])
	for i, l := range Languages {
		got := words(t, s, i)
		if at := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); at >= 0 {
			t.Errorf("%s: not printable: %q", l.Name, got[at:])
		}
		if n := strings.Count(got, "\nIncident "); n > 1 || strings.Contains(got, "\nIncident 9") {
			t.Errorf("%s: a reason begins a line: %s", l.Name, got)
		}
		if strings.Contains(got, "%!") {
			t.Errorf("%s: text of the log was a format: %s", l.Name, got)
		}
		for line := range strings.Lines(got) {
			if len([]rune(line)) > 1500 {
				t.Errorf("%s: a line of %d characters", l.Name, len(line))
			}
		}
	}
}

// TestLanguages: every language has words for everything, and the same formats.
func TestLanguages(t *testing.T) {
	for _, l := range Languages {
		for _, kind := range diagnosis.Kinds {
			if l.codes[kind.Code] == "" {
				t.Errorf("%s has no words for %s", l.Name, kind.Code)
			}
		}
		for kind := KindOK; kind <= KindGap; kind++ {
			if l.kinds[kind] == "" {
				t.Errorf("%s has no words for kind %d", l.Name, kind)
			}
		}
		for seen := NoLook; seen < Listed; seen++ {
			if l.seen[seen] == "" {
				t.Errorf("%s has no words for Seen %d", l.Name, seen)
			}
		}
		for verdict := TheFront; verdict <= TheClient; verdict++ {
			if l.verdicts[verdict] == "" {
				t.Errorf("%s has no words for verdict %d", l.Name, verdict)
			}
		}
		for _, k := range diagnosis.Kinds {
			if l.restarts[k.Code] == "" || l.codes[k.Code] == "" {
				t.Errorf("%s has no words for %s", l.Name, k.Code)
			}
		}
		for label := range english.Labels {
			if l.Labels[label] == "" {
				t.Errorf("%s has no label %s", l.Name, label)
			}
		}
		told := []error{errTorn, errForeign, errNewer, errTooLong, errRest, errUnreadable, errChanged}
		for _, err := range append(told, limitErrors...) {
			if l != &english && l.reasons.Replace(err.Error()) == err.Error() {
				t.Errorf("%s has no words for %q", l.Name, err)
			}
		}
	}
}

// TestPrintable: text of a log is cut when it is very long. A wide space is a space.
func TestPrintable(t *testing.T) {
	long := strings.Repeat("前", 1000)
	for s, want := range map[string]string{
		"华泰\u3000前置\u00a07": "华泰 前置 7", "a\x00b\u202ec\xff": "a\ufffdb\ufffdc\ufffd", long: long, long + "7": long + "…",
		long + "77": long + "…", "e\u0301": "e\u0301",
	} {
		if got := printable(s); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration][2]string{
		0: {"0s", "0 秒"}, time.Second: {"1s", "1 秒"}, 90 * time.Second: {"1m30s", "1 分钟 30 秒"},
		time.Minute: {"1m", "1 分钟"}, 10 * time.Minute: {"10m", "10 分钟"}, time.Hour: {"1h", "1 小时"},
		10*time.Hour + time.Second: {"10h0m1s", "10 小时 0 分钟 1 秒"}, 70 * time.Minute: {"1h10m", "1 小时 10 分钟"},
		1499 * time.Millisecond: {"1s", "1 秒"}, 30 * 24 * time.Hour: {"720h", "720 小时"},
	} {
		for i, l := range Languages {
			if got := l.tell(&Story{}).Duration(d); got != want[i] {
				t.Errorf("%s: %s is %q, want %q", l.Name, d, got, want[i])
			}
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 20160: "20,160", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
}

// TestWriteError: an error of the writer is returned.
func TestWriteError(t *testing.T) {
	f, err := os.Open(os.DevNull) // not to write
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := english.Write(f, storyOf(t, at(0).line())); err == nil {
		t.Error("no error")
	}
}
