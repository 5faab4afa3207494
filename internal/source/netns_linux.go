package source

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"frontsockets/internal/tcp"
)

// within looks with s from inside another network namespace. Only the looking thread
// enters it, and only for the look.
func within(netns string, s tcp.Source) tcp.Source {
	return tcp.Source{Name: s.Name, Look: func(ctx context.Context, q tcp.Query, visit tcp.Visit) (tcp.Look, error) {
		runtime.LockOSThread()
		leave, err := enter(netns)
		if err != nil {
			runtime.UnlockOSThread()
			return tcp.Look{}, enterError{fmt.Errorf("netns %s: %w", netns, err)}
		}
		defer func() {
			if leave() == nil {
				runtime.UnlockOSThread()
			} // else the thread ends with the goroutine
		}()
		look, err := s.Look(ctx, q, visit)
		look.Source += " in netns " + netns
		return look, err
	}}
}

// enter moves the calling thread into the namespace of a process, at a path, or of a
// name that "ip netns" gave.
func enter(netns string) (leave func() error, err error) {
	path := netns
	switch {
	case strings.Trim(netns, "0123456789") == "":
		path = "/proc/" + netns + "/ns/net"
	case !strings.Contains(netns, "/"):
		path = "/run/netns/" + netns
	}
	own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc/thread-self/ns/net: %w", err)
	}
	// Without O_NONBLOCK a FIFO would not even open.
	other, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		unix.Close(own)
		if errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("%s does not exist: see ip netns, or ps", path)
		}
		return nil, needs(fmt.Errorf("open %s: %w", path, err), "CAP_SYS_PTRACE, which root has")
	}
	defer unix.Close(other)
	if err := unix.Setns(other, unix.CLONE_NEWNET); err != nil {
		unix.Close(own)
		if errors.Is(err, unix.EINVAL) {
			return nil, fmt.Errorf("%s is not a network namespace", path)
		}
		return nil, needs(fmt.Errorf("enter %s: %w", path, err), "CAP_SYS_ADMIN, which root has")
	}
	return func() error {
		defer unix.Close(own)
		return unix.Setns(own, unix.CLONE_NEWNET)
	}, nil
}

// needs adds the capability that is missing to a refusal.
func needs(err error, capability string) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: this needs %s", err, capability)
	}
	return err
}
