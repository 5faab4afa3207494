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

const (
	// insideVar is a variable of the second process. Its value is inside if the process is in its
	// namespace. Otherwise it says why there is none.
	insideVar = "FRONTSOCKETS_NAMESPACE"
	inside    = "inside"
)

// Enter starts the running program again in a new network namespace with a working loopback,
// waits for it and returns its exit code. In the second process it returns entered true. It does
// so in the first process if there can be no namespace; Missing then returns the reason. For an
// ordinary user the namespace is inside a new user namespace, if the kernel allows that.
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
		os.Setenv(insideVar, fmt.Sprintf("cannot make a network namespace: %v", err))
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

// Missing returns the reason why this process has no namespace of its own, or "". It also prepares the
// namespace.
func Missing() string {
	switch why := os.Getenv(insideVar); why {
	case inside:
	case "":
		panic("TestMain has to call population.Main") // or the tests would use the machine's own network
	default:
		return why
	}
	if err := loopbackUp(); err != nil {
		return err.Error()
	}
	if err := prepare(); err != nil {
		return err.Error()
	}
	return ""
}

// prepare makes the namespace keep the sockets that a test makes. All fronts of the tests have ports below
// 50000, so no client gets one. A RST does not end TIME_WAIT: when a machine stands still for a moment, a
// client sends its last FIN twice, and answers the second ACK with a RST.
func prepare() error {
	for file, value := range map[string]string{"ip_local_port_range": "50000 60999", "tcp_rfc1337": "1"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+file, []byte(value), 0); err != nil {
			return err
		}
	}
	return nil
}

// Main is for TestMain: it runs the tests in a new network namespace.
func Main(m *testing.M) {
	code, entered := Enter()
	if entered {
		code = m.Run()
	}
	os.Exit(code)
}

// Need skips a test that is not in a new namespace. With REQUIRE_KERNEL=1 it fails the test.
func Need(t testing.TB) {
	t.Helper()
	if why := Missing(); why != "" {
		Skip(t, why)
	}
}

// Skip skips a test that needs a right or a tool that this machine lacks. why says which. With
// REQUIRE_KERNEL=1 it fails the test.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_KERNEL") == "1" {
		t.Fatalf("REQUIRE_KERNEL=1, but %s", why)
	}
	t.Skip(why)
}

// loopbackUp brings up the interface lo.
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
