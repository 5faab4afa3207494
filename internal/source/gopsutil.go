package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"syscall"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/net"

	"frontsockets/internal/tcp"
)

// gopsutil is the portable source: on Windows it asks the system, on macOS and
// FreeBSD it runs lsof, on Linux it reads /proc/net/tcp, slower than procNet does. It
// provides states and addresses, and nothing of queues, timers or inodes.
//
// On Linux its tables are those in the net folder under root, as procNet's are.
func gopsutil(root string) tcp.Source {
	look := func(ctx context.Context, q tcp.Query, visit tcp.Visit) error {
		return lookGopsutil(ctx, root, q, visit)
	}
	return fixed("gopsutil", tcp.FactClient, gopsutilHidden, look)
}

func lookGopsutil(ctx context.Context, root string, q tcp.Query, visit tcp.Visit) error {
	if err := gopsutilReady(); err != nil {
		return err
	}
	// On Linux gopsutil reads /proc/net/tcp, leaves out the rows that it cannot read, and counts
	// sockets with equal addresses once. procNet finds such rows first.
	everything := tcp.Query{Ports: tcp.Ports{{Lo: 1, Hi: math.MaxUint16}}}
	alike := lookalikes{}
	_, err := procNet(root).Look(ctx, everything, func(s *tcp.Socket) {
		if s.State != tcp.Listen && q.Wants(s) {
			alike[s.Pair()]++
		}
	})
	if err == nil {
		err = alike.refuse()
	}
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	// Without this a variable HOST_PROC in the environment could name other tables.
	ctx = context.WithValue(ctx, common.EnvKey, common.EnvMap{common.HostProcEnvKey: root})
	look := net.ConnectionsWithContext
	if runtime.GOOS == "linux" { // elsewhere it is not implemented, and no row has uids
		look = net.ConnectionsWithoutUidsWithContext
	}
	rows, err := whileProcessesEnd(func() ([]net.ConnectionStat, error) { return look(ctx, "tcp") })
	if err != nil {
		return err
	}
	for _, row := range rows {
		if reversesWords && row.Family == afInet6 {
			row.Laddr.IP, row.Raddr.IP = reverseWords(row.Laddr.IP), reverseWords(row.Raddr.IP)
		}
		s, err := gopsutilSocket(row)
		if err != nil {
			return fmt.Errorf("row %v: %w", row, err)
		}
		if q.Wants(&s) {
			visit(&s)
		}
	}
	return ctx.Err()
}

// whileProcessesEnd looks again, a few times, if a process ended just when gopsutil opened the list of its
// descriptors. gopsutil passes over a process that is gone (ENOENT), but fails if it is just going (ESRCH).
func whileProcessesEnd(look func() ([]net.ConnectionStat, error)) (rows []net.ConnectionStat, err error) {
	const maxLooks = 5 // one look of about 100 failed on an emulated processor
	for range maxLooks {
		if rows, err = look(); !errors.Is(err, syscall.ESRCH) {
			break
		}
	}
	return rows, err
}

// reversesWords reports that gopsutil reverses the bytes of each word of an IPv6 address, which
// /proc/net/tcp6 has in the processor's order. On big-endian Linux that makes ::1 ::100:0.
var reversesWords = runtime.GOOS == "linux" && binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// reverseWords reverses the bytes of each word of an IPv6 address once more. It returns other text
// as it is.
func reverseWords(text string) string {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	words := addr.As16()
	for word := range slices.Chunk(words[:], 4) {
		slices.Reverse(word)
	}
	return netip.AddrFrom16(words).String()
}

// lookalikes counts the sessions with the same two addresses.
type lookalikes map[tcp.Pair]int

// refuse returns an error if there are such sessions.
func (l lookalikes) refuse() error {
	for pair, n := range l {
		if n > 1 {
			return fmt.Errorf("%d sessions are from %s to %s, and gopsutil would count one (see docs/SOURCES.md)", n,
				pair.Remote, pair.Local)
		}
	}
	return nil
}

func gopsutilSocket(row net.ConnectionStat) (tcp.Socket, error) {
	local, err := gopsutilEndpoint(row.Laddr)
	if err != nil {
		return tcp.Socket{}, err
	}
	remote, err := gopsutilEndpoint(row.Raddr)
	if err != nil {
		return tcp.Socket{}, err
	}
	state, err := tcp.ParseState(row.Status)
	return tcp.Socket{State: state, Facts: tcp.FactClient, Local: local, Remote: remote}, err
}

// gopsutilEndpoint reads an address; lsof's "*" and nothing at all are the wildcard.
func gopsutilEndpoint(a net.Addr) (netip.AddrPort, error) {
	if a.Port > math.MaxUint16 {
		return netip.AddrPort{}, fmt.Errorf("port %d", a.Port)
	}
	if a.IP == "" || a.IP == "*" {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(a.Port)), nil
	}
	addr, err := netip.ParseAddr(a.IP)
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(a.Port)), err
}
