//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"syscall"
)

// dieWithParent does nothing: a part ends when its standard input closes. On Unix a stopped part
// also ends when its process group loses its parent.
func dieWithParent(*syscall.SysProcAttr) {}

// choosePortAtConnect does nothing: here the clients have the address of the front.
func choosePortAtConnect(_, _ string, _ syscall.RawConn) error { return nil }

// startInNetns returns an error: this system has no network namespaces.
func startInNetns(string, *exec.Cmd) error {
	return errors.New("--clients-netns needs network namespaces, which only Linux has")
}
