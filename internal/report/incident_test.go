package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// incidentsOf returns the incidents as "2-5 CRITICAL over" with the minutes after begin.
func incidentsOf(s *Story) string {
	minute := func(at time.Time) int { return int(at.Sub(begin) / time.Minute) }
	var list []string
	for _, n := range s.Incidents {
		end := "open"
		switch {
		case n.Closed && n.Over:
			end = "closed"
		case n.Over:
			end = "over"
		case n.Lost:
			end = "lost"
		}
		list = append(list, fmt.Sprintf("%d-%d %s %s", minute(n.From), minute(n.To), n.Worst, end))
	}
	return strings.Join(list, ", ")
}

// TestIncidents: an incident begins at the first look that is not OK, and ends at the first OK one
// of three, or at the end of the trading session.
func TestIncidents(t *testing.T) {
	for statuses, want := range map[string]string{
		"......":             "",
		"..CCC...":           "2-5 CRITICAL over",
		"..CCC.":             "2-5 CRITICAL over",
		"..C.C..C...C":       "2-8 CRITICAL over, 11-11 CRITICAL open",
		"..C..C...":          "2-6 CRITICAL over",
		"..C...C...":         "2-3 CRITICAL over, 6-7 CRITICAL over",
		"CC...":              "0-2 CRITICAL over",
		"...CC":              "3-4 CRITICAL open",
		"C":                  "0-0 CRITICAL open",
		"..wCw...":           "2-5 CRITICAL over",
		"..wUw...":           "2-5 UNKNOWN over",
		"..UCU...":           "2-5 CRITICAL over",
		"..w...":             "2-3 WARNING over",
		"..U.w...":           "2-5 UNKNOWN over",
		"..CCxx":             "2-4 CRITICAL closed",
		"..CCxC...":          "2-4 CRITICAL closed, 5-6 CRITICAL over",
		"..C.xC...":          "2-3 CRITICAL over, 5-6 CRITICAL over",
		"xxxx":               "",
		"..C          C...":  "2-14 CRITICAL over",
		"....C          ...": "4-15 CRITICAL over",
		"..C.          C...": "2-3 CRITICAL over, 14-15 CRITICAL over",
		"..C..        .C...": "2-3 CRITICAL over, 14-15 CRITICAL over",
	} {
		if got := incidentsOf(storyOf(t, text(minutes(look{}, statuses)...))); got != want {
			t.Errorf("%q: incidents %q, want %q", statuses, got, want)
		}
	}
}

// TestNotOver: an incident without an end says whether the looks at other fronts went on.
func TestNotOver(t *testing.T) {
	long := strings.Repeat(".", 20)
	for _, test := range []struct{ here, other, incidents, words string }{
		{"...CC", "", "3-4 CRITICAL open", "It was not over at the last look, 10:04:00."},
		{"...CC", ".....", "3-4 CRITICAL open", "It was not over at the last look, 10:04:00."},
		{"...CC", "......", "3-4 CRITICAL open", "It was not over at the last look, 10:04:00."},
		{"...CC", long, "3-4 CRITICAL lost", "It was not OK at 10:04:00; no look came after that."},
		{"...CC.", long, "3-5 CRITICAL over", "All was well at 10:05:00, after 2m."},
		{"...CCx", long, "3-5 CRITICAL closed", "The trading session ended at 10:05:00; then nobody judges the front."},
	} {
		s := storyOf(t, text(minutes(look{}, test.here)...)+text(minutes(look{name: "front1"}, test.other)...))
		if got := incidentsOf(s); got != test.incidents {
			t.Errorf("%q beside %q: %s, want %s", test.here, test.other, got, test.incidents)
		}
		wantWords(t, s, test.words)
	}
}

