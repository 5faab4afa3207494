package report

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/output"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// TestLongestLine: the reader takes the longest line that --log writes: of a check of all ports, where
// each second one has a listener and a session, and with the longest names.
func TestLongestLine(t *testing.T) {
	var ports tcp.Ports
	for port := 1; port <= 65535; port += 2 {
		ports = append(ports, tcp.PortRange{Lo: uint16(port), Hi: uint16(port)})
	}
	facts := ^tcp.Facts(0)
	count := tally.New(tally.Rules{ByPort: true}, nil, 0)
	for i, r := range ports {
		local := netip.AddrPortFrom(netip.MustParseAddr("2001:db8:1000:1000:1000:1000:1000:1000"), r.Lo)
		count.Add(&tcp.Socket{State: tcp.Listen, Facts: facts, Inode: 1<<60 + uint64(i), Local: local, RecvQ: 1 << 30,
			SendQ: 1 << 30})
		client := netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0x10, 0, 0x10, 0, 0x10, 0, 0x10, 0, 0x10, 0, byte(i >> 8),
			byte(i)})
		count.Add(&tcp.Socket{State: tcp.CloseWait, Facts: facts, Inode: 1<<60 + uint64(i), Local: local,
			Remote: netip.AddrPortFrom(client, 60000)})
	}
	result := count.Result(tcp.Look{Provides: facts})
	line := output.LogLine(output.Report{
		Name: strings.Repeat("&", 64), Service: "MDFRONT", Ports: ports, Result: &result,
		Names: func(netip.Addr) string { return strings.Repeat("&", 64) },
		Look:  tcp.Look{Time: begin, Host: "front7"},
	})
	if s := storyOf(t, string(line)); s.Looks != 1 || skipped(s) != "0: " {
		t.Errorf("%d bytes: %d looks, skipped %s", len(line), s.Looks, skipped(s))
	}
}

// hostileLogs are logs that need little room on the disk and much memory, if nothing bounds it.
var hostileLogs = map[string]func(w io.Writer){
	"long hosts": func(w io.Writer) {
		for i := range 150 {
			l := at(i)
			l.host, l.inode = strings.Repeat("x", 900_000)+fmt.Sprint(i), 7
			fmt.Fprint(w, l.line())
		}
	},
	"many fronts": func(w io.Writer) {
		long := strings.Repeat("前", 990)
		form := look{at: begin, host: long, name: long + "?", ports: long}
		before, after, _ := strings.Cut(form.line(), "?")
		for i := range 10_000 {
			fmt.Fprint(w, before, i, after)
		}
	},
	"many clients": func(w io.Writer) {
		var clients []client
		for i := range 1500 {
			clients = append(clients, closeWait(fmt.Sprint("10.1.", i/256, ".", i%256), 60))
		}
		for front := range 6 {
			statuses := strings.Repeat("C...", maxIncidents)
			if front > 0 {
				statuses = strings.Repeat(".", 4*maxIncidents)
			}
			for i, l := range minutes(look{name: fmt.Sprint("front", front)}, statuses) {
				if i%4 == 0 {
					l.clients = clients
				}
				fmt.Fprint(w, l.line())
			}
		}
	},
	"long names": func(w io.Writer) {
		long := strings.Repeat("é", 990)
		for i, l := range minutes(look{}, strings.Repeat("CCCC...", maxIncidents)) {
			for k := range 300 * min(int(l.status), 1) {
				c := closeWait(fmt.Sprint("10.", i%7, ".", k/256, ".", k%256), 60)
				c.name = long
				l.clients = append(l.clients, c)
			}
			fmt.Fprint(w, l.line())
		}
	},
	"flapping": func(w io.Writer) {
		everySecond(w, 300_000, look{status: Critical}, look{closed: true})
	},
	"restarts": func(w io.Writer) {
		form := look{status: Critical, started: begin}
		before, after := form, form
		before.inode, before.pid, after.inode, after.pid = 1, 1, 2, 2
		everySecond(w, 300_000, before, after)
	},
}

