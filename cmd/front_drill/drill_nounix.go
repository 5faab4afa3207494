//go:build !unix

package main

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// setOwnGroup does nothing: the parts ignore Ctrl-C.
func setOwnGroup(*syscall.SysProcAttr) {}

// suspend returns an error: this system has no SIGSTOP.
func suspend(*os.Process) error { return errors.ErrUnsupported }

// setBacklog does nothing: the system's default remains.
func setBacklog(*net.TCPListener, int) error { return nil }

// setSmallReceiveBuffer does nothing: the system's default remains.
func setSmallReceiveBuffer(_, _ string, _ syscall.RawConn) error { return nil }

// exhaustDescriptors returns an error: this system has no such limit.
func exhaustDescriptors() error { return errors.ErrUnsupported }
