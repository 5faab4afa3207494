package population

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideVar tells the second start of a program that it is in its namespace, or,
// with a text, why it could not get one.
const insideVar = "FRONTSOCKETS_NAMESPACE"

const inside = "inside"

// Enter starts the running program again in a new network namespace with a
// working loopback, waits for it and gives its exit code. In the second start it
// returns entered, and so does it where no namespace can be had: Missing says why.
// An ordinary user gets one inside a user namespace, where the kernel allows that.
func Enter() (code int, entered bool) {
	if os.Getenv(insideVar) != "" {
		return 0, true
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideVar+"="+inside)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		os.Setenv(insideVar, fmt.Sprintf("no right to make a network namespace: %v", err))
		return 0, true
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 1, false
	}
	return cmd.ProcessState.ExitCode(), false
}

// Missing is why there is no namespace of our own, or "".
func Missing() string {
	if why := os.Getenv(insideVar); why != inside {
		return why
	}
	if err := loopbackUp(); err != nil {
		return err.Error()
	}
	return ""
}

// clientPorts keeps the ports that clients get by chance away from those of the fronts,
// all below 50000.
func clientPorts() error {
	return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("50000 60999"), 0)
}

// Main is a TestMain: it runs the tests in a network namespace of their own.
func Main(m *testing.M) {
	code, entered := Enter()
	if entered {
		if Missing() == "" {
			if err := clientPorts(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		code = m.Run()
	}
	os.Exit(code)
}

// Need skips a test that is not in a namespace of its own, and fails it under
// REQUIRE_KERNEL=1.
func Need(t testing.TB) {
	t.Helper()
	if why := Missing(); why != "" {
		Skip(t, why)
	}
}

// Skip skips a test for a right or tool that this machine lacks, and fails it
// under REQUIRE_KERNEL=1.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_KERNEL") == "1" {
		t.Fatalf("REQUIRE_KERNEL=1, but %s", why)
	}
	t.Skip(why)
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("lo up: %w", err)
	}
	return nil
}
