package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"frontsockets/internal/tcp"
)

// Numbers of the kernel's socket diagnosis interface: linux/netlink.h,
// linux/sock_diag.h, linux/inet_diag.h, linux/tcp.h.
const (
	nlmsgHeaderLen = 16
	nlmsgNoop      = 1
	nlmsgError     = 2
	nlmsgDone      = 3
	nlmFRequest    = 0x1
	nlmFDumpIntr   = 0x10
	nlmFDump       = 0x300

	tcpDiagGetSock   = 18 // the old request: family 0 dumps IPv4 and IPv6 in one walk
	sockDiagByFamily = 20

	afInet          = 2
	afInet6         = 10
	ipprotoTCP      = 6
	oldRequestLen   = 60 // struct inet_diag_req
	sockIDLen       = 48 // struct inet_diag_sockid
	rowLen          = 72 // struct inet_diag_msg
	attrHeaderLen   = 4
	attrBytecode    = 1  // INET_DIAG_REQ_BYTECODE
	attrInfo        = 2  // INET_DIAG_INFO: struct tcp_info
	attrSKMemInfo   = 7  // INET_DIAG_SKMEMINFO: uint32[]
	attrULPInfo     = 19 // INET_DIAG_ULP_INFO: attributes, the first the name of the protocol above
	extInfo         = 1 << (attrInfo - 1)
	extSKMemInfo    = 1 << (attrSKMemInfo - 1)
	lastDataSentAt  = 44  // tcp_info.tcpi_last_data_sent, ms
	lastDataRecvAt  = 52  // tcp_info.tcpi_last_data_recv, ms
	rttAt           = 68  // tcp_info.tcpi_rtt, µs
	bytesReceivedAt = 128 // tcp_info.tcpi_bytes_received, 64 bits
	dropsAt         = 32  // SK_MEMINFO_DROPS
	nestedFlag      = 0x8000
	timerRetrans    = 1
	timerTimeWait   = 3
	timerProbe      = 4

	// The states 1 to 12, with NEW_SYN_RECV. State 13 (BOUND_INACTIVE) is not a session, and adds
	// a second, larger walk on the kernels that have it.
	allStates = 0x1ffe
)

// exchange sends one request to the kernel and hands each datagram of the answer
// to receive, until that says done. The datagram is only valid during the call.
type exchange func(ctx context.Context, request []byte, receive func(datagram []byte) (done bool, err error)) error

const diagFacts = tcp.FactClient | tcp.FactRecvQ | tcp.FactSendQ | tcp.FactBacklog | tcp.FactInode |
	tcp.FactRetransmits | tcp.FactLastDataSent | tcp.FactDrops | tcp.FactBytesRead | tcp.FactRTT | tcp.FactClosed |
	tcp.FactUID

// rowFacts is what the fixed part of a row tells; attributes and timers tell the rest.
const rowFacts = tcp.FactClient | tcp.FactRecvQ | tcp.FactSendQ | tcp.FactBacklog | tcp.FactInode |
	tcp.FactRetransmits | tcp.FactUID

// timeWaitLength is how long Linux keeps a socket in TIME_WAIT (TCP_TIMEWAIT_LEN in net/tcp.h).
const timeWaitLength = 60 * time.Second

var errInterrupted = errors.New("the socket table changed during the dump (NLM_F_DUMP_INTR)")

// byteOrder is what binary.NativeEndian, LittleEndian and BigEndian are.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// diag reads sockets through a netlink exchange in the given byte order.
type diag struct {
	exchange exchange
	order    byteOrder
	// entries returns the number of buckets in the kernel's table of sockets, 0 if it is not
	// known. It is asked only when it may matter.
	entries func() int
}

// both returns the source that asks for both families in one dump, with the old request.
func (d diag) both() tcp.Source {
	return fixed("sockdiag", diagFacts, 0, func(ctx context.Context, q tcp.Query, visit tcp.Visit) error {
		return d.dump(ctx, q, visit, tcpDiagGetSock, 0)
	})
}

// each returns the source that asks for each family in a dump of its own.
func (d diag) each() tcp.Source {
	return fixed("sockdiag", diagFacts, 0, func(ctx context.Context, q tcp.Query, visit tcp.Visit) error {
		return d.dump(ctx, q, visit, sockDiagByFamily, afInet, afInet6)
	})
}

