package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithParent has a process killed when its parent ends, however that ends
// and even while the process is stopped.
func dieWithParent(attr *syscall.SysProcAttr) {
	attr.Pdeathsig = syscall.SIGKILL
}

// bindLate has a client's port chosen at connect time, when it only has to
// differ from those to the same front, and lets it take one in TIME_WAIT.
func bindLate(_, _ string, c syscall.RawConn) error {
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
