// Package capture reads the sockets in a text that netstat or ss printed, on any system,
// and hands them to a visitor one by one. Nothing in the text is trusted: what may be a row
// and cannot be read as one is an error, never a smaller count.
package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"

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
			query: q, visit: visit, stateOf: map[string]tcp.State{}, provides: tcp.FactClient,
			seed: maphash.MakeSeed(), sessions: map[uint64]session{},
		}
		var g grammar = &netstat{table: &t, tails: map[string]bool{}}
		if tool == "ss" {
			g = &ss{table: &t}
		}
		written, err := file.Read(func(r io.Reader) error { return t.read(ctx, r, g) })
		if err == nil && file.MaxAge > 0 {
			err = file.CheckAge(written, file.MaxAge)
		}
		if errors.Is(err, textfile.ErrGzip) {
			err = fmt.Errorf("%w; unpack it with gunzip, or pipe the output of zcat into -s %s:-", err, tool)
		}
		return tcp.Look{
			Source: name, Provides: t.provides, HiddenStates: t.hidden, Recorded: true, Time: written,
		}, err
	}}
}

// grammar is how one tool writes its table.
type grammar interface {
	// isUnwanted is a quick way to know a whole row of a port that was not asked for.
	isUnwanted([]byte) bool
	// line takes a line without its end and reads it if it is a row.
	line([]byte) error
	// whole reports whether the last line is complete although it has no end.
	whole() bool
	// end is called after the last line, with no error before it.
	end() error
	// advice says how to capture.
	advice() string
}

// table is what the tools share.
type table struct {
	query   tcp.Query
	visit   tcp.Visit
	row     tcp.Socket
	stateOf map[string]tcp.State // words that were read already

	// found says that there was a header or a row.
	found    bool
	provides tcp.Facts
	hidden   tcp.StateSet
	shown    tcp.StateSet // the states of the rows of all ports

	n      int // the number of the current line
	header int // that of the last header, 0 before one
	// inRows says that the line before was a header or a row.
	inRows bool
	// doubt is the error for any further row before a new header.
	doubt error

	seed     maphash.Seed
	sessions map[uint64]session // by the hash of both addresses as written
	wanted   int                // rows
}

// session is a session that was visited.
type session struct {
	row   uint64 // hash of the row
	state tcp.State
	line  int
}

// maxRows is the number of rows of the front's ports that a capture may have. It bounds memory, and is a
// few times what a host's largest front can serve.
const maxRows = 1 << 18

const giveTheLast = "if the file has several tables, give the last alone"

var (
	errHiddenRow = errors.New("holds a row, or a part of one, that cannot be read: it is cut, joined, changed," +
		" or has text before it")
	errTwoRows      = errors.New("two rows in one line: a line break was lost")
	errDots         = errors.New("dots in a row: a part of it, or other rows, were left out")
	errJoinedHeader = errors.New("a row after the header in one line: line breaks were lost, as in echo $(...)")
)

// advised is an error that already says what to do. No general advice follows it.
type advised string

func (a advised) Error() string { return string(a) }

const (
	errListenQueues = advised("a table of accept queues (netstat -L), not of sessions: capture with netstat -an" +
		" into a file")
	errColours = advised("the line has codes for colours: switch them off (grep --color=never) or capture without" +
		" grep")
	errForeignBlanks = advised("a row with bytes that are not ASCII where blanks are expected: it may be copied from a" +
		" web page or a chat; give the file that the command wrote")
)

func (t *table) read(ctx context.Context, r io.Reader, g grammar) error {
	text := textfile.NewLines(ctx, asUTF8(r))
	var plain []byte
	for {
		line, err := text.Next()
		if err == nil && g.isUnwanted(line) {
			continue
		}
		cut := errors.Is(err, textfile.ErrNoNewline)
		if err == io.EOF || cut && isPrompt(line) {
			break
		}
		if err != nil && !cut {
			return err
		}
		t.n = text.N
		original := line
		if !isASCII(line) {
			plain = plainBlanks(plain[:0], line)
			line = plain
		}
		wrong := g.line(line)
		switch {
		case cut && (wrong != nil || !g.whole()):
			return err
		case wrong != nil:
			text.Private = !t.found // a row of a capture may be quoted, but not a file of another kind
			return text.Wrong(explain(wrong, line, g.advice()), original)
		}
	}
	switch {
	case t.found:
		return g.end()
	case text.N == 0:
		return fmt.Errorf("empty: the command that wrote it printed nothing (%s)", g.advice())
	}
	return fmt.Errorf("no socket table in %d lines (%s)", text.N, g.advice())
}

