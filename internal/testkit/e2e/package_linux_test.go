//go:build e2e

package e2e

import (
	"debug/buildinfo"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidwall/gjson"
)

// built returns the only file of make dist whose name matches the pattern.
func built(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repo, "dist/packages", pattern))
	if err != nil || len(files) != 1 {
		t.Fatalf("dist/packages has the files %q for %s, want one (%v)", files, pattern, err)
	}
	return files[0]
}

// builtDeb returns the deb for this machine.
func builtDeb(t *testing.T) string { return built(t, "frontsockets_*_"+runtime.GOARCH+".deb") }

// The files that both packages install, and those that only one of them installs.
const (
	common = `/usr/bin/front_drill
/usr/bin/front_report
/usr/share/bash-completion/completions/check_front_sockets
/usr/share/bash-completion/completions/check_mdfront_sockets
/usr/share/bash-completion/completions/front_drill
/usr/share/bash-completion/completions/front_report
/usr/share/doc/frontsockets/README.md
/usr/share/doc/frontsockets/changelog.gz
/usr/share/doc/frontsockets/copyright
/usr/share/fish/vendor_completions.d/check_front_sockets.fish
/usr/share/fish/vendor_completions.d/check_mdfront_sockets.fish
/usr/share/fish/vendor_completions.d/front_drill.fish
/usr/share/fish/vendor_completions.d/front_report.fish
/usr/share/man/man1/check_front_sockets.1.gz
/usr/share/man/man1/check_mdfront_sockets.1.gz
/usr/share/man/man1/front_drill.1.gz
/usr/share/man/man1/front_report.1.gz
`
	debOnly = `/usr/lib/nagios/plugins/check_front_sockets
/usr/lib/nagios/plugins/check_mdfront_sockets
/usr/share/doc/frontsockets/changelog.Debian.gz
/usr/share/lintian/overrides/frontsockets
/usr/share/zsh/vendor-completions/_check_front_sockets
/usr/share/zsh/vendor-completions/_check_mdfront_sockets
/usr/share/zsh/vendor-completions/_front_drill
/usr/share/zsh/vendor-completions/_front_report
`
	rpmOnly = `/usr/lib64/nagios/plugins/check_front_sockets
/usr/lib64/nagios/plugins/check_mdfront_sockets
/usr/share/licenses/frontsockets/Apache-2.0
/usr/share/licenses/frontsockets/LICENSE
/usr/share/zsh/site-functions/_check_front_sockets
/usr/share/zsh/site-functions/_check_mdfront_sockets
/usr/share/zsh/site-functions/_front_drill
/usr/share/zsh/site-functions/_front_report
`
)

// requireFiles compares the files of a package, one on a line, with the lists above and with docs
// and contrib of the last commit, from which the package was made.
func requireFiles(t *testing.T, what, listed, only string) {
	t.Helper()
	want := strings.Fields(common + only)
	for _, name := range committed(t, "contrib", "docs", "README.zh-CN.md", "CONTRIBUTING.md") {
		want = append(want, documents+name)
	}
	got := strings.Fields(listed)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s has the files\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// documents is the folder of docs and contrib in both packages.
const documents = "/usr/share/doc/frontsockets/"

// git runs git in this repository.
func git(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, "git", append([]string{"-c", "safe.directory=*", "-C", repo}, args...)...)
}

// committed returns the files of the last commit in these folders that belong into the packages.
func committed(t *testing.T, folders ...string) []string {
	t.Helper()
	names := git(t, append([]string{"ls-tree", "-r", "--name-only", "HEAD"}, folders...)...)
	return slices.DeleteFunc(strings.Fields(names), func(name string) bool {
		return strings.HasPrefix(name, "contrib/packaging/")
	})
}

// requireExamples requires that a package's contrib, under root, is that of the last commit, with the
// folder in which the package installs the checks.
func requireExamples(t *testing.T, root, plugins string) {
	t.Helper()
	for _, name := range committed(t, "contrib") {
		want := strings.ReplaceAll(git(t, "show", "HEAD:"+name), "/usr/lib/nagios/plugins", plugins)
		if got := run(t, "cat", root+documents+name); got != want {
			t.Errorf("%s in %s is\n%s\nwant\n%s", name, root, got, want)
		}
	}
}

