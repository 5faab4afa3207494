package capture

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// netstat reads the rows of every netstat -an by their shape, since headers come in
// any language or not at all:
//
//	tcp  0  0 10.1.0.7:41213  10.1.2.3:50000  TIME_WAIT …       Linux (net-tools, busybox)
//	TCP       10.1.0.7:41213  10.1.2.3:50000  TIME_WAIT …       Windows
//	tcp4 0  0 10.1.0.7.41213  10.1.2.3.50000  TIME_WAIT …       BSDs, macOS, AIX, HP-UX; -A has words before it
//	10.1.0.7.41213  10.1.2.3.50000  64240 0 64240 0  TIME_WAIT  Solaris, under "TCP: IPv4"
//
// A row whose columns are in another order is read by its header, if that is in the table of orders. Linux
// alone has the accept queue in the Recv-Q of a listener.
type netstat struct {
	*table

	last      rowShape        // of the last row
	previous  rowShape        // of an earlier one, such as of the rows with other queues
	tails     map[string]bool // the ends of whole rows, from the state on; a few
	layout    layout
	hasHeader bool
	headed    int    // the line of the last header of any table
	section   string // Solaris: the protocol of the rows that follow, "" if none was named
	// before has the protocols with rows in earlier tables, protocols those of this table.
	before, protocols string
	title             string // the line before the table
	titled            bool   // a title said what the table leaves out
	goodHost          []byte // the last host that was an address
	isWhole           bool   // the last line is a whole row
	padded            bool   // there are blanks after a state at the end of a row

	widths widths
}

// rowShape is how the last whole row was written. Most rows begin with the same text, have
// the same columns, and are of other ports: they need not be read word by word.
type rowShape struct {
	prefix []byte // what comes before the local address
	proto  string
	queues bool
	recvQ  uint32
	sendQ  uint32

	remote, state int    // where these columns begin; 0 if it is not known
	tail          []byte // the line from the state on
}

func (n *netstat) line(line []byte) error {
	err := n.readLine(line)
	if err != nil && n.layout.listenQueues {
		return errListenQueues
	}
	return err
}

func (n *netstat) readLine(line []byte) error {
	n.isWhole = false
	if last := &n.last; len(last.prefix) > 0 && bytes.HasPrefix(line, last.prefix) {
		w := textfile.Words{Line: line, At: len(last.prefix)}
		return n.row(last, w.Next(), &w)
	}
	if ok, err := n.ordered(line); ok {
		return err
	}
	w := textfile.Words{Line: line}
	first := w.Next()
	switch {
	case first == nil:
		return n.otherText(line)
	case isTCP(first):
		return n.tcpLine(first, &w)
	case isOther(first):
		return n.otherProtocol(first, &w)
	}
	if h, ok := readHeader(line); ok {
		return n.newTable(h, line)
	}
	if isPointer(first) {
		rest := w
		for range 2 { // the protocol control block of -A, and on macOS a hash
			switch word := rest.Next(); {
			case isTCP(word):
				n.widths.blocks = true
				return n.tcpLine(word, &rest)
			case isOther(word):
				return n.otherProtocol(word, &rest)
			}
		}
	}
	switch string(first) {
	case "TCP:", "UDP:", "SCTP:", "ICMP:", "RAWIP:":
		if second := w.Next(); second == nil || bytes.HasPrefix(second, []byte("IPv")) {
			return n.newSection(string(first), string(second))
		}
	}
	if isRule(line) && n.headed == n.n-1 {
		return nil
	}
	var local, remote endpoint
	dotted := local.parse(first) == nil && local.dotted
	isRow := dotted && remote.parse(w.Next()) == nil && remote.dotted
	switch {
	case !dotted, !isRow && n.section == "":
		return n.otherText(line) // two endpoints make a row, and in the table of TCP one
	case !n.inTCP():
		return n.otherSolaris(line)
	case n.hasHeader:
		return n.wrongColumns()
	case n.layout.columns == nil:
		n.layout = inOrder(nil, orderOfSolaris)
		return n.readLine(line)
	}
	return errors.New("not a socket (netstat -r or -i?), or a row of Solaris without the heading 'TCP:' above it")
}

