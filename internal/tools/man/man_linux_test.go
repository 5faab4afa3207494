package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/testkit/population"
	"frontsockets/internal/tcp"
	"frontsockets/plugins"
)

// drillHelp is what front_drill says of itself.
func drillHelp(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "run", "-tags", "forceposix", "../../../cmd/front_drill", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// written writes everything into a folder of its own.
func written(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := write(folder, strings.NewReader(drillHelp(t))); err != nil {
		t.Fatal(err)
	}
	return folder
}

// need skips a test without its tool.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		population.Skip(t, "there is no "+tool)
	}
}

// TestPages: every option and example of the help is in the page and in the completions,
// every section is there, and man has nothing to complain of.
func TestPages(t *testing.T) {
	folder := written(t)
	var md, front bytes.Buffer
	plugins.MDFront.Run([]string{"--help"}, nil, &md, io.Discard)
	plugins.Front.Run([]string{"--help"}, nil, &front, io.Discard)
	sections := []string{"METRICS", "POLICIES", "STATES", "DIAGNOSES"}
	for s := tcp.Established; s < tcp.NumStates; s++ {
		sections = append(sections, " "+strings.ToUpper(s.String())+" ")
	}
	codes, err := os.ReadFile("../../diagnosis/diagnosis.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Code += "(.*)"`).FindAllSubmatch(codes, -1)
	if len(found) < 10 {
		t.Fatalf("diagnosis.go has the codes %q", found)
	}
	for _, code := range found {
		sections = append(sections, " "+string(code[1])+" ")
	}
	for program, help := range map[string]string{"check_mdfront_sockets": md.String(), "check_front_sockets": front.String(), "front_drill": drillHelp(t)} {
		need(t, "man")
		cmd := exec.Command("man", "--warnings=w", "-l", filepath.Join(folder, "man", program+".1"))
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=1000", "MAN_KEEP_FORMATTING=")
		var complaints strings.Builder
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil || complaints.Len() > 0 {
			t.Errorf("%s: %v, %s", program, err, &complaints)
		}
		page := strings.Join(strings.Fields(string(out)), " ")
		wants := regexp.MustCompile(`--[a-z-]+`).FindAllString(help, -1)
		_, examples, _ := strings.Cut(help, "\nExamples:\n")
		for line := range strings.Lines(examples) {
			if strings.Contains(line, program) {
				wants = append(wants, strings.TrimSpace(line))
			}
		}
		if program != "front_drill" {
			wants = append(wants, sections...)
		}
		for _, want := range append(wants, "EXAMPLES", "EXIT STATUS", "SEE ALSO", "NAME "+program+" - ") {
			if !strings.Contains(page, want) {
				t.Errorf("the page of %s has no %q:\n%s", program, want, page)
			}
		}
	}
}

// What Tab offers behind a line, in each shell.
var offers = []struct{ line, want string }{
	{"check_mdfront_sockets --fo", "--format"},
	{"check_mdfront_sockets --hol", "--holidays"},
	{"check_mdfront_sockets -f ", "hostmonitor json nagios prometheus value"},
	{"check_mdfront_sockets --format=j", "json"},
	{"check_front_sockets --policy s", "seed strict"},
	{"check_front_sockets --metric close", "close close_wait"},
	{"check_front_sockets --normal last", "last_ack"},
	{"check_front_sockets --no-listener o", "ok"},
	{"check_front_sockets --reply ", "number text"},
	{"check_front_sockets -c feed", "feed_age="},
	{"check_front_sockets -s ", "auto gopsutil netstat: procnet snapshot: sockdiag ss:"},
	{"check_front_sockets --save /etc/hostn", "/etc/hostname"},
	{"check_front_sockets -p ", ""},
	{"front_drill h", "hang healthy"},
	{"front_drill hang --cl", "--clients --clients-netns"},
	{"front_drill hang --clients-netns /etc/hostn", "/etc/hostname"},
}

// The shells, and how each tells what it offers: arguments are the folder and the line.
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
	folder := written(t)
	for shell, command := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			need(t, shell)
			for _, o := range offers {
				cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], filepath.Join(folder, "completion", shell), o.line)...)
				cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TERM=dumb")
				cmd.WaitDelay = time.Second
				timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
				out, err := cmd.CombinedOutput()
				timer.Stop()
				got := strings.Fields(string(out))
				slices.Sort(got)
				// fish repeats the option, and zsh leaves the folder out.
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
