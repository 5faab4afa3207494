//go:build !windows

package logfile

import "golang.org/x/sys/unix"

// doNotFollow keeps open from following a symbolic link, and from waiting for the reader of
// a FIFO.
const doNotFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK
