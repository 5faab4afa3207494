package tcp

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Socket is one row of a socket table. Its addresses are unmapped: an IPv4
// client of a dual-stack listener has an IPv4 address here. A field has a meaning
// only if Facts says so: a zero that was not measured means nothing.
type Socket struct {
	State  State
	Facts  Facts
	Local  netip.AddrPort
	Remote netip.AddrPort

	// RecvQ is the number of bytes that the owner has not read. Of a listener it is
	// the accept queue, in connections. SendQ is the number of bytes that the peer has
	// not acknowledged. Of a listener it is the backlog, in connections
	// (inet_diag.c, tcp_diag_get_info).
	RecvQ, SendQ uint32
	// Inode is the socket's inode, 0 while no process owns it.
	Inode uint64
	// UID is the user who made the socket: of a listener the one who called socket(2), of
	// a session the one who called accept(2). It has no meaning while Inode is 0.
	UID uint32
	// Retransmits counts the time-outs of the segment that is being retransmitted now.
	Retransmits uint8
	// ZeroWindow says that the peer's window is closed and the kernel probes it. It is
	// known with Retransmits: both come from the timer that runs.
	ZeroWindow bool
	// LastDataSent is the time since data was last sent or, if none was sent yet,
	// since the connection was made. The source's unit is 1 ms.
	LastDataSent time.Duration
	// LastDataReceived is the time since data last came. It is known with LastDataSent.
	LastDataReceived time.Duration
	// BytesRead is the number of bytes that the owner has read since the connection was
	// made (tcp_info, since Linux 4.1).
	BytesRead uint64
	// RTT is the smoothed round-trip time.
	RTT time.Duration
	// Closed is the time since the socket entered TIME_WAIT, or since the peer last sent its FIN again.
	Closed time.Duration
	// Progress compares the socket with an earlier look at it. See tally.Baseline.
	Progress Progress
	// Drops counts what a listener has dropped since it was made: connections, and
	// ACKs that came too early under TCP_DEFER_ACCEPT.
	Drops uint32
	// MPTCP says that this is a subflow of an MPTCP connection. Its state and its RecvQ
	// are not the connection's.
	MPTCP bool
}

// Pair is the local and the remote address of a socket, with their ports. It identifies a session,
// unless two interfaces have the same addresses.
type Pair struct{ Local, Remote netip.AddrPort }

// Pair returns the socket's addresses.
func (s *Socket) Pair() Pair { return Pair{s.Local, s.Remote} }

// Progress says what the front did for a socket between two looks.
type Progress uint8

// The kinds of progress.
const (
	ProgressNotCompared Progress = iota // there was no earlier look, or there is nothing to compare
	ProgressStuck                       // it waits to be accepted, read or closed, as it did before
	ProgressAccepted
	ProgressRead
	ProgressClosed // by the front
)

var progressNames = []string{"", "stuck", "accepted", "read", "closed"}

// String returns the spelling in a snapshot: "stuck".
func (p Progress) String() string { return progressNames[p] }

// ParseProgress reads what String returns.
func ParseProgress(s string) (Progress, error) {
	if i := slices.Index(progressNames, s); i >= 0 {
		return Progress(i), nil
	}
	return 0, fmt.Errorf("'%s' is not a kind of progress", s)
}

// Facts is the set of a Socket's fields that are known.
type Facts uint16

// One bit for each fact that some source does not provide.
const (
	FactClient Facts = 1 << iota // the address of Remote
	FactRecvQ
	FactSendQ   // of a session
	FactBacklog // SendQ of a listener
	FactInode
	FactRetransmits
	FactLastDataSent
	FactDrops
	FactBytesRead
	FactRTT
	FactClosed // of a socket in TIME_WAIT
	FactUID
)

// Has reports whether all wanted facts are known.
func (f Facts) Has(want Facts) bool { return f&want == want }