// everySecond writes n lines of these forms in turn, one for each second.
func everySecond(w io.Writer, n int, forms ...look) {
	var lines []string
	for _, l := range forms {
		lines = append(lines, l.line())
	}
	const unset = `"time":"0001-01-01T00:00:00Z"`
	for i := range n {
		before, after, _ := strings.Cut(lines[i%len(lines)], unset)
		at := begin.Add(time.Duration(i) * time.Second).Format(time.RFC3339)
		fmt.Fprint(w, before, `"time":"`, at, `"`, after)
	}
}

// TestHostileMemory: the memory for a story is bounded, however large the logs are when they are
// unpacked.
func TestHostileMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it unpacks half a gigabyte")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // the peak is little more than what is in use
	const most = 64 << 20
	for name, write := range hostileLogs {
		file := filepath.Join(t.TempDir(), "log.gz")
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		zip, _ := gzip.NewWriterLevel(f, gzip.BestSpeed)
		buffered := bufio.NewWriterSize(zip, 1<<20)
		write(buffered)
		buffered.Flush()
		zip.Close()
		f.Close()
		peak := peakHeap(func() {
			s, err := Read([]Log{{Name: file}}, Bound{}, Bound{})
			if err != nil {
				t.Error(err)
				return
			}
			for _, l := range Languages {
				if l.Write(io.Discard, s) != nil || l.WritePage(io.Discard, s) != nil {
					t.Error("not written")
				}
			}
		})
		t.Logf("%s: %d MiB", name, peak>>20)
		if peak > most {
			t.Errorf("%s: the heap has grown to %d MiB, want %d at most", name, peak>>20, most>>20)
		}
	}
}

// peakHeap returns the most bytes that objects had in the heap while do ran.
func peakHeap(do func()) (peak uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	done, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		for {
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64())
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	debug.FreeOSMemory()
	do()
	close(done)
	<-ended
	return peak
}

// TestLimits: what is beyond a limit is skipped, and the reason is told even if ten lines were skipped before.
func TestLimits(t *testing.T) {
	few := limits{fronts: 2, looks: 8, listeners: 3, codes: 2}
	form := look{inode: 7}
	other := look{name: "front1", inode: 8}
	for _, test := range []struct {
		name  string
		log   string
		looks int
		want  error
	}{
		{"at all limits", text(minutes(form, ".C.C")...) + text(minutes(other, ".C.C")...), 8, nil},
		{"fronts", text(minutes(form, "..")...) + text(minutes(other, "..")...) + at(0).line() +
			look{name: "front2", at: begin}.line(), 4, errFronts},
		{"looks", text(minutes(form, ".........")...), 8, errLooks},
		{"listeners", text(minutes(form, "..")...) + text(look{at: at(3).at, inode: 1}, look{at: at(4).at, inode: 2},
			look{at: at(5).at, inode: 3}, look{at: at(6).at, inode: 7}), 5, errListeners},
		{"codes", text(minutes(form, ".wC..")...), 4, errCodes},
	} {
		r := reader{logs: logs(t, strings.Repeat("x\n", maxProblems)+test.log), most: few}
		if err := r.read(); err != nil {
			t.Fatal(err)
		}
		s := r.story()
		got := skipped(s)
		if s.Looks != test.looks || test.want != nil && !strings.HasSuffix(got, ": "+test.want.Error()) ||
			test.want == nil && s.Skipped.N != maxProblems {
			t.Errorf("%s: %d looks, want %d; skipped %s", test.name, s.Looks, test.looks, got)
		}
		if zh := words(t, s, 1); test.want != nil && strings.Contains(zh, test.want.Error()) {
			t.Errorf("%s: no Chinese words for %q", test.name, test.want)
		}
	}
}

// TestLimitsAreTold: thousands of lines beyond a limit are counted, and the reason is told once.
func TestLimitsAreTold(t *testing.T) {
	var s Skipped
	for i := range 1000 {
		s.add("1.log", i, errForeign)
		s.add("1.log", i, errLooks)
		s.add("1.log", i, errFronts)
	}
	if s.N != 3000 || len(s.First) > maxProblems+len(limitErrors) {
		t.Errorf("%d skipped, %d told", s.N, len(s.First))
	}
}