// TestGap: looks that are missing are told, also inside an incident.
func TestGap(t *testing.T) {
	s := storyOf(t, text(minutes(look{}, "..CC          CC....       ....   ..")...))
	f := s.Fronts[0]
	var gaps []string
	for _, gap := range f.Gaps {
		gaps = append(gaps, gap.From.Format("15:04")+"-"+gap.To.Format("15:04"))
	}
	// Three looks that are missing in a row are one interval too many.
	if want := []string{"10:03-10:14", "10:19-10:27", "10:30-10:34"}; !slices.Equal(gaps, want) {
		t.Errorf("gaps %q, want %q", gaps, want)
	}
	wantWords(t, s, "; no look from 10:03:00 to 10:14:00; no look from 10:19:00 to 10:27:00",
		"Incident 1 of 1: front7 was CRITICAL from 10:02:00 to 10:16:00 (14m)")
	for i, segment := range f.Strip {
		if i > 0 && !segment.From.Equal(f.Strip[i-1].To) {
			t.Errorf("segment %d begins at %s, the one before ends at %s", i, segment.From, f.Strip[i-1].To)
		}
	}
}

// TestBegin: the first look of a log, or after a gap, does not show when an incident began.
func TestBegin(t *testing.T) {
	const unseen = "It may have begun earlier: this story has no look just before "
	for statuses, want := range map[string]string{
		"..C...": "", "C...": unseen + "10:00:00.", "C": unseen + "10:00:00.", "....    C...": unseen + "10:08:00.",
		"....  C...": "",
	} {
		got := words(t, storyOf(t, text(minutes(look{}, statuses)...)), 0)
		if !strings.Contains(got, want) || want == "" && strings.Contains(got, unseen) {
			t.Errorf("%q: want %q in\n%s", statuses, want, got)
		}
	}
	wantWords(t, readPeriod(t, "2026-11-25 10:02", "", text(minutes(look{}, "CCCCCC")...)), unseen+"10:02:00.")
}

// TestManyGaps: three gaps are told one by one.
func TestManyGaps(t *testing.T) {
	s := storyOf(t, text(minutes(look{}, ".....     ....     ....     ....     ....     ....")...))
	wantWords(t, s, "; no look from 10:22:00 to 10:28:00, and 2 more gaps\n")
}

// TestStripIsBounded: the strip of a front has no segment for each of thousands of small gaps.
func TestStripIsBounded(t *testing.T) {
	var b strings.Builder
	at := begin
	for i := range 8000 {
		status := Status(i / 5 % 2 * 2)
		b.WriteString(look{at: at, status: status}.line())
		at = at.Add(time.Second)
		if i%5 == 4 {
			at = at.Add(20 * time.Second)
		}
	}
	f := storyOf(t, b.String()).Fronts[0]
	if f.MoreGaps < 1000 {
		t.Errorf("%d gaps", f.MoreGaps)
	}
	if len(f.Strip) > 3*maxColumns {
		t.Errorf("%d segments", len(f.Strip))
	}
}

// TestSteps: how the diagnosis went is told up to a number of changes, and how many more there were.
func TestSteps(t *testing.T) {
	wantWords(t, storyOf(t, text(minutes(look{}, "..wwCCUU...")...)), "Diagnosis: client_loop (one client is in trouble)"+
		" from 10:02:00, hung (the front does not accept or read) from 10:04:00, none, because the check had no answer"+
		" from 10:06:00.")
	s := storyOf(t, text(minutes(look{}, strings.Repeat("wC", 10)+"...")...))
	wantWords(t, s, "from 10:11:00, then 8 more changes.")
	s = storyOf(t, text(look{at: begin, status: Critical, code: "brand_new"}))
	wantWords(t, s, "Diagnosis: brand_new from 10:00:00.")
}

