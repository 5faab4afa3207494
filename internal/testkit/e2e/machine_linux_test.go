//go:build e2e

// Package e2e runs the checks inside real monitoring systems, which the files of contrib
// configure: make e2e. Each test runs on a temporary copy of this machine, and everything that it
// installs, changes, starts or sends stays there.
package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The variables of the processes that this program starts. It starts itself in a new mount
// namespace, and there once for each test, on a machine.
const (
	baseVar   = "FRONTSOCKETS_BASE"    // folder of all machines; set in the mount namespace
	dirVar    = "FRONTSOCKETS_MACHINE" // folder of one machine; set on the machine
	systemVar = "FRONTSOCKETS_SYSTEM"  // root of the system that the machine copies, or "" for this one
)

const (
	testLimit    = 10 * time.Minute // for one test on its machine
	installLimit = 10 * time.Minute // for the installation of the packages
)

// repo is the root of this repository.
var repo string

func TestMain(m *testing.M) {
	os.Exit(start(m))
}

// start runs the tests and returns the exit code.
func start(m *testing.M) int {
	code, err := begin(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return code
}

// begin does what the process has to do by its variables: start itself in a mount namespace, start
// the machines, or run a test on a machine.
func begin(m *testing.M) (code int, err error) {
	wd, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	repo = filepath.Join(wd, "../../..")
	base, dir := os.Getenv(baseVar), os.Getenv(dirVar)
	switch {
	case base == "":
		return startInMountNamespace()
	case dir == "":
		return runOnMachines(m, base)
	}
	if err := enter(base, dir); err != nil {
		return 0, fmt.Errorf("make a machine: %w", err)
	}
	if dir == base {
		return 0, prepare()
	}
	if err := setUpNetwork(); err != nil {
		return 0, fmt.Errorf("network: %w", err)
	}
	return m.Run(), nil
}

// startInMountNamespace starts this program again in a new mount namespace. It skips all tests if
// there can be no machines here.
func startInMountNamespace() (code int, err error) {
	if err := missing(); err != nil {
		if os.Getenv("REQUIRE_KERNEL") != "1" {
			fmt.Println("e2e: skipped:", err)
			err = nil
		}
		return 0, err
	}
	base, err := os.MkdirTemp("", "e2e")
	if err != nil {
		return 0, err
	}
	defer os.Remove(base)
	cmd := again(context.Background(), unix.CLONE_NEWNS, baseVar+"="+base, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	return cmd.ProcessState.ExitCode(), err
}

// runOnMachines installs the packages, runs each test on a machine and prints the table.
func runOnMachines(m *testing.M, base string) (code int, err error) {
	// The kernel unmounts everything that is mounted here when this process ends.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return 0, err
	}
	if err := unix.Mount("tmpfs", base, "tmpfs", 0, "mode=755"); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), installLimit)
	defer cancel()
	// The network namespace is not new: the packages come from the network.
	install := again(ctx, ownMachine&^unix.CLONE_NEWNET, dirVar+"="+base)
	install.Stdout, install.Stderr = os.Stdout, os.Stderr
	if err := install.Run(); err != nil {
		return 0, fmt.Errorf("install: %w", err)
	}
	code = m.Run()
	printTable(os.Stdout)
	printFleetTable(os.Stdout)
	return code, nil
}

// missing returns the reason why there can be no machines here, or nil.
func missing() error {
	if os.Geteuid() != 0 {
		return errors.New("only root may make machines from namespaces and overlays")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("the servers are packages of Debian 12, and apt-get is not installed")
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil || !bytes.Contains(release, []byte("VERSION_CODENAME=bookworm")) {
		return errors.New("the servers are packages of Debian 12, and this is another system")
	}
	return nil
}

// machine runs the test on a new machine, where it returns true. In the process that started the
// machine it returns false after the test has ended there.
func machine(t *testing.T) bool {
	t.Helper()
	return machineWith(t, "")
}

// machineWith is like machine. The machine is a copy of the system with that root; "" is the system
// of this host.
func machineWith(t *testing.T, system string) bool {
	t.Helper()
	if os.Getenv(dirVar) != "" {
		return true
	}
	t.Parallel()
	dir := filepath.Join(os.Getenv(baseVar), t.Name())
	limit := testLimit
	if os.Getenv(fleetVar) != "" {
		limit = fleetLimit
	}
	cmd := again(t.Context(), ownMachine, dirVar+"="+dir,
		"-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", limit.String())
	cmd.Env = append(cmd.Env, systemVar+"="+system)
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if text, is := strings.CutPrefix(line, rowPrefix); is {
			addRow(strings.TrimSpace(text))
		}
		if text, is := strings.CutPrefix(line, fleetRowPrefix); is {
			addFleetRow(strings.TrimSpace(text))
		}
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("\n%s", out)
	}
	return false
}

