//go:build !darwin && !freebsd && !windows

package source

import "frontsockets/internal/tcp"

// gopsutilHidden: the whole socket table is seen here, without any right.
const gopsutilHidden tcp.StateSet = 0

func gopsutilReady() error { return nil }
