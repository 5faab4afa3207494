package plugins

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write anew what is made of the options or of other files")

// generated requires that a file is what it is made to be, or writes it.
func generated(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if readText(t, file) != want {
		t.Errorf("%s is not what it should be; go test ./plugins -update writes it", file)
	}
}

// generatedPart is generated for what is between two lines of a file.
func generatedPart(t *testing.T, file, begin, end, want string) {
	t.Helper()
	before, rest, found := strings.Cut(readText(t, file), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place between %q and %q", file, begin, end)
	}
	generated(t, file, before+begin+want+end+after)
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
