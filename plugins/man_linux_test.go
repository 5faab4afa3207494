package plugins

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"frontsockets/internal/population"
)

// TestMan: the man page has every option and example of the help, and man has nothing
// to complain of.
func TestMan(t *testing.T) {
	for _, p := range []Profile{MDFront, Front} {
		page := p.Man()
		plain := strings.NewReplacer(`\-`, "-", `\fB`, "", `\fR`, "", `\fI`, "", `\fP`, "").Replace(page)
		var o options
		for _, group := range p.newParser(&o).Groups() {
			for _, option := range group.Options() {
				if !strings.Contains(plain, "--"+option.LongName) {
					t.Errorf("%s: no --%s", p.Program, option.LongName)
				}
			}
		}
		for _, e := range p.examples() {
			if !strings.Contains(plain, fmt.Sprintf(e.line, p.Program)) {
				t.Errorf("%s: no %s", p.Program, e.line)
			}
		}
		if _, err := exec.LookPath("man"); err != nil {
			population.Skip(t, "there is no man")
		}
		cmd := exec.Command("man", "--warnings", "-l", "-")
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=80")
		cmd.Stdin = strings.NewReader(page)
		var complaints strings.Builder
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil || complaints.Len() > 0 || !strings.Contains(string(out), "EXAMPLES") {
			t.Errorf("%v, %s\n%s", err, &complaints, out)
		}
	}
}
