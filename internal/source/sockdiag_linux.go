package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/tcp"
)

// sockDiagBoth asks the kernel for IPv4 and IPv6 in one dump. Any user may ask.
func sockDiagBoth() tcp.Source { return kernelDiag.both() }

// sockDiagEach asks the kernel for IPv4 and IPv6 in a dump each.
func sockDiagEach() tcp.Source { return kernelDiag.each() }

var kernelDiag = diag{askKernel, binary.NativeEndian, tableEntries}

// tableEntries returns the number of buckets in the table of sockets that the namespace uses,
// its own or, negative in the file, that of all. Before Linux 6.1 there was no file, and the
// kernel made a bucket for 128 KiB of memory (tcp_init in tcp.c).
func tableEntries() int {
	if n, ok := limitsUnder("/proc").number("sys/net/ipv4/tcp_ehash_entries"); ok {
		return int(n)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	const perEntry = 128 << 10
	return int(uint64(info.Totalram) * uint64(info.Unit) / perEntry)
}

// askKernel is an exchange over a netlink socket of its own.
func askKernel(ctx context.Context, request []byte, receive func([]byte) (bool, error)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	// A blocked receive does not see the context, so it wakes up to look at it.
	wake := unix.NsecToTimeval(int64(50 * time.Millisecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wake); err != nil {
		return fmt.Errorf("receive deadline: %w", err)
	}
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	// The kernel fills datagrams up to 32 KiB once it has seen a buffer of that
	// size (netlink_dump in af_netlink.c).
	buf := make([]byte, 64<<10)
	for ctx.Err() == nil {
		// With MSG_TRUNC the length is the datagram's, even if the buffer is smaller.
		n, from, err := unix.Recvfrom(fd, buf, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		case n == 0:
			return errors.New("receive: an empty datagram")
		case n > len(buf):
			return fmt.Errorf("receive: a datagram of %d bytes was cut to %d", n, len(buf))
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue // not from the kernel
		}
		if done, err := receive(buf[:n]); done || err != nil {
			return err
		}
	}
	return ctx.Err()
}
