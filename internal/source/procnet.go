package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/netip"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

const procFacts = tcp.FactClient | tcp.FactRecvQ | tcp.FactSendQ | tcp.FactInode |
	tcp.FactRetransmits | tcp.FactUID

// proc reads /proc/net/tcp and /proc/net/tcp6, whose addresses are hex words in
// the kernel's own byte order. It knows neither the backlog of a listener nor
// anything of tcp_info.
type proc struct {
	open  func(name string) (io.ReadCloser, error) // "tcp" or "tcp6"
	order byteOrder
	// entries returns the number of buckets in the kernel's table of sockets, 0 if it is not
	// known.
	entries func() int
}

// look reads the tables, and reads them again if they may have passed over sockets.
func (p proc) look(ctx context.Context, q tcp.Query, visit tcp.Visit) error {
	rows := procRows{order: p.order, query: q, visit: visit, visited: map[procID]int{}}
	if err := p.read(ctx, &rows); err != nil {
		return err
	}
	looks := p.looks(len(rows.visited))
	if looks == 1 {
		return nil
	}
	more := unseen{most: rows.counts(), visit: visit}
	for range looks - 1 {
		more.begin()
		rows.visit, rows.visited = more.add, map[procID]int{}
		if err := p.read(ctx, &rows); err != nil {
			return err
		}
	}
	return nil
}

// looks returns how often to look in all, at a front with so many sessions.
func (p proc) looks(sessions int) int {
	const most = 3
	if sessions == 0 || p.entries == nil {
		return 1
	}
	return looksFor(sessions, p.entries(), most)
}

// read reads both tables once.
func (p proc) read(ctx context.Context, rows *procRows) error {
	for _, table := range []struct {
		name   string
		hexLen int // of an address
	}{{"tcp", 8}, {"tcp6", 32}} {
		f, err := p.open(table.name)
		if table.name == "tcp6" && errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		rows.hexLen = table.hexLen
		err = rows.table(ctx, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", table.name, err)
		}
	}
	return nil
}

// procRows decodes the rows of one look.
type procRows struct {
	order  byteOrder
	hexLen int
	query  tcp.Query
	visit  tcp.Visit
	row    tcp.Socket

	// visited counts the rows of each identity. A table that changes while it is read can
	// show a socket twice.
	visited map[procID]int
}

// counts returns how many sockets were visited with the same two addresses.
func (p *procRows) counts() map[tcp.Pair]int {
	n := map[tcp.Pair]int{}
	for id, rows := range p.visited {
		if id.isUnique() {
			rows = 1
		}
		n[tcp.Pair{Local: id.local, Remote: id.remote}] += rows
	}
	return n
}

// procID is what /proc tells of a socket's identity: its addresses, and the hash of its place in the
// kernel's memory. If the hash is hidden (kernel.kptr_restrict), the inode takes its place. Without both
// (TIME_WAIT has no inode), rows that look alike count as different sockets, since two interfaces can
// have sessions with equal addresses.
type procID struct {
	local, remote netip.AddrPort
	object, inode uint64
}

func (id procID) isUnique() bool { return id.object != 0 || id.inode != 0 }

// table streams one table: the header, then row by row. There is no limit on rows.
func (p *procRows) table(ctx context.Context, r io.Reader) error {
	table := textfile.NewLines(ctx, r)
	header, err := table.Next()
	switch {
	case err == io.EOF:
		return errors.New("empty, without even a header")
	case err != nil:
		return err
	case !bytes.HasPrefix(bytes.TrimLeft(header, " "), []byte("sl ")):
		return table.Wrong(errors.New("not the header of a socket table"), header)
	}
	for {
		line, err := table.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.line(line); err != nil {
			return table.Wrong(err, line)
		}
	}
}

var errGarbled = errors.New("not a row of a socket table")

