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
	// ended says that other text came after the last row, and that the table is whole.
	ended bool
	// doubt is the error for any further row before a new header.
	doubt error
	// afterRow is the error for text right after a row in line afterRowAt. There is none if that
	// text is the title of another table, whose header comes next.
	afterRow   error
	afterRowAt int

	seed     maphash.Seed
	sessions map[uint64]session // by the hash of both addresses as written
	wanted   int                // rows
	steady   int                // rows of sessions with an identity that are not half-open
	again    block
	// listenersFirst says that the tool prints all listeners before the sessions, as Linux does.
	listenersFirst bool
	sessionsAt     int // the line of the last session that was visited
}

// session is a session that was visited.
type session struct {
	row   uint64 // hash of the row
	state tcp.State
	line  int
	nth   int // of the steady rows
}

// block is rows that come a second time, right after the first.
type block struct {
	rows, left int   // how many they are, and how many of them are still to come again
	err        error // for a block of which a part does not come again
}

// earlier is an error of a line before the current one. It names its line.
type earlier struct{ error }

// maxRows is the number of rows of the front's ports that a capture may have. It bounds memory, and is a
// few times what a host's largest front can serve.
const maxRows = 1 << 18

var (
	errHiddenRow = errors.New("not a row, but it has an address or a state: a row that was changed, or text of yours")
	// errLacksColumns follows the word header.
	errLacksColumns = errors.New("lacks columns, as after awk or in a narrow window")
	errNoQueues     = errors.New("Recv-Q and Send-Q are not two numbers: columns were left out or changed")
	errTwoRows      = errors.New("two rows in one line: a line break was lost")
	errDots         = errors.New("dots in a row: a part of it, or other rows, were left out")
	errJoinedHeader = errors.New("a row after the header in one line: line breaks were lost, as in echo $(...)")
)

// advised is an error that already says what to do. No general advice follows it.
type advised string

func (a advised) Error() string { return string(a) }

const (
	errTextBeforeRow = advised("text before a row, as grep -n, a time stamp or a quotation adds it: give the rows as the" +
		" command printed them")
	errAfterRow = advised("not a row of the table: a row was broken, rows were left out, or text was added; give all" +
		" rows as the command printed them, and nothing else")
	errBetweenRows = advised("text between rows: if you added it, leave it out; if not, rows may be missing, so" +
		" capture again")
	errBeforeRows      = advised("text before rows that have no header: give the output of one command, with its header")
	errSeveralTables   = advised("give a file with one table, the newest, or capture again")
	errCut             = advised("cut short in the middle of a row: copy or capture the text again")
	errCarriageReturns = advised("all lines end with a carriage return alone: change these to newlines, as with" +
		" tr '\\r' '\\n'")
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
	onlyBlanks := true
	for {
		line, err := text.Next()
		onlyBlanks = onlyBlanks && len(bytes.TrimSpace(line)) == 0
		if err == nil && g.isUnwanted(line) {
			continue
		}
		cut := errors.Is(err, textfile.ErrNoNewline)
		if err == io.EOF || cut && (endsWithPrompt(line) || isRule(line)) {
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
		if wrong := g.line(line); wrong != nil && !cut {
			var located earlier
			if errors.As(wrong, &located) {
				return located
			}
			text.Private = !t.found // a row of a capture may be quoted, but not a file of another kind
			return text.Wrong(explain(wrong, line, g.advice()), original)
		} else if cut && wrong == nil && (t.afterRow != nil || !t.found) {
			break
		} else if cut && (wrong != nil || !g.whole()) {
			text.Private = !t.found
			return text.Wrong(howCut(text.N, line), original)
		}
	}
	switch {
	case t.found && t.afterRow != nil:
		return t.afterRow
	case t.found && t.again.left > 0:
		return t.again.err
	case t.found:
		return g.end()
	case onlyBlanks:
		return errors.New("empty: the command that wrote it printed nothing; run it alone to see why")
	}
	lines := "1 line"
	if text.N > 1 {
		lines = fmt.Sprintf("%d lines", text.N)
	}
	return fmt.Errorf("no socket table in %s: perhaps an error message, so read it first; %s", lines, g.advice())
}

// howCut returns the error for a last line that has no end and is not a whole row.
func howCut(n int, line []byte) error {
	if n == 1 && bytes.Count(line, []byte("\r")) > 1 {
		return errCarriageReturns
	}
	return errCut
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
	case errors.Is(wrong, errHiddenRow) && rowInText().Match(line):
		return errTextBeforeRow
	case bytes.Contains(line, []byte("…")), bytes.Contains(line, []byte("...")):
		wrong = errDots
	case before != nil:
		wrong = fmt.Errorf("the address '%s %s' has a blank after '%s': the text was changed", before, after, before)
	}
	return fmt.Errorf("%w; %s", wrong, advice)
}

