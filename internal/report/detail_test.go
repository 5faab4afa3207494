package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// with returns the looks with clients at those that are not OK, and others at the OK ones.
func with(looks []look, trouble, calm []client) []look {
	for i := range looks {
		if looks[i].clients = calm; looks[i].status != OK {
			looks[i].clients = trouble
		}
	}
	return looks
}

// TestVerdicts: how the same client fares elsewhere decides whose trouble it is, if the diagnosis
// fits.
func TestVerdicts(t *testing.T) {
	const a, b = "10.1.2.3", "10.1.2.4"
	crowd := []client{closeWait(a, 60), closeWait(b, 30)}
	loop := []client{timeWait(a, 60), established(b, 3)}
	normal := []client{timeWait(a, 60), {address: b, states: map[string]int{"established": 3, "time_wait": 1}}}
	few := []client{{address: a, states: map[string]int{"established": 3, "time_wait": 2}}}
	well, ill := []client{established(a, 3), established(b, 3)}, []client{timeWait(a, 40), established(b, 3)}
	for _, test := range []struct {
		name, code string
		here       []client
		there      []client
		status     Status // there
		omitted    int
		want       Verdict
		fare       string
	}{
		{"hung, well there", "hung", crowd, well, OK, 0, TheFront, "60 CLOSE_WAIT here, 3 ESTABLISHED and well at front1"},
		{"hung, ill there", "hung", crowd, ill, OK, 0, NoVerdict, "60 CLOSE_WAIT here, 40 TIME_WAIT at front1"},
		{"hung, a few TIME_WAIT there", "hung", crowd, few, OK, 0, TheFront,
			"60 CLOSE_WAIT here, 3 ESTABLISHED, 2 TIME_WAIT and well at front1: the front, not the client"},
		{"hung, both fronts bad", "hung", crowd, well, Critical, 0, NoVerdict, "60 CLOSE_WAIT here, 3 ESTABLISHED at front1"},
		{"hung, not there", "hung", crowd, []client{established(b, 3)}, OK, 0, NoVerdict,
			"60 CLOSE_WAIT here, not seen at another front"},
		{"hung, not among those listed", "hung", crowd, []client{established(b, 3)}, OK, 5, NoVerdict,
			"60 CLOSE_WAIT here, not seen at another front"},
		{"down, well there", "down", crowd, well, OK, 0, TheFront, "and well at front1: the front, not the client"},
		{"feed stalled, well there", "feed_stalled", crowd, well, OK, 0, TheFront, ": the front, not the client"},
		{"crash loop, well there", "crash_loop", crowd, well, OK, 0, TheFront, ": the front, not the client"},
		{"one loops, well there", "client_loop", loop, well, OK, 0, TheFront,
			"60 TIME_WAIT here, 3 ESTABLISHED and well at front1: the front, not the client"},
		{"one loops, another has one TIME_WAIT", "client_loop", normal, well, OK, 0, TheFront,
			": the front, not the client"},
		{"two loop, well there", "client_loop", []client{timeWait(a, 60), timeWait(b, 50)}, well, OK, 0, TheFront,
			": the front, not the client"},
		{"one loops, also there", "client_loop", loop, ill, OK, 0, TheClient,
			"60 TIME_WAIT here, 40 TIME_WAIT at front1: the client, not the front"},
		{"two loop, one also there", "client_loop", []client{timeWait(a, 60), timeWait(b, 50)}, ill, OK, 0, NoVerdict,
			"60 TIME_WAIT here, 40 TIME_WAIT at front1"},
		{"network", "network", crowd, well, OK, 0, NoVerdict, "60 CLOSE_WAIT here, 3 ESTABLISHED and well at front1"},
		{"unclear", "unclear", crowd, well, OK, 0, NoVerdict, "3 ESTABLISHED and well at front1"},
		{"mass logoff", "mass_logoff", crowd, well, OK, 0, NoVerdict, "3 ESTABLISHED and well at front1"},
		{"no diagnosis", "brand_new", crowd, well, OK, 0, NoVerdict, "3 ESTABLISHED and well at front1"},
	} {
		here, there := minutes(look{}, "..CCC..."), minutes(look{name: "front1", omitted: test.omitted}, "........")
		for i := range here {
			if here[i].status != OK {
				here[i].code = test.code
			}
			there[i].status = test.status
		}
		s := storyOf(t, text(with(here, test.here, well)...)+text(with(there, test.there, test.there)...))
		n := s.Incidents[slices.IndexFunc(s.Incidents, func(n *Incident) bool { return n.Front.Name == "front7" })]
		c := n.Clients[0]
		got := english.tell(s).Fares(c)
		if c.Address != a || c.Verdict != test.want || !strings.Contains(got, test.fare) {
			t.Errorf("%s: %s, verdict %d: %s\nwant %d: %s", test.name, c.Address, c.Verdict, got, test.want, test.fare)
		}
		if test.want == NoVerdict && strings.Contains(got, ": ") {
			t.Errorf("%s: a verdict in %s", test.name, got)
		}
	}
}

