package tcp

import "time"

// Process is the process that owns a socket on the front's port. A field that could not be read is zero.
type Process struct {
	PID  int32
	Name string // comm in the kernel: at most 15 bytes
	// State is the first word of the kernel's state: "running", "sleep", "blocked"
	// (uninterruptible), "stop", "zombie", "idle" and so on.
	State string
	// CPU is the share of one processor that the process used, in percent: between two
	// looks, or since it started.
	CPU     float64
	Threads int32
	// Descriptors is the number of open descriptors, DescriptorLimit the number that
	// may be open (RLIMIT_NOFILE).
	Descriptors, DescriptorLimit uint64
	Started                      time.Time
}
