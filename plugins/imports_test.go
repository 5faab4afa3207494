package plugins

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestImports keeps data flowing in one direction: who may import whom.
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
		// The words.
		"internal/tcp":       "",
		"internal/threshold": "",
		"internal/textfile":  "",
		"internal/logfile":   "internal/textfile",
		"internal/suggest":   "",
		"internal/version":   "",
		"internal/session":   "internal/textfile",
		// The looks.
		"internal/source":   "internal/tcp internal/textfile",
		"internal/capture":  "internal/tcp internal/textfile",
		"internal/snapshot": "internal/tcp internal/textfile",
		"internal/process":  "internal/tcp",
		// The meaning.
		"internal/tally":     "internal/tcp",
		"internal/diagnosis": "internal/tally internal/tcp",
		"internal/verdict":   "internal/diagnosis internal/tally internal/tcp internal/threshold",
		// The people.
		"internal/output": "internal/diagnosis internal/tally internal/tcp internal/verdict",
		"plugins": "internal/capture internal/diagnosis internal/logfile internal/output internal/process" +
			" internal/session internal/snapshot internal/source internal/suggest internal/tally internal/tcp" +
			" internal/textfile internal/threshold internal/verdict internal/version",
		"cmd/check_mdfront_sockets": "plugins",
		"cmd/check_front_sockets":   "plugins",
		"cmd/front_drill":           "internal/suggest internal/version",
		// The story, which reads what the checks have logged.
		"internal/report":  "internal/diagnosis internal/tcp internal/textfile internal/verdict",
		"cmd/front_report": "internal/report internal/suggest internal/textfile internal/version",
		// The workshop, which no check imports.
		"internal/testkit/golden":     "",
		"internal/testkit/kernels":    "",
		"internal/testkit/population": "",
		"internal/tools/bench":        "internal/testkit/population",
		"internal/tools/faults":       "internal/testkit/population",
		"internal/tools/lab":          "",
		"internal/tools/lint":         "",
		"internal/tools/licences":     "",
		"internal/tools/soak":         "internal/source internal/tcp internal/testkit/population",
		"internal/tools/man": "plugins internal/diagnosis internal/output internal/report internal/tally internal/tcp" +
			" internal/verdict",
	}
	const workshop = "internal/testkit/kernels internal/testkit/population internal/tools/bench internal/tools/faults" +
		" internal/tools/lab internal/tools/soak"
	only := map[string]string{ // import → the packages that may
		"github.com/jessevdk/go-flags":         "plugins cmd/front_drill cmd/front_report",
		"github.com/tidwall/gjson":             "internal/report internal/output",
		"github.com/atc0005/go-nagios":         "internal/output",
		"github.com/shirou/gopsutil/v3/net":    "internal/source internal/tools/bench",
		"github.com/shirou/gopsutil/v3/common": "internal/source",
		"golang.org/x/sys/unix":                "internal/source internal/logfile plugins cmd/front_drill " + workshop,
		"golang.org/x/sys/windows":             "internal/source cmd/front_drill",
		"golang.org/x/text/encoding/unicode":   "internal/capture",
		"github.com/google/renameio/v2":        "internal/snapshot",
		"os/exec":                              "cmd/front_drill internal/tools/lint " + workshop,
		"testing":                              "internal/testkit/population internal/testkit/golden",
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
	}
	// The clock is read in plugins only; the others are told what time it is.
	sources, err := filepath.Glob("../internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	readsClock := regexp.MustCompile(`time\.(Now|Since|Until)\(`)
	for _, name := range sources {
		call := readsClock.FindString(readText(t, name))
		if call != "" && !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s reads the clock: %s", name, call)
		}
	}
}
