// Package golden keeps the files that a program writes: goldens, and the parts of documents
// that are made from the code. `make generate` writes them anew.
package golden

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files anew (make generate)")

// File requires that a file is text, or writes it under -update.
func File(t testing.TB, file, text string) {
	t.Helper()
	old, err := os.ReadFile(file)
	if string(old) == text && err == nil {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is out of date; run make generate. The first difference:\n%s", file, difference(string(old), text))
}

// Part requires that text stands in a file between two lines, or writes it under -update.
func Part(t testing.TB, file, begin, end, text string) {
	t.Helper()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(old), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place between %q and %q", file, begin, end)
	}
	File(t, file, before+begin+text+end+after)
}

// difference returns the first line in which two texts differ, as a diff.
func difference(old, text string) string {
	oldLines, lines := strings.Split(old, "\n"), strings.Split(text, "\n")
	n := 0
	for n < len(oldLines) && n < len(lines) && oldLines[n] == lines[n] {
		n++
	}
	diff := fmt.Sprintf("@@ line %d @@", n+1)
	if n < len(oldLines) {
		diff += "\n-" + oldLines[n]
	}
	if n < len(lines) {
		diff += "\n+" + lines[n]
	}
	return diff
}