// isUnwanted reports whether a line is a row of another port that is written like the last whole row. It
// has blanks between the same columns, and from the state on a text that a whole row had.
func (n *netstat) isUnwanted(line []byte) bool {
	switch {
	case n.last.begins(line):
	case n.previous.begins(line):
		n.last, n.previous = n.previous, n.last
	default:
		return false
	}
	l := &n.last
	if !n.isTail(line[l.state:]) || line[l.state-1] != ' ' || line[l.state-2] != ' ' ||
		line[l.remote] <= ' ' || line[l.remote-1] != ' ' || line[l.remote-2] != ' ' {
		return false
	}
	local := line[len(l.prefix):l.remote]
	local = local[:max(bytes.IndexByte(local, ' '), 0)]
	const blanks = "                                                                "
	gap := line[len(l.prefix)+len(local) : l.remote]
	if len(gap) > len(blanks) || string(gap) != blanks[:len(gap)] {
		return false
	}
	var e endpoint
	if e.parse(local) != nil || e.star || n.query.Ports.Has(e.port) {
		return false
	}
	if string(e.host) != string(n.goodHost) { // a host has few addresses of its own
		if !e.isAddress() {
			return false
		}
		n.goodHost = append(n.goodHost[:0], e.host...)
	}
	return true
}

// begins reports whether a line may be a row of this shape.
func (r *rowShape) begins(line []byte) bool {
	return r.state > 0 && len(line) > r.state && string(line[:len(r.prefix)]) == string(r.prefix)
}

// forgetShapes is for the end of a table: another one may have other columns.
func (n *netstat) forgetShapes() { n.last.prefix, n.last.state, n.previous = nil, 0, rowShape{} }

// isTail reports whether a text was the end of a whole row, from the state on.
func (n *netstat) isTail(text []byte) bool {
	return string(text) == string(n.last.tail) || n.tails[string(text)]
}

// isRule reports whether a line underlines a header.
func isRule(line []byte) bool { return len(bytes.Trim(line, "- \t")) == 0 }

// otherText takes a line that is neither a row nor a header.
func (n *netstat) otherText(line []byte) error {
	n.forgetShapes()
	if rest := bytes.TrimLeft(line, " \t"); len(rest) > 0 {
		// The programs of Windows -b come after their rows, behind blanks or in brackets.
		windows := n.inRows && len(rest) < len(line) && !n.last.queues && n.last.proto == "TCP"
		if windows && (rest[0] == '[' || isProse(rest)) {
			return n.rejectHiddenRow(line)
		}
		n.title = string(line)
	}
	if isStateOfSS((&textfile.Words{Line: line}).Next()) && n.rejectHiddenRow(line) != nil ||
		bytes.Contains(line, []byte("Address:Port")) {
		return n.errOtherTool("netstat", "ss")
	}
	return n.other(line)
}

// newSection begins the rows of a protocol of Solaris.
func (n *netstat) newSection(name, family string) error {
	n.forgetShapes()
	if name == "TCP:" {
		if strings.Contains(n.before, name+family+" ") {
			return n.secondTableError()
		}
		n.before += name + family + " "
	}
	n.section, n.layout = name, inOrder(nil, orderOfSolaris)
	n.beginTable()
	return nil
}

// newTable begins the table of a header.
func (n *netstat) newTable(h layout, line []byte) error {
	if rejectSecondRow(line) != nil {
		if _, header, _ := bytes.Cut(line, []byte("Proto")); len(header) > 0 && rejectSecondRow(header) == nil {
			return errTextBeforeRow // such as a time
		}
		return errJoinedHeader
	}
	if bytes.Contains(line, []byte("Address:Port")) {
		return n.errOtherTool("netstat", "ss")
	}
	n.beforeHeader()
	n.forgetShapes()
	family6 := strings.Contains(n.title, "Internet6") // of NetBSD
	if h.known && n.header > 0 && n.section == "" && !h.repeats && !family6 {
		return n.secondTableError()
	}
	n.before += n.protocols
	n.protocols = ""
	n.layout, n.hasHeader, n.headed = h, true, n.n
	n.widths.set(h.width)
	if h.known {
		n.readTitle()
		n.beginTable()
	}
	n.inRows = h.known
	return nil
}

