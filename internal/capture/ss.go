package capture

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
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
	w := textfile.Words{Line: line}
	first := w.Next()
	switch {
	case string(first) == "tcp":
		return r.row(w.Next(), &w)
	case isStateOfSS(first):
		return r.row(first, &w)
	case r.pending && len(line) > 0 && (line[0] == ' ' || line[0] == '\t'):
		if err := r.rejectHiddenRow(line); err != nil {
			return err
		}
		return r.details(&textfile.Words{Line: line})
	}
	r.flush()
	switch string(first) {
	case "State", "Netid":
		next := w.Next()
		r.found = r.found || string(next) == "Recv-Q" || string(next) == "State"
		return nil
	case "???", "udp", "raw", "sctp", "dccp", "mptcp", "icmp6", "u_str", "u_dgr", "u_seq", "nl", "p_raw", "p_dgr", "v_str", "v_dgr", "tipc", "xdp":
		return nil
	}
	return r.rejectHiddenRow(line)
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
func (r *ss) row(stateWord []byte, w *textfile.Words) error {
	r.flush()
	state, err := r.state(stateWord)
	if err != nil {
		return err
	}
	r.found = true
	r.provides |= tcp.FactRecvQ | tcp.FactSendQ | tcp.FactBacklog
	recvQ, okRecvQ := textfile.Number(w.Next())
	sendQ, okSendQ := textfile.Number(w.Next())
	if !okRecvQ || !okSendQ {
		return errors.New("the Recv-Q or Send-Q is not a number")
	}
	var local, remote endpoint
	if err := local.parse(w.Next()); err != nil {
		return err
	}
	if r.rejectHiddenRow(w.Line[w.At:]) != nil {
		return errTwoRows
	}
	if local.star || !r.query.Ports.Has(local.port) {
		return nil
	}
	if err := remote.parse(w.Next()); err != nil {
		return err
	}
	s := &r.table.row
	*s = tcp.Socket{
		State: state,
		Facts: tcp.FactClient | tcp.FactRecvQ | tcp.FactSendQ | tcp.FactBacklog,
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
		s.Facts &^= tcp.FactBacklog
	}
	s.Local = netip.AddrPortFrom(localAddr, local.port)
	s.Remote = netip.AddrPortFrom(remoteAddr, remote.port)
	r.pending = true
	return r.details(w)
}

// details reads what -i and -m tell of the pending row. Of the milliseconds since data
// was sent ss leaves out a 0, and older ones leave them out altogether. So a row with a
// window is told to know them, and if none of the capture has any, none does.
func (r *ss) details(w *textfile.Words) error {
	s := &r.table.row
	for word := w.Next(); word != nil; word = w.Next() {
		name, value, _ := bytes.Cut(word, []byte(":"))
		switch string(name) {
		case "users": // names of processes, until ))
			for word != nil && !bytes.HasSuffix(word, []byte("))")) {
				word = w.Next()
			}
		case "cwnd":
			s.Facts |= tcp.FactLastDataSent
		case "lastack", "lastsnd", "lastrcv":
			r.ages = true
			ms, ok := textfile.Number(value)
			if !ok || ms > math.MaxUint32 {
				return fmt.Errorf("'%s' is not a number of milliseconds", word)
			}
			switch age := time.Duration(ms) * time.Millisecond; name[len("last")] {
			case 's':
				s.LastDataSent = age
			case 'r':
				s.LastDataReceived = age
			}
			s.Facts |= tcp.FactLastDataSent
		case "rtt": // smoothed, then its deviation
			rtt, _, _ := bytes.Cut(value, []byte("/"))
			ms, err := strconv.ParseFloat(string(rtt), 64)
			if err != nil || !(ms >= 0 && ms <= math.MaxUint32) { // NaN too
				return fmt.Errorf("'%s' is not a round-trip time in milliseconds", word)
			}
			s.RTT = time.Duration(ms * float64(time.Millisecond)).Round(time.Microsecond)
			s.Facts |= tcp.FactRTT
		case "skmem":
			_, after, _ := bytes.Cut(value, []byte(",d"))
			drops, ok := textfile.Number(bytes.TrimSuffix(after, []byte(")")))
			if ok { // old kernels do not tell
				s.Drops = clamp(drops)
				s.Facts |= tcp.FactDrops
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
		r.emit()
	}
}

func (r *ss) end() error {
	r.flush()
	if !r.ages {
		r.provides &^= tcp.FactLastDataSent
	}
	return nil
}
