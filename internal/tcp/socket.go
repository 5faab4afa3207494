package tcp

import (
	"net/netip"
	"time"
)

// Socket is one row of a socket table. Its addresses are unmapped: an IPv4
// client of a dual-stack listener has an IPv4 address here. A field is only
// meaningful if Known says so; a zero that nobody measured is not a zero.
type Socket struct {
	State  State
	Known  Facts
	Local  netip.AddrPort
	Remote netip.AddrPort

	// RecvQ is the bytes the owner has not read; of a listener, the accept
	// queue in connections. SendQ is the bytes the peer has not acknowledged;
	// of a listener, the backlog in connections (inet_diag.c, tcp_diag_get_info).
	RecvQ, SendQ uint32

	// Inode is the socket's inode, 0 while no process owns it.
	Inode uint64

	// Retransmits counts the time-outs of the segment now being retransmitted.
	Retransmits uint8

	// Probing says that the peer's window is zero and the kernel asks now and then
	// whether it opened. It is known with Retransmits: both are the running timer.
	Probing bool

	// LastDataSent is how long ago data was last sent, or, if none was yet,
	// how long ago the connection was made. Unit of the source: 1 ms.
	LastDataSent time.Duration

	// LastDataReceived is how long ago data last came. It is known with LastDataSent.
	LastDataReceived time.Duration

	// Drops counts what a listener had to drop since it was made: connections, and
	// ACKs for which it was too early under TCP_DEFER_ACCEPT.
	Drops uint32

	// MPTCP says that this is a subflow of an MPTCP connection. Its state is not the
	// connection's, and neither is its RecvQ.
	MPTCP bool
}

// Facts says which fields of a Socket its source could tell.
type Facts uint8

// One bit for each fact that some source cannot tell.
const (
	KnowsClient Facts = 1 << iota // the address of Remote
	KnowsRecvQ
	KnowsSendQ   // of a session
	KnowsBacklog // SendQ of a listener
	KnowsInode
	KnowsRetransmits
	KnowsLastDataSent
	KnowsDrops
)

// Has tells whether all of the wanted facts are known.
func (f Facts) Has(want Facts) bool { return f&want == want }