// line decodes one row:
//
//	sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
//	 0: 0100007F:A0FD 00000000:0000 0A 00000000:00000003 00:00000000 00000000   0       0 12345 …
//
// A row of another port is skipped before it is split.
func (p *procRows) line(line []byte) error {
	port, fields, ok := p.localPort(line)
	if !ok {
		return errGarbled
	}
	if !p.query.Ports.Has(port) {
		return nil
	}
	w := textfile.Words{Line: fields}
	local, okLocal := p.endpoint(w.Next())
	remote, okRemote := p.endpoint(w.Next())
	st, okState := textfile.Hex(w.Next())
	tx, rx, okQueues := hexPair(w.Next())
	timer, _, okTimer := hexPair(w.Next())
	retransmits, okRetransmits := textfile.Hex(w.Next())
	uid, okUID := textfile.Number(w.Next())
	w.Next() // timeout
	inode, okInode := textfile.Number(w.Next())
	w.Next() // reference count
	where := object(w.Next())
	if !okLocal || !okRemote || !okState || st > 0xff || !okQueues || !okTimer || !okRetransmits ||
		!okUID || uid > math.MaxUint32 || !okInode {
		return errGarbled
	}
	state, err := tcp.KernelState(uint8(st))
	if err != nil {
		return err
	}
	s := &p.row
	*s = tcp.Socket{
		State:  state,
		Facts:  procFacts,
		Local:  local,
		Remote: remote,
		RecvQ:  rx,
		SendQ:  tx, // 0 for a listener: not its backlog
		UID:    uint32(uid),
		Inode:  inode,
	}
	switch {
	case state == tcp.SynRecv: // time-outs are counted here, also those that sent nothing
		s.Facts &^= tcp.FactRetransmits
	case timer == timerRetrans:
		s.Retransmits = uint8(min(retransmits, 0xff))
	case timer == timerProbe:
		s.ZeroWindow = true
	}
	if p.query.Wants(s) {
		p.visitOnce(s, where)
	}
	return nil
}

// localPort returns the local port of a row, which has a fixed place after the first colon, and
// what comes after that colon.
func (p *procRows) localPort(line []byte) (port uint16, fields []byte, ok bool) {
	colon := bytes.IndexByte(line, ':')
	portAt := colon + 2 + p.hexLen + 1
	if colon < 0 || len(line) < portAt+5 || line[colon+1] != ' ' || line[portAt-1] != ':' || line[portAt+4] != ' ' {
		return 0, nil, false
	}
	n, ok := textfile.Hex(line[portAt : portAt+4])
	return uint16(n), line[colon+1:], ok
}

// visitOnce visits the socket unless a row has certainly shown it before.
func (p *procRows) visitOnce(s *tcp.Socket, where uint64) {
	id := procID{local: s.Local, remote: s.Remote, object: where}
	if where == 0 {
		id.inode = s.Inode
	}
	if p.visited[id]++; p.visited[id] == 1 || !id.isUnique() {
		p.visit(s)
	}
}

// object reads the hash of a socket's place in memory, 8 or 16 hex digits. It is 0 where the
// kernel hides or lacks it.
func object(b []byte) (hash uint64) {
	for ; len(b) >= 8; b = b[8:] {
		word, ok := textfile.Hex(b[:8])
		if !ok {
			return 0
		}
		hash = hash<<32 | uint64(word)
	}
	return hash
}

// endpoint decodes "0100007F:A0FD".
func (p *procRows) endpoint(b []byte) (netip.AddrPort, bool) {
	if len(b) != p.hexLen+5 || b[p.hexLen] != ':' {
		return netip.AddrPort{}, false
	}
	var raw [16]byte
	for i := 0; i < p.hexLen; i += 8 {
		word, ok := textfile.Hex(b[i : i+8])
		if !ok {
			return netip.AddrPort{}, false
		}
		p.order.PutUint32(raw[i/2:], word)
	}
	port, ok := textfile.Hex(b[p.hexLen+1:])
	family := uint8(afInet)
	if p.hexLen == 32 {
		family = afInet6
	}
	addr, err := address(family, raw[:])
	return netip.AddrPortFrom(addr, uint16(port)), ok && err == nil
}

func hexPair(b []byte) (x, y uint32, ok bool) {
	left, right, found := bytes.Cut(b, []byte(":"))
	x, okX := textfile.Hex(left)
	y, okY := textfile.Hex(right)
	return x, y, found && okX && okY
}
