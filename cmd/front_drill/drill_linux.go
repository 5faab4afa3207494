package main

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithParent makes the kernel kill a process when its parent ends for any reason, even while
// the process is stopped.
func dieWithParent(attr *syscall.SysProcAttr) {
	attr.Pdeathsig = syscall.SIGKILL
}

// choosePortAtConnect makes the kernel choose the client's port at connect. The port must then only
// differ from those of other sessions with the same front, and it may be in TIME_WAIT.
func choosePortAtConnect(_, _ string, c syscall.RawConn) error {
	var err error
	if ctlErr := c.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		}
	}); ctlErr != nil {
		return ctlErr
	}
	return err
}

// startInNetns starts a process in the network namespace of the file. The calling thread
// enters the namespace for that time, so the caller must have locked it.
func startInNetns(netns string, cmd *exec.Cmd) error {
	own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("own network namespace: %w", err)
	}
	defer unix.Close(own)
	other, err := unix.Open(netns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("--clients-netns: %q: %w", netns, err)
	}
	defer unix.Close(other)
	if err := unix.Setns(other, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("--clients-netns: %q: %w", netns, err)
	}
	err = cmd.Start()
	if back := unix.Setns(own, unix.CLONE_NEWNET); err == nil && back != nil {
		return fmt.Errorf("return to the own network namespace: %w", back)
	}
	return err
}
