package capture

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// ss reads the rows of ss -tan, and with -i and -m what the lines after them tell:
//
//	ESTAB 0 0 10.1.0.7:41213 10.1.2.3:50000
//		 skmem:(r0,rb131072,t0,…,d0) cubic rto:204 … cwnd:10 … lastsnd:120 …
//
// With -O that is on the row itself, and ss -tuan names the protocol first.
type ss struct {
	*table
	pending     bool  // the row is read, and the lines after it are still to come
	inDetails   bool  // the last line was one of these
	ages        bool  // some row says how long ago something was sent, received or acknowledged
	broken      bool  // some line of details is broken, so that facts may be missing or cut
	wrongHeader error // for any row, if the header is not known
	// netid is whether rows begin with the protocol, once that is known.
	netid, netidKnown bool
	isWhole           bool // the row is complete, even if it is the last line and has no end
}

// ssHeader is the header up to what -p adds.
const ssHeader = "State Recv-Q Send-Q Local Address:Port Peer Address:Port"

var (
	errNoStates = errors.New("no column of states, as ss prints with a filter such as 'state close-wait'")
	errUnix     = errors.New("a unix socket, as ss prints without -t: any user of the host can give it a name that looks" +
		" like rows of TCP")
	errColumns = advised("some rows begin with the protocol, and some do not: perhaps two captures; give one of them")
)

func (r *ss) isUnwanted([]byte) bool { return false }

func (r *ss) line(line []byte) error {
	r.isWhole = false
	w := textfile.Words{Line: line}
	first := w.Next()
	switch {
	case string(first) == "tcp":
		state := w.Next()
		if _, isQueue := textfile.Number(state); isQueue && ofNetstat().Match(line) {
			return r.errOtherTool("ss", "netstat")
		}
		return r.row(state, true, &w)
	case isStateOfSS(first):
		return r.row(first, false, &w)
	case (r.inRows || r.inDetails) && len(line) > 0 && (line[0] == ' ' || line[0] == '\t'):
		return r.moreDetails(line)
	}
	r.flush()
	if isOfNetstat(line) {
		return r.errOtherTool("ss", "netstat")
	}
	switch string(first) {
	case "State", "Netid", "Recv-Q":
		return r.newTable(line)
	case "u_str", "u_dgr", "u_seq", "u_rdm":
		return errUnix
	case "???", "udp", "raw", "sctp", "dccp", "mptcp", "icmp6", "nl", "p_raw", "p_dgr", "v_str", "v_dgr", "tipc", "xdp":
		return r.otherProtocol(string(first), &w)
	}
	if next := w; len(bytes.Trim(first, "0123456789")) == 0 && r.rejectHiddenRow(line) != nil {
		if _, isQueue := textfile.Number(next.Next()); isQueue {
			return errNoStates
		}
	}
	if r.inDetails && len(first) > 0 && aDetail().Match(line) {
		r.broken = true
		return r.rejectHiddenRow(line)
	}
	r.inRows, r.inDetails = r.inRows || r.inDetails, false
	return r.other(line)
}

// ofNetstat finds a row of netstat: the protocol, queues if there are any, two addresses and the state.
// It also finds how a row of Solaris begins: with two addresses that have a dot before the port.
var ofNetstat = textfile.Lazy(`^\s*((0x)?[0-9a-f]+\s+){0,2}(tcp|TCP|toe)[46]*\s+(\d+\s+\d+\s+)?\S+[:.][0-9*]+\s+` +
	`\S+[:.][0-9*]+\s+[A-Z]|^([0-9a-f.:]+|\*)\.\d+\s+([0-9a-f.:]+|\*)\.[0-9*]+\s+\d+\s+\d+\s`)

// isOfNetstat reports whether a line is a header or a row of netstat.
func isOfNetstat(line []byte) bool {
	_, isHeader := readHeader(line)
	ofSS := bytes.Contains(line, []byte("Address:Port")) || bytes.Contains(line, []byte("Peer"))
	return isHeader && !ofSS || ofNetstat().Match(line)
}

// aDetail finds a detail of -i or -m such as "lastsnd:60000".
var aDetail = textfile.Lazy(`(^|\s)[a-z_]*:[0-9(]`)

// newTable reads a header.
func (r *ss) newTable(line []byte) error {
	header, netid := strings.CutPrefix(strings.Join(strings.Fields(string(line)), " "), "Netid ")
	switch {
	case strings.HasPrefix(header, "Recv-Q"):
		return errNoStates
	case rejectSecondRow(line) != nil:
		return errJoinedHeader
	case !strings.HasPrefix(header, "State "):
		return r.other(line)
	case r.header > 0:
		return r.secondTableError()
	}
	r.beginTable()
	switch r.wrongHeader = nil; {
	case strings.HasPrefix(ssHeader, header) && header != ssHeader && strings.Contains(header, "Local"):
		return fmt.Errorf("the header %w", errLacksColumns)
	case !strings.HasPrefix(header, ssHeader):
		r.wrongHeader = r.here(fmt.Errorf("not the header of ss -tan (changed by awk or cut?); %s", r.advice()), line)
	}
	r.netid, r.netidKnown = netid, true
	return nil
}

// otherProtocol passes over a row of another protocol, unless a row of TCP is in it.
func (r *ss) otherProtocol(proto string, w *textfile.Words) error {
	endpoints, odd := 0, false
	for word := w.Next(); word != nil; word = w.Next() {
		var e endpoint
		if e.parse(word) == nil && e.looksLikeAddress() {
			endpoints++
		}
		stateless := proto == "udp" || proto == "raw" || proto == "nl" || proto == "icmp6"
		odd = odd || isTCP(word) ||
			stateless && isStateOfSS(word) && string(word) != "ESTAB" && string(word) != "UNCONN"
	}
	const most = 2 // of a row
	if r.netidKnown && !r.netid {
		return fmt.Errorf("'%s' before the state: text was added, or two rows are in one line", proto)
	}
	if endpoints > most || odd {
		return errTwoRows
	}
	r.inRows, r.isWhole = true, true
	return nil
}

// row reads a row from its state on.
func (r *ss) row(stateWord []byte, netid bool, w *textfile.Words) error {
	r.flush()
	r.inDetails = false
	if err := r.beginRow(); err != nil {
		return err
	}
	if r.wrongHeader != nil {
		return r.wrongHeader
	}
	if r.netidKnown && r.netid != netid {
		return errColumns
	}
	r.netid, r.netidKnown = netid, true
	if _, isQueue := textfile.Number(stateWord); isQueue {
		return errNoStates
	}
	state, err := r.state(stateWord)
	if err != nil {
		return err
	}
	recvQ, okRecvQ := textfile.Number(w.Next())
	sendQ, okSendQ := textfile.Number(w.Next())
	if !okRecvQ || !okSendQ {
		return errNoQueues
	}
	r.provides |= tcp.FactRecvQ | tcp.FactSendQ | tcp.FactBacklog
	s := &r.table.row
	*s = tcp.Socket{
		State: state,
		Facts: tcp.FactClient | tcp.FactRecvQ | tcp.FactSendQ | tcp.FactBacklog,
		RecvQ: clamp(recvQ), SendQ: clamp(sendQ),
	}
	if state == tcp.Listen && sendQ == 0 { // from /proc/net/tcp it prints 0
		s.Facts &^= tcp.FactBacklog
	}
	return r.fromLocal(s, w)
}

// fromLocal reads a row from its local address on.
func (r *ss) fromLocal(s *tcp.Socket, w *textfile.Words) error {
	var local, remote endpoint
	localWord := w.Next()
	if err := local.parse(localWord); err != nil {
		return err
	}
	remoteWord := w.Next()
	if remoteWord == nil {
		return errors.New("the peer is missing: the row is cut or broken in two")
	}
	if err := remote.parse(remoteWord); err != nil {
		return err
	}
	const longestPort = 5
	r.isWhole = remote.star || remote.digits == longestPort || w.At < len(w.Line)
	rest, err := afterPeer(w.Line[w.At:])
	if err != nil {
		return err
	}
	if local.dotted || remote.dotted {
		return fmt.Errorf("'%s' or '%s' is not an address with its port", localWord, remoteWord)
	}
	if err := rejectMasked(&local, &remote, s.State); err != nil {
		return err
	}
	r.shown |= tcp.Set(s.State)
	if local.star || !r.query.Ports.Has(local.port) {
		if !local.isAddress() {
			return noPortError(localWord)
		}
		return nil
	}
	localAddr, err := local.addr()
	if err != nil {
		return err
	}
	remoteAddr, err := remote.addr()
	if err != nil {
		return err
	}
	s.Local = netip.AddrPortFrom(localAddr, local.port)
	s.Remote = netip.AddrPortFrom(remoteAddr, remote.port)
	whole := !local.isLinkLocalWithoutZone(localAddr) && !remote.isLinkLocalWithoutZone(remoteAddr)
	r.listenersFirst = true
	if r.pending, err = r.admit(localWord, remoteWord, w.Line, whole, false); err != nil {
		return err
	}
	return r.details(rest)
}

// users finds the column of -p, in which a user chooses the names of processes.
var users = textfile.Lazy(`users:\((\(".{0,31}?",(pid=)?\d+,(fd=)?\d+\),?)+\)`)

// afterPeer returns what follows the peer without the column of -p, and an error if that is
// another row or a piece of this one.
func afterPeer(rest []byte) ([]byte, error) {
	if bytes.Contains(rest, []byte("users:(")) {
		rest = users().ReplaceAll(rest, []byte(" "))
	}
	w := textfile.Words{Line: rest}
	if _, number := textfile.Number(w.Next()); number {
		return nil, errors.New("a number after the peer: the row is broken")
	}
	return rest, rejectSecondRow(rest)
}

// moreDetails reads a line after a row which begins with a blank.
func (r *ss) moreDetails(line []byte) error {
	r.inRows, r.inDetails = false, true
	rest, err := afterPeer(line)
	if err != nil {
		return err
	}
	r.isWhole = true
	if !r.pending {
		return nil
	}
	return r.details(rest)
}

// details reads what -i and -m tell of the pending row. ss leaves out the milliseconds since data was
// sent if they are 0; an old ss always leaves them out. So a row with cwnd counts as having them, unless
// no row of the capture has any.
func (r *ss) details(line []byte) error {
	s := &r.table.row
	w := textfile.Words{Line: line}
	for word := w.Next(); word != nil; word = w.Next() {
		name, value, _ := bytes.Cut(word, []byte(":"))
		if isPiece(word, name) {
			r.broken = true
		}
		switch string(name) {
		case "cwnd":
			s.Facts |= tcp.FactLastDataSent
		case "lastack", "lastsnd", "lastrcv":
			r.ages = true
			ms, ok := textfile.Number(value)
			if !ok || ms > math.MaxUint32 {
				return advised(fmt.Sprintf("'%s' is not a number of milliseconds: the text was changed; capture again", word))
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
			if err != nil || !(ms >= 0 && ms <= math.MaxUint32/1e3) { // NaN too; the kernel's unit is 1 µs
				return advised(fmt.Sprintf("'%s' is not a round-trip time in milliseconds: the text was changed; capture again",
					word))
			}
			s.RTT = time.Duration(ms * float64(time.Millisecond)).Round(time.Microsecond)
			s.Facts |= tcp.FactRTT
		case "skmem":
			_, after, _ := bytes.Cut(value, []byte(",d"))
			number, closed := bytes.CutSuffix(after, []byte(")"))
			if drops, ok := textfile.Number(number); ok && closed { // old kernels do not tell
				s.Drops = clamp(drops)
				s.Facts |= tcp.FactDrops
			}
		case "tcp-ulp-mptcp":
			s.MPTCP = true
		}
	}
	return nil
}

// isPiece reports whether a word is the end of a detail that was broken in two: a number
// alone, or the end of a name.
func isPiece(word, name []byte) bool {
	_, number := textfile.Number(word)
	return number || len(name) > 0 && len(name) < len("lastsnd") &&
		(bytes.HasSuffix([]byte("lastsnd"), name) || bytes.HasSuffix([]byte("lastrcv"), name))
}

// flush hands on the row that was pending.
func (r *ss) flush() {
	if r.pending {
		r.pending = false
		r.provides |= r.table.row.Facts
		r.visit(&r.table.row)
	}
}

// whole reports whether the last row is complete. Details may always be cut.
func (r *ss) whole() bool {
	r.broken = r.broken || r.inDetails
	return r.isWhole
}

func (r *ss) end() error {
	r.flush()
	r.hideWhatIsNotShown()
	if besides := tcp.Set(tcp.TimeWait, tcp.SynRecv); r.shown&(listen|besides) == 0 {
		r.hidden |= besides // without -a
	}
	if !r.ages {
		r.provides &^= tcp.FactLastDataSent
	}
	if r.broken {
		r.provides &^= tcp.FactLastDataSent | tcp.FactDrops
	}
	return nil
}

func (r *ss) advice() string { return "capture with ss -tan into a file, with no filter" }
