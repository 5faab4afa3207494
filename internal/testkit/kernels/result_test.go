package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const console = `garbage of the firmware
kernels: machine 7.2.13-amd64 x86_64 4
=== RUN   TestOne
--- PASS: TestOne (0.02s)
    --- PASS: TestOne/IPv4 (0.01s)
PASS
kernels: exit 0 plugins
kernels: end
`

// TestJudge requires that nothing passes but a machine whose programs have all run and passed.
func TestJudge(t *testing.T) {
	m := machine{suite: "sid", goarch: "amd64", withoutDiag: true}
	for _, test := range []struct{ old, new, want string }{
		{"", "", ""},
		{"machine 7.2", "7.2", "the machine does not say what it is"},
		{"--- PASS: TestOne (", "--- FAIL: TestOne (", "--- FAIL: TestOne"},
		{"--- PASS: TestOne/IPv4", "--- SKIP: TestOne/IPv4", "    --- SKIP: TestOne/IPv4"},
		{"exit 0", "exit 2", "the tests of plugins ended with 2"},
		{"kernels: exit 0 plugins\n", "", "the tests of plugins did not end"},
		{"PASS\n", "testing: warning: no tests to run\nPASS\n", "a program has no tests to run"},
	} {
		r := judge(m, strings.Replace(console, test.old, test.new, 1))
		if got := strings.Join(r.faults, "; "); got != test.want {
			t.Errorf("%q instead of %q: faults %q, want %q", test.new, test.old, got, test.want)
		}
	}
}

// TestReplaceTable requires that the row of a machine is written in its place, and nothing else.
func TestReplaceTable(t *testing.T) {
	document := filepath.Join(t.TempDir(), "document")
	write := func(text string) {
		if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const (
		before = "before\n" + beginTable
		others = "| `arm64` | old |\n"
		after  = "\n" + endTable + "after\n"
		row    = "| `no-tcp_diag` | 7.2.13-amd64 without `tcp_diag` | x86_64 | 4 KiB | amd64 | 1 | 61 | passed |\n"
	)
	m, _ := find("no-tcp_diag")
	r := judge(m, console)
	r.time = 61 * time.Second
	write(before + "an older head\n" + others + "| `no-tcp_diag` | old |\n" + after)
	for range 2 {
		if err := replaceTable(document, []result{r}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		if want := before + "\n" + tableHead + row + others + after; string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	write("no marks\n")
	if err := replaceTable(document, []result{r}); err == nil {
		t.Error("a document without marks was written")
	}
}