// dump asks for the families in turn, with requests of one kind, and visits each socket once.
func (d diag) dump(ctx context.Context, q tcp.Query, visit tcp.Visit, kind uint16, families ...uint8) error {
	rows := diagRows{order: d.order, kind: kind, query: q, visit: visit, visited: map[[sockIDLen]byte]struct{}{}}
	ask := func(from portRange) error {
		for _, family := range families {
			rows.seq++
			err := d.exchange(ctx, request(d.order, kind, family, rows.seq, q.Ports, from), rows.datagram)
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := ask(everyPort); err != nil {
		return err
	}
	looks, ranges := d.laterLooks(&rows)
	for range looks {
		rows.before = rows.sessions()
		for _, remote := range ranges {
			if err := ask(remote); err != nil {
				return err
			}
		}
	}
	return nil
}

// laterLooks returns how many looks to make after a dump that may have missed sockets. Each of them asks
// for the ranges of remote ports in turn. There are as many ranges as a bucket has sessions. Then most
// chains of a range fit into the 16 sockets that the kernel returns under one lock
// (inet_diag_dump_icsk in inet_diag.c).
func (d diag) laterLooks(rows *diagRows) (looks int, ranges []portRange) {
	const (
		atOnce    = 16 // SKARR_SZ in inet_diag.c; so few cannot be parted
		maxRanges = 64 // keeps the time in bounds
		most      = 3  // looks in all
	)
	if len(rows.visited) <= atOnce || d.entries == nil {
		return 0, nil
	}
	sessions, entries := len(rows.visited), d.entries()
	looks = looksFor(sessions, entries, most) - 1
	if looks == 0 {
		return 0, nil
	}
	var ports []uint16
	for id := range rows.visited {
		ports = append(ports, binary.BigEndian.Uint16(id[2:]))
	}
	return looks, split(ports, min(maxRanges, (sessions+entries-1)/entries))
}

// request makes a dump request of the given kind (tcpDiagGetSock or
// sockDiagByFamily) for all states on the ports, with tcp_info and skmeminfo.
func request(order byteOrder, kind uint16, family uint8, seq uint32, ports tcp.Ports, remote portRange) []byte {
	const ext = extInfo | extSKMemInfo
	bytecode := append(remoteBytecode(order, remote, len(ports)), portBytecode(order, ports)...)
	b := make([]byte, nlmsgHeaderLen, nlmsgHeaderLen+oldRequestLen+attrHeaderLen+len(bytecode))
	if kind == tcpDiagGetSock {
		b = append(b, family, 0, 0, ext)
		b = append(b, make([]byte, sockIDLen)...)
		b = order.AppendUint32(b, allStates)
		b = append(b, 0, 0, 0, 0) // idiag_dbs
	} else {
		b = append(b, family, ipprotoTCP, ext, 0)
		b = order.AppendUint32(b, allStates)
		b = append(b, make([]byte, sockIDLen)...)
	}
	b = order.AppendUint16(b, uint16(attrHeaderLen+len(bytecode)))
	b = order.AppendUint16(b, attrBytecode)
	b = append(b, bytecode...)

	if len(ports) == 1 && ports[0].Lo == ports[0].Hi {
		// The kernel compares this one before it runs any bytecode.
		sourcePortAt := nlmsgHeaderLen + 4
		if kind == sockDiagByFamily {
			sourcePortAt = nlmsgHeaderLen + 8
		}
		binary.BigEndian.PutUint16(b[sourcePortAt:], ports[0].Lo)
	}
	order.PutUint32(b[0:], uint32(len(b)))
	order.PutUint16(b[4:], kind)
	order.PutUint16(b[6:], nlmFRequest|nlmFDump)
	order.PutUint32(b[8:], seq)
	return b
}

// The filter language of inet_diag.c. An operation is 4 bytes: code, where to go on yes,
// where to go on no (relative, in bytes). Going to the end accepts a socket, going 4 bytes
// beyond it rejects it. A comparison is followed by an operation that holds the port.
const (
	opJump       = 1
	opSourceGE   = 2
	opSourceLE   = 3
	opDestGE     = 4
	opDestLE     = 5
	opLen        = 4
	rangeLen     = 5 * opLen
	mostRanges   = 1000 // of the 3,276 that the 16-bit jumps can span
	yesNext      = 2 * opLen
	beyondTheEnd = opLen
)

// remoteBytecode compiles the condition that the remote port is in the range, which stands
// before the bytecode of so many local ranges.
func remoteBytecode(order byteOrder, remote portRange, localRanges int) []byte {
	if remote == everyPort {
		return nil
	}
	if localRanges > mostRanges { // as portBytecode does
		localRanges = 1
	}
	var b []byte
	rest := localRanges*rangeLen + beyondTheEnd
	for _, test := range []struct {
		code uint8
		port uint16
		no   int
	}{{opDestGE, remote.lo, 2*yesNext + rest}, {opDestLE, remote.hi, yesNext + rest}} {
		b = append(b, test.code, yesNext)
		b = order.AppendUint16(b, uint16(test.no))
		b = append(b, 0, 0)
		b = order.AppendUint16(b, test.port)
	}
	return b
}

// portBytecode compiles the local ports.
func portBytecode(order byteOrder, ports tcp.Ports) []byte {
	if len(ports) > mostRanges { // let too much through: every row is checked again
		ports = tcp.Ports{{Lo: ports[0].Lo, Hi: ports[len(ports)-1].Hi}}
	}
	var b []byte
	op := func(code, yes uint8, no int) {
		b = append(b, code, yes)
		b = order.AppendUint16(b, uint16(no))
	}
	for i, r := range ports {
		toEnd := (len(ports) - i) * rangeLen
		next := rangeLen
		if i == len(ports)-1 {
			next = toEnd + beyondTheEnd
		}
		op(opSourceGE, yesNext, next)
		op(0, 0, int(r.Lo))
		op(opSourceLE, yesNext, next-2*opLen)
		op(0, 0, int(r.Hi))
		op(opJump, opLen, toEnd-4*opLen)
	}
	return b
}

// diagRows decodes the datagrams of one dump. It checks every length, sequence number and
// message type. A dump that the kernel does not finish with NLMSG_DONE is an error.
type diagRows struct {
	order byteOrder
	kind  uint16
	seq   uint32
	query tcp.Query
	visit tcp.Visit
	row   tcp.Socket

	// visited holds the identity of each wanted row: ports, addresses, interface and
	// cookie, as the kernel wrote them. The kernel unlocks its table between
	// datagrams, so a row can come twice.
	visited map[[sockIDLen]byte]struct{}
	// before holds the sessions of the looks before this one, nil in the first. The listeners
	// are in another table of the kernel, which hardly ever changes.
	before map[sessionID]struct{}
}

// sessionID is the identity of a session without its cookie: only one session at a time has
// these addresses on this interface.
type sessionID [sockIDLen - 8]byte

// sessions returns those that were visited.
func (d *diagRows) sessions() map[sessionID]struct{} {
	ids := make(map[sessionID]struct{}, len(d.visited))
	for id := range d.visited {
		ids[sessionID(id[:])] = struct{}{}
	}
	return ids
}

// isKnown reports whether the row shows a socket that was visited. In a later look a
// socket with the same addresses counts as the same one.
func (d *diagRows) isKnown(id []byte) bool {
	if _, known := d.visited[[sockIDLen]byte(id)]; known {
		return true
	}
	_, known := d.before[sessionID(id)]
	return known
}

func (d *diagRows) datagram(b []byte) (done bool, err error) {
	if len(b) == 0 {
		return false, errors.New("the kernel sent an empty datagram")
	}
	for len(b) > 0 {
		if len(b) < nlmsgHeaderLen {
			return false, fmt.Errorf("%d bytes left in a datagram are no message", len(b))
		}
		length := int(d.order.Uint32(b))
		kind, flags := d.order.Uint16(b[4:]), d.order.Uint16(b[6:])
		if length < nlmsgHeaderLen || length > len(b) {
			return false, fmt.Errorf("a message claims %d bytes, its datagram has %d", length, len(b))
		}
		if seq := d.order.Uint32(b[8:]); seq != d.seq {
			return false, fmt.Errorf("a message answers request %d, not %d", seq, d.seq)
		}
		if flags&nlmFDumpIntr != 0 {
			return false, errInterrupted
		}
		body := b[nlmsgHeaderLen:length]
		switch kind {
		case d.kind:
			if err := d.socket(body); err != nil {
				return false, err
			}
		case nlmsgDone:
			// Its body is the dump's own exit status, missing on old kernels.
			if len(body) == 0 {
				return true, nil
			}
			return true, d.status("the dump ended", body)
		case nlmsgError:
			if err := d.status("the request was refused", body); err != nil {
				return false, err
			}
			return false, errors.New("the kernel acknowledged a dump instead of making it")
		case nlmsgNoop:
		default:
			return false, fmt.Errorf("a message has type %d", kind)
		}
		b = b[min(len(b), align4(length)):]
	}
	return false, nil
}

// status reads the error number, negative or 0, that starts the body.
func (d *diagRows) status(what string, body []byte) error {
	if len(body) < 4 {
		return fmt.Errorf("%s with a status of %d bytes", what, len(body))
	}
	switch err := syscall.Errno(-int32(d.order.Uint32(body))); err {
	case 0:
		return nil
	case syscall.ENOENT: // of inet_diag_lock_handler in inet_diag.c, after it has asked for the module
		return fmt.Errorf("%s: the kernel has no tcp_diag (as root: modprobe tcp_diag): %w", what, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

func (d *diagRows) socket(b []byte) error {
	if len(b) < rowLen {
		return fmt.Errorf("a row has %d bytes of %d", len(b), rowLen)
	}
	state, err := tcp.KernelState(b[1])
	if err != nil {
		return err
	}
	id := b[4 : 4+sockIDLen]
	local, err := address(b[0], id[4:20])
	if err != nil {
		return err
	}
	remote, err := address(b[0], id[20:36])
	if err != nil {
		return err
	}
	s := &d.row
	*s = tcp.Socket{
		State:  state,
		Facts:  rowFacts,
		Local:  netip.AddrPortFrom(local, binary.BigEndian.Uint16(id[0:])),
		Remote: netip.AddrPortFrom(remote, binary.BigEndian.Uint16(id[2:])),
		RecvQ:  d.order.Uint32(b[56:]),
		SendQ:  d.order.Uint32(b[60:]),
		UID:    d.order.Uint32(b[64:]),
		Inode:  uint64(d.order.Uint32(b[68:])),
	}
	switch b[2] {
	case timerRetrans: // of other timers this field counts probes
		s.Retransmits = b[3]
	case timerProbe:
		s.ZeroWindow = true
	case timerTimeWait: // a FIN_WAIT2 has it too, but its time-out is a setting
		if state != tcp.TimeWait {
			break
		}
		s.Closed = max(0, timeWaitLength-time.Duration(d.order.Uint32(b[52:]))*time.Millisecond)
		s.Facts |= tcp.FactClosed
	}
	if err := d.attributes(b[rowLen:]); err != nil {
		return err
	}
	if !d.query.Wants(s) {
		return nil
	}
	if !d.isKnown(id) {
		d.visited[[sockIDLen]byte(id)] = struct{}{}
		d.visit(s)
	}
	return nil
}

// attributes reads what follows the fixed part of a row. Attributes that a newer kernel
// adds are skipped; one that an older kernel truncates leaves its facts unknown.
func (d *diagRows) attributes(b []byte) error {
	for len(b) > 0 {
		if len(b) < attrHeaderLen {
			return fmt.Errorf("%d bytes left in a row are no attribute", len(b))
		}
		length := int(d.order.Uint16(b))
		if length < attrHeaderLen || length > len(b) {
			return fmt.Errorf("an attribute claims %d bytes, its row has %d", length, len(b))
		}
		value := b[attrHeaderLen:length]
		switch kind := d.order.Uint16(b[2:]); {
		case kind == attrInfo:
			d.info(value)
		case kind == attrSKMemInfo && len(value) >= dropsAt+4:
			d.row.Drops = d.order.Uint32(value[dropsAt:])
			d.row.Facts |= tcp.FactDrops
		case kind&^nestedFlag == attrULPInfo && len(value) > attrHeaderLen:
			d.row.MPTCP = bytes.HasPrefix(value[attrHeaderLen:], []byte("mptcp\x00"))
		}
		b = b[min(len(b), align4(length)):]
	}
	return nil
}

// info reads a tcp_info, as far as this kernel's goes.
func (d *diagRows) info(b []byte) {
	if len(b) < lastDataSentAt+4 {
		return
	}
	s := &d.row
	s.LastDataSent = time.Duration(d.order.Uint32(b[lastDataSentAt:])) * time.Millisecond
	s.Facts |= tcp.FactLastDataSent
	if len(b) >= rttAt+4 {
		s.LastDataReceived = time.Duration(d.order.Uint32(b[lastDataRecvAt:])) * time.Millisecond
		s.RTT = time.Duration(d.order.Uint32(b[rttAt:])) * time.Microsecond
		s.Facts |= tcp.FactRTT
	}
	if len(b) >= bytesReceivedAt+8 && s.State != tcp.Listen {
		s.BytesRead = d.order.Uint64(b[bytesReceivedAt:]) - uint64(s.RecvQ)
		s.Facts |= tcp.FactBytesRead
	}
}

func address(family uint8, b []byte) (netip.Addr, error) {
	switch family {
	case afInet:
		return netip.AddrFrom4([4]byte(b)), nil
	case afInet6:
		return netip.AddrFrom16([16]byte(b)).Unmap(), nil
	}
	return netip.Addr{}, fmt.Errorf("a row has address family %d", family)
}

func align4(n int) int { return (n + 3) &^ 3 }
