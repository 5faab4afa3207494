package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTornLine: a line whose writer was killed does not spoil the next one.
func TestTornLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	const torn = `{"name":"front7","po`
	if err := os.WriteFile(file, []byte(torn), 0o640); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Append(file, []byte("whole\n")); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if want := torn + "\nwhole\nwhole\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestTruncated: logrotate's copytruncate leaves no hole.
func TestTruncated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	for _, line := range []string{"first\n", "second\n"} {
		if err := Append(file, []byte(line)); err != nil {
			t.Fatal(err)
		}
		if line == "first\n" {
			if err := os.Truncate(file, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "second\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestMentions: all words must stand in the end of the file.
func TestMentions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if Mentions(file, "a") {
		t.Error("a file that is not there mentions something")
	}
	text := "early\n" + strings.Repeat("x", 64<<10) + "late later\n"
	if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]bool{"late later": true, "late never": false, "early late": false} {
		if got := Mentions(file, strings.Fields(words)...); got != want {
			t.Errorf("%s: %v", words, got)
		}
	}
}
