package plugins

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
