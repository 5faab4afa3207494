//go:build darwin || freebsd

package source

import (
	"errors"
	"os"

	"frontsockets/internal/tcp"
)

// gopsutilHidden is the states in which no process owns a socket, not yet or no more:
// lsof lists sockets by process, so it cannot count them.
var gopsutilHidden = tcp.Set(tcp.SynRecv, tcp.FinWait1, tcp.FinWait2, tcp.TimeWait, tcp.LastAck, tcp.Closing)

// gopsutilReady fails without root: lsof then leaves out other users' sockets in silence.
func gopsutilReady() error {
	if os.Geteuid() != 0 {
		return errors.New("lsof shows the sockets of other users to root only")
	}
	return nil
}
