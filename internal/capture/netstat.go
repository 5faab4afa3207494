package capture

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// netstat reads the rows of every netstat -an by their shape, since headers come in
// any language or not at all:
//
//	tcp  0  0 10.1.0.7:41213  10.1.2.3:50000  TIME_WAIT …       Linux (net-tools, busybox)
//	TCP       10.1.0.7:41213  10.1.2.3:50000  TIME_WAIT …       Windows
//	tcp4 0  0 10.1.0.7.41213  10.1.2.3.50000  TIME_WAIT …       BSDs, macOS, AIX, HP-UX; with -A an address before it
//	10.1.0.7.41213  10.1.2.3.50000  64240 0 64240 0  TIME_WAIT  Solaris, under "TCP: IPv4"
//
// Linux alone has the accept queue in the Recv-Q of a listener.
type netstat struct {
	*table

	last    rowPrefix
	section string // Solaris: the protocol of the rows that follow, "" if none was named

	blocks bool // -A, which makes columns narrow

	// An address may be cut to a fixed width. A longer one anywhere shows that none is.
	wide              bool
	clientCut         bool
	localCut, portCut error // what it would mean
}

// Widths to which addresses are cut: net-tools cuts the address so that with ':' and
// the whole port it has 23 characters, some busyboxes cut behind 23, ports too; the BSDs
// cut an IPv6 address to 16 and write the port behind it, but with -A cut that behind 18.
const (
	cutLinux  = 23
	cutBSD    = 16
	cutBlocks = 18
)

// rowPrefix is what comes before the local address of a row. Most rows begin with the same
// text, so it need not be read again.
type rowPrefix struct {
	text   []byte
	tcp    bool // the protocol is just "tcp"
	letter byte // the third of the protocol
	queues bool
	recvQ  uint32
	sendQ  uint32
}

func (n *netstat) line(line []byte) error {
	if last := &n.last; len(last.text) > 0 && bytes.HasPrefix(line, last.text) {
		w := textfile.Words{Line: line, At: len(last.text)}
		return n.row(last, w.Next(), &w)
	}
	w := textfile.Words{Line: line}
	first := w.Next()
	if isTCP(first) {
		return n.tcp(first, &w)
	}
	switch string(first) {
	case "":
		return nil
	case "Proto":
		next := w.Next()
		n.found = n.found || string(next) == "Recv-Q" || string(next) == "Local"
		return nil
	case "TCP:", "UDP:", "SCTP:":
		n.section, n.found = string(first), true
		return nil
	}
	rest := w
	second := rest.Next()
	if isOther(first) || isPointer(first) && isOther(second) {
		return nil
	}
	if isTCP(second) && isPointer(first) { // to the protocol control block, of -A
		n.blocks = true
		return n.tcp(second, &rest)
	}
	if n.section != "" && n.section != "TCP:" {
		return nil
	}
	var local endpoint
	if local.parse(first) == nil && local.dotted {
		return n.solaris(first, second, &rest)
	}
	return n.rejectHiddenRow(line)
}

// isOther tells whether a word is the name of another protocol.
func isOther(word []byte) bool {
	switch string(word) {
	case "unix", "udp", "udp4", "udp6", "udp46", "UDP", "udplite", "sctp", "sctp4", "sctp6", "raw", "raw6", "icmp", "icmp6":
		return true
	}
	return false
}

// isTCP tells whether a word is the name of the protocol: tcp, TCP, tcp4, tcp6, tcp46,
// or toe4 and so on, which FreeBSD says of what its network card does.
func isTCP(b []byte) bool {
	if len(b) < 3 || len(b) > 5 || b[0]|0x20 != 't' || (b[1]|0x20 != 'c' || b[2]|0x20 != 'p') && (b[1] != 'o' || b[2] != 'e') {
		return false
	}
	for _, c := range b[3:] {
		if c != '4' && c != '6' {
			return false
		}
	}
	return true
}

// isPointer tells whether a word is an address in memory: 8 to 16 hex digits.
func isPointer(b []byte) bool {
	if len(b) < 8 || len(b) > 16 {
		return false
	}
	_, left := textfile.Hex(b[:len(b)/2])
	_, right := textfile.Hex(b[len(b)/2:])
	return left && right
}

// tcp reads a row behind the name of its protocol.
func (n *netstat) tcp(proto []byte, w *textfile.Words) error {
	n.found = true
	local := w.Next()
	recvQ, queues := textfile.Number(local)
	var sendQ uint64
	if queues {
		var ok bool
		if sendQ, ok = textfile.Number(w.Next()); !ok {
			return errors.New("the Send-Q is not a number")
		}
		local = w.Next()
		n.provides |= tcp.FactRecvQ | tcp.FactSendQ
	}
	n.last = rowPrefix{
		text: append(n.last.text[:0], w.Line[:w.At-len(local)]...),
		tcp:  len(proto) == len("tcp"), letter: proto[2], queues: queues, recvQ: clamp(recvQ), sendQ: clamp(sendQ),
	}
	return n.row(&n.last, local, w)
}

