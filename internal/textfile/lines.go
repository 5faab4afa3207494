// Package textfile reads text line by line in bounded memory, and names the line in
// every error.
package textfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// Lines reads a text line by line in fixed memory.
type Lines struct {
	// N is the number of the line that Next returned last, from 1.
	N int
	// Private says that no error may quote the text: whoever runs the check may not be allowed
	// to read the file (sudo, NRPE).
	Private bool

	ctx   context.Context
	r     io.Reader
	buf   []byte
	rest  []byte // what was read and not returned yet
	end   int    // the next newline in rest, -1 if it is not known
	ended bool
	// searched is how much of rest has no newline, while end is not known.
	searched int
	// hasControl says that buf holds a NUL or a carriage return.
	hasControl bool
	// continued says that the line which Next returned last goes on after a carriage return.
	continued bool
}

// MaxLine is the length in bytes that a line may have: far over the longest of any table. A line of up
// to twice that passes if its end was read with it.
const MaxLine = 64 << 10

// NewLines returns the lines of r. Next fails when ctx ends.
func NewLines(ctx context.Context, r io.Reader) *Lines {
	return &Lines{ctx: ctx, r: r, buf: make([]byte, 2*MaxLine), end: -1}
}

// ErrNoNewline says that the last line has no end: more of it may have been meant to come.
var ErrNoNewline = errors.New("cut short, it has no end of line")

// unreadable is how files begin that cannot be read as they are.
var unreadable = []struct {
	magic string
	err   error
}{
	{"\x1f\x8b", unpack("gzip", "zcat")}, // RFC 1952
	{"BZh91AY&SY", unpack("bzip2", "bzcat")},
	{"\xfd7zXZ\x00", unpack("xz", "xzcat")},
	{"\x28\xb5\x2f\xfd", unpack("zstd", "zstdcat")},
	{"PK\x03\x04", errors.New("not text but an archive: unpack it with unzip")},
	{"\xff\xfe", errUTF16},
	{"\xfe\xff", errUTF16},
}

var errUTF16 = errors.New("not UTF-8 but UTF-16: write it into another file with iconv -f UTF-16 -t UTF-8")

// unpack needs no name that ends in .gz, as gunzip does.
func unpack(format, program string) error {
	return fmt.Errorf("not text but %s: write its text into another file with %s", format, program)
}

// Next returns the next line without its end, and io.EOF after the last. The line is valid
// until the next call. A last line without an end comes with ErrNoNewline.
func (l *Lines) Next() ([]byte, error) {
	for {
		if l.end < 0 && l.searched == 0 && !l.hasControl && !l.continued { // nearly always
			if i := bytes.IndexByte(l.rest, '\n'); i >= 0 {
				line := l.rest[:i]
				l.rest = l.rest[i+1:]
				l.N++
				return line, nil
			}
			l.searched = len(l.rest)
		}
		if l.end < 0 { // look only where nobody has looked: long lines cost linear time
			if i := bytes.IndexByte(l.rest[l.searched:], '\n'); i >= 0 {
				l.end = l.searched + i
			}
			l.searched = len(l.rest)
		}
		switch {
		case l.end >= 0:
			return l.take()
		case l.ended && len(l.rest) == 0:
			return nil, io.EOF
		case l.ended:
			l.N++
			line := l.rest
			l.rest, l.searched = nil, 0
			return line, l.at(ErrNoNewline)
		case len(l.rest) > MaxLine:
			l.N++
			return nil, l.at(fmt.Errorf("over %d bytes long: line breaks were lost, or it is no text", MaxLine))
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

// take returns the line that ends before rest[end], or the part of it before a carriage return.
func (l *Lines) take() ([]byte, error) {
	line := l.rest[:l.end]
	if !l.continued {
		l.N++
	}
	l.continued = false
	if l.hasControl {
		// Pagers and old systems end a line with a carriage return only.
		if cr := bytes.IndexByte(line, '\r'); cr >= 0 {
			l.continued = cr+1 < l.end
			line = line[:cr]
		}
		if bytes.IndexByte(line, 0) >= 0 {
			return nil, l.at(errors.New("not text but binary: give a file of plain text"))
		}
	}
	if l.continued {
		l.rest = l.rest[len(line)+1:]
		l.end -= len(line) + 1
	} else {
		l.rest = l.rest[l.end+1:]
		l.end = -1
	}
	l.searched = 0
	return line, nil
}

// fill reads more after the rest.
func (l *Lines) fill() error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	kept := copy(l.buf, l.rest)
	n, err := l.r.Read(l.buf[kept:])
	l.rest = l.buf[:kept+n]
	fresh := l.rest[kept:]
	l.hasControl = l.hasControl && kept > 0 || bytes.IndexByte(fresh, 0) >= 0 || bytes.IndexByte(fresh, '\r') >= 0
	for _, c := range unreadable {
		if l.N == 0 && bytes.HasPrefix(l.rest, []byte(c.magic)) {
			return c.err
		}
	}
	l.ended = err == io.EOF
	if l.ended {
		return nil
	}
	return err
}

// at returns an error that names the line.
func (l *Lines) at(cause error) error { return fmt.Errorf("line %d: %w", l.N, cause) }

// Wrong returns an error that names the line and, unless the text is private, quotes it.
func (l *Lines) Wrong(cause error, line []byte) error {
	if l.Private {
		return l.at(cause)
	}
	const maxQuote = 120 // bytes
	more := ""
	if len(line) > maxQuote {
		line, more = line[:maxQuote], "…"
	}
	return fmt.Errorf("line %d: %w: %q%s", l.N, cause, line, more)
}

// Words splits a line at blanks and control characters.
type Words struct {
	Line []byte
	// At is where the next word is looked for.
	At int
}

// Next returns the next word, and nil after the last.
func (w *Words) Next() []byte {
	line, i := w.Line, w.At
	for i < len(line) && line[i] <= ' ' {
		i++
	}
	start := i
	for i < len(line) && line[i] > ' ' {
		i++
	}
	w.At = i
	if start == i {
		return nil
	}
	return line[start:i]
}

// Number reads 1 to 19 decimal digits.
func Number(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// Hex reads 1 to 8 hexadecimal digits.
func Hex(b []byte) (n uint32, ok bool) {
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint32(c)
	}
	return n, true
}
