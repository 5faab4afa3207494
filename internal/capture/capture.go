// Package capture reads the sockets in a text that netstat or ss printed, on any system,
// and hands them to a visitor one by one.
package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"

	"golang.org/x/text/encoding/unicode"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// Names are the tools whose captures From reads, for help and errors.
var Names = []string{"netstat", "ss"}

// From returns the source that reads the text which a tool, netstat or ss, printed.
func From(tool string, file textfile.File) tcp.Source {
	name := tool + ":" + file.Name
	return tcp.Source{Name: name, Look: func(ctx context.Context, q tcp.Query, visit tcp.Visit) (tcp.Look, error) {
		t := table{
			query: q, visit: visit, states: map[string]tcp.State{}, provides: tcp.FactClient,
			recent: map[[2]netip.AddrPort]struct{}{},
		}
		var g grammar = &netstat{table: &t}
		if tool == "ss" {
			g = &ss{table: &t}
		}
		written, err := file.Read(func(r io.Reader) error { return t.read(ctx, r, g) })
		if err == nil && file.MaxAge > 0 {
			err = file.CheckAge(written, file.MaxAge)
		}
		return tcp.Look{Source: name, Provides: t.provides, Recorded: true, Time: written}, err
	}}
}

// grammar is how one tool writes its table.
type grammar interface {
	// line takes a line without its end. What is no row is passed over; a row that
	// cannot be read is an error.
	line([]byte) error
	// end is called behind the last line, with no error before it.
	end() error
}

// table is what the formats share.
type table struct {
	query  tcp.Query
	visit  tcp.Visit
	row    tcp.Socket
	states map[string]tcp.State // words that were read already

	// found says that there was a header or a row.
	found    bool
	provides tcp.Facts

	// recent is the sessions visited last, so that a table which changed while it was
	// printed, or was printed again, does not count one twice. It is bounded, so memory is.
	recent map[[2]netip.AddrPort]struct{}
	ring   [][2]netip.AddrPort
	oldest int
}

// remembered is the length of recent: more than most fronts have sessions.
const remembered = 1 << 12

func (t *table) read(ctx context.Context, r io.Reader, g grammar) error {
	text := textfile.NewLines(ctx, asUTF8(r))
	for {
		line, err := text.Next()
		if err == io.EOF || errors.Is(err, textfile.ErrNoNewline) && isPrompt(line) {
			break
		}
		if err != nil {
			return err
		}
		if err := g.line(line); err != nil {
			return text.Wrong(err, line)
		}
	}
	if !t.found {
		return fmt.Errorf("nothing in its %d lines looks like a socket table", text.N)
	}
	return g.end()
}

// isPrompt tells whether a last line without an end is no cut row, but the prompt of the
// shell that is ready again.
func isPrompt(line []byte) bool {
	w := textfile.Words{Line: line}
	first := w.Next()
	line = bytes.TrimRight(line, " ")
	var e endpoint
	return len(line) > 0 && bytes.IndexByte([]byte("#$%>"), line[len(line)-1]) >= 0 &&
		e.parse(first) != nil && !isTCP(first) && !isPointer(first) && !isStateOfSS(first)
}

// asUTF8 drops a byte order mark, and reads UTF-16, which PowerShell writes, if there is its mark.
func asUTF8(r io.Reader) io.Reader {
	b := bufio.NewReaderSize(r, textfile.MaxLine)
	head, _ := b.Peek(3) // an error comes again with the first line
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = b.Discard(3) // they are in the buffer
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Reader(b)
	}
	return b
}

// state reads a state word. It remembers the few spellings there are.
func (t *table) state(word []byte) (tcp.State, error) {
	if s, ok := t.states[string(word)]; ok {
		return s, nil
	}
	if len(word) == 0 || word[0] < 'A' {
		return 0, fmt.Errorf("'%s' is not the word for a TCP state", word)
	}
	s, err := tcp.ParseState(string(word))
	const longest = 16 // of all true spellings
	if err == nil && len(word) <= longest {
		t.states[string(word)] = s
	}
	return s, err
}

// emit visits the row if it is wanted.
func (t *table) emit() {
	t.provides |= t.row.Facts
	if t.query.Wants(&t.row) && !t.repeated() {
		t.visit(&t.row)
	}
}

