package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// lines reads a table line by line in fixed memory.
type lines struct {
	ctx context.Context
	r   io.Reader
	n   int // number of the line that next gave, from 1

	buf   []byte
	rest  []byte // what is read and not given, at the end of it no whole line
	ended bool
	odd   bool // there is a NUL or a carriage return somewhere in buf
	again bool // the line that next gave goes on behind a carriage return
}

// maxLine is far over the longest line of any table.
const maxLine = 64 << 10

func newLines(ctx context.Context, r io.Reader) *lines {
	return &lines{ctx: ctx, r: r, buf: make([]byte, 2*maxLine)}
}

// next gives a line without its end, valid until the next call, and io.EOF behind
// the last. A last line without an end comes with an errCutShort: more may have been
// meant to come.
func (l *lines) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(l.rest, '\n'); i >= 0 {
			line := l.rest[:i]
			if !l.again {
				l.n++
			}
			l.again = false
			if l.odd {
				if bytes.IndexByte(line, 0) >= 0 {
					return nil, l.wrong(errors.New("not text"), line)
				}
				// Pagers and old systems end a line with no more than this.
				if cr := bytes.IndexByte(line, '\r'); cr >= 0 {
					l.again = cr+1 < i
					if l.again {
						i = cr
					}
					line = line[:cr]
				}
			}
			l.rest = l.rest[i+1:]
			return line, nil
		}
		switch {
		case l.ended && len(l.rest) == 0:
			return nil, io.EOF
		case l.ended:
			l.n++
			line := l.rest
			l.rest = nil
			return line, l.wrong(errCutShort, line)
		case len(l.rest) > maxLine:
			l.n++
			return nil, l.wrong(fmt.Errorf("over %d bytes long", maxLine), l.rest)
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

var errCutShort = errors.New("cut short, it has no end of line")

// fill reads more behind the rest.
func (l *lines) fill() error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	kept := copy(l.buf, l.rest)
	n, err := l.r.Read(l.buf[kept:])
	l.rest = l.buf[:kept+n]
	l.odd = bytes.IndexByte(l.rest, 0) >= 0 || bytes.IndexByte(l.rest, '\r') >= 0
	l.ended = err == io.EOF
	if l.ended {
		return nil
	}
	return err
}

// wrong is an error that names the line and quotes it.
func (l *lines) wrong(cause error, line []byte) error {
	const most = 120
	more := ""
	if len(line) > most {
		line, more = line[:most], "…"
	}
	return fmt.Errorf("line %d: %w: %q%s", l.n, cause, line, more)
}

// words splits a line at blanks and control characters.
type words struct {
	line []byte
	at   int
}

// next gives the next word, and nil behind the last.
func (w *words) next() []byte {
	line, i := w.line, w.at
	for i < len(line) && line[i] <= ' ' {
		i++
	}
	start := i
	for i < len(line) && line[i] > ' ' {
		i++
	}
	w.at = i
	if start == i {
		return nil
	}
	return line[start:i]
}

// number reads 1 to 19 decimal digits.
func number(b []byte) (n uint64, ok bool) {
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
