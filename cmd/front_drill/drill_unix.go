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

// narrow gives a client a small receive buffer, which is soon full.
func narrow(_, _ string, c syscall.RawConn) error {
	var err error
	if ctlErr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, slowWindow)
	}); ctlErr != nil {
		return ctlErr
	}
	return err
}

// noDescriptors lowers the limit so far that this process can open nothing more.
func noDescriptors() error {
	next, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	limit := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	set(&limit.Cur, next.Fd())
	next.Close()
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// set sets a number of the type that this system has for limits.
func set[T int64 | uint64](to *T, n uintptr) { *to = T(n) }
