//go:build !unix

package main

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// ownGroup does nothing: the parts ignore Ctrl-C by themselves.
func ownGroup(*syscall.SysProcAttr) {}

// stop fails: no such signal here.
func stop(*os.Process) error { return errors.ErrUnsupported }

// setBacklog leaves the system's default in place.
func setBacklog(*net.TCPListener, int) error { return nil }

// narrow leaves the system's default in place.
func narrow(_, _ string, _ syscall.RawConn) error { return nil }

// noDescriptors fails: no such limit here.
func noDescriptors() error { return errors.ErrUnsupported }