// tree returns the names of all files under a root, without the folders of the kernel and the data
// of dpkg and of man's index.
func tree(t *testing.T, root string) []string {
	t.Helper()
	excluded := regexp.MustCompile(`^/(proc|dev|tmp|run|var/lib/dpkg|var/cache/man|var/log)(/|$)`)
	var names []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		name = strings.TrimPrefix(name, root)
		if excluded.MatchString(name) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestDeb installs the package on a clean Debian. It requires that all files are there, that the
// checks work with NRPE as the files say, and that the removal leaves nothing.
func TestDeb(t *testing.T) {
	if !machine(t) {
		return
	}
	out, code := try(t, "lintian", "--fail-on", "error,warning", "--no-tag-display-limit", builtDeb(t))
	if code != 0 {
		t.Errorf("lintian: exit code %d\n%s", code, out)
	}
	root := cleanRoot(t)
	in := func(args ...string) string {
		t.Helper()
		return run(t, "chroot", append([]string{root}, args...)...)
	}
	before := tree(t, root)
	run(t, "cp", builtDeb(t), root+"/tmp/frontsockets.deb")
	in("dpkg", "-i", "/tmp/frontsockets.deb")

	files := ""
	for _, name := range strings.Fields(in("dpkg", "-L", "frontsockets")) {
		if info, err := os.Lstat(root + name); err != nil {
			t.Error(err)
		} else if !info.IsDir() {
			files += name + "\n"
		}
	}
	requireFiles(t, "the deb", files, debOnly)
	requireExamples(t, root, "/usr/lib/nagios/plugins")
	if changed := in("dpkg", "--verify", "frontsockets"); changed != "" {
		t.Errorf("dpkg --verify: %s", changed)
	}
	for _, name := range []string{"check_mdfront_sockets", "check_front_sockets", "front_drill", "front_report"} {
		if page := in("man", name); !strings.Contains(page, "EXAMPLES") {
			t.Errorf("man %s: %s", name, page)
		}
		if line := in("whatis", name); !strings.Contains(line, name+" (1)") {
			t.Errorf("whatis %s: %s", name, line)
		}
	}

	requireNRPE(t, root)

	in("rm", "/etc/nagios/nrpe.d/frontsockets.cfg")
	in("dpkg", "-r", "frontsockets")
	in("dpkg", "-P", "frontsockets")
	if after := tree(t, root); !slices.Equal(after, before) {
		t.Errorf("dpkg -P left %v and removed %v", without(after, before), without(before, after))
	}
}

// requireNRPE runs the checks on both fronts in the root, as user nagios and by NRPE, which also
// logs the answers.
func requireNRPE(t *testing.T, root string) {
	t.Helper()
	in := func(args ...string) string {
		t.Helper()
		return run(t, "chroot", append([]string{root}, args...)...)
	}
	const checkNRPE = "/usr/lib/nagios/plugins/check_nrpe"
	const contrib = "/usr/share/doc/frontsockets/contrib/"
	in("cp", contrib+"nrpe/frontsockets.cfg", "/etc/nagios/nrpe.d/")
	in("sed", "-i", `/^command/s|$| --log /var/log/frontsockets/%Y-%m-%d.log|`, "/etc/nagios/nrpe.d/frontsockets.cfg")
	run(t, "systemd-tmpfiles", "--create", "--root="+root, root+contrib+"log/frontsockets.tmpfiles")
	in("install", "-d", "-o", "nagios", "/run/nagios") // as the boot of a machine does
	launch(t, "chroot", root, "nrpe", "-c", "/etc/nagios/nrpe.cfg", "-f")
	for port, program := range map[string]string{"41213": "check_mdfront_sockets", "41205": "check_front_sockets"} {
		drill := launch(t, "chroot", root, "front_drill", "healthy", "--port", port, "--for", "5m")
		await(t, slow, "a front", func() (bool, string) {
			return strings.Contains(drill.output(), "front_drill: ready"), drill.output()
		})
		plugin := "/usr/lib/nagios/plugins/" + program
		out := in("runuser", "-u", "nagios", "--", plugin)
		if !strings.Contains(out, "OK: :"+port+" has 0 abnormal sockets, 60 established") {
			t.Errorf("%s: %s", program, out)
		}
		config := in("cat", "/etc/nagios/nrpe.d/frontsockets.cfg")
		command := regexp.MustCompile(`(?m)^command\[(\w+)\]=` + plugin + ` .*-p ` + port).FindStringSubmatch(config)
		if command == nil {
			t.Fatalf("contrib/nrpe has no command for port %s:\n%s", port, config)
		}
		await(t, slow, "NRPE", func() (bool, string) {
			out, code := try(t, "chroot", root, checkNRPE, "-H", "127.0.0.1", "-c", command[1])
			return code == 0 && strings.Contains(out, " has 0 abnormal sockets, 60 established"), out
		})
		drill.stop()
		out, code := try(t, "chroot", root, checkNRPE, "-H", "127.0.0.1", "-c", command[1])
		if code != 2 || !strings.Contains(out, "nothing listens on port "+port) {
			t.Errorf("check_nrpe of a front that is down: exit code %d, %s", code, out)
		}
	}
	if owners := in("sh", "-c", "stat -c %U /var/log/frontsockets/*.log | uniq"); owners != "nagios\n" {
		t.Errorf("the logs belong to %q", owners)
	}
	if story := in("front_report", "/var/log/frontsockets"); !strings.Contains(story, "Fronts: 2, ") {
		t.Errorf("front_report tells %s", story)
	}
}

// without returns the elements of some that are not in others.
func without(some, others []string) []string {
	return slices.DeleteFunc(slices.Clone(some), func(s string) bool { return slices.Contains(others, s) })
}

// cleanRoot mounts a writable copy of the clean Debian and returns its root.
func cleanRoot(t *testing.T) string {
	t.Helper()
	const layer, root = "/run/debian", "/mnt/debian"
	run(t, "mkdir", "-p", layer+"/up", layer+"/work", root)
	for _, err := range []error{
		unix.Mount("overlay", root, "overlay", 0,
			fmt.Sprintf("lowerdir=%s,upperdir=%s/up,workdir=%[2]s/work", debian("clean"), layer)),
		unix.Mount("/proc", root+"/proc", "", unix.MS_BIND, ""),
		unix.Mount("/dev", root+"/dev", "", unix.MS_BIND|unix.MS_REC, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestRPM requires that the rpm installs the same files in the folders of its distributions, which its
// examples name, that man pages and documents are marked as such, and that rpmlint has no complaint.
func TestRPM(t *testing.T) {
	if !machine(t) {
		return
	}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	rpm := built(t, "frontsockets-*."+arch+".rpm")
	requireRPMMarks(t, rpm)
	const root = "/mnt/rpm"
	run(t, "mkdir", "-p", root)
	run(t, "rpm", "--root", root, "--initdb")
	run(t, "rpm", "--root", root, "-i", "--ignorearch", rpm)
	const listFiles = `rpm -qpl "$0" | while read -r name; do test -d "$1$name" || echo "$name"; done`
	requireFiles(t, "the rpm", run(t, "sh", "-c", listFiles, rpm, root), rpmOnly)
	requireExamples(t, root, "/usr/lib64/nagios/plugins")
	if changed, code := try(t, "rpm", "--root", root, "-V", "frontsockets"); code != 0 {
		t.Errorf("rpm -V: %s", changed)
	}
	if needs := run(t, "rpm", "-qp", "--requires", rpm); strings.Trim(needs, "\n") != "" {
		t.Errorf("the rpm requires %s", needs)
	}
	out, code := try(t, root+"/usr/lib64/nagios/plugins/check_mdfront_sockets", "-V")
	if version := packagedVersion(t); code != 3 || out != "check_mdfront_sockets "+version+"\n" {
		t.Errorf("-V of the rpm of %s: exit code %d, %s", version, code, out)
	}
	run(t, "rpm", "--root", root, "-e", "frontsockets")
	if left, _ := try(t, "find", root+"/usr", "-name", "*front*"); left != "" {
		t.Errorf("rpm -e left %s", left)
	}
}

// requireRPMMarks requires that rpm knows the man pages, documents and licences of the package as such,
// and what the package is, and that rpmlint has no complaint.
func requireRPMMarks(t *testing.T, rpm string) {
	t.Helper()
	const options = "rpmlint -c contrib/packaging/rpmlint.toml"
	if out, code := try(t, "sh", "-c", `cd "$0" && `+options+` "$1"`, repo, rpm); code != 0 ||
		!strings.Contains(out, " 0 errors, 0 warnings,") {
		t.Errorf("rpmlint: exit code %d\n%s", code, out)
	}
	marked := strings.Fields(run(t, "rpm", "-qp", "--docfiles", "--licensefiles", rpm))
	for _, name := range strings.Fields(run(t, "rpm", "-qp", "--qf", `[%{FILENAMES}:%{FILEMODES:perms}\n]`, rpm)) {
		name, mode, _ := strings.Cut(name, ":")
		wanted := regexp.MustCompile(`^/usr/share/(man|doc|licenses)/`).MatchString(name) && mode[0] != 'd'
		if slices.Contains(marked, name) != wanted {
			t.Errorf("%s is marked as document or licence: %v, want %v", name, !wanted, wanted)
		}
	}
	about := run(t, "rpm", "-qp", "--qf", "%{SUMMARY}\n%{DESCRIPTION}\n[%{CHANGELOGNAME}\n]", rpm)
	for _, want := range []string{"judge the client sockets of a TCP front", "front_drill is a simulated front",
		" - " + packagedVersion(t) + "-1\n"} {
		if !strings.Contains(about, want) {
			t.Errorf("the rpm does not say %q:\n%s", want, about)
		}
	}
}

// TestArm64 requires that the program in the arm64 deb runs, with the version of the package, and that
// the arm64 rpm has the same one. It runs under an emulator that does not know sock_diag: so the
// answer for a real front comes from /proc and says why. The other tests run amd64 programs.
func TestArm64(t *testing.T) {
	if !machine(t) {
		return
	}
	const deb, rpm, check = "/mnt/arm64-deb", "/mnt/arm64-rpm", "nagios/plugins/check_mdfront_sockets"
	run(t, "mkdir", "-p", deb, rpm)
	run(t, "dpkg-deb", "-x", built(t, "frontsockets_*_arm64.deb"), deb)
	run(t, "rpm", "--root", rpm, "--initdb")
	run(t, "rpm", "--root", rpm, "-i", "--ignorearch", built(t, "frontsockets-*.aarch64.rpm"))
	run(t, "cmp", deb+"/usr/lib/"+check, rpm+"/usr/lib64/"+check)

	emulated := func(args ...string) (string, int) {
		return try(t, "qemu-aarch64-static", append([]string{deb + "/usr/lib/" + check}, args...)...)
	}
	out, code := emulated("-V")
	if code != 3 || out != "check_mdfront_sockets "+packagedVersion(t)+"\n" {
		t.Errorf("-V of the arm64 program: exit code %d, %s", code, out)
	}
	install(t)
	newFront(t, "--port", "41213")
	out, code = emulated("-t", "30")
	if code != 0 || !strings.HasPrefix(out, "MDFRONT OK: :41213 has 0 abnormal sockets, 60 established") ||
		!strings.Contains(out, "seen by procnet (sockdiag: ") {
		t.Errorf("the arm64 program on a healthy front: exit code %d, %s", code, out)
	}
}

// packagedVersion returns the version of the packages, which -V also prints.
func packagedVersion(t *testing.T) string {
	t.Helper()
	version := strings.Split(filepath.Base(builtDeb(t)), "_")[1]
	return version[:strings.LastIndex(version, "-")]
}

// TestDist requires that the checksums are right, that every archive is complete, and that copyright
// and the SBOM name all linked modules.
func TestDist(t *testing.T) {
	if !machine(t) {
		return
	}
	packages := filepath.Join(repo, "dist/packages")
	const checkSums = `cd "$0" && sha256sum -c SHA256SUMS && test "$(ls | wc -l)" -eq "$(($(wc -l <SHA256SUMS) + 1))"`
	run(t, "sh", "-c", checkSums, packages)
	sbom, err := os.ReadFile(built(t, "*.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	copyright, err := os.ReadFile(repo + "/contrib/packaging/copyright")
	if err != nil {
		t.Fatal(err)
	}
	// Between releases the SBOM has the version that Go makes of the commit.
	version := packagedVersion(t)
	if !strings.Contains(version, "+git") && !strings.Contains(string(sbom), `"version": "v`+version+`"`) {
		t.Errorf("the SBOM does not name version v%s", version)
	}
	archives, err := filepath.Glob(packages + "/*.tar.gz")
	if err != nil || len(archives) != 6 {
		t.Fatalf("the archives are %q (%v)", archives, err)
	}
	for _, archive := range archives {
		dir := t.TempDir()
		run(t, "tar", "-x", "--strip-components=1", "-C", dir, "-f", archive)
		suffix := ""
		if strings.Contains(archive, "windows") {
			suffix = ".exe"
		}
		for _, name := range []string{
			"check_mdfront_sockets" + suffix, "check_front_sockets" + suffix, "front_drill" + suffix,
			"front_report" + suffix, "man/front_drill.1", "man/front_report.1", "completion/bash/front_drill",
			"completion/bash/front_report", "contrib/nrpe/frontsockets.cfg", "docs/LAB.md", "docs/answer.schema.json",
			"README.md", "CHANGELOG.md", "LICENSE", "copyright", "Apache-2.0",
		} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %s: %v", archive, name, err)
			}
		}
		for _, name := range []string{"check_mdfront_sockets", "check_front_sockets", "front_drill", "front_report"} {
			requireModules(t, filepath.Join(dir, name+suffix), string(copyright), string(sbom))
		}
	}
}

// requireModules requires that copyright and the SBOM name every module that is linked into a
// program, and the SBOM its licence.
func requireModules(t *testing.T, program, copyright, sbom string) {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		if !strings.Contains(copyright, m.Path+"/*") {
			t.Errorf("copyright does not name %s, which is in %s", m.Path, program)
		}
		if !strings.Contains(sbom, `"pkg:golang/`+m.Path+"@"+m.Version) {
			t.Errorf("the SBOM does not name %s %s, which is in %s", m.Path, m.Version, program)
		}
		licence := gjson.Get(sbom, `components.#(name=="`+m.Path+`").licenses.0.license.id`)
		if licence.String() == "" {
			t.Errorf("the SBOM has no licence for %s, which is in %s", m.Path, program)
		}
	}
}
