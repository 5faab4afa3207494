package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMakefileNeedsGo requires that make says plainly which Go it needs, and that it takes every
// newer one.
func TestMakefileNeedsGo(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("REQUIRE_KERNEL") == "1" {
			t.Fatal("REQUIRE_KERNEL=1, but make is not installed")
		}
		t.Skip("make is not installed")
	}
	for answer, ok := range map[string]bool{
		"echo go1.24.0": true, "echo go1.24": true, "echo go1.26.8": true, "echo go1.100rc1": true, "echo go2.0": true,
		"echo 'devel go1.27-abcdef'": true, "echo 'go: downloading go1.24.0' >&2; echo go1.24.0": true,
		"echo go1.23.9": false, "echo go1.9": false, "echo go1.19.8": false, "exit 1": false,
		"echo 'go: download go1.24.0: no network' >&2; exit 1": false,
	} {
		fake := filepath.Join(t.TempDir(), "go")
		if err := os.WriteFile(fake, []byte("#!/bin/sh\n"+answer+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("make", "-s", "-C", "../../..", "needgo", "GO="+fake).CombinedOutput()
		plain := strings.Contains(string(out), "make: Go 1.24.0 or later is needed, and '"+fake+" env GOVERSION' says: ")
		if (err == nil) != ok || plain == ok {
			t.Errorf("%s: %v, %s", answer, err, out)
		}
	}
}

// TestFuzzTargets requires that `make fuzz` runs every fuzz target of the tree, and no other.
func TestFuzzTargets(t *testing.T) {
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var run, targets []string
	for _, target := range regexp.MustCompile(`[a-z./]+/Fuzz\w+`).FindAllString(string(makefile), -1) {
		run = append(run, path.Join("internal", target))
	}
	err = filepath.WalkDir("../../..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, found := range regexp.MustCompile(`(?m)^func (Fuzz\w+)`).FindAllSubmatch(text, -1) {
			targets = append(targets, path.Join(path.Dir(filepath.ToSlash(name))[len("../../../"):], string(found[1])))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(run)
	slices.Sort(targets)
	if !slices.Equal(run, targets) {
		t.Errorf("make fuzz runs\n%s\nand the tree has\n%s", strings.Join(run, "\n"), strings.Join(targets, "\n"))
	}
}
