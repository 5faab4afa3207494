//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"syscall"
)

// dieWithParent does nothing: a part ends when its standard input closes and,
// on Unix, when it is stopped and its process group loses its parent.
func dieWithParent(*syscall.SysProcAttr) {}

// bindLate does nothing: clients take no address of their own here.
func bindLate(_, _ string, _ syscall.RawConn) error { return nil }

// startIn fails: no network namespaces here.
func startIn(string, *exec.Cmd) error {
	return errors.New("--clients-netns needs network namespaces, which only Linux has")
}
