//go:build unix

package main

import (
	"net"
	"os"
	"syscall"
)

// setOwnGroup gives a part a new process group. Ctrl-C then reaches only the supervisor. If a
// stopped part outlives the supervisor, the kernel sends it SIGHUP and SIGCONT, which end it.
func setOwnGroup(attr *syscall.SysProcAttr) {
	attr.Setpgid = true
}

// suspend stops a process until it is continued or killed.
func suspend(p *os.Process) error {
	return p.Signal(syscall.SIGSTOP)
}

// setBacklog sets the backlog of a listener. A second listen changes nothing else.
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

// setSmallReceiveBuffer gives a client a small receive buffer, which fills soon.
func setSmallReceiveBuffer(_, _ string, c syscall.RawConn) error {
	var err error
	if ctlErr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, slowWindow)
	}); ctlErr != nil {
		return ctlErr
	}
	return err
}

// exhaustDescriptors lowers the limit of descriptors so far that this process can open no more.
func exhaustDescriptors() error {
	next, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	limit := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	setLimit(&limit.Cur, next.Fd())
	next.Close()
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// setLimit sets a limit, whose type depends on the system.
func setLimit[T int64 | uint64](to *T, n uintptr) { *to = T(n) }
