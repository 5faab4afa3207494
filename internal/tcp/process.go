package tcp

import "time"

// Process is the owner of a listener.
type Process struct {
	PID  int32
	Name string
	// State is the first word of the kernel's: "running", "sleep", "blocked" (that is
	// uninterruptible), "stop", "zombie", "idle" and so on, or "" if unknown.
	State string
	// CPU is the share of one processor that it used, in percent: between two looks,
	// or since its start.
	CPU     float64
	Threads int32
	// Descriptors is how many are open, DescriptorLimit how many may be (RLIMIT_NOFILE).
	Descriptors, DescriptorLimit uint64
	Started                      time.Time
}