// solaris reads a row that does not name its protocol.
func (n *netstat) solaris(first, second []byte, w *textfile.Words) error {
	var local, remote endpoint
	if local.parse(first) != nil || !local.dotted {
		return nil
	}
	var queues [4]uint64 // Swind Send-Q Rwind Recv-Q
	shape := remote.parse(second) == nil
	if !shape && n.section == "" {
		return nil // two endpoints make a row, and in the table of TCP one
	}
	for i := range queues {
		if shape {
			queues[i], shape = textfile.Number(w.Next())
		}
	}
	switch {
	case shape && n.rejectHiddenRow(w.Line[w.At:]) != nil:
		return errTwoRows
	case shape:
		n.found = true
		// The same words as in the rows of the others.
		rest := textfile.Words{Line: bytes.Join([][]byte{second, w.Line[w.At:]}, []byte(" "))}
		n.provides |= tcp.FactRecvQ | tcp.FactSendQ
		return n.row(&rowPrefix{queues: true, recvQ: clamp(queues[3]), sendQ: clamp(queues[1])}, first, &rest)
	case n.query.Ports.Has(local.port):
		return errors.New("not a row of netstat -an")
	}
	return nil
}

// row reads a row from its local address on; w has what follows that.
func (n *netstat) row(prefix *rowPrefix, localWord []byte, w *textfile.Words) error {
	var local, remote endpoint
	if err := local.parse(localWord); err != nil {
		return err
	}
	cut := n.cut(&local, localWord)
	const longestPort = 5
	if cut && (n.blocks || !local.dotted && prefix.tcp) && local.digits < longestPort && n.portCut == nil {
		n.portCut = fmt.Errorf("the port of '%s' may be cut; capture with netstat -W and without -A", localWord)
	}
	if prefix.letter != 0 && bytes.IndexByte(w.Line[w.At:], prefix.letter) >= 0 {
		if err := rejectSecondRow(w.Line[w.At:]); err != nil {
			return err
		}
	}
	if local.star || !n.query.Ports.Has(local.port) {
		return nil
	}

	s := &n.table.row
	*s = tcp.Socket{Facts: tcp.FactClient, RecvQ: prefix.recvQ, SendQ: prefix.sendQ}
	addr, err := local.addr()
	switch {
	case err != nil && !cut:
		return err
	case err != nil:
		addr = netip.IPv6Unspecified()
	}
	if cut && n.localCut == nil {
		n.localCut = fmt.Errorf("the address of '%s' may be cut, so -a cannot tell; capture with netstat -W", localWord)
	}
	s.Local = netip.AddrPortFrom(addr, local.port)

	remoteWord := w.Next()
	if err := remote.parse(remoteWord); err != nil {
		return err
	}
	addr, err = remote.addr()
	switch cut := n.cut(&remote, remoteWord); {
	case err != nil && !cut:
		return err
	case err != nil:
		s.Facts &^= tcp.FactClient
	case cut:
		n.clientCut = true
	}
	s.Remote = netip.AddrPortFrom(addr, remote.port)

	if s.State, err = n.state(w.Next()); err != nil {
		return err
	}
	if prefix.queues {
		s.Facts |= tcp.FactRecvQ | tcp.FactSendQ
		if local.dotted && s.State == tcp.Listen {
			s.Facts &^= tcp.FactRecvQ
		}
	}
	n.timer(s, w)
	n.emit()
	return nil
}

// rejectSecondRow returns an error if another row begins in the rest of a row.
func rejectSecondRow(rest []byte) error {
	for again := (textfile.Words{Line: rest}); ; {
		word := again.Next()
		if word == nil {
			return nil
		}
		if isTCP(word) {
			return errTwoRows
		}
	}
}

func clamp(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }

// cut tells whether an endpoint may be cut, and learns from one that is longer.
func (n *netstat) cut(e *endpoint, word []byte) bool {
	length, limit := len(word), cutLinux
	switch {
	case e.dotted && n.blocks:
		limit = cutBlocks
	case !e.dotted && length < limit, bytes.IndexByte(e.host, ':') < 0, e.host[0] == '[':
		return false
	case e.dotted:
		length, limit = len(e.host), cutBSD
	}
	n.wide = n.wide || length > limit
	return length == limit
}

// timer finds the column of -o behind the state, such as "on (0.21/2/0)": the timer
// that runs, its time left, retransmits, probes.
func (n *netstat) timer(s *tcp.Socket, w *textfile.Words) {
	var name []byte
	for word := w.Next(); word != nil; name, word = word, w.Next() {
		switch string(name) {
		case "on", "off", "keepalive", "timewait", "probe":
		default:
			continue
		}
		parts := bytes.Split(bytes.Trim(word, "()"), []byte("/"))
		if len(parts) != 3 || s.State == tcp.SynRecv { // half open, it counts time-outs
			continue
		}
		if retransmits, ok := textfile.Number(parts[1]); ok {
			s.Facts |= tcp.FactRetransmits
			if string(name) == "on" {
				s.Retransmits = uint8(min(retransmits, math.MaxUint8))
			}
			s.ZeroWindow = string(name) == "probe"
		}
	}
}

func (n *netstat) end() error {
	if n.wide {
		return nil
	}
	if n.clientCut {
		n.provides &^= tcp.FactClient
	}
	if n.localCut != nil && len(n.query.Addresses) > 0 {
		return n.localCut
	}
	return n.portCut
}