// explain returns the error for a line that cannot be read, with what to do. If the line shows how it was
// changed, the error says that instead of what could not be read.
func explain(wrong error, line []byte, advice string) error {
	var complete advised
	switch before, after := brokenAddress(line); {
	case errors.As(wrong, &complete):
		return wrong
	case bytes.IndexByte(line, '\x1b') >= 0:
		return errColours
	case errors.Is(wrong, errHiddenRow) && hasForeignBlanks(line):
		return errForeignBlanks
	case before != nil:
		wrong = fmt.Errorf("the address '%s %s' has a blank after '%s': the text was changed", before, after, before)
	}
	return fmt.Errorf("%w (%s)", wrong, advice)
}

// other judges a line that is neither a row nor a header.
func (t *table) other(line []byte) error {
	first := (&textfile.Words{Line: line}).Next()
	if first == nil {
		t.inRows = false
		return nil
	}
	if err := t.rejectHiddenRow(line); err != nil {
		return err
	}
	prose := isProse(first) || isPrompt(line)
	switch {
	case t.inRows && !prose, len(bytes.Trim(line, " \t.…[]()")) == 0:
		return errors.New("not a row, but after one: a row is broken in two, or rows were left out")
	case isState(first):
		return errHiddenRow
	case !prose && t.doubt == nil:
		t.doubt = fmt.Errorf("a row after line %d, which is neither a row nor a header: give one whole table", t.n)
	case t.found:
		t.doubt = fmt.Errorf("a row after other text in line %d: rows were left out or broken; %s", t.n, giveTheLast)
	}
	t.inRows = false
	return nil
}

// beginRow is called for every row before it is read.
func (t *table) beginRow() error {
	t.inRows, t.found = true, true
	return t.doubt
}

// beginTable is called for every header.
func (t *table) beginTable() {
	t.inRows, t.found, t.header, t.doubt = true, true, t.n, nil
}

// secondTableError returns the error for a table that begins at the current line after another.
func (t *table) secondTableError() error {
	return fmt.Errorf("a second table; the first begins at line %d: give the last alone", t.header)
}

// admit reports whether the row counts. The identity of a session is its addresses as written, if they
// are whole. With merge the tool repeats rows, so an equal row is the same session.
func (t *table) admit(local, remote, line []byte, whole, merge bool) (bool, error) {
	t.provides |= t.row.Facts
	if !t.query.Wants(&t.row) {
		return false, nil
	}
	if t.hidden.Has(t.row.State) {
		return false, errors.New("a listener or a session, which the title of its table says was left out")
	}
	if t.wanted++; t.wanted > maxRows {
		return false, fmt.Errorf("more than %d rows with the ports %s", maxRows, t.query.Ports)
	}
	if !whole || t.row.State == tcp.Listen || t.row.Remote.Addr().IsUnspecified() {
		return true, nil // they may look alike
	}
	pair, row := t.hash(local, remote), t.hash(bytes.TrimRight(line, " \t"), nil)
	before, seen := t.sessions[pair]
	switch {
	case !seen:
		t.sessions[pair] = session{row, t.row.State, t.n}
		return true, nil
	case before.state != t.row.State:
		return false, fmt.Errorf("the session of line %d in another state: %s", before.line, giveTheLast)
	case before.row == row && merge:
		return false, nil
	}
	return false, fmt.Errorf("the session of line %d again: %s", before.line, giveTheLast)
}

// hideWhatIsNotShown hides the listeners, or the sessions, if no row of any port shows one: a host has
// both, so the text leaves them out.
func (t *table) hideWhatIsNotShown() {
	if t.shown&listen == 0 {
		t.hidden |= listen
	}
	if t.shown&sessions == 0 {
		t.hidden |= sessions
	}
}

// hash returns a hash of two words. Nobody can choose words that collide, since the seed is
// new in every run.
func (t *table) hash(a, b []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	_, _ = h.Write(a)
	_ = h.WriteByte(0)
	_, _ = h.Write(b)
	return h.Sum64()
}

func clamp(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }
