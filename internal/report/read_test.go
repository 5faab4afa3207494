package report

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// at returns a healthy look some minutes after begin.
func at(minute int) look { return look{at: begin.Add(time.Duration(minute) * time.Minute)} }

// TestSkipped: what --log did not write whole is skipped, counted, and told with its place.
func TestSkipped(t *testing.T) {
	a, b := at(0).line(), at(1).line()
	torn := a[:len(a)/2]
	const why = "torn: its writer was killed, or is still writing"
	long := `{"name":"` + strings.Repeat("x", maxLine) + `"}` + "\n"
	for _, test := range []struct {
		name, content string
		looks         int
		want          string
	}{
		{"whole", a + b, 2, "0: "},
		{"without a newline at the end", a + strings.TrimSpace(b), 2, "0: "},
		{"of Windows", strings.ReplaceAll(a+b, "\n", "\r\n"), 2, "0: "},
		{"empty lines", "\n\n" + a + "\n" + b + "\n", 2, "0: "},
		{"torn", a + torn + "\n" + b, 2, "1: 1.log:2: " + why},
		{"torn, and another on the same line", a + torn + b, 2, "1: 1.log:2: " + why},
		{"torn twice on one line", torn + torn + b, 1, "1: 1.log:1: " + why},
		{"torn at a brace", strings.SplitAfter(a, `}`)[0] + "\n" + b, 1, "1: 1.log:1: " + why},
		{"torn at the end", a + torn, 1, "1: 1.log:2: " + why},
		{"the first bytes lost", a[10:] + b, 1, "1: 1.log:1: not a line of --log"},
		{"foreign", "Nov 25 10:00:00 host sshd[1]: hello\n" + a + "{}\n[1]\nnull\n\"x\"\n", 1,
			"5: 1.log:1: not a line of --log; 1.log:3: not a line of --log; 1.log:4: not a line of --log;" +
				" 1.log:5: not a line of --log; 1.log:6: not a line of --log"},
		{"newer", a + strings.ReplaceAll(b, `"format":1`, `"format":2`), 1,
			"1: 1.log:2: written by a newer version: install its front_report"},
		{"without a format", a + strings.ReplaceAll(b, `"format":1`, `"x":1`), 2, "0: "},
		{"too long", a + long + b, 2, "1: 1.log:2: longer than 1048576 bytes"},
		{"much too long", a + strings.Repeat("x", 5<<20) + "\n" + b, 2, "1: 1.log:2: longer than 1048576 bytes"},
		{"too long at the end", a + strings.TrimSpace(long), 1, "1: 1.log:2: longer than 1048576 bytes"},
		{"NUL bytes on their own", a + strings.Repeat("\x00", 100) + "\n" + b, 2, "1: 1.log:2: not a line of --log"},
		{"NUL bytes before a line", a + strings.Repeat("\x00", 5000) + b, 2, "1: 1.log:2: " + why},
		{"status 4", a + strings.ReplaceAll(b, `"exit_code":0`, `"exit_code":4`), 1, "1: 1.log:2: " + why},
		{"status -1", a + strings.ReplaceAll(b, `"exit_code":0`, `"exit_code":-1`), 1, "1: 1.log:2: " + why},
		{"status 2.5", a + strings.ReplaceAll(b, `"exit_code":0`, `"exit_code":2.5`), 1, "1: 1.log:2: " + why},
		{"no time", a + strings.ReplaceAll(b, `"2026-11-25T10:01:00+08:00"`, `"soon"`), 1, "1: 1.log:2: not a line of --log"},
		{"a time long ago", a + strings.ReplaceAll(b, "2026-11", "0001-11"), 1, "1: 1.log:2: not a line of --log"},
		{"a time far away", a + strings.ReplaceAll(b, "2026-11", "9999-11"), 1, "1: 1.log:2: not a line of --log"},
	} {
		s := storyOf(t, test.content)
		if got := skipped(s); s.Looks != test.looks || got != test.want {
			t.Errorf("%s: %d looks, skipped %s\nwant %d, %s", test.name, s.Looks, got, test.looks, test.want)
		}
	}
}

