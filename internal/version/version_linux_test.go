package version

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"frontsockets/internal/testkit/population"
)

// packageVersion commits the text as CHANGELOG.md, at the time, and returns the version of its package.
func packageVersion(t *testing.T, changelog, at string) (string, error) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "CHANGELOG.md"), []byte(changelog), 0o600); err != nil {
		t.Fatal(err)
	}
	const commit = `cd "$0" && git init -q && git add -A &&
		git -c user.name=tester -c user.email=tester@example.net -c commit.gpgsign=false commit -q -m changes`
	cmd := exec.Command("sh", "-c", commit, folder)
	cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE="+at, "GIT_AUTHOR_DATE="+at)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git: %v\n%s", err, out)
	}
	out, err := exec.Command("sh", "../../contrib/packaging/version.sh", folder).Output()
	return strings.TrimSpace(string(out)), err
}

// TestPackageVersion requires that the changelog decides the version of a package, and that dpkg and
// rpm install the newer package over the older one.
func TestPackageVersion(t *testing.T) {
	for _, tool := range []string{"git", "dpkg", "rpm"} {
		if _, err := exec.LookPath(tool); err != nil {
			population.Skip(t, tool+" is not installed")
		}
	}
	const (
		first  = "# Changelog\n\n## [1.0.0] - 2026-11-30\n\n### Added\n"
		after  = "# Changelog\n\n## [Unreleased]\n\n### Fixed\n\n## [1.0.0] - 2026-11-30\n"
		second = "# Changelog\n\n## [1.0.1] - 2026-12-24\n\n## [1.0.0] - 2026-11-30\n"
		tenth  = "# Changelog\n\n## [1.0.10] - 2027-02-01\n\n## [1.0.1] - 2026-12-24\n"
	)
	previous := "0.0.0~git20261130150341.7c0d2e5" // the form of the packages before 1.0.0
	for _, c := range []struct{ changelog, at, want string }{
		{first, "2026-11-30T16:00:00+08:00", `1\.0\.0`},
		{after, "2026-12-01T07:30:00+08:00", `1\.0\.0\+git20261130233000\.[0-9a-f]{7}`},
		{after, "2026-12-02T10:00:00+08:00", `1\.0\.0\+git20261202020000\.[0-9a-f]{7}`},
		{second, "2026-12-24T10:00:00+08:00", `1\.0\.1`},
		{tenth, "2027-02-01T10:00:00+08:00", `1\.0\.10`},
	} {
		got, err := packageVersion(t, c.changelog, c.at)
		if err != nil || !regexp.MustCompile("^"+c.want+"$").MatchString(got) {
			t.Errorf("the version is %q, want %s (%v)", got, c.want, err)
		}
		if err := exec.Command("dpkg", "--compare-versions", got+"-1", "gt", previous+"-1").Run(); err != nil {
			t.Errorf("dpkg: %s is not newer than %s", got, previous)
		}
		order, err := exec.Command("rpm", "--eval", `%{lua: print(rpm.vercmp("`+got+`", "`+previous+`"))}`).Output()
		if strings.TrimSpace(string(order)) != "1" {
			t.Errorf("rpm: %s is not newer than %s: %s (%v)", got, previous, order, err)
		}
		previous = got
	}
	if got, err := packageVersion(t, "# Changelog\n\n## [Unreleased]\n", "2026-11-30T16:00:00+08:00"); err == nil {
		t.Errorf("without a release the version is %q, want an error", got)
	}
}
