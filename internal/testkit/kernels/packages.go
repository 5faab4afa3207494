package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// tools are the Debian packages from which the tests in a machine take ss, ip, netstat and a shell.
var tools = []string{"iproute2", "net-tools", "busybox-static"}

// repository is a private configuration of apt for one suite and one processor. The machine's own
// packages are not touched.
type repository struct {
	dir     string
	options []string
}

// openRepository makes the configuration in the cache and reads the suite's list of packages.
func openRepository(cache, suite, arch string) (*repository, error) {
	r := &repository{dir: filepath.Join(cache, suite+"-"+arch)}
	for _, folder := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(r.dir, folder), 0o755); err != nil {
			return nil, err
		}
	}
	mirror, err := findMirror()
	if err != nil {
		return nil, err
	}
	list, status := filepath.Join(r.dir, "sources.list"), filepath.Join(r.dir, "status")
	if err := os.WriteFile(list, fmt.Appendf(nil, "deb %s %s main\n", mirror, suite), 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(status, nil, 0o644); err != nil { // nothing is installed
		return nil, err
	}
	for _, option := range []string{"Dir::Etc::SourceList=" + list, "Dir::Etc::SourceParts=/dev/null",
		"Dir::State=" + r.dir, "Dir::State::status=" + status, "Dir::Cache=" + r.dir, "APT::Sandbox::User=root",
		"APT::Architecture=" + arch, "APT::Architectures=" + arch} {
		r.options = append(r.options, "-o", option)
	}
	// Without the option a list that cannot be had is a warning.
	_, err = r.apt("apt-get", "-q", "update", "--error-on=any")
	return r, err
}

// findMirror returns the address from which this machine gets its packages.
func findMirror() (string, error) {
	out, err := output(exec.Command("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)",
		"Created-By: Packages", "Component: main"))
	if err != nil {
		return "", err
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	codename := regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)$`).FindSubmatch(release)
	if codename == nil {
		return "", errors.New("/etc/os-release has no VERSION_CODENAME: this needs Debian")
	}
	for line := range strings.Lines(out) {
		if mirror, ok := strings.CutPrefix(strings.TrimSpace(line), string(codename[1])+" "); ok {
			return mirror, nil
		}
	}
	return "", fmt.Errorf("apt has no packages of %s", codename[1])
}

// apt runs a program of apt in the folder of packages and returns its output.
func (r *repository) apt(name string, args ...string) (string, error) {
	cmd := exec.Command(name, append(args, r.options...)...)
	cmd.Dir = filepath.Join(r.dir, "archives")
	return output(cmd)
}

// output runs a program and returns what it printed. The error has both outputs.
func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// download gets the newest kernel of the image package, and the tools with the libraries that
// they need. It returns the files of the packages.
func (r *repository) download(image string) (kernel, userland []string, err error) {
	if _, err := r.apt("apt-get", "-q", "autoclean"); err != nil { // removes older versions
		return nil, nil, err
	}
	tree, err := r.apt("apt-cache", "depends", "--recurse", "--important", image)
	if err != nil {
		return nil, nil, err
	}
	names := regexp.MustCompile(`(?m)^linux-(image|binary|modules)-\d\S+$`).FindAllString(tree, -1)
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("%s depends on no kernel: %s", image, tree)
	}
	if _, err := r.apt("apt-get", append([]string{"-q", "download"}, names...)...); err != nil {
		return nil, nil, err
	}
	if _, err := r.apt("apt-get", append([]string{"-q", "-y", "--no-install-recommends", "--download-only", "install"},
		tools...)...); err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		files, err := filepath.Glob(filepath.Join(r.dir, "archives", name+"_*.deb"))
		if err != nil || len(files) != 1 {
			return nil, nil, fmt.Errorf("%s has %d files in the cache, want 1", name, len(files))
		}
		kernel = append(kernel, files[0])
	}
	all, err := filepath.Glob(filepath.Join(r.dir, "archives", "*.deb"))
	for _, file := range all {
		if !strings.HasPrefix(filepath.Base(file), "linux-") {
			userland = append(userland, file)
		}
	}
	return kernel, userland, err
}

// unpackKernel writes the kernel's vmlinuz and its modules inet_diag and tcp_diag into the folder.
func unpackKernel(packages []string, folder string) error {
	wanted := regexp.MustCompile(`^(vmlinuz|(?:inet|tcp)_diag\.ko(?:\.xz)?)`)
	for _, file := range packages {
		cmd := exec.Command("dpkg-deb", "--fsys-tarfile", file)
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		for files := tar.NewReader(pipe); ; {
			header, err := files.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			name := wanted.FindString(filepath.Base(header.Name))
			if name == "" || header.Typeflag != tar.TypeReg {
				continue
			}
			if err := writeFile(filepath.Join(folder, name), files); err != nil {
				return err
			}
		}
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	compressed, err := filepath.Glob(filepath.Join(folder, "*.xz"))
	if err != nil || len(compressed) == 0 {
		return err
	}
	_, err = output(exec.Command("xz", append([]string{"--decompress"}, compressed...)...))
	return err
}

func writeFile(name string, from io.Reader) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		return err
	}
	return file.Close()
}
