//go:build unix

package main

import (
	"net"
	"os"
	"syscall"
)

// ownGroup gives a part a process group of its own. A Ctrl-C then reaches the
// supervisor alone, and a stopped part that outlives the supervisor gets
// SIGHUP and SIGCONT from the kernel, which end it.
func ownGroup(attr *syscall.SysProcAttr) {
	attr.Setpgid = true
}

// stop stops a process until it is continued or killed.
func stop(p *os.Process) error {
	return p.Signal(syscall.SIGSTOP)
}

// setBacklog changes the length of the accept queue; listening once more on a
// socket that listens already does just that.
func setBacklog(l *net.TCPListener, n int) error {
	c, err := l.SyscallConn()
	if err != nil {
		return err
	}
	if ctlErr := c.Control(func(fd uintptr) { err = syscall.Listen(int(fd), n) }); ctlErr != nil {
		return ctlErr
	}
	return err
}