// TestSkippedAreCounted: ten are told one by one, in the order of the files.
func TestSkippedAreCounted(t *testing.T) {
	s := storyOf(t, at(0).line()+strings.Repeat("x\n", 8), strings.Repeat("y\n", 7))
	got := words(t, s, 0)
	for _, want := range []string{
		"\nLines that were skipped: 15\n  1.log:2: not a line of --log\n", "\n  2.log:2: not a line of --log\n  and 5 more\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestDamagedDetail: a line that is damaged where the first reading does not look counts as a look.
// It is told when the second reading finds it.
func TestDamagedDetail(t *testing.T) {
	looks := minutes(look{}, "..C...")
	looks[2].clients = []client{closeWait("10.1.2.3", 60)}
	damaged := strings.Replace(text(looks...), `"close_wait":60}`, `"close_wait":"60"}`, 1)
	s := storyOf(t, damaged)
	if s.Looks != 6 || len(s.Incidents) != 1 || !strings.HasPrefix(skipped(s), "1: 1.log:3: not a line of --log: json: ") {
		t.Errorf("%d looks, %d incidents, skipped %s", s.Looks, len(s.Incidents), skipped(s))
	}
}

// TestUnreadableRest: what can be read of a damaged file is told.
func TestUnreadableRest(t *testing.T) {
	var looks []look
	for i := range 50 {
		l := at(i)
		l.status, l.clients = Status(i/10%2*2), []client{closeWait(fmt.Sprint("10.1.2.", i), 60)}
		looks = append(looks, l)
	}
	whole := zipped(t, text(looks...))
	damaged := []byte(whole)
	for i := len(damaged) - 8; i < len(damaged); i++ {
		damaged[i] ^= 0x55 // the checksum and the length
	}
	for _, test := range []struct{ name, content, want string }{
		{"truncated", whole[:len(whole)*3/4], "the rest of the file cannot be read: it is cut short, or other text"},
		{"damaged", string(damaged), ".log:51: the rest of the file cannot be read: gzip: invalid checksum"},
		{"zeros after the end", whole + strings.Repeat("\x00", 512),
			".log:51: the rest of the file cannot be read: gzip: invalid header"},
		{"text after the end", whole + at(60).line(), ".log:51: the rest of the file cannot be read: gzip: invalid header"},
	} {
		s := storyOf(t, test.content)
		if got := skipped(s); s.Looks < 20 || !strings.Contains(got, test.want) || len(s.Incidents) == 0 ||
			len(s.Incidents[0].Clients) == 0 {
			t.Errorf("%s: %d looks, skipped %s", test.name, s.Looks, got)
		}
	}
}

// TestUnreadableFile: a file that cannot be read does not keep the others from being told.
func TestUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	list := append(logs(t, at(0).line()), Log{Name: filepath.Join(dir, "gone")}, Log{Name: dir})
	s, err := Read(list, Bound{}, Bound{})
	if err != nil {
		t.Fatal(err)
	}
	got := skipped(s)
	if s.Looks != 1 || !strings.HasPrefix(got, "2: gone: the file cannot be read: ") || strings.Contains(got, dir) {
		t.Errorf("%d looks, skipped %s", s.Looks, got)
	}
}

// TestGzip: gzip is told by its content, and may have several members, as after cat a.gz b.gz.
func TestGzip(t *testing.T) {
	s := storyOf(t, at(2).line(), zipped(t, at(1).line())+zipped(t, at(0).line()), zipped(t, ""))
	if got := skipped(s); s.Looks != 3 || got != "0: " {
		t.Errorf("%d looks, skipped %s", s.Looks, got)
	}
	for magic, kind := range magics {
		got := skipped(storyOf(t, at(0).line(), magic+"....\n"))
		if !strings.Contains(got, "1: 2.log: the file cannot be read: it is "+kind.is+": use "+kind.program+" ") {
			t.Errorf("%q: %s", magic, got)
		}
	}
}

// TestOrder: the order of files and lines says nothing, and a line may stand in two files.
func TestOrder(t *testing.T) {
	looks := minutes(look{}, "..CC....w...")
	other := minutes(look{name: "front1"}, "............")
	for i := range looks {
		looks[i].clients = []client{closeWait("10.1.2.3", 30)}
	}
	want := words(t, storyOf(t, text(looks...)+text(other...)), 0)
	var backward string
	for _, l := range looks {
		backward = l.line() + backward
	}
	for name, contents := range map[string][]string{
		"files backward": {text(other...), text(looks...)},
		"lines backward": {backward + text(other...)},
		"in two files":   {text(looks...), text(other...), backward, text(looks[2:4]...)},
		"in one twice":   {text(looks...) + backward + text(other...) + text(other...)},
		"gzip":           {zipped(t, text(other...)), backward},
	} {
		if got := words(t, storyOf(t, contents...), 0); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// TestPeriod: --from and --to include their second, and have the zone of the log unless they have
// their own.
func TestPeriod(t *testing.T) {
	day := text(minutes(look{}, strings.Repeat(".", 60))...)
	for _, test := range []struct {
		from, to string
		looks    int
	}{
		{"", "", 60},
		{"2026-11-25 10:20", "", 40},
		{"2026-11-25 10:20:01", "", 39},
		{"2026-11-25T10:20", "2026-11-25T10:20:00", 1},
		{"", "2026-11-25 10:20", 21},
		{"2026-11-25 10:20", "2026-11-25 10:29", 10},
		{"2026-11-25T02:20:00Z", "2026-11-25T02:29:00Z", 10},
		{"2026-11-25T10:20:00+08:00", "2026-11-25 10:29", 10},
		{"2026-11-25", "2026-11-26", 60},
	} {
		if s := readPeriod(t, test.from, test.to, day); s.Looks != test.looks {
			t.Errorf("%s to %s: %d looks, want %d", test.from, test.to, s.Looks, test.looks)
		}
	}
	_, err := Read(logs(t, day), bound(t, "2026-11-26"), Bound{})
	const want = "no look between --from and --to; the logs have looks from 2026-11-25T10:00:00+08:00" +
		" to 2026-11-25T10:59:00+08:00"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	for _, s := range []string{"soon", "10:20", "2026-11-25 25:00", "2026-13-01", "2026-11-25 10:20 CST", " "} {
		_, err := ParseBound(s)
		if err == nil || !strings.HasPrefix(err.Error(), "'"+s+"' is not a time; use one such as '2026-") {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, test := range []struct {
		from, to string
		want     bool
	}{
		{"2026-11-26", "2026-11-25", true}, {"2026-11-25", "2026-11-25", false}, {"", "2026-11-25", false},
		{"2026-11-25T10:00:00+08:00", "2026-11-25T02:00:01Z", false},
		{"2026-11-25T10:00:00+08:00", "2026-11-25T01:00:00Z", true},
		{"2026-11-26", "2026-11-25T00:00:00Z", false}, // the zone of the first is not known yet
	} {
		if got := bound(t, test.to).Before(bound(t, test.from)); got != test.want {
			t.Errorf("%s before %s: %v", test.to, test.from, got)
		}
	}
}

// TestZones: all times are told in the zone of the first line.
func TestZones(t *testing.T) {
	a := minutes(look{}, "..C..")
	b := minutes(look{name: "front1", at: begin.UTC()}, "...C...")
	wantWords(t, storyOf(t, text(a...), text(b...)), "from 2026-11-25 10:00:00 to 10:06:00 (+08:00)",
		"front7 was CRITICAL from 10:02:00", "front1 was CRITICAL from 10:03:00")
	wantWords(t, storyOf(t, text(b...), text(a...)), "from 2026-11-25 02:00:00 to 02:06:00 (+00:00)",
		"front7 was CRITICAL from 02:02:00", "front1 was CRITICAL from 02:03:00")
	s := readPeriod(t, "2026-11-25 02:02", "2026-11-25 02:03", text(b...), text(a...))
	if s.Looks != 4 {
		t.Errorf("%d looks", s.Looks)
	}
}

// TestClockJumpsBack: the looks are told in the order of their times.
func TestClockJumpsBack(t *testing.T) {
	looks := minutes(look{}, "....CC....")
	for i := 6; i < len(looks); i++ { // as if the clock was put back by three minutes and a half
		looks[i].at = looks[i].at.Add(-210 * time.Second)
	}
	s := storyOf(t, text(looks...))
	if s.Looks != 10 || len(s.Incidents) != 1 || skipped(s) != "0: " {
		t.Errorf("%d looks, %d incidents, skipped %s", s.Looks, len(s.Incidents), skipped(s))
	}
	unset := look{at: time.Unix(0, 0).UTC(), status: Critical}
	wantWords(t, storyOf(t, text(looks...)+unset.line()), "from 1970-01-01 08:00:00 to 2026-11-25 10:05:30")
}

// TestSameSecond: of several looks of one second the worst is told.
func TestSameSecond(t *testing.T) {
	looks := minutes(look{}, "......")
	worse := looks[3]
	worse.status, worse.reason = Critical, "the worst"
	unknown := worse
	unknown.status = Unknown
	s := storyOf(t, text(append(looks, unknown, worse, unknown)...))
	if s.Looks != 6 {
		t.Errorf("%d looks", s.Looks)
	}
	wantWords(t, s, "The check said at the worst moment, 10:03:00: the worst")
}

// TestNothing: without a line there is no story, and the error says why.
func TestNothing(t *testing.T) {
	const none = "no line that this program can read; the first that was skipped: "
	binary := "\x7fELF\x02\x01\x01\x00\x00\n\x00\xff\n"
	for content, want := range map[string]string{
		"":                                "no line: the logs are empty",
		"\n\n":                            "no line: the logs are empty",
		binary:                            none + "1.log:1: not a line of --log",
		"\n\x1b[2J\n":                     none + "1.log:2: not a line of --log",
		"\x1f\x8bxx":                      none + "1.log: the file cannot be read: it is cut short, or other text",
		strings.Repeat("\x00", 3<<20):     none + "1.log:1: longer than 1048576 bytes",
		at(0).line()[:100]:                none + "1.log:1: torn: ",
		zipped(t, at(0).line())[:20]:      none + "1.log:1: ",
		strings.ToUpper(at(0).line()):     none + "1.log:1: not a line of --log",
		"\xff\xfe{\x00\"\x00n\x00a\x00\n": none + "1.log: the file cannot be read: it is UTF-16: use iconv ",
	} {
		list := logs(t, content)
		_, err := Read(list, Bound{}, Bound{})
		if err == nil {
			t.Errorf("%.20q: a story", content)
			continue
		}
		got := strings.ReplaceAll(err.Error(), filepath.Dir(list[0].Name)+string(filepath.Separator), "")
		if !strings.HasPrefix(got, want) {
			t.Errorf("%.20q: %s\nwant %s", content, got, want)
		}
	}
}

// TestLogs: a folder stands for its files, and stdin and pipes can be read twice.
func TestLogs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	looks := minutes(look{}, "..C.....")
	for i := range looks {
		looks[i].clients = []client{closeWait("10.1.2.3", 60)}
	}
	write("day/b.log", text(looks[:2]...))
	write("day/a.log", text(looks[2:4]...))
	write("day/older/c.log.gz", zipped(t, text(looks[4:6]...)))
	single := write("d.log", text(looks[6:7]...))
	names := []string{filepath.Join(dir, "day"), single, "-"}
	if runtime.GOOS != "windows" {
		if err := os.Symlink("day", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(single, filepath.Join(dir, "day", "d.log")); err != nil {
			t.Fatal(err)
		}
		names[0] = filepath.Join(dir, "link")
	}
	list, remove, err := Logs(names, strings.NewReader(zipped(t, text(looks[7:]...))+zipped(t, "hello\n")))
	defer remove()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(list, Bound{}, Bound{})
	if err != nil {
		t.Fatal(err)
	}
	if got := skipped(s); s.Looks != 8 || got != "1: stdin:2: not a line of --log" {
		t.Errorf("%d looks, skipped %s", s.Looks, got)
	}
	if got := s.Incidents[0].Clients[0].Peak; got != 60 {
		t.Errorf("%d sockets affected", got)
	}

	empty := filepath.Join(dir, "empty")
	if err := os.MkdirAll(filepath.Join(empty, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		empty:                        empty + ": there is no file in this folder",
		filepath.Join(dir, "nobody"): filepath.Join(dir, "nobody") + ": no such file or directory",
	} {
		_, remove, err := Logs([]string{single, name}, nil)
		remove()
		if err == nil || runtime.GOOS != "windows" && err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestChanged: a file that has other lines at the second reading, or is gone, does not mix them
// into the story.
func TestChanged(t *testing.T) {
	looks := minutes(look{}, "..C...")
	looks[2].clients = []client{closeWait("10.1.2.3", 60)}
	other := minutes(look{name: "front1"}, "..C...")
	other[2].clients = []client{closeWait("10.9.9.9", 60)}
	for name, change := range map[string]func(file string) error{
		"rotated":   func(file string) error { return os.WriteFile(file, []byte(text(other...)), 0o600) },
		"truncated": func(file string) error { return os.Truncate(file, 0) },
		"gone":      os.Remove,
	} {
		list := logs(t, text(looks...))
		r := reader{logs: list}
		if err := r.read(); err != nil {
			t.Fatal(err)
		}
		if err := change(list[0].Name); err != nil {
			t.Fatal(err)
		}
		s := r.story()
		if len(s.Incidents) != 1 || len(s.Incidents[0].Clients) != 0 || s.Skipped.N == 0 ||
			!strings.Contains(skipped(s), "the file was changed while it was read; run front_report again") {
			t.Errorf("%s: %+v", name, s)
		}
		words(t, s, 0)
	}
}

// TestMonth: an incident that lasts a month needs no more memory than what is shown of it.
func TestMonth(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads 150 MB twice")
	}
	const looks = 43_200 // a month of a look a minute
	l := look{status: Critical, code: "hung", inode: 7}
	for i := range 20 {
		l.clients = append(l.clients, closeWait(fmt.Sprint("10.1.2.", i), 10))
	}
	line := l.line()
	before, after, _ := strings.Cut(line, "0001-01-01T00:00:00Z")
	file := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range looks {
		at := begin.Add(time.Duration(i) * time.Minute).Format(time.RFC3339)
		if _, err := fmt.Fprint(f, before, at, after); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	s, err := Read([]Log{{Name: file}}, Bound{}, Bound{})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&end)
	n := s.Incidents[0]
	if s.Looks != looks || n.Looks != looks || len(n.Points) > 4*maxPoints || n.More != 20-shownClients {
		t.Errorf("%d looks, %d points, %d clients and %d more", s.Looks, len(n.Points), len(n.Clients), n.More)
	}
	// An outline has 32 bytes, and the slice of all grows by a quarter.
	if held := int64(end.HeapAlloc) - int64(start.HeapAlloc); held > 8<<20 {
		t.Errorf("the story holds %d KiB", held>>10)
	}
	if grown := int64(end.HeapSys) - int64(start.HeapSys); grown > 64<<20 {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	}
	runtime.KeepAlive(s)
	wantWords(t, s, "Looks: 43,200.",
		"Incident 1 of 1: front7 was CRITICAL from 2026-11-25 10:00:00; its end was not seen")
}
