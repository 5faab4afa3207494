package plugins

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// captures are recordings of every system in testdata/captures; beside each is what
// an independent count of its sockets came to, in words metric=value.
func captures(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../testdata/captures/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	return files
}

// sourceOf is the -s for a capture: the files are named after the system, or after ss.
func sourceOf(file string) string {
	if strings.HasPrefix(filepath.Base(file), "ss-") {
		return "ss:" + file
	}
	return "netstat:" + file
}

// metrics are what -f json says, a value "U" for null.
func metrics(t *testing.T, out string) map[string]string {
	t.Helper()
	var doc struct {
		Reason  string
		Metrics map[string]*float64
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	values := map[string]string{"reason": doc.Reason}
	for name, v := range doc.Metrics {
		values[name] = "U"
		if v != nil {
			values[name] = strconv.FormatFloat(*v, 'f', -1, 64)
		}
	}
	return values
}

// TestTwistedCaptures: a capture that was twisted on its way has the same tally, or is
// an error. If a row is there twice, the tally may be larger.
func TestTwistedCaptures(t *testing.T) {
	counts := func(text []byte, file string) string {
		out, _ := MDFront.respond([]string{"-s", strings.Split(sourceOf(file), ":")[0] + ":-", "-f", "json"},
			bytes.NewReader(text), noon)
		got := metrics(t, string(out))
		if strings.Contains(got["reason"], "cannot be judged") {
			return "error"
		}
		return strings.Join([]string{got["established"], got["abnormal"], got["clients"], got["listeners"]}, " ")
	}
	for _, file := range captures(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(text, []byte("\xff\xfe")) {
			continue // its bytes are no lines
		}
		want := counts(text, file)
		lines := bytes.SplitAfter(text, []byte("\n"))
		twist := func(name string, i int, line string) {
			got := counts(bytes.Join(slices.Concat(lines[:i], [][]byte{[]byte(line)}, lines[i+1:]), nil), file)
			if got == want || got == "error" || name == "twice" && noFewer(got, want) {
				return
			}
			t.Errorf("%s, line %d, %s: %s, was %s", filepath.Base(file), i+1, name, got, want)
		}
		for i, line := range lines {
			if !bytes.Contains(line, []byte("41213")) || i == len(lines)-1 || i > 40 {
				continue
			}
			twist("coloured", i, "\x1b[31m"+string(line))
			twist("quoted", i, "> "+string(line))
			twist("behind a pager", i, "-- More --\r          \r"+string(line))
			twist("twice", i, string(line)+string(line))
			twist("joined", i, strings.TrimRight(string(line), "\r\n")+" ")
			twist("with a bare return", i, strings.TrimRight(string(line), "\r\n")+"\r")
		}
	}
}

// noFewer reports whether no number of got is smaller than that of want. U is unknown.
func noFewer(got, want string) bool {
	numbers := strings.Fields(got)
	for i, w := range strings.Fields(want) {
		n, _ := strconv.Atoi(numbers[i])
		least, _ := strconv.Atoi(w)
		if (numbers[i] == "U") != (w == "U") || n < least {
			return false
		}
	}
	return true
}

func TestCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(strings.TrimSuffix(file, ".txt") + ".want")
			if err != nil {
				t.Fatal(err)
			}
			out, _ := check(t, MDFront, "-s", sourceOf(file), "-f", "json")
			got := metrics(t, out)
			if strings.Contains(got["reason"], "cannot be judged") {
				t.Fatal(got["reason"])
			}
			words := strings.Fields(string(want))
			if len(words) < 15 {
				t.Fatalf("%d words", len(words))
			}
			var wrong []string
			for _, word := range words {
				name, value, _ := strings.Cut(word, "=")
				if got[name] != value {
					wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", name, got[name], value))
				}
			}
			if wrong != nil {
				t.Error(strings.Join(wrong, "\n"))
			}
		})
	}
}