// TestManyRestarts: of the restarts of an incident and of a front the first are told, and the end is told
// from the last one.
func TestManyRestarts(t *testing.T) {
	looks := minutes(look{}, strings.Repeat("C", 20)+"...")
	for i := range looks {
		looks[i].inode = uint64(min(i, 19) + 1)
	}
	s := storyOf(t, text(looks...))
	wantWords(t, s, "; restarted at 10:03:00, and 16 more times", "Restarted at 10:12:00: process before not known, after"+
		" not known.\n  Restarted 7 more times.\n", "All was well at 10:20:00, after 20m, 1m after the restart.")
	if n := s.Incidents[0]; len(n.Restarts) != maxSteps || n.MoreRestarts != 7 {
		t.Errorf("%d restarts and %d more", len(n.Restarts), n.MoreRestarts)
	}
}

// TestWorstOfMany: of very many incidents of a front the worst are told, and each is between the ones before
// and after it, also if these are not told.
func TestWorstOfMany(t *testing.T) {
	statuses := strings.Repeat("w...", 150) + strings.Repeat("C...", 40) + strings.Repeat("w...", 150) +
		strings.Repeat("C...", 20)
	s := storyOf(t, text(minutes(look{}, statuses)...))
	critical := 0
	for _, n := range s.Incidents {
		if n.Worst == Critical {
			critical++
		}
		first, last := n.Points[0].At, n.Points[len(n.Points)-1].At
		if before, after := n.From.Sub(first), last.Sub(n.To); before > 3*time.Minute || after > 2*time.Minute {
			t.Errorf("incident at %s: points from %s before to %s after", n.From, before, after)
		}
	}
	if len(s.Incidents) != maxIncidents || critical != maxIncidents || s.Untold != 360-maxIncidents {
		t.Errorf("%d incidents, %d of them CRITICAL, %d untold", len(s.Incidents), critical, s.Untold)
	}
}

// TestLongestQueue: the chart has the longest queue, also if the log leaves out its listener.
func TestLongestQueue(t *testing.T) {
	l := look{at: begin, status: Critical, inode: 7}
	// In the metrics, not of the listener.
	line := strings.Replace(l.line(), `"accept_queue":0,"feed_age"`, `"accept_queue":99,"feed_age"`, 1)
	p := storyOf(t, line).Incidents[0].Points[0]
	if p.Queue == nil || *p.Queue != 99 || p.Backlog != nil {
		t.Errorf("%+v", p)
	}
}

// TestStatusOrder: statuses have the words and the order of the checks.
func TestStatusOrder(t *testing.T) {
	order := []Status{OK, Warning, Unknown, Critical}
	for i, a := range order {
		for j, b := range order {
			if got := a.compare(b); got != cmp.Compare(i, j) {
				t.Errorf("%s to %s: %d", a, b, got)
			}
		}
	}
	if got := fmt.Sprint(order); got != "[OK WARNING UNKNOWN CRITICAL]" {
		t.Error(got)
	}
}

// TestSigns: the key of the table says what the signs mean: a client with a few abnormal sockets is well.
func TestSigns(t *testing.T) {
	const a = "10.1.2.3"
	few := []client{{address: a, states: map[string]int{"established": 1, "close_wait": 6}}}
	here := with(minutes(look{}, "..CCC..."), []client{closeWait(a, 60)}, nil)
	there := with(minutes(look{name: "front1"}, "........"), nil, few)
	s := storyOf(t, text(here...)+text(there...))
	for i, want := range []string{"✓ served, with few or no abnormal sockets", "✓ 有正常会话，异常 socket 很少或没有"} {
		var page strings.Builder
		if err := Languages[i].WritePage(&page, s); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(page.String(), want) || !strings.Contains(page.String(), "✓ 7") {
			t.Errorf("no %q in the page", want)
		}
	}
}