// readTitle learns from the line before a table what the table leaves out.
func (n *netstat) readTitle() {
	title := n.title
	n.title = ""
	said := phrase(title)
	switch hidden, ok := titles[said]; {
	case ok:
		n.hidden |= hidden
		n.titled = true
	case !strings.Contains(title, "(") && strings.HasPrefix(title, "Active Internet"), // a BSD without -a
		strings.HasPrefix(said, "w/o"):
		n.hidden |= listen
		n.titled = true
	}
}

// otherProtocol passes over a row of another protocol, unless a row of TCP is in it.
func (n *netstat) otherProtocol(proto []byte, w *textfile.Words) error {
	n.forgetShapes()
	isUnix, isSCTP := string(proto) == "unix", bytes.HasPrefix(proto, []byte("sctp"))
	wanted, others, odd := 0, 0, false
	for i, word := 0, w.Next(); word != nil; i, word = i+1, w.Next() {
		var e endpoint
		switch {
		case isTCP(word), !isSCTP && isState(word) && string(word) != "ESTABLISHED":
			odd = true
		case e.parse(word) == nil && e.looksLikeAddress():
			odd = odd || n.layout.columns == nil && wanted+others == 0 && i != 0 && i != 2 // after two queues, or none
			if !e.star && n.query.Ports.Has(e.port) {
				wanted++
			} else {
				others++
			}
		}
	}
	const most = 2 // addresses of a row
	switch {
	case isUnix && others > 0 && (wanted > 0 || n.mentions(w.Line)), isUnix && wanted > 1,
		!isUnix && wanted > 0 && (odd || wanted+others > most):
		return errTwoRows
	}
	n.isWhole, n.inRows = true, true
	return nil
}

// otherSolaris passes over a row of UDP or SCTP, which has no state of TCP, or a column of
// streams such as "32/32" before it.
func (n *netstat) otherSolaris(line []byte) error {
	state, streams := false, false
	for w := (textfile.Words{Line: line}); ; {
		word := w.Next()
		if word == nil {
			break
		}
		state, streams = state || isState(word), streams || bytes.IndexByte(word, '/') >= 0
	}
	if state && !streams {
		return fmt.Errorf("a row of TCP under the heading '%s' of line %d", n.section, n.header)
	}
	n.isWhole = true
	return nil
}

// inTCP reports whether the rows that follow are of TCP, as far as Solaris tells.
func (n *netstat) inTCP() bool { return n.section == "" || n.section == "TCP:" }

// wrongColumns returns the error for a row that the last header does not describe.
func (n *netstat) wrongColumns() error {
	if !n.layout.known {
		return fmt.Errorf("the header in line %d is not known", n.headed)
	}
	return fmt.Errorf("this row does not have the columns of the header in line %d: the text was changed, or is of two"+
		" systems", n.headed)
}

// ordered reads a row by the columns of its header. ok is false if a word does not fit its column.
func (n *netstat) ordered(line []byte) (ok bool, err error) {
	if n.layout.columns == nil || !n.inTCP() {
		return false, nil
	}
	words := map[string][]byte{}
	w := textfile.Words{Line: line}
	for _, column := range n.layout.columns {
		word := w.Next()
		words[column] = word
		ok := true
		switch column {
		case "Proto":
			if isOther(word) {
				return true, n.otherProtocol(word, &textfile.Words{Line: line})
			}
			ok = isTCP(word)
		case "Recv-Q", "Send-Q", "Swind", "Rwind":
			_, ok = textfile.Number(word)
		case "Local", "Foreign":
			ok = new(endpoint).parse(word) == nil
		}
		if !ok {
			return false, nil
		}
	}
	proto, rest := words["Proto"], line[w.At:]
	again := slices.Clone(proto) // the row in the usual order
	for _, column := range []string{"Recv-Q", "Send-Q", "Local", "Foreign", "State"} {
		if n.layout.queues || !strings.HasSuffix(column, "-Q") {
			again = append(append(again, ' '), words[column]...)
		}
	}
	endsWithState := bytes.HasSuffix(line[:w.At], words["State"])
	if !endsWithState {
		again = append(again, ' ')
	}
	err = n.tcp(proto, &textfile.Words{Line: append(again, rest...), At: len(proto)})
	n.forgetShapes()
	n.isWhole = n.isWhole && (endsWithState || len(rest) > 0) // any other column may be cut
	return true, err
}