// repeated reports whether the row's session was visited recently. Listeners may be
// alike, and so may sockets without a peer: they are never repeated.
func (t *table) repeated() bool {
	if t.row.State == tcp.Listen || !t.row.Facts.Has(tcp.FactClient) || t.row.Remote.Addr().IsUnspecified() {
		return false
	}
	ends := [2]netip.AddrPort{t.row.Local, t.row.Remote}
	if _, there := t.recent[ends]; there {
		return true
	}
	if len(t.ring) < remembered {
		t.ring = append(t.ring, ends)
	} else {
		delete(t.recent, t.ring[t.oldest])
		t.ring[t.oldest] = ends
		t.oldest = (t.oldest + 1) % remembered
	}
	t.recent[ends] = struct{}{}
	return false
}

// rejectHiddenRow returns an error if a line that does not begin like a row holds one all
// the same: an address with a port that was asked for, and another address after it.
func (t *table) rejectHiddenRow(line []byte) error {
	wanted := false
	for w := (textfile.Words{Line: line}); ; {
		word := w.Next()
		if word == nil {
			return nil
		}
		var e endpoint
		isAddress := e.parse(word) == nil && e.looksLikeAddress()
		if wanted && isAddress {
			return errors.New("a row that does not begin as one")
		}
		wanted = isAddress && !e.star && t.query.Ports.Has(e.port)
	}
}

var errTwoRows = errors.New("two rows in one line")

// looksLikeAddress tells an address, perhaps a cut one, from a word such as "cwnd:10".
func (e *endpoint) looksLikeAddress() bool {
	host, _, _ := bytes.Cut(e.host, []byte("%"))
	return len(host) > 0 && bytes.ContainsAny(host, ".:*") && len(bytes.Trim(host, "0123456789abcdefABCDEF.:*[]")) == 0
}

// endpoint is an address and port as written, such as "10.1.0.7:41213",
// "10.1.0.7.41213", "[fe80::1%eth0]:22", ":::22", "*:*" or "*.*".
type endpoint struct {
	host   []byte
	port   uint16
	digits int  // of the port
	star   bool // the port is "*"
	dotted bool // a dot is before the port, as the BSDs and Solaris have it
}

// parse reads one word. It does so for every row, so it fills in what the caller has.
func (e *endpoint) parse(b []byte) error {
	*e = endpoint{}
	i := len(b) - 1 // to the separator
	n, factor := 0, 1
	for ; i > 0 && b[i]-'0' <= 9; i-- {
		if n += int(b[i]-'0') * factor; n > math.MaxUint16 {
			return fmt.Errorf("'%s' has a port over 65535", b)
		}
		factor = min(factor*10, 1e6)
	}
	e.digits = len(b) - 1 - i
	if e.digits == 0 && i > 0 && b[i] == '*' {
		e.star = true
		i--
	}
	if i < 0 || b[i] != ':' && b[i] != '.' || i == len(b)-1 {
		return fmt.Errorf("'%s' is not an address with its port, in digits (option -n)", b)
	}
	e.host, e.port, e.dotted = b[:i], uint16(n), b[i] == '.'
	return nil
}

// addr reads the host part: no name, but an address, or "*" or nothing for the wildcard.
func (e *endpoint) addr() (netip.Addr, error) {
	host := bytes.TrimPrefix(e.host, []byte("["))
	if zone := bytes.IndexByte(host, '%'); zone >= 0 {
		host = host[:zone]
	}
	host = bytes.TrimSuffix(host, []byte("]"))
	if len(host) == 0 || len(host) == 1 && host[0] == '*' {
		return netip.IPv6Unspecified(), nil
	}
	if a, ok := parseIPv4(host); ok {
		return a, nil
	}
	a, err := netip.ParseAddr(string(host))
	if err != nil {
		return a, fmt.Errorf("'%s' is not an IP address (option -n)", host)
	}
	return a.Unmap(), nil
}

// parseIPv4 reads a dotted quad as netip does, from bytes and so without a copy.
func parseIPv4(b []byte) (netip.Addr, bool) {
	var quad [4]byte
	n, digits, part := 0, 0, 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			if digits > 0 && n == 0 { // a leading zero
				return netip.Addr{}, false
			}
			digits++
			if n = n*10 + int(c-'0'); n > 255 {
				return netip.Addr{}, false
			}
		case c == '.' && digits > 0 && part < 3:
			quad[part] = byte(n)
			n, digits, part = 0, 0, part+1
		default:
			return netip.Addr{}, false
		}
	}
	if digits == 0 || part != 3 {
		return netip.Addr{}, false
	}
	quad[3] = byte(n)
	return netip.AddrFrom4(quad), true
}
