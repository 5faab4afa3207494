// Package tcp has the types that all packages share: TCP states in every system's spelling, ports, one
// row of a socket table (Socket), and the Process that owns it. A Source gets a Query and returns a Look.
package tcp

import (
	"errors"
	"fmt"
	"strings"
)

// State is a TCP state with the number that the Linux kernel gives it
// (include/net/tcp_states.h), 1 to 11.
type State uint8

// The states. NEW_SYN_RECV, the kernel's twelfth, is reported as SynRecv.
const (
	Established State = iota + 1
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	Close
	CloseWait
	LastAck
	Listen
	Closing

	// NumStates is one more than the largest State, for arrays indexed by State.
	NumStates
)

var names = [NumStates]string{
	Established: "established", SynSent: "syn_sent", SynRecv: "syn_recv",
	FinWait1: "fin_wait1", FinWait2: "fin_wait2", TimeWait: "time_wait",
	Close: "close", CloseWait: "close_wait", LastAck: "last_ack",
	Listen: "listen", Closing: "closing",
}

// String returns the metric's spelling: "time_wait". In capitals it is net-tools' spelling.
func (s State) String() string {
	if s < Established || s >= NumStates {
		return fmt.Sprintf("state %d", uint8(s))
	}
	return names[s]
}

// KernelState translates the number in a sock_diag message or in the st column
// of /proc/net/tcp. It is an error for a number no TCP socket can have.
func KernelState(n uint8) (State, error) {
	const newSynRecv = 12
	switch {
	case n == newSynRecv:
		return SynRecv, nil
	case n >= uint8(Established) && n < uint8(NumStates):
		return State(n), nil
	}
	return 0, fmt.Errorf("%d is not a TCP state", n)
}

// ParseState reads a state as any system spells it, in either case, with '-',
// '_' or nothing between its words:
//
//	the kernel              its number: decimal, or the two hex digits of /proc
//	ss                      ESTAB, FIN-WAIT-1, UNCONN
//	netstat on Linux        SYN_RECV
//	the BSDs, macOS, AIX    SYN_RCVD, CLOSED
//	Windows                 LISTENING, SYN_RECEIVED, DELETE_TCB
//	Solaris                 BOUND, IDLE: no connection yet, so Close
//	gopsutil                DELETE
func ParseState(s string) (State, error) {
	fold := func(r rune) rune {
		if r == '-' || r == '_' {
			return -1
		}
		return r
	}
	switch strings.Map(fold, strings.ToLower(s)) {
	case "1", "01", "established", "estab":
		return Established, nil
	case "2", "02", "synsent":
		return SynSent, nil
	case "3", "03", "12", "0c", "synrecv", "synrcvd", "synreceived", "newsynrecv":
		return SynRecv, nil
	case "4", "04", "finwait1":
		return FinWait1, nil
	case "5", "05", "finwait2":
		return FinWait2, nil
	case "6", "06", "timewait":
		return TimeWait, nil
	case "7", "07", "close", "closed", "unconn", "bound", "idle", "deletetcb", "delete":
		return Close, nil
	case "8", "08", "closewait":
		return CloseWait, nil
	case "9", "09", "lastack":
		return LastAck, nil
	case "10", "0a", "listen", "listening":
		return Listen, nil
	case "11", "0b", "closing":
		return Closing, nil
	}
	return 0, fmt.Errorf("'%s' is not a TCP state", s)
}

// StateSet is a set of states, bit 1<<State each, as in the kernel's masks.
type StateSet uint16

// Set makes a StateSet of the given states.
func Set(states ...State) StateSet {
	var set StateSet
	for _, s := range states {
		set |= 1 << s
	}
	return set
}

// Has reports whether s is in the set.
func (set StateSet) Has(s State) bool { return set&(1<<s) != 0 }

// ParseStateSet reads states separated by commas: "established,listen".
func ParseStateSet(s string) (StateSet, error) {
	var set StateSet
	for _, word := range strings.Split(s, ",") {
		if word == "" {
			return 0, errors.New("a state is missing")
		}
		state, err := ParseState(word)
		if err != nil {
			return 0, err
		}
		set |= Set(state)
	}
	return set, nil
}