// tcpLine reads a line that begins with the name of the protocol, and is a row or a heading.
func (n *netstat) tcpLine(proto []byte, w *textfile.Words) error {
	rest := *w
	var e endpoint
	switch second := rest.Next(); {
	case second == nil:
		return errors.New("the row is cut or broken in two")
	case isStateOfSS(second):
		return n.errOtherTool("netstat", "ss")
	case !n.inRows && isProse(second) && e.parse(second) != nil: // a heading that begins with TCP
		return n.otherText(w.Line)
	case n.section != "":
		return fmt.Errorf("a row of another system in a table of Solaris: perhaps two captures; %w", errSeveralTables)
	case n.hasHeader && n.layout.columns != nil:
		return n.wrongColumns()
	}
	return n.tcp(proto, w)
}

// tcp reads a row in the usual order of columns after the name of its protocol.
func (n *netstat) tcp(proto []byte, w *textfile.Words) error {
	local := w.Next()
	recvQ, queues := textfile.Number(local)
	var sendQ uint64
	if queues {
		var ok bool
		if sendQ, ok = textfile.Number(w.Next()); !ok {
			return errNoQueues
		}
		local = w.Next()
		n.provides |= tcp.FactRecvQ | tcp.FactSendQ
	}
	if n.layout.broken {
		return fmt.Errorf("the header in line %d %w", n.headed, errLacksColumns)
	}
	if err := n.beginRow(); err != nil {
		return err
	}
	switch {
	case !n.hasHeader:
		n.readTitle()
	case !n.layout.known, n.layout.queues != queues:
		return n.wrongColumns()
	}
	n.last, n.previous = rowShape{
		prefix: append(n.previous.prefix[:0], w.Line[:w.At-len(local)]...), tail: n.previous.tail,
		proto: string(proto), queues: queues, recvQ: clamp(recvQ), sendQ: clamp(sendQ),
	}, n.last
	if name := string(proto) + " "; !strings.Contains(n.protocols, name) && len(proto) > 0 {
		if strings.Contains(n.before, name) {
			return n.secondTableError()
		}
		n.protocols += name
	}
	return n.row(&n.last, local, w)
}

// netstatRow is a row that was read.
type netstatRow struct {
	local, remote         endpoint
	localWord, remoteWord []byte
	cutLocal, cutRemote   int // the width to which they may be cut, or 0
	state                 tcp.State
	rest                  []byte // what follows the state and -p
}