// TestNoOtherFront: with one front in the logs nothing is said of others.
func TestNoOtherFront(t *testing.T) {
	s := storyOf(t, text(with(minutes(look{}, "..CCC..."), []client{closeWait("10.1.2.3", 60)}, nil)...))
	wantWords(t, s, "    10.1.2.3: 60 CLOSE_WAIT here\n")
	if got := words(t, s, 0); strings.Contains(got, "ther front") {
		t.Error(got)
	}
}

// TestManyOtherFronts: where the client fared the same, three fronts are told by name.
func TestManyOtherFronts(t *testing.T) {
	here := with(minutes(look{}, "..CCC..."), []client{closeWait("10.1.2.3", 60)}, nil)
	content := text(here...)
	for i := range 6 {
		content += text(with(minutes(look{name: fmt.Sprint("front", i)}, "........"), nil,
			[]client{established("10.1.2.3", 3)})...)
	}
	ill := minutes(look{name: "front8"}, "..wwwwww")
	late := minutes(look{name: "front9"}, "                   ...")
	closed := with(minutes(look{name: "front0"}, "xxxxxxxx"), nil, []client{established("10.1.2.3", 3)})
	s := storyOf(t, strings.ReplaceAll(content, "front0", "front6")+text(closed...)+text(ill...)+text(late...))
	wantWords(t, s, "Other fronts then: 6 of 9 well, front8 was WARNING, 1 out of session, 1 without a look at that time.",
		"    10.1.2.3: 60 CLOSE_WAIT here, 3 ESTABLISHED at front0, 3 ESTABLISHED and well at front1,"+
			" front2, front3 and 3 more: the front, not the client\n")
}

// TestNearest: a front's state at a time is that of its nearest look, if there is one at that time.
func TestNearest(t *testing.T) {
	s := storyOf(t, text(minutes(look{}, "...      .C..")...))
	f := s.Fronts[0]
	for second, want := range map[int]int{-121: -1, -120: 0, 0: 0, 29: 0, 31: 60, 60: 60, 240: 120, 241: -1, 400: -1,
		450: 540, 599: 600, 750: 720, 840: 720, 841: -1} {
		got := -1
		if o := nearest(f, begin.Unix()+int64(second)); o.Looked {
			got = int(o.look.at - begin.Unix())
		}
		if got != want {
			t.Errorf("%d s: look at %d s, want %d", second, got, want)
		}
	}
	unset := storyOf(t, look{at: time.Unix(0, 0)}.line()).Fronts[0]
	if !nearest(unset, 1).Looked {
		t.Error("a look at the begin of 1970 is none")
	}
}

// TestFirstClient: the client whose trouble grew first is named, not one that always has a little.
func TestFirstClient(t *testing.T) {
	looks := minutes(look{}, "......CCCC...")
	for i := range looks {
		looks[i].clients = []client{timeWait("10.1.0.1", 1)} // always
		if i >= 4 {                                          // before any other, and before a threshold is breached
			looks[i].clients = append(looks[i].clients, timeWait("10.1.0.2", 10*(i-3)))
		}
		if i >= 6 {
			looks[i].clients = append(looks[i].clients, timeWait("10.1.0.3", 95), established("10.1.0.4", 2))
		}
	}
	s := storyOf(t, text(looks...))
	wantWords(t, s, "First client affected: 10.1.0.2, since 10:04:00.")
	if n := s.Incidents[0]; len(n.Clients) != 3 || n.Clients[0].Address != "10.1.0.3" || n.unwell != 2 {
		t.Errorf("%d clients, %d of them unwell", len(n.Clients), n.unwell)
	}
	names := minutes(look{}, "C...")
	names[0].clients = []client{{address: "10.1.0.3", name: "Huatai", states: map[string]int{"time_wait": 5}}}
	wantWords(t, storyOf(t, text(names...)), "First client affected: 10.1.0.3 (Huatai), since 10:00:00.",
		"    10.1.0.3 (Huatai): 5 TIME_WAIT here\n")
}

// TestAffectedElsewhen: a client that has trouble only before or after an incident is none of its clients.
func TestAffectedElsewhen(t *testing.T) {
	looks := minutes(look{}, "...C....C...")
	looks[5].clients = []client{timeWait("10.1.0.5", 9)}
	looks[8].clients = []client{closeWait("10.1.0.8", 60)}
	s := storyOf(t, text(looks...))
	if n := s.Incidents[0]; n.First != nil || len(n.Clients) > 0 {
		t.Errorf("%+v", n.First)
	}
	if n := s.Incidents[1]; n.First == nil || n.First.Address != "10.1.0.8" || len(n.Clients) != 1 {
		t.Errorf("%+v", n.First)
	}
}

