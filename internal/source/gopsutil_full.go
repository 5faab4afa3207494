//go:build !darwin && !freebsd && !windows

package source

import "frontsockets/internal/tcp"

// gopsutilBlind: the whole socket table is seen here, without any right.
const gopsutilBlind tcp.StateSet = 0

func gopsutilRight() error { return nil }