// row reads a row from its local address on; w has what follows that.
func (n *netstat) row(shape *rowShape, localWord []byte, w *textfile.Words) error {
	if err := n.beginRow(); err != nil {
		return err
	}
	row := netstatRow{localWord: localWord}
	if err := row.local.parse(localWord); err != nil {
		return err
	}
	row.remoteWord = w.Next()
	if err := row.remote.parse(row.remoteWord); err != nil {
		return err
	}
	remoteAt := w.At - len(row.remoteWord)
	var stateEnd int
	var err error
	if row.state, stateEnd, err = n.readState(w); err != nil {
		return err
	}
	rest := w.Line[stateEnd:]
	n.padded = n.padded || len(rest) > 0 && isRule(rest)
	n.isWhole = len(rest) > 0 || !bytes.HasSuffix(w.Line, []byte("CLOSE"))
	if n.padded && !n.isWhole {
		return errors.New("the state CLOSE may be a broken CLOSE_WAIT: it lacks the blanks that other rows have after it")
	}
	if row.rest, err = afterState(rest); err != nil {
		return err
	}
	if row.local.dotted != row.remote.dotted {
		return fmt.Errorf("'%s' and '%s' are not written alike: one has ':', the other '.' before its port",
			localWord, row.remoteWord)
	}
	if err := rejectMasked(&row.local, &row.remote, row.state); err != nil {
		return err
	}
	n.shown |= tcp.Set(row.state)
	row.cutLocal = n.widths.cut(&row.local, localWord, shape)
	row.cutRemote = n.widths.cut(&row.remote, row.remoteWord, shape)
	if row.cutLocal > 0 && n.widths.cutsPort(&row.local, localWord, shape, n.query.Ports) {
		n.widths.note(len(localWord)).port = fmt.Errorf("the port of '%s' may be cut: its column is full", localWord)
	}
	n.remember(shape, w.Line, remoteAt, stateEnd, row.cutLocal+row.cutRemote == 0)
	if row.local.star || !n.query.Ports.Has(row.local.port) {
		if row.cutLocal == 0 && !row.local.isAddress() {
			return noPortError(localWord)
		}
		return nil
	}
	return n.wantedRow(shape, &row, w.Line)
}

// wantedRow hands on a row with a port that was asked for.
func (n *netstat) wantedRow(shape *rowShape, row *netstatRow, line []byte) error {
	s := &n.table.row
	*s = tcp.Socket{State: row.state, Facts: tcp.FactClient, RecvQ: shape.recvQ, SendQ: shape.sendQ}
	local, err := n.address(&row.local, row.cutLocal > 0)
	if err != nil {
		return err
	}
	if cutsHost(&row.local, row.cutLocal) {
		n.widths.note(row.cutLocal).local = fmt.Errorf(
			"the address of '%s' may be cut, and -a needs it whole (or leave out -a)", row.localWord)
	}
	remote, err := n.address(&row.remote, row.cutRemote > 0)
	if err != nil {
		return err
	}
	if cutsHost(&row.remote, row.cutRemote) {
		n.widths.note(row.cutRemote).client = true
		if _, err := row.remote.addr(); err != nil {
			s.Facts &^= tcp.FactClient
		}
	}
	s.Local, s.Remote = netip.AddrPortFrom(local, row.local.port), netip.AddrPortFrom(remote, row.remote.port)
	if shape.queues {
		s.Facts |= tcp.FactRecvQ | tcp.FactSendQ
		if row.local.dotted && s.State == tcp.Listen {
			s.Facts &^= tcp.FactRecvQ
		}
	}
	readTimer(s, row.rest)
	whole := row.cutLocal+row.cutRemote == 0 &&
		!row.local.isLinkLocalWithoutZone(local) && !row.remote.isLinkLocalWithoutZone(remote)
	n.listenersFirst = shape.queues && !row.local.dotted
	counts, err := n.admit(row.localWord, row.remoteWord, line, whole, true)
	if err == nil && counts {
		n.visit(s)
	}
	return err
}

// address reads the host of an endpoint. One that may be cut need not be an address.
func (n *netstat) address(e *endpoint, cut bool) (netip.Addr, error) {
	addr, err := e.addr()
	if err != nil && cut {
		return netip.IPv6Unspecified(), nil
	}
	return addr, err
}

// remember keeps how a whole row is written, if its columns are separated by blanks only.
func (n *netstat) remember(shape *rowShape, line []byte, remote, stateEnd int, whole bool) {
	shape.state = 0
	state := stateEnd
	for state > 0 && line[state-1] > ' ' {
		state--
	}
	if shape == &n.last && whole && remote > len(shape.prefix)+2 && state > remote+2 && n.isWhole {
		shape.remote, shape.state = remote, state
		shape.tail = append(shape.tail[:0], line[state:]...)
		const most = 64
		if len(n.tails) < most && !n.tails[string(shape.tail)] {
			n.tails[string(shape.tail)] = true
		}
	}
}

