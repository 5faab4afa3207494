package source

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"frontsockets/internal/tcp"
)

// ss reads the rows of ss -tan, and with -i and -m what the lines behind them tell:
//
//	ESTAB 0 0 10.1.0.7:41213 10.1.2.3:50000
//		 skmem:(r0,rb131072,t0,…,d0) cubic rto:204 … cwnd:10 … lastsnd:120 …
//
// With -O that is on the row itself, and ss -an names the protocol first.
type ss struct {
	*table
	pending bool // the row is read, and the lines behind it are still to come
	ages    bool // somewhere it says how long ago something was sent, received or acknowledged
}

func (r *ss) line(line []byte) error {
	w := words{line: line}
	first := w.next()
	switch {
	case string(first) == "tcp":
		return r.row(w.next(), &w)
	case isStateOfSS(first):
		return r.row(first, &w)
	case r.pending && len(line) > 0 && (line[0] == ' ' || line[0] == '\t'):
		if err := r.noRow(line); err != nil {
			return err
		}
		return r.details(&words{line: line})
	}
	r.flush()
	switch string(first) {
	case "State", "Netid":
		next := w.next()
		r.found = r.found || string(next) == "Recv-Q" || string(next) == "State"
		return nil
	case "???", "udp", "raw", "sctp", "dccp", "mptcp", "icmp6", "u_str", "u_dgr", "u_seq", "nl", "p_raw", "p_dgr", "v_str", "v_dgr", "tipc", "xdp":
		return nil
	}
	return r.noRow(line)
}

// isStateOfSS tells whether a word is a state as ss writes it.
func isStateOfSS(word []byte) bool {
	switch string(word) {
	case "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
		"UNCONN", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING":
		return true
	}
	return false
}

// row reads a row from its state on.
func (r *ss) row(stateWord []byte, w *words) error {
	r.flush()
	state, err := r.state(stateWord)
	if err != nil {
		return err
	}
	r.found = true
	r.tells |= tcp.KnowsRecvQ | tcp.KnowsSendQ | tcp.KnowsBacklog
	recvQ, okRecvQ := number(w.next())
	sendQ, okSendQ := number(w.next())
	if !okRecvQ || !okSendQ {
		return errors.New("the Recv-Q or Send-Q is not a number")
	}
	var local, remote endpoint
	if err := local.parse(w.next()); err != nil {
		return err
	}
	if r.noRow(w.line[w.at:]) != nil {
		return errTwoRows
	}
	if local.star || !r.query.Ports.Has(local.port) {
		return nil
	}
	if err := remote.parse(w.next()); err != nil {
		return err
	}
	s := &r.table.row
	*s = tcp.Socket{
		State: state,
		Known: tcp.KnowsClient | tcp.KnowsRecvQ | tcp.KnowsSendQ | tcp.KnowsBacklog,
		RecvQ: clamp(recvQ), SendQ: clamp(sendQ),
	}
	localAddr, err := local.addr()
	if err != nil {
		return err
	}
	remoteAddr, err := remote.addr()
	if err != nil {
		return err
	}
	if state == tcp.Listen && sendQ == 0 { // of /proc/net/tcp, where it looks if it must, it tells no backlog
		s.Known &^= tcp.KnowsBacklog
	}
	s.Local = netip.AddrPortFrom(localAddr, local.port)
	s.Remote = netip.AddrPortFrom(remoteAddr, remote.port)
	r.pending = true
	return r.details(w)
}

// details reads what -i and -m tell of the pending row. Of the milliseconds since data
// was sent ss leaves out a 0, and older ones leave them out altogether. So a row with a
// window is told to know them, and if none of the capture has any, none does.
func (r *ss) details(w *words) error {
	s := &r.table.row
	for word := w.next(); word != nil; word = w.next() {
		name, value, _ := bytes.Cut(word, []byte(":"))
		switch string(name) {
		case "users": // names of processes, until ))
			for word != nil && !bytes.HasSuffix(word, []byte("))")) {
				word = w.next()
			}
		case "cwnd":
			s.Known |= tcp.KnowsLastDataSent
		case "lastack", "lastsnd", "lastrcv":
			r.ages = true
			ms, ok := number(value)
			if !ok || ms > math.MaxUint32 {
				return fmt.Errorf("'%s' is not a number of milliseconds", word)
			}
			switch age := time.Duration(ms) * time.Millisecond; name[len("last")] {
			case 's':
				s.LastDataSent = age
			case 'r':
				s.LastDataReceived = age
			}
			s.Known |= tcp.KnowsLastDataSent
		case "skmem":
			_, after, _ := bytes.Cut(value, []byte(",d"))
			drops, ok := number(bytes.TrimSuffix(after, []byte(")")))
			if ok { // old kernels do not tell
				s.Drops = clamp(drops)
				s.Known |= tcp.KnowsDrops
			}
		case "tcp-ulp-mptcp":
			s.MPTCP = true
		}
	}
	return nil
}

// flush gives the row that was pending.
func (r *ss) flush() {
	if r.pending {
		r.pending = false
		r.give()
	}
}

func (r *ss) end() error {
	r.flush()
	if !r.ages {
		r.tells &^= tcp.KnowsLastDataSent
	}
	return nil
}