// TestManyIncidents: the worst and longest 50 are told, in order of time.
func TestManyIncidents(t *testing.T) {
	statuses := strings.Repeat("w...", 30) + strings.Repeat("ww...", 15) + strings.Repeat("C...", 20)
	s := storyOf(t, text(minutes(look{}, statuses)...))
	if len(s.Incidents) != maxIncidents || s.Untold != 15 {
		t.Fatalf("%d incidents and %d more", len(s.Incidents), s.Untold)
	}
	count := map[string]int{}
	for i, n := range s.Incidents {
		count[fmt.Sprint(n.Worst, " ", n.Duration())]++
		if i > 0 && n.From.Before(s.Incidents[i-1].From) {
			t.Errorf("incident %d is before the one before", i)
		}
	}
	if count["CRITICAL 1m0s"] != 20 || count["WARNING 2m0s"] != 15 || count["WARNING 1m0s"] != 15 {
		t.Errorf("incidents: %v", count)
	}
	wantWords(t, s, "Incidents that are not told, because they were shorter or less bad: 15. Use --from and --to.")
}

// TestWorst: CRITICAL is worse than UNKNOWN, and of two with the same status that with more
// sockets in trouble.
func TestWorst(t *testing.T) {
	looks := minutes(look{}, ".UwCCC...")
	for i, n := range []int{0, 0, 50, 10, 30, 20, 0, 0, 0} {
		looks[i].clients = []client{closeWait("10.1.2.3", n)}
	}
	n := storyOf(t, text(looks...)).Incidents[0]
	if want := begin.Add(4 * time.Minute); !n.WorstAt.Equal(want) {
		t.Errorf("the worst moment is %s, want %s", n.WorstAt, want)
	}
	if n.Clients[0].Peak != 50 {
		t.Errorf("at most %d sockets, want 50", n.Clients[0].Peak)
	}
	if n.Reason != "front7 has 30 abnormal sockets" || fmt.Sprint(n.States) != "[{close_wait 30}]" {
		t.Errorf("%q, %v", n.Reason, n.States)
	}
}

