// Lint reports Go lines that are too long, and functions outside tests that are too long.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxColumns = 120 // a tab counts as one column
	maxLines   = 60  // from the line of "func" to the line of the closing brace
)

// skippedFolders hold no Go source of this repository.
var skippedFolders = []string{".git", "testdata", "dist", "bin"}

func main() {
	violations, err := lintTree(os.DirFS("."))
	if err != nil {
		violations = append(violations, err.Error())
	}
	if len(violations) > 0 {
		fmt.Println(strings.Join(violations, "\n"))
		os.Exit(1)
	}
}

// lintTree returns the violations in all Go files of the tree.
func lintTree(tree fs.FS) (violations []string, err error) {
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(skippedFolders, entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		found, err := lintFile(name, string(source))
		violations = append(violations, found...)
		return err
	})
	return violations, err
}

// lintFile returns the violations in one file.
func lintFile(name, source string) (violations []string, err error) {
	for i, line := range strings.Split(source, "\n") {
		if n := utf8.RuneCountInString(line); n > maxColumns {
			text := fmt.Sprintf("%s:%d: line has %d columns (%d at most)", name, i+1, n, maxColumns)
			violations = append(violations, text)
		}
	}
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, name, source, parser.SkipObjectResolution)
	if err != nil || strings.HasSuffix(name, "_test.go") {
		return violations, err
	}
	for _, d := range file.Decls {
		first, last := positions.Position(d.Pos()).Line, positions.Position(d.End()).Line
		if f, isFunction := d.(*ast.FuncDecl); isFunction && last-first+1 > maxLines {
			text := fmt.Sprintf("%s:%d: function %s has %d lines (%d at most)", name, first, f.Name, last-first+1, maxLines)
			violations = append(violations, text)
		}
	}
	return violations, nil
}