// other judges a line that is neither a row nor a header.
func (t *table) other(line []byte) error {
	first := (&textfile.Words{Line: line}).Next()
	if first == nil {
		t.inRows = false
		return nil
	}
	if t.n == 1 && bytes.HasPrefix(line, []byte(`{"frontsockets_snapshot"`)) {
		return advised("a snapshot, which --save wrote: write snapshot as the first word after -s")
	}
	prompt, command := isPrompt(line)
	if err := t.rejectHiddenRow(line); err != nil && !command {
		return err
	}
	prose := prompt || isProse(first)
	whole := prompt || endsTable().Match(line)
	switch {
	case isState(first):
		return errHiddenRow
	case len(bytes.Trim(line, " \t.…[]()")) == 0, t.inRows && !prose && !whole,
		t.found && !t.inRows && !t.ended && !whole && rowsLeftOut().Match(line):
		return errAfterRow
	case t.inRows && !whole && t.afterRow == nil:
		t.afterRow, t.afterRowAt = t.here(errAfterRow, line), t.n
	case t.found && t.doubt == nil:
		t.doubt = t.here(errBetweenRows, line)
	case !prose && t.doubt == nil:
		t.doubt = t.here(errBeforeRows, line)
	}
	t.inRows, t.ended = false, t.ended || !whole || prompt && !command
	return nil
}

// here returns an error for the current line, for later.
func (t *table) here(cause error, line []byte) error {
	at := textfile.Lines{N: t.n, Private: !t.found}
	return earlier{at.Wrong(cause, line)}
}

// beginRow is called for every row before it is read.
func (t *table) beginRow() error {
	t.inRows, t.found, t.ended = true, true, false
	if t.afterRow != nil {
		return t.afterRow
	}
	return t.doubt
}

// beginTable is called for every header.
func (t *table) beginTable() {
	t.inRows, t.found, t.ended, t.header, t.doubt = true, true, false, t.n, nil
}

// beforeHeader is called for every header, of whichever table: the line before was its title.
func (t *table) beforeHeader() {
	if t.afterRowAt == t.n-1 {
		t.afterRow = nil
	}
}

// errOtherTool returns the error for a line that is not of the tool named own, but of the other.
func (t *table) errOtherTool(own, other string) error {
	if t.found {
		return advised(fmt.Sprintf("a table of %s after one of %s: give one of them alone", other, own))
	}
	return advised(fmt.Sprintf("a table of %s: write %s instead of %s after -s", other, other, own))
}

// secondTableError returns the error for a table that begins at the current line after another.
func (t *table) secondTableError() error {
	const text = "a second table; the first begins at line %d: give a file with one table, the newest"
	return advised(fmt.Sprintf(text, t.header))
}

// admit reports whether the row counts. The identity of a session is its addresses as written, if they
// are whole. With merge the tool repeats rows, so an equal row is the same session.
func (t *table) admit(local, remote, line []byte, whole, merge bool) (bool, error) {
	t.provides |= t.row.Facts
	if !t.query.Wants(&t.row) {
		return false, nil
	}
	if t.hidden.Has(t.row.State) {
		return false, fmt.Errorf("the title of the table leaves out rows such as this: perhaps two captures; %w",
			errSeveralTables)
	}
	if t.wanted++; t.wanted > maxRows {
		return false, advised(fmt.Sprintf("more than %d rows with the ports %s: give fewer ports (-p), or one of several"+
			" captures", maxRows, t.query.Ports))
	}
	if t.row.State == tcp.Listen {
		if err := t.listener(local); err != nil {
			return false, err
		}
	} else if t.row.State != tcp.SynRecv { // which old kernels print after their listener
		t.sessionsAt = t.n
	}
	if !whole || t.row.State == tcp.Listen || t.row.Remote.Addr().IsUnspecified() {
		return true, t.again.end() // they may look alike
	}
	pair, row := t.hash(local, remote), t.hash(bytes.TrimRight(line, " \t"), nil)
	before, seen := t.sessions[pair]
	halfOpen := t.row.State == tcp.SynRecv
	if !halfOpen {
		t.steady++
	}
	t.sessions[pair] = session{row, t.row.State, t.n, t.steady}
	switch {
	case halfOpen && (!seen || merge && before.row == row):
		return !seen, nil // so many come and go that no block of them comes again whole
	case !seen:
		return true, t.again.end()
	case before.state != t.row.State:
		return false, fmt.Errorf("the session of line %d again, in another state: perhaps two captures; %w", before.line,
			errSeveralTables)
	}
	err := fmt.Errorf("the session of line %d again: perhaps two captures; %w", before.line, errSeveralTables)
	if !merge || before.row != row {
		return false, err
	}
	return false, t.again.next(t.steady-before.nth, t.here(err, line))
}

// listener returns an error for a listener that was printed before the last session, if the tool
// prints all listeners before the sessions: the text has a second table, without a header.
func (t *table) listener(local []byte) error {
	if !t.listenersFirst {
		return nil
	}
	key := t.hash(local, nil)
	before, seen := t.sessions[key]
	t.sessions[key] = session{state: tcp.Listen, line: t.n}
	if seen && before.line < t.sessionsAt {
		return fmt.Errorf("the listener of line %d again, below sessions: perhaps two captures; %w", before.line,
			errSeveralTables)
	}
	return nil
}

// next takes a row that also came a number of rows before.
func (b *block) next(before int, err error) error {
	if b.left == 0 {
		*b = block{rows: before, left: before, err: err}
	}
	if b.left--; b.rows != before {
		return b.err
	}
	return nil
}

// end returns an error if not all rows of the block came again.
func (b *block) end() error {
	if b.left > 0 {
		return b.err
	}
	return nil
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
