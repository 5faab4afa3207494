package report

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shanghai is the zone of most test logs.
var shanghai = time.FixedZone("+08:00", 8*60*60)

// begin is the time of the first look of most test logs.
var begin = time.Date(2026, 11, 25, 10, 0, 0, 0, shanghai)

// look is one line of a test log. The zero value is a healthy front7.
type look struct {
	host, name, ports string
	at                time.Time
	status            Status
	code, reason      string
	clients           []client
	omitted           int
	inode             uint64 // 0: nothing listens
	pid               int    // 0: the process is not known
	started           time.Time
	closed, blind     bool // out of session; nothing could be counted
}

// client is a client of a look: its sockets by state.
type client struct {
	address, name string
	states        map[string]int
	stalled       int
	zeroWindow    int
	unread        int
}

func (c client) abnormal() int {
	n := 0
	for state, sockets := range c.states {
		if state != "established" {
			n += sockets
		}
	}
	return n
}

// established is a client with n sessions and no trouble.
func established(address string, n int) client {
	return client{address: address, states: map[string]int{"established": n}}
}

// timeWait is a client with n sockets in TIME_WAIT.
func timeWait(address string, n int) client {
	return client{address: address, states: map[string]int{"time_wait": n}}
}

// closeWait is a client with n sockets in CLOSE_WAIT.
func closeWait(address string, n int) client {
	return client{address: address, states: map[string]int{"close_wait": n}}
}

type object = map[string]any

// line returns the line of --log.
func (l look) line() string {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	states, abnormal := map[string]int{}, 0
	clients := []object{}
	for _, c := range l.clients {
		sessions := 0
		for state, n := range c.states {
			states[state] += n
			sessions += n
		}
		abnormal += c.abnormal()
		clients = append(clients, object{"address": c.address, "name": c.name, "sessions": sessions,
			"abnormal": c.abnormal(), "states": c.states, "unread_bytes": c.unread, "stalled": c.stalled,
			"zero_window": c.zeroWindow, "feed_age": 0.5})
	}
	var listeners []object
	if l.inode > 0 {
		listeners = append(listeners, object{"address": "0.0.0.0", "port": 41213, "accept_queue": 0, "backlog": 128,
			"inode": l.inode})
	}
	doc := object{"ports": or(l.ports, "41213"), "status": l.status.String(), "exit_code": int(l.status),
		"reason":    or(l.reason, fmt.Sprintf("%s has %d abnormal sockets", or(l.name, "front7"), abnormal)),
		"diagnosis": object{"code": or(l.code, "healthy"), "text": "", "evidence": []any{}},
		"metrics":   object{"abnormal": abnormal, "unread": 0, "accept_queue": 0, "feed_age": 0.5}, "states": states,
		"clients": clients, "clients_omitted": l.omitted, "listeners": listeners, "out_of_session": l.closed,
		"host": l.host, "time": l.at.Format(time.RFC3339), "service": "MDFRONT", "format": 1}
	if l.pid > 0 {
		doc["process"] = struct { // only the line begins with its name
			PID     int    `json:"pid"`
			Name    string `json:"name"`
			Started string `json:"started"`
		}{l.pid, "front", l.started.Format(time.RFC3339)}
	}
	if l.blind {
		for _, key := range []string{"diagnosis", "clients_omitted", "process"} {
			doc[key] = nil
		}
		doc["metrics"], doc["states"] = object{"abnormal": nil}, object{"time_wait": nil}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	name, err := json.Marshal(or(l.name, "front7"))
	if err != nil {
		panic(err)
	}
	// The name comes first, as in a line of --log.
	return `{"name":` + string(name) + `,` + strings.TrimPrefix(string(text), "{") + "\n"
}

// minutes returns a look each minute, of the form look but for the status: "." is OK, "w" WARNING,
// "C" CRITICAL, "U" UNKNOWN, "x" out of session, and " " no look.
func minutes(form look, statuses string) []look {
	var looks []look
	for i, c := range statuses {
		l := form
		if l.at.IsZero() {
			l.at = begin
		}
		l.at = l.at.Add(time.Duration(i) * time.Minute)
		switch c {
		case 'w':
			l.status, l.code = Warning, "client_loop"
		case 'C':
			l.status, l.code = Critical, "hung"
		case 'U':
			l.status, l.blind = Unknown, true
		case 'x':
			l.closed = true
		case ' ':
			continue
		}
		looks = append(looks, l)
	}
	return looks
}

func text(looks ...look) string {
	var b strings.Builder
	for _, l := range looks {
		b.WriteString(l.line())
	}
	return b.String()
}

func zipped(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// logs writes each content into a file of its own: 1.log, 2.log and so on.
func logs(t testing.TB, contents ...string) []Log {
	t.Helper()
	dir := t.TempDir()
	var list []Log
	for i, content := range contents {
		name := filepath.Join(dir, fmt.Sprintf("%d.log", i+1))
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		list = append(list, Log{Name: name})
	}
	return list
}

// storyOf returns the story of log files with these contents.
func storyOf(t testing.TB, contents ...string) *Story {
	t.Helper()
	return readPeriod(t, "", "", contents...)
}

func readPeriod(t testing.TB, from, to string, contents ...string) *Story {
	t.Helper()
	s, err := Read(logs(t, contents...), bound(t, from), bound(t, to))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bound(t testing.TB, s string) Bound {
	t.Helper()
	b, err := ParseBound(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// words returns the story in a language, 0 is English. The names of files have no folder.
func words(t testing.TB, s *Story, language int) string {
	t.Helper()
	for i, p := range s.Skipped.First {
		s.Skipped.First[i].File = filepath.Base(p.File)
	}
	var b strings.Builder
	if err := Languages[language].Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// wantWords requires that the story in English has each of the texts.
func wantWords(t testing.TB, s *Story, texts ...string) {
	t.Helper()
	got := words(t, s, 0)
	for _, want := range texts {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// skipped returns what was skipped as "N: 1.log:3: why; …".
func skipped(s *Story) string {
	var list []string
	for _, p := range s.Skipped.First {
		p.File = filepath.Base(p.File)
		list = append(list, p.String())
	}
	return fmt.Sprintf("%d: %s", s.Skipped.N, strings.Join(list, "; "))
}
