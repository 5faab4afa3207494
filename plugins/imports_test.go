package plugins

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestImports keeps the way of the data: who may import whom.
func TestImports(t *testing.T) {
	const list = `{{.ImportPath}} {{join .Imports " "}}`
	var lines []string
	for _, system := range []string{"linux", "windows", "darwin", "freebsd"} {
		// -find looks no further: what other systems need may not be downloaded here.
		cmd := exec.Command("go", "list", "-find", "-tags", "forceposix", "-f", list, "./...")
		cmd.Dir = ".."
		cmd.Env = append(cmd.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines = slices.AppendSeq(lines, strings.Lines(string(out)))
	}

	ours := map[string]string{ // package → packages of ours that it may import
		"cmd/check_mdfront_sockets": "plugins",
		"cmd/check_front_sockets":   "plugins",
		"cmd/front_drill":           "",
		"plugins":                   "internal/output internal/session internal/source internal/tally internal/tcp internal/threshold internal/verdict",
		"internal/output":           "internal/tally internal/tcp internal/verdict",
		"internal/verdict":          "internal/tally internal/tcp internal/threshold",
		"internal/tally":            "internal/tcp",
		"internal/source":           "internal/tcp",
		"internal/tcp":              "",
		"internal/threshold":        "",
		"internal/session":          "",
		// Not part of any check:
		"internal/population":  "",
		"internal/tools/bench": "internal/population",
		"internal/tools/lab":   "",
		"internal/tools/man":   "plugins",
	}
	only := map[string]string{ // import → the packages that may
		"github.com/jessevdk/go-flags":             "plugins cmd/front_drill",
		"github.com/atc0005/go-nagios":             "internal/output",
		"github.com/shirou/gopsutil/v3/net":        "internal/source internal/tools/bench",
		"github.com/shirou/gopsutil/v3/common":     "internal/source",
		"github.com/shirou/gopsutil/v3/process":    "internal/source",
		"golang.org/x/sys/unix":                    "internal/source plugins cmd/front_drill internal/population internal/tools/bench internal/tools/lab",
		"golang.org/x/sys/windows":                 "internal/source cmd/front_drill",
		"golang.org/x/text/encoding/unicode":       "internal/source",
		"github.com/google/renameio/v2":            "internal/source",
		"os/exec":                                  "cmd/front_drill internal/population internal/tools/bench internal/tools/lab",
		"testing":                                  "internal/population",
		"frontsockets/internal/testkit/population": "internal/tools/bench",
		"frontsockets/plugins":                     "cmd/check_mdfront_sockets cmd/check_front_sockets internal/tools/man",
	}
	for _, line := range lines {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], "frontsockets/")
		allowed, known := ours[pkg]
		if !known {
			t.Errorf("%s is a package that this test does not know", pkg)
		}
		for _, imported := range fields[1:] {
			inner, isOurs := strings.CutPrefix(imported, "frontsockets/")
			if isOurs && !slices.Contains(strings.Fields(allowed), inner) {
				t.Errorf("%s imports %s", pkg, imported)
			}
			users, restricted := only[imported]
			if restricted && !slices.Contains(strings.Fields(users), pkg) {
				t.Errorf("%s imports %s, which is for %s", pkg, imported, users)
			}
			thirdParty := strings.Contains(strings.Split(imported, "/")[0], ".")
			if thirdParty && !restricted {
				t.Errorf("%s imports %s, which this test does not know", pkg, imported)
			}
		}
		if base := path.Base(pkg); strings.HasPrefix(pkg, "internal/") && slices.Contains([]string{"tcp", "threshold"}, base) {
			for _, imported := range fields[1:] {
				if strings.Contains(imported, ".") {
					t.Errorf("%s is a leaf and imports %s", pkg, imported)
				}
			}
		}
	}
	// The clock is read in plugins only; the others are told what time it is.
	sources, err := filepath.Glob("../internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pure := !strings.HasSuffix(name, "_test.go") && !strings.Contains(name, "/population/") && !strings.Contains(name, "/bench/") && !strings.Contains(name, "/lab/")
		if call := regexp.MustCompile(`time\.(Now|Since|Until)\(`).Find(text); pure && call != nil {
			t.Errorf("%s reads the clock: %s", name, call)
		}
	}
}