// readState reads the word of the state and returns where it ends. net-tools of 2006 to 2008
// has no blank after the longest state.
func (n *netstat) readState(w *textfile.Words) (state tcp.State, end int, err error) {
	word := w.Next()
	if state, err = n.state(word); err == nil {
		return state, w.At, nil
	}
	const longest = "ESTABLISHED"
	if rest, ok := bytes.CutPrefix(word, []byte(longest)); ok {
		if _, isTimer := timers[string(rest)]; isTimer || isProgram(rest) {
			return tcp.Established, w.At - len(rest), nil
		}
	}
	return state, w.At, err
}

// isProgram reports whether a word begins the column of -p: "4711/mdfront" or "-".
func isProgram(word []byte) bool {
	pid, _, ok := bytes.Cut(word, []byte("/"))
	_, number := textfile.Number(pid)
	return ok && number || string(word) == "-"
}

// afterState passes over the column of -p, which holds any text that a user chooses, and
// returns what follows it. With -e two words are before it.
func afterState(rest []byte) ([]byte, error) {
	w := textfile.Words{Line: rest}
	for i := range 3 {
		word := w.Next()
		if word == nil {
			break
		}
		if i == 0 && len(bytes.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-")) == 0 && !isProgram(word) {
			return nil, fmt.Errorf("'%s' after the state: the state is broken in two", word)
		}
		if isProgram(word) {
			const width = 20 // of the column
			rest = rest[min(w.At-len(word)+width, len(rest)):]
			break
		}
	}
	return rest, rejectSecondRow(rest)
}

// rejectMasked returns an error if somebody has put a '*' for a port. Only a socket that is not connected
// has one, beside the wildcard address, and only on the BSDs and Solaris for its local port.
func rejectMasked(local, remote *endpoint, state tcp.State) error {
	free := func(e *endpoint) bool {
		return !e.star || (state == tcp.Listen || state == tcp.Close) && len(bytes.Trim(e.host, "*[]:0.")) == 0
	}
	if !free(local) || !free(remote) || local.star && (state == tcp.Listen || !local.dotted) {
		return advised("a '*' in the place of a port: give the capture as it was printed")
	}
	return nil
}

// readTimer finds the column of -o after the state, such as "on (0.21/2/0)": the timer
// that runs, its time left, retransmits, probes.
func readTimer(s *tcp.Socket, rest []byte) {
	w := textfile.Words{Line: rest}
	var name []byte
	for word := w.Next(); word != nil; name, word = word, w.Next() {
		timer, known := timers[string(name)]
		parts := bytes.Split(bytes.Trim(word, "()"), []byte("/"))
		if !known || len(parts) != 3 || !bytes.HasSuffix(word, []byte(")")) || s.State == tcp.SynRecv {
			continue // half open, it counts time-outs
		}
		if retransmits, ok := textfile.Number(parts[1]); ok {
			s.Facts |= tcp.FactRetransmits
			if timer == "on" {
				s.Retransmits = uint8(min(retransmits, math.MaxUint8))
			}
			s.ZeroWindow = timer == "probe"
		}
	}
}

func (n *netstat) whole() bool { return n.isWhole }

func (n *netstat) end() error {
	if !n.titled || n.shown == 0 { // a title of netstat -anu, too, says that listeners are shown
		n.hideWhatIsNotShown()
	}
	noClients, err := n.widths.verdict(len(n.query.Addresses) > 0)
	if noClients {
		n.provides &^= tcp.FactClient
	}
	if err != nil {
		err = fmt.Errorf("%w; %s", err, n.advice())
	}
	return err
}

func (n *netstat) advice() string {
	switch {
	case n.section != "":
		return "capture with netstat -an -P tcp into a file"
	case n.found && !n.last.queues && n.last.proto == "TCP":
		return "capture with netstat -an into a file, on Windows in English"
	case n.layout.repeats:
		return "capture with netstat -anW into a file, on macOS with -anl"
	case !n.found:
		return "capture with netstat -an into a file, on Linux with LC_ALL=C netstat -antW"
	}
	return "capture with LC_ALL=C netstat -antW into a file, or with ss -tan for -s ss:FILE"
}