// TestManyClients: the ten that were affected most are told, and how many more there are.
func TestManyClients(t *testing.T) {
	looks := minutes(look{}, "..CC...")
	var clients []client
	for i := range 25 {
		clients = append(clients, closeWait(fmt.Sprint("10.1.2.", i), 1+i))
	}
	s := storyOf(t, text(with(looks, clients, nil)...))
	n := s.Incidents[0]
	if len(n.Clients) != shownClients || n.More != 15 || n.Clients[0].Peak != 25 || n.Clients[9].Peak != 16 {
		t.Errorf("%d clients and %d more, %+v", len(n.Clients), n.More, n.Clients[0])
	}
	wantWords(t, s, "\n    10.1.2.24: 25 CLOSE_WAIT here\n", "\n    and 15 more clients\n")
}

// TestAffected: which sockets of a client are in trouble depends on the diagnosis.
func TestAffected(t *testing.T) {
	for _, test := range []struct {
		code string
		c    client
		want int
	}{
		{"feed_stalled", client{stalled: 7}, 7}, {"hung", client{stalled: 7}, 0},
		{"client_loop", client{zeroWindow: 3}, 3}, {"hung", client{zeroWindow: 3}, 0},
		{"hung", client{unread: 4000}, 1}, {"client_loop", client{unread: 4000}, 0},
		{"feed_stalled", client{stalled: 7, states: map[string]int{"close_wait": 9}}, 9},
	} {
		test.c.address = "10.1.2.3"
		l := look{at: begin, status: Critical, code: test.code, clients: []client{test.c}}
		n := storyOf(t, text(l)).Incidents[0]
		got := 0
		if len(n.Clients) > 0 {
			got = n.Clients[0].Peak
		}
		if got != test.want {
			t.Errorf("%s, %+v: %d, want %d", test.code, test.c, got, test.want)
		}
	}
	negative := look{at: begin, status: Critical, clients: []client{closeWait("10.1.2.3", -5)}}
	if n := storyOf(t, text(negative)).Incidents[0]; len(n.Clients) > 0 {
		t.Errorf("-5 sockets: %+v", n.Clients[0])
	}
}

// TestUnknown: a look at which nothing could be counted is told without numbers.
func TestUnknown(t *testing.T) {
	looks := minutes(look{reason: "no answer within 3s"}, "..UU...")
	s := storyOf(t, text(looks...))
	wantWords(t, s, "Diagnosis: none, because the check had no answer from 10:02:00.",
		"  The check said at the worst moment, 10:02:00: no answer within 3s\n  All was well at 10:04:00, after 2m.\n")
	if n := s.Incidents[0]; n.First != nil || len(n.Clients) > 0 || len(n.States) > 0 {
		t.Errorf("%+v", n)
	}
}

// TestPoints: the charts have some looks before and after, and nothing of another incident.
func TestPoints(t *testing.T) {
	s := storyOf(t, text(minutes(look{inode: 7}, "..........C.....C.......")...))
	for i, want := range []string{"5 10:05 10:15", "5 10:11 10:22"} {
		n := s.Incidents[i]
		first, last := n.Points[0], n.Points[len(n.Points)-1]
		got := fmt.Sprintf("5 %s %s", first.At.Format("15:04"), last.At.Format("15:04"))
		if got != want {
			t.Errorf("incident %d: points %s, want %s", i+1, got, want)
		}
		if first.Queue == nil || *first.Queue != 0 || *first.Backlog != 128 || *first.FeedAge != 0.5 {
			t.Errorf("point %+v", first)
		}
	}
}

// TestBeginning: in a log of a look a second, each look of the begin of a long incident is read,
// and the worst one of each later column.
func TestBeginning(t *testing.T) {
	const looks = 3 * 60 * 60
	var b strings.Builder
	for i := range looks {
		l := look{at: begin.Add(time.Duration(i) * time.Second), status: Critical}
		l.clients = []client{closeWait("10.1.2.3", 20)}
		switch i {
		case 77:
			l.clients = append(l.clients, closeWait("10.1.2.4", 20))
		case looks / 2:
			l.clients[0] = closeWait("10.1.2.3", 90)
		}
		b.WriteString(l.line())
	}
	n := storyOf(t, b.String()).Incidents[0]
	if n.Clients[0].Peak != 90 || !n.Clients[1].Since.Equal(begin.Add(77*time.Second)) || len(n.Points) > 3*maxPoints {
		t.Errorf("%+v, %+v, %d points", n.Clients[0], n.Clients[1], len(n.Points))
	}
}
