package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const copyrightFile = "../../../contrib/packaging/copyright"

// TestLicences: every module of every program, on every platform, has an allowed licence, and
// copyright holds the text of the licence that the module itself brings.
func TestLicences(t *testing.T) {
	text, err := os.ReadFile(copyrightFile)
	if err != nil {
		t.Fatal(err)
	}
	known := readCopyright(string(text))
	for module, dir := range modules(t) {
		name := known.licences[module]
		if allowed[name] == "" {
			t.Errorf("%s has the licence %q in %s, which is not allowed", module, name, copyrightFile)
			continue
		}
		want := words(known.texts[name])
		if name == "Apache-2.0" { // its text is a file of its own in the packages
			want = "apache license version 2 0 january 2004"
		}
		if got := words(licenceOf(t, dir)); want == "" || !strings.Contains(got, want) {
			t.Errorf("%s has not the text that %s gives for %s", module, copyrightFile, name)
		}
	}
}

// modules returns the modules that are linked into a program, and their folders.
func modules(t *testing.T) map[string]string {
	t.Helper()
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	platforms := regexp.MustCompile(`(?m)^PLATFORMS := (.*)$`).FindSubmatch(makefile)
	if platforms == nil {
		t.Fatal("the Makefile has no PLATFORMS")
	}
	found := map[string]string{}
	for _, platform := range strings.Fields(string(platforms[1])) {
		system, arch, _ := strings.Cut(platform, "/")
		list := exec.Command("go", "list", "-deps", "-tags", "forceposix", "-f",
			"{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", "./cmd/...")
		list.Dir = "../../.."
		list.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
		out, err := list.Output()
		if err != nil {
			t.Fatalf("%s: %v", list, err)
		}
		for line := range strings.Lines(string(out)) {
			if path, dir, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				found[path] = dir
			}
		}
	}
	if len(found) < 10 || found["github.com/go-ole/go-ole"] == "" {
		t.Fatalf("found only the modules %v", found)
	}
	return found
}

// licenceOf returns the text of the licence in the folder of a module.
func licenceOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "LICENSE*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s has the licences %q (%v), want one", dir, files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// words returns the words of a text in lower case, without its layout.
func words(text string) string {
	return strings.Join(regexp.MustCompile(`[a-z0-9]+`).FindAllString(strings.ToLower(text), -1), " ")
}

// TestSBOM: a component that copyright names gets its SPDX identifier; what is no SBOM, and a
// licence that is not allowed, are errors.
func TestSBOM(t *testing.T) {
	const in = `{"bomFormat":"CycloneDX","components":[
		{"name":"github.com/google/renameio/v2"},{"name":"github.com/tidwall/gjson"},{"name":"example.org/other"}]}`
	var out bytes.Buffer
	if err := run([]string{copyrightFile}, strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	var sbom struct {
		Components []struct {
			Name     string
			Licenses []struct{ License struct{ ID string } }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &sbom); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"github.com/google/renameio/v2": "Apache-2.0", "github.com/tidwall/gjson": "MIT"}
	for _, c := range sbom.Components {
		got := ""
		for _, l := range c.Licenses {
			got += l.License.ID
		}
		if got != want[c.Name] {
			t.Errorf("%s has the licence %q, want %q", c.Name, got, want[c.Name])
		}
	}
	if len(sbom.Components) != 3 {
		t.Errorf("%d components, want 3", len(sbom.Components))
	}

	for _, bad := range []string{"", "{}", `{"components":[]}`} {
		if err := run([]string{copyrightFile}, strings.NewReader(bad), &out); err == nil {
			t.Errorf("%q was taken for an SBOM", bad)
		}
	}
	unwanted := map[string]string{"github.com/tidwall/gjson": "AGPL-3.0"}
	if err := addLicences(map[string]any{"components": []any{map[string]any{"name": "github.com/tidwall/gjson"}}},
		unwanted); err == nil {
		t.Error("a licence that is not allowed was accepted")
	}
}
