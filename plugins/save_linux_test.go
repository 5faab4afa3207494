package plugins

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"frontsockets/internal/testkit/population"
)

// TestSaveFaults: whatever fails while a snapshot is saved, the old one stays, the answer says why,
// and there is no other file, unless the check was killed.
func TestSaveFaults(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		population.Skip(t, "there is no strace to make system calls fail")
	}
	program := filepath.Join(programs(t), "check_mdfront_sockets")
	for _, test := range []struct {
		inject, args, want string
		leftover           bool
	}{
		{"fchmod:error=EPERM", "", "snapshot not written: operation not permitted: ", false},
		{"rename,renameat,renameat2:error=EACCES", "",
			"snapshot not written: the old file cannot be replaced: permission denied: ", false},
		{"fsync:error=EIO", "", "snapshot not written: input/output error: ", false},
		{"fsync:delay_enter=3000000", "-t 1", "snapshot not written: not done within 1s (-t): ", false},
		{"fsync:signal=SIGKILL", "", "", true},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "mdfront")
		if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append(strings.Fields("-f -qq -o "+filepath.Join(t.TempDir(), "trace")+" -e inject="+test.inject),
			program, "--no-listener", "ok", "--save", file)
		// Strace says on stderr that it delayed what has ended.
		out, err := exec.Command("strace", append(args, strings.Fields(test.args)...)...).Output()
		if test.want != "" && !strings.Contains(string(out), test.want) {
			t.Errorf("%s: %v, %s\nwant %s", test.inject, err, out, test.want)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != "old" {
			t.Errorf("%s: %q, %v", test.inject, got, err)
		}
		left, err := os.ReadDir(dir)
		killed := len(left) == 2 && regexp.MustCompile(`^\.mdfront\d+$`).MatchString(left[0].Name())
		if err != nil || test.leftover != killed || !killed && len(left) != 1 {
			t.Errorf("%s: the folder has %v, %v", test.inject, left, err)
		}
	}
}
