package report

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// FuzzGlance: no line makes glanceAt or entryOf panic, and what both accept, they read alike.
func FuzzGlance(f *testing.F) {
	for _, content := range stories() {
		for line := range strings.Lines(content) {
			f.Add([]byte(strings.TrimSpace(line)))
		}
	}
	for _, text := range []string{
		`{}`, `{"name":`, `{"name":"\ud800","ports":"1","service":"s","exit_code":0,"time":"2026-11-25T10:00:00Z"}`,
		`{"name":1,"ports":"1","service":"s","exit_code":3,"time":"2026-11-25T10:00:00Z","metrics":[],"listeners":{}}`,
		`{"name":"a","name":"b","ports":"1","service":"s","exit_code":1,"exit_code":2,"time":"2026-11-25T10:00:00.5+08:00"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		g, err := glanceAt(line)
		_, errEntry := entryOf(line)
		if err != nil || errEntry != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(line, &members); err != nil {
			t.Fatalf("entryOf accepts %q: %v", line, err)
		}
		read := func(name string, into any) {
			if text, known := members[name]; known {
				_ = json.Unmarshal(text, into) // a value of another type is none
			}
		}
		var want struct {
			name, ports, service, host string
			status                     float64
			at                         time.Time
			format                     float64
		}
		for name, into := range map[string]any{"name": &want.name, "ports": &want.ports, "service": &want.service,
			"host": &want.host, "exit_code": &want.status, "time": &want.at, "format": &want.format} {
			read(name, into)
		}
		same := func(a, b string) bool { return printable(a) == printable(b) }
		if !same(g.Name, want.name) || !same(g.Ports, want.ports) || !same(g.Service, want.service) ||
			!same(g.Host, want.host) || float64(g.status) != want.status || !g.time.Equal(want.at) {
			t.Errorf("%q: %+v, want %+v", line, g, want)
		}
		if want.format > newestFormat {
			t.Errorf("accepted format %v", want.format)
		}
	})
}

// FuzzFile: no file makes the story panic, hang or print what is not printable.
func FuzzFile(f *testing.F) {
	for _, content := range stories() {
		f.Add([]byte(content))
		f.Add([]byte(zipped(f, content)))
	}
	f.Add([]byte(text(minutes(look{inode: 7}, "..C..C    C.x..w")...)))
	f.Fuzz(func(t *testing.T, content []byte) {
		list, remove, err := Logs([]string{"-"}, bytes.NewReader(content))
		defer remove()
		if err != nil {
			t.Fatal(err)
		}
		s, err := Read(list, Bound{}, Bound{})
		if err != nil {
			return
		}
		looks := 0
		for _, front := range s.Fronts {
			looks += front.Looks
			for i, segment := range front.Strip {
				if segment.To.Before(segment.From) || i > 0 && !segment.From.Equal(front.Strip[i-1].To) {
					t.Errorf("segment %d of %d: %+v", i, len(front.Strip), segment)
				}
			}
		}
		if looks != s.Looks || looks == 0 || s.To.Before(s.From) {
			t.Errorf("%d looks, want %d, from %s to %s", s.Looks, looks, s.From, s.To)
		}
		for _, n := range s.Incidents {
			if n.To.Before(n.From) || n.WorstAt.Before(n.From) || n.WorstAt.After(n.To) || n.Looks == 0 || n.Worst == OK {
				t.Errorf("%+v", n)
			}
		}
		for _, l := range Languages {
			var b strings.Builder
			if err := l.Write(&b, s); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); strings.Contains(got, "%!") && !bytes.Contains(content, []byte("%")) ||
				strings.ContainsAny(got, "\x00\x1b\r\u202e") {
				t.Errorf("%q", got)
			}
			if err := l.WritePage(io.Discard, s); err != nil {
				t.Fatal(err)
			}
		}
	})
}