// ownMachine are the namespaces of a machine.
const ownMachine = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// again returns a command that runs this program in new namespaces, with one more variable.
func again(ctx context.Context, namespaces uintptr, variable string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), variable)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// enter makes the machine: a temporary, writable copy of the root file system, with its own
// processes, mounts, temporary files and host name. The machine in base comes first: what it
// writes is a layer below all other machines.
func enter(base, dir string) error {
	root := filepath.Join(dir, "root")
	upper, lower := filepath.Join(dir, "layer"), "/"
	steps := []func() error{
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
	}
	mount := func(source, target, kind string, flags uintptr, data string) {
		steps = append(steps, func() error {
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
			if err := unix.Mount(source, target, kind, flags, data); err != nil {
				return fmt.Errorf("mount %s: %w", target, err)
			}
			return nil
		})
	}
	if system := os.Getenv(systemVar); system != "" {
		lower = system
	} else if dir != base {
		lower = filepath.Join(base, "layer/up") + ":/"
	}
	steps = append(steps,
		func() error { return os.MkdirAll(filepath.Join(upper, "work"), 0o755) },
		func() error { return os.MkdirAll(filepath.Join(upper, "up"), 0o755) })
	mount("overlay", root, "overlay", 0,
		fmt.Sprintf("lowerdir=%s,upperdir=%s/up,workdir=%s/work", lower, upper, upper))
	mount("/dev", root+"/dev", "", unix.MS_BIND|unix.MS_REC, "")
	mount("tmpfs", root+"/dev/shm", "tmpfs", 0, "mode=1777")
	mount("tmpfs", root+"/tmp", "tmpfs", 0, "mode=1777")
	mount("tmpfs", root+"/run", "tmpfs", 0, "mode=755")
	mount("proc", root+"/proc", "proc", 0, "")
	mount(repo, root+repo, "", unix.MS_BIND, "") // after /tmp, which may contain it
	steps = append(steps,
		func() error { return unix.Chroot(root) },
		func() error { return os.Chdir(filepath.Join(repo, "internal/testkit/e2e")) },
		func() error { return unix.Sethostname([]byte("fronts")) })
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// setUpNetwork brings up loopback, and keeps the kernel from giving a client the port of a server.
func setUpNetwork() error {
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("50000 60999"), 0)
}

// The packages of Debian that the tests need.
const (
	packages = "nagios4-core nagios-nrpe-server nagios-nrpe-plugin monitoring-plugins-basic " +
		"icinga2-bin libfaketime openssl " + zabbixPackages +
		" prometheus prometheus-node-exporter iproute2 procps systemd man-db lintian rpm rpmlint debootstrap qemu-user-static"
	zabbixPackages = "zabbix-agent zabbix-agent2 zabbix-server-pgsql zabbix-frontend-php " +
		"postgresql php-cli php-pgsql"
)

// prepare installs the packages into the layer below all machines, and makes the other systems in
// dist/debian.
func prepare() error {
	// This script keeps the installation of a server from starting it.
	if err := os.WriteFile("/usr/sbin/policy-rc.d", []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return err
	}
	os.Setenv("DEBIAN_FRONTEND", "noninteractive")
	steps := [][]string{
		{"apt-get", "update", "-q"},
		append([]string{"apt-get", "install", "-q", "-y", "--no-install-recommends"}, strings.Fields(packages)...),
	}
	if os.Getenv(pictureVar) != "" {
		steps[1] = append(steps[1], "chromium", "locales")
		// The frontend of Zabbix needs this locale.
		steps = append(steps, []string{"localedef", "-i", "en_US", "-f", "UTF-8", "en_US.UTF-8"})
	}
	if os.Getenv(fleetVar) != "" {
		steps[1] = append(steps[1], "ansible-core", "python3-apt")
	}
	for _, step := range steps {
		began := time.Now()
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", step[:2], err, out)
		}
		fmt.Printf("e2e: %s %s: %.0f s\n", step[0], step[1], time.Since(began).Seconds())
	}
	// The release that runs here, with only the packages that one needs to use ours; and a release
	// that has Zabbix 7.
	return cmp.Or(
		bootstrap("clean", "$VERSION_CODENAME", "nagios-nrpe-server nagios-nrpe-plugin man-db"),
		bootstrap("trixie", "trixie", zabbixPackages+" nagios-nrpe-server nagios-nrpe-plugin iproute2 procps"),
	)
}

// debian returns the folder of another Debian, which stays there for later runs of the tests.
func debian(name string) string { return filepath.Join(repo, "dist/debian", name) }

// bootstrap makes a Debian with the packages, from the mirror of this Debian.
func bootstrap(name, release, packages string) error {
	stamp, contents := debian(name)+".made", []byte(release+" "+packages)
	if before, err := os.ReadFile(stamp); err == nil && bytes.Equal(before, contents) {
		return nil
	}
	began := time.Now()
	script := `set -e
. /etc/os-release
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Identifier: Packages' |
	sed -n "s/ $VERSION_CODENAME\$//p" | head -n 1)
mkdir -p "$(dirname "$0")"
rm -rf "$0.part" "$0" "$0.made"
debootstrap --variant=minbase --include="$1" ` + release + ` "$0.part" "$mirror"
mv "$0.part" "$0"`
	list := strings.Join(strings.Fields(packages), ",")
	out, err := exec.Command("sh", "-c", script, debian(name), list).CombinedOutput()
	if err != nil {
		return fmt.Errorf("debootstrap %s: %w\n%s", name, err, out[max(0, len(out)-2000):])
	}
	fmt.Printf("e2e: debootstrap %s: %.0f s\n", name, time.Since(began).Seconds())
	return os.WriteFile(stamp, contents, 0o644)
}