// TestTitles: a front's title has as much as tells it from the others.
func TestTitles(t *testing.T) {
	for _, test := range []struct {
		fronts []look
		want   []string
	}{
		{[]look{{}}, []string{"front7"}},
		{[]look{{name: "front1"}, {name: "front2"}}, []string{"front1", "front2"}},
		{[]look{{ports: "41213"}, {ports: "41214"}}, []string{"front7 :41213", "front7 :41214"}},
		{[]look{{host: "a"}, {host: "b"}}, []string{"front7 :41213 on a", "front7 :41213 on b"}},
		{[]look{{host: "a"}, {}}, []string{"front7 :41213", "front7 :41213 on a"}},
		{[]look{{host: "a"}, {host: "b"}, {name: "front1", host: "a"}},
			[]string{"front1 :41213 on a", "front7 :41213 on a", "front7 :41213 on b"}},
	} {
		var looks []look
		for _, f := range test.fronts {
			looks = append(looks, minutes(f, "...")...)
		}
		s := storyOf(t, text(looks...))
		var got []string
		for _, f := range s.Fronts {
			got = append(got, f.Title)
			if f.Looks != 3 {
				t.Errorf("%s has %d looks", f.Title, f.Looks)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("titles %q, want %q", got, test.want)
		}
	}
	nameless := strings.ReplaceAll(text(minutes(look{host: "a"}, "..")...), `"front7"`, `""`)
	if got := storyOf(t, nameless).Fronts[0].Title; got != "MDFRONT :41213" {
		t.Errorf("a front without a name has the title %q", got)
	}
}

// TestOneLook: there is no interval.
func TestOneLook(t *testing.T) {
	wantWords(t, storyOf(t, text(look{at: begin})), "Fronts: 1, from 2026-11-25 10:00:00 to 10:00:00 (+08:00). Looks: 1.",
		"\n  front7: 1 look: 1 OK\n", "No incident: every look was OK.")
	wantWords(t, storyOf(t, text(look{at: begin, closed: true})), "\n  front7: 1 look: 1 OK; 1 of these out of session\n")
}

// TestRestarts: another listener is a restart, unless the same process has opened it.
func TestRestarts(t *testing.T) {
	yesterday := begin.Add(-24 * time.Hour)
	at := func(minute, second int) time.Time {
		return begin.Add(time.Duration(minute)*time.Minute + time.Duration(second)*time.Second)
	}
	type step struct {
		inode   uint64
		pid     int
		started time.Time
	}
	old := step{inode: 7, pid: 100, started: yesterday}
	const long = "100 (front, since 2026-11-24 10:00:00)"
	unknown, down := step{inode: 7}, step{}
	for _, test := range []struct {
		name  string
		steps []step
		want  []string
	}{
		{"none", []step{old, old, old}, nil},
		{"known", []step{old, old, {8, 200, at(1, 30)}},
			[]string{"Restarted at 10:01:30: process before " + long + ", after 200 (front, since 10:01:30)."}},
		{"down in between", []step{old, down, down, {8, 200, at(2, 50)}},
			[]string{"Restarted at 10:02:50: process before " + long + ", after 200 (front, since 10:02:50)."}},
		{"not known", []step{unknown, {inode: 8}},
			[]string{"Restarted at 10:01:00: process before not known, after not known."}},
		{"known later", []step{unknown, {inode: 8}, {8, 200, at(0, 30)}},
			[]string{"Restarted at 10:00:30: process before not known, after 200 (front, since 10:00:30)."}},
		{"several", []step{old, {8, 200, at(0, 30)}, {9, 300, at(1, 30)}},
			[]string{"Restarted at 10:00:30: process before 100", "Restarted at 10:01:30: process before 200"}},
		{"opened anew by the same process", []step{old, {8, 100, yesterday}}, nil},
		{"taken over by an older process", []step{old, {8, 200, yesterday}},
			[]string{"Restarted at 10:01:00: process before " + long + ", after 200"}},
		{"the start time is a second early", []step{old, {8, 200, at(0, -1)}},
			[]string{"Restarted at 09:59:59: process before 100"}},
		{"only down", []step{down, down}, nil},
		{"started", []step{down, old}, nil},
	} {
		looks := minutes(look{}, strings.Repeat("C", len(test.steps)))
		for i, step := range test.steps {
			looks[i].inode, looks[i].pid, looks[i].started = step.inode, step.pid, step.started
		}
		s := storyOf(t, text(looks...))
		if got := len(s.Fronts[0].Restarts); got != len(test.want) {
			t.Errorf("%s: %d restarts, want %d", test.name, got, len(test.want))
		}
		t.Run(test.name, func(t *testing.T) { wantWords(t, s, test.want...) })
	}
}

// TestAfterRestart: the end of an incident is told from the last restart before it.
func TestAfterRestart(t *testing.T) {
	looks := minutes(look{inode: 7}, "..CCCC........")
	for i := range looks {
		if i >= 5 {
			looks[i].inode = 8
		}
		if i >= 8 { // once more, when all is well again
			looks[i].inode = 9
		}
	}
	wantWords(t, storyOf(t, text(looks...)), "  front7: 14 looks, one every 1m: 10 OK, 4 CRITICAL; restarted at 10:05:00;"+
		" restarted at 10:08:00\n", "All was well at 10:06:00, after 4m, 1m after the restart.")
}

// TestSameListenerElsewhere: the listeners of two hosts may have the same inode.
func TestSameListenerElsewhere(t *testing.T) {
	a := minutes(look{host: "a", inode: 7, pid: 1, started: begin}, "CC")
	b := minutes(look{host: "b", inode: 8, pid: 2, started: begin}, "CC")
	b = append(b, look{host: "b", inode: 7, pid: 3, started: begin.Add(100 * time.Second), at: begin.Add(2 * time.Minute),
		status: Critical})
	s := storyOf(t, text(append(a, b...)...))
	wantWords(t, s, "Restarted at 10:01:40: process before 2 (front, since 10:00:00), after 3 (front, since 10:01:40).")
	if len(s.Fronts[0].Restarts) != 0 {
		t.Error("the other host's front has restarted")
	}
}
