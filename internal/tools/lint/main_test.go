package main

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// comment returns a line with so many columns. Each of its letters has several bytes.
func comment(columns int) string { return "\t//" + strings.Repeat("前", columns-3) + "\n" }

// function returns the source of a function with so many lines.
func function(name string, lines int) string {
	const comment = "// This comment does not count.\n"
	return comment + "func " + name + "() {" + strings.Repeat("\n", lines-1) + "}\n"
}

func TestLint(t *testing.T) {
	const head = "package a\n\n"
	tree := fstest.MapFS{}
	for name, source := range map[string]string{
		"fits.go":              head + comment(120) + function("fits", 60),
		"columns.go":           head + comment(121),
		"sub/lines.go":         head + function("fits", 60) + function("long", 61),
		"sub/lines_test.go":    head + function("TestLong", 200) + comment(121),
		"testdata/skipped.go":  head + comment(121),
		"a/testdata/x/more.go": head + comment(121),
		"bin/skipped.go":       head + comment(121),
		"notes.txt":            comment(121),
	} {
		tree[name] = &fstest.MapFile{Data: []byte(source)}
	}
	got, err := lintTree(tree)
	want := []string{
		"columns.go:3: line has 121 columns (120 at most)",
		"sub/lines.go:65: function long has 61 lines (60 at most)",
		"sub/lines_test.go:204: line has 121 columns (120 at most)",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestLintOfBrokenSource(t *testing.T) {
	tree := fstest.MapFS{"broken.go": {Data: []byte("package a\n\nfunc {\n")}}
	if _, err := lintTree(tree); err == nil || !strings.HasPrefix(err.Error(), "broken.go:3:") {
		t.Errorf("got error %v, want one that begins with broken.go:3:", err)
	}
}
