package capture

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	utf "golang.org/x/text/encoding/unicode"

	"frontsockets/internal/tcp"
)

// wholeCapture is a capture of testdata, in UTF-8, and how to read it.
type wholeCapture struct {
	name, tool string
	lines      []string // with their ends
}

// wholeCaptures returns the captures whose order of columns the patterns of show can read.
func wholeCaptures(t testing.TB) []wholeCapture {
	files, err := filepath.Glob("../../testdata/captures/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []wholeCapture
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(text, []byte("\xff\xfe")) {
			if text, err = utf.UTF16(utf.LittleEndian, utf.UseBOM).NewDecoder().Bytes(text); err != nil {
				t.Fatal(err)
			}
		}
		c := wholeCapture{name: filepath.Base(file), tool: "netstat"}
		if strings.HasPrefix(c.name, "ss-") {
			c.tool = "ss"
		}
		c.lines = strings.SplitAfter(string(text), "\n")
		if !slices.ContainsFunc(c.lines, hasOtherOrder) {
			all = append(all, c)
		}
	}
	if len(all) < 60 {
		t.Fatalf("%d captures", len(all))
	}
	return all
}

// hasOtherOrder reports whether a line is a header with an order that the patterns of show do not know.
func hasOtherOrder(line string) bool {
	header, _ := readHeader([]byte(line))
	return header.columns != nil && strings.Join(header.columns, " ") != orderOfSolaris
}

// shown is what a text shows of the front: sessions, and those of them in another state
// than ESTABLISHED.
type shown struct{ sessions, abnormal int }

const stateNames = `ESTABLISHED|ESTAB|SYN[-_]SENT|SYN[-_](?:RECV|RCVD|RECEIVED)|FIN[-_]WAIT[-_]?[12]|` +
	`TIME[-_]WAIT|CLOSED|CLOSE[-_]WAIT|CLOSE|LAST[-_]ACK|CLOSING|UNCONN|BOUND|IDLE`

var (
	netstatShows = regexp.MustCompile(`(?m)(?:^|\s)(\S+[.:]41213)\s+(\S*[0-9]\S*)\s+(?:\d+\s+\d+\s+\d+\s+\d+\s+)?(` +
		stateNames + `)(?:\s|$)`)
	ssShows = regexp.MustCompile(`(?m)(?:^|\s)((?:udp|mptcp|raw|sctp|dccp|v_str|u_str|nl|\?\?\?)\s+)?(` +
		stateNames + `)\s+\d+\s+\d+\s+(\S+:41213)\s+(\S+:\d+)`)
	isUDP = regexp.MustCompile(`(?i)udp\S*\s+(?:\d+\s+\d+\s+)?$`)
)

// show reads a text by a plain pattern, and is independent of what it tests.
func show(tool, text string) (s shown) {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune("\u00a0\u3000\u2003\u200b\t", r) {
			return ' '
		}
		return r
	}, text)
	states := map[string]string{}
	add := func(local, remote, state string) { states[local+" "+remote] = state }
	if tool == "ss" {
		for _, m := range ssShows.FindAllStringSubmatch(text, -1) {
			if m[1] == "" {
				add(m[3], m[4], m[2])
			}
		}
	} else {
		for _, m := range netstatShows.FindAllStringSubmatchIndex(text, -1) {
			if !isUDP.MatchString(text[max(0, m[2]-60):m[2]]) {
				add(text[m[2]:m[3]], text[m[4]:m[5]], text[m[6]:m[7]])
			}
		}
	}
	for _, state := range states {
		s.sessions++
		if !strings.HasPrefix(state, "ESTAB") {
			s.abnormal++
		}
	}
	return s
}

// mangles are ways in which people, tools and terminals change a text. Each changes line i,
// and some what is after it. They report whether they may take a row away without a trace:
// then the mangled text tells what is left. Otherwise the count must not be smaller.
var mangles = []struct {
	name string
	do   func(r *rand.Rand, lines []string, i int) (_ []string, lost bool)
}{
	{"deleted", func(_ *rand.Rand, lines []string, i int) ([]string, bool) { return slices.Delete(lines, i, i+1), true }},
	{"doubled", func(_ *rand.Rand, lines []string, i int) ([]string, bool) {
		return slices.Insert(lines, i, lines[i]), false
	}},
	{"cut", func(r *rand.Rand, lines []string, i int) ([]string, bool) {
		head := cutAt(r, lines[i])
		lines[i] = head + "\n"
		return lines, len(strings.TrimSpace(head)) < leastTrace
	}},
	{"cut at its left", func(r *rand.Rand, lines []string, i int) ([]string, bool) {
		lines[i] = lines[i][len(cutAt(r, lines[i])):]
		return lines, !leftTrace.MatchString(lines[i])
	}},
	{"cut with what follows", func(r *rand.Rand, lines []string, i int) ([]string, bool) {
		lines[i] = cutAt(r, lines[i])
		return lines[:i+1], true
	}},
	{"joined", func(r *rand.Rand, lines []string, i int) ([]string, bool) {
		lines[i] = strings.TrimRight(lines[i], "\r\n") + strings.Repeat(" ", r.IntN(3))
		return lines, false
	}},
	{"joined, without blanks", func(_ *rand.Rand, lines []string, i int) ([]string, bool) {
		lines[i] = strings.TrimSpace(lines[i])
		return lines, false
	}},
	{"broken", func(r *rand.Rand, lines []string, i int) ([]string, bool) {
		head := cutAt(r, lines[i])
		lines[i] = head + "\n" + strings.Repeat(" ", r.IntN(2)*r.IntN(9)) + lines[i][len(head):]
		return lines, false
	}},
	{"all broken at a width", func(r *rand.Rand, lines []string, _ int) ([]string, bool) {
		width := 30 + r.IntN(60)
		for j, line := range lines {
			if body := strings.TrimRight(line, "\r\n"); len(body) > width {
				lines[j] = body[:width] + "\n" + body[width:] + "\n"
			}
		}
		return lines, false
	}},
	{"blank inside", func(r *rand.Rand, lines []string, i int) ([]string, bool) {
		head := cutAt(r, lines[i])
		lines[i] = head + " " + lines[i][len(head):]
		return lines, false
	}},
	{"other blanks", func(r *rand.Rand, lines []string, i int) ([]string, bool) {
		blank := []string{"\u00a0", "\u3000", "\u2003", "\t", "\u200b", "\u00a0 "}[r.IntN(6)]
		for j := range lines {
			if r.IntN(3) > 0 || j == i {
				lines[j] = strings.ReplaceAll(lines[j], " ", blank)
			}
		}
		return lines, false
	}},
	{"dots", func(_ *rand.Rand, lines []string, i int) ([]string, bool) {
		lines[i] = "...\n"
		return lines, i == 0
	}},
	{"masked", func(_ *rand.Rand, lines []string, i int) ([]string, bool) {
		lines[i] = regexp.MustCompile(`([.:])[1-9][0-9]{4}`).ReplaceAllString(lines[i], "$1*")
		return lines, false
	}},
	{"quoted", func(_ *rand.Rand, lines []string, i int) ([]string, bool) {
		lines[i] = "> " + lines[i]
		return lines, false
	}},
	{"coloured", func(_ *rand.Rand, lines []string, i int) ([]string, bool) {
		lines[i] = strings.ReplaceAll(lines[i], "41213", "\x1b[01;31m\x1b[K41213\x1b[m\x1b[K")
		return lines, false
	}},
	{"spliced", func(r *rand.Rand, lines []string, i int) ([]string, bool) {
		head := cutAt(r, lines[i])
		at := r.IntN(len(lines))
		lines[at] = head + lines[at][len(cutAt(r, lines[at])):]
		return lines, true
	}},
	{"printed twice", func(r *rand.Rand, lines []string, _ int) ([]string, bool) {
		again := slices.Clone(lines)
		for j := range again[:len(again)/2] {
			again[j] = strings.Replace(again[j], "ESTABLISHED", "CLOSE_WAIT ", 1)
		}
		between := []string{"", "---\n", "\n", "Mon Nov 23 09:30:01 CST 2026\n"}[r.IntN(4)]
		return slices.Concat(lines, []string{between}, again), false
	}},
	{"moved", func(r *rand.Rand, lines []string, i int) ([]string, bool) {
		line := lines[i]
		lines = slices.Delete(lines, i, i+1)
		return slices.Insert(lines, r.IntN(len(lines)+1), line), false
	}},
	{"without a header", func(_ *rand.Rand, lines []string, _ int) ([]string, bool) {
		return slices.DeleteFunc(lines, func(l string) bool {
			return strings.Contains(l, "Proto") || strings.HasPrefix(l,
				"State")
		}), false
	}},
}

// leastTrace is how much of the beginning of a row shows that there was one, in bytes, and
// leftTrace finds enough of its end.
const leastTrace = 4

var leftTrace = regexp.MustCompile(`[0-9].*[.:][0-9*].*(` + stateNames + `)`)

// cutAt returns the beginning of a line, in most cases of a row within its columns.
func cutAt(r *rand.Rand, line string) string {
	body := strings.TrimRight(line, "\r\n")
	if len(body) == 0 {
		return ""
	}
	return body[:r.IntN(min(len(body), 95))]
}

// mangle changes a capture by one or two mangles and returns the text and what must be
// counted in it, at least, unless it is refused.
func mangle(c wholeCapture, seed uint64) (text, what string, least shown) {
	r := rand.New(rand.NewPCG(seed, 41213))
	lines := slices.Clone(c.lines)
	if r.IntN(2) == 0 { // short ones, where a single row is the first and the last
		lines = lines[:min(len(lines), 3+r.IntN(12))]
	}
	least = show(c.tool, strings.Join(lines, ""))
	lossy := false
	for range 1 + r.IntN(2) {
		m := mangles[r.IntN(len(mangles))]
		i := r.IntN(len(lines))
		for range 20 { // most often a row of the front
			if strings.Contains(lines[i], "41213") {
				break
			}
			i = r.IntN(len(lines))
		}
		what += fmt.Sprintf("line %d %s; ", i+1, m.name)
		var lost bool
		lines, lost = m.do(r, lines, i)
		lossy = lossy || lost
		if len(lines) == 0 {
			break
		}
	}
	text = strings.Join(lines, "")
	if lossy {
		least = show(c.tool, text)
	}
	if r.IntN(6) == 0 && len(lines) > 0 { // last, so that what says that rows are missing stays whole
		i := r.IntN(len(lines))
		what += fmt.Sprintf("ended early after line %d; ", i+1)
		text = strings.TrimRight(strings.Join(lines[:i+1], ""), "\r\n") + "\n" + []string{"", "\n"}[r.IntN(2)] +
			cutTexts[r.IntN(len(cutTexts))] + []string{"", "\n", "\n[op@front7 ~]$ "}[r.IntN(3)]
	}
	switch r.IntN(12) {
	case 0:
		text, _ = utf.UTF16(utf.LittleEndian, utf.UseBOM).NewEncoder().String(text)
	case 1:
		text, _ = utf.UTF16(utf.BigEndian, utf.IgnoreBOM).NewEncoder().String(text)
	}
	return text, what, least
}

// checkMangled reports a mangled capture that has fewer sockets than its text shows.
func checkMangled(t *testing.T, c wholeCapture, seed uint64) (refused bool) {
	text, what, least := mangle(c, seed)
	var got shown
	look, err := from(c.tool, strings.NewReader(text)).Look(context.Background(), front, func(s *tcp.Socket) {
		if s.State == tcp.Listen {
			return
		}
		got.sessions++
		if s.State != tcp.Established {
			got.abnormal++
		}
	})
	hides := look.HiddenStates&sessions == sessions
	if err == nil && !hides && (got.sessions < least.sessions || got.abnormal < least.abnormal) {
		t.Errorf("%s, seed %d, %s: read %+v, the text shows %+v\n%.1500s", c.name, seed, what, got, least, text)
	}
	return err != nil
}

var perCapture = flag.Uint64("mangles", 60, "how many ways to mangle each capture")

// TestMangledCaptures: a capture that was changed on its way is refused, or has no fewer
// abnormal sockets and sessions than its text shows.
func TestMangledCaptures(t *testing.T) {
	for _, c := range wholeCaptures(t) {
		if got := show(c.tool, strings.Join(c.lines, "")); got.sessions == 0 {
			continue
		}
		for seed := range *perCapture {
			checkMangled(t, c, seed)
		}
	}
}

// FuzzMangled does the same with any seed.
func FuzzMangled(f *testing.F) {
	all := wholeCaptures(f)
	for i := range all {
		f.Add(uint16(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, file uint16, seed uint64) { checkMangled(t, all[int(file)%len(all)], seed) })
}
