package source

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"frontsockets/internal/tcp"
)

// gopsutilHidden is empty: here gopsutil sees the whole socket table, without any privilege.
const gopsutilHidden tcp.StateSet = 0

// gopsutilReady fails if one of the two tables cannot be read: gopsutil then leaves out
// the sockets of that address family in silence.
func gopsutilReady() error {
	const ownerPIDAll = 5 // TCP_TABLE_OWNER_PID_ALL, the class that gopsutil asks for
	table := windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")
	for name, family := range map[string]uintptr{"IPv4": windows.AF_INET, "IPv6": windows.AF_INET6} {
		var size uint32
		result, _, _ := table.Call(0, uintptr(unsafe.Pointer(&size)), 0, family, ownerPIDAll, 0)
		if errno := syscall.Errno(result); errno != windows.ERROR_INSUFFICIENT_BUFFER {
			return fmt.Errorf("GetExtendedTcpTable for %s: %w", name, errno)
		}
	}
	return nil
}
