package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/output"
	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/population"
	"frontsockets/plugins"
)

// helpOf returns the help of a program that is not a check.
func helpOf(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.Command("go", "run", "-tags", "forceposix", "../../../cmd/"+program, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// writeAll writes all pages and completions into a temporary folder.
func writeAll(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	var files []string
	for _, program := range []string{"front_drill", "front_report"} {
		file := filepath.Join(t.TempDir(), program)
		if err := os.WriteFile(file, []byte(helpOf(t, program)), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if err := write(folder, files); err != nil {
		t.Fatal(err)
	}
	return folder
}

// requireTool skips the test if the machine lacks the tool.
func requireTool(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		population.Skip(t, tool+" is not installed")
	}
}

// TestPages requires that a page and its completions name every option and example of the
// help, that every section is there, and that man has no warnings.
func TestPages(t *testing.T) {
	requireTool(t, "man")
	folder := writeAll(t)
	var mdHelp, frontHelp bytes.Buffer
	plugins.MDFront.Run([]string{"--help"}, nil, &mdHelp)
	plugins.Front.Run([]string{"--help"}, nil, &frontHelp)
	for program, help := range map[string]string{
		"check_mdfront_sockets": mdHelp.String(),
		"check_front_sockets":   frontHelp.String(),
		"front_drill":           helpOf(t, "front_drill"),
		"front_report":          helpOf(t, "front_report"),
	} {
		wants := append(textsOfHelp(program, help), seeAlso(program))
		if strings.HasPrefix(program, "check_") {
			wants = append(wants, sectionsOfChecks()...)
		}
		page := renderPage(t, filepath.Join(folder, "man", program+".1"))
		for _, want := range append(wants, "EXAMPLES", "EXIT STATUS", "SEE ALSO", "NAME "+program+" - ") {
			if !strings.Contains(page, want) {
				t.Errorf("the page of %s has no %q:\n%s", program, want, page)
			}
		}
	}
}

// TestMandoc requires that mandoc, the stricter of the two readers of man pages, has no complaint, not
// even of style.
func TestMandoc(t *testing.T) {
	requireTool(t, "mandoc")
	t.Setenv("SOURCE_DATE_EPOCH", "1796000000") // as in a package: otherwise the pages have no date
	pages, err := filepath.Glob(filepath.Join(writeAll(t), "man/*.1"))
	if err != nil || len(pages) != 4 {
		t.Fatalf("the pages are %q (%v)", pages, err)
	}
	out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "all"}, pages...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
}

// sectionsOfChecks returns the headings of a check's page, and the names of all states and
// diagnoses.
func sectionsOfChecks() []string {
	texts := []string{"METRICS", "POLICIES", "STATES", "DIAGNOSES"}
	for _, o := range plugins.MDFront.Options() {
		texts = append(texts, o.Group)
	}
	for s := tcp.Established; s < tcp.NumStates; s++ {
		texts = append(texts, " "+strings.ToUpper(s.String())+" ")
	}
	for _, kind := range diagnosis.Kinds {
		texts = append(texts, " "+string(kind.Code)+" ")
	}
	return texts
}

// textsOfHelp returns the options and the examples in the help of a program.
func textsOfHelp(program, help string) []string {
	texts := regexp.MustCompile(`--[a-z-]+`).FindAllString(help, -1)
	_, examples, _ := strings.Cut(help, "\nExamples:\n")
	examples = regexp.MustCompile(` \\\n +`).ReplaceAllString(examples, " ")
	for line := range strings.Lines(examples) {
		if strings.Contains(line, program) {
			texts = append(texts, strings.TrimSpace(line))
		}
	}
	return texts
}

// renderPage returns the text that man shows for the file, with single spaces between words.
func renderPage(t *testing.T, file string) string {
	t.Helper()
	cmd := exec.Command("man", "--warnings=w", "-l", file)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=1000", "MAN_KEEP_FORMATTING=")
	var warnings strings.Builder
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Errorf("man %s: %v, %s", file, err, &warnings)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// formatWords returns the names of all formats, sorted.
func formatWords() string {
	var names []string
	for _, f := range output.Formats {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// offers are the words that Tab offers after a line, in each shell.
var offers = []struct{ line, want string }{
	{"check_mdfront_sockets --fo", "--format"},
	{"check_mdfront_sockets --hol", "--holidays"},
	{"check_mdfront_sockets -f ", formatWords()},
	{"check_mdfront_sockets --format=j", "json"},
	{"check_front_sockets --policy s", "seed standard strict"},
	{"check_front_sockets --metric close", "close close_wait"},
	{"check_front_sockets --normal last", "last_ack"},
	{"check_front_sockets --no-listener o", "ok"},
	{"check_front_sockets --reply ", "long number text"},
	{"check_front_sockets -c feed", "feed_age="},
	{"check_front_sockets -s ", "auto gopsutil netstat: procnet snapshot: sockdiag ss:"},
	{"check_front_sockets --save /etc/hostn", "/etc/hostname"},
	{"check_front_sockets -p ", ""},
	{"front_drill h", "hang healthy"},
	{"front_drill hang --cl", "--clients --clients-netns"},
	{"front_drill hang --clients-netns /etc/hostn", "/etc/hostname"},
	{"front_report --f", "--from"},
	{"front_report --lang ", "en zh"},
	{"front_report --from ", ""},
	{"front_report --html /etc/hostn", "/etc/hostname"},
	{"front_report /etc/hostn", "/etc/hostname"},
	{"front_report --lang zh /etc/hostname /etc/hostn", "/etc/hostname"},
}

// shells are the commands that print what each shell offers. Their arguments are the
// folder of the completions and the line.
var shells = map[string][]string{
	"bash": {"bash", "--norc", "-c", `
		program=${2%% *}
		. "$1/$program"
		# Readline cuts words at spaces, = and :.
		mapfile -t COMP_WORDS < <(grep -oE '[^ =:]+|[=:]' <<<"$2")
		[[ $2 == *" " ]] && COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		$(complete -p "$program" | sed 's/.*-F \([^ ]*\) .*/\1/')
		echo "${COMPREPLY[@]}"`, "bash"},
	"zsh":  {"zsh", "-f", "testdata/capture.zsh"},
	"fish": {"fish", "--no-config", "-c", `for f in $argv[1]/*; source $f; end; complete -C $argv[2] | cut -f 1`},
}

func TestCompletion(t *testing.T) {
	folder := writeAll(t)
	for shell, command := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			requireTool(t, shell)
			for _, o := range offers {
				args := append(slices.Clone(command[1:]), filepath.Join(folder, "completion", shell), o.line)
				cmd := exec.CommandContext(t.Context(), command[0], args...)
				cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TERM=dumb")
				cmd.WaitDelay = time.Second
				timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
				out, err := cmd.CombinedOutput()
				timer.Stop()
				got := strings.Fields(string(out))
				slices.Sort(got)
				// fish repeats the option, and zsh omits the folder.
				for i := range got {
					got[i] = strings.TrimPrefix(got[i], "--format=")
				}
				text := strings.Join(got, " ")
				if err != nil || text != o.want && "/etc/"+text != o.want {
					t.Errorf("%q: %v, %q, want %q", o.line, err, out, o.want)
				}
			}
		})
	}
}
