package report

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Problem is a line, or the rest of a file, that was skipped.
type Problem struct {
	File string
	Line int
	Why  string
}

// Skipped is what was skipped: how much, and the first of it.
type Skipped struct {
	N     int
	First []Problem
}

// maxProblems is how many skipped lines are told one by one.
const maxProblems = 10

func (s *Skipped) add(file string, line int, why error) {
	if s.N++; len(s.First) < maxProblems {
		s.First = append(s.First, Problem{file, line, why.Error()})
	}
}

// Files returns the files of a command line: those of a folder, with all folders in it, in
// the order of their names. "-" is stdin, which is copied into a temporary file because the logs
// are read twice; remove deletes it.
func Files(names []string, stdin io.Reader) (files []string, remove func(), err error) {
	remove = func() {}
	for _, name := range names {
		if name == "-" {
			copied, err := spool(stdin)
			if err != nil {
				return nil, remove, fmt.Errorf("stdin: %w", err)
			}
			files, remove = append(files, copied), func() { os.Remove(copied) }
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, remove, err
		}
		if !info.IsDir() {
			files = append(files, name)
			continue
		}
		err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, remove, err
		}
	}
	return files, remove, nil
}

func spool(stdin io.Reader) (name string, err error) {
	f, err := os.CreateTemp("", "front_report")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := io.Copy(f, stdin); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// maxLine is the most bytes that a line may have: several times the longest of --log.
const maxLine = 1 << 20

// eachLine hands the lines of a file to take, plain or gzip, with their numbers from 1. A line
// that is longer than maxLine is handed as it begins.
func eachLine(file string, take func(n uint32, line []byte)) (last int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	plain := bufio.NewReaderSize(f, maxLine)
	r := plain
	if magic, _ := plain.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzip, err := gzip.NewReader(plain)
		if err != nil {
			return 0, err
		}
		r = bufio.NewReaderSize(unzip, maxLine)
	}
	for n := uint32(1); ; n++ {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			take(n, bytes.TrimSpace(line))
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if err == io.EOF {
			return int(n), nil
		}
		if err != nil {
			return int(n), err
		}
	}
}

// Bound is one end of the period. Its zero value is no end.
type Bound struct {
	t    time.Time
	bare bool // without a zone: it is in that of the log
}

// ParseBound reads a time: RFC 3339, or without a zone in that of the log.
func ParseBound(s string) (Bound, error) {
	if s == "" {
		return Bound{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return Bound{t: t}, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04",
		time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return Bound{t, true}, nil
		}
	}
	return Bound{}, fmt.Errorf("'%s' is not a time; use one such as '2026-11-25 10:20', 2026-11-25 or"+
		" 2026-11-25T10:20:00+08:00", s)
}

// in returns the time, in the zone if it has none of its own.
func (b Bound) in(zone *time.Location) time.Time {
	if !b.bare || b.t.IsZero() {
		return b.t
	}
	return time.Date(b.t.Year(), b.t.Month(), b.t.Day(), b.t.Hour(), b.t.Minute(), b.t.Second(), 0, zone)
}

// Before reports whether the bound is certainly before another.
func (b Bound) Before(other Bound) bool {
	return !b.t.IsZero() && !other.t.IsZero() && b.bare == other.bare && b.t.Before(other.t)
}

// reader is the first reading of all files.
type reader struct {
	files    []string
	from, to Bound
	zone     *time.Location // of the first line
	fronts   map[Identity]*timeline
	codes    table[string]
	sockets  table[string]
	owners   map[uint32]Process // of the listeners, by their index
	skipped  Skipped
}

// timeline is the outlines of one front's looks.
type timeline struct {
	Identity
	looks []outline
}

// table numbers values from 1 in the order in which they come.
type table[T comparable] struct {
	numbers map[T]int
	values  []T
}

func (t *table[T]) number(value T) int {
	n, known := t.numbers[value]
	if !known {
		if t.numbers == nil {
			t.numbers = map[T]int{}
		}
		t.values = append(t.values, value)
		n = len(t.values)
		t.numbers[value] = n
	}
	return n
}

// Process is a process that listens.
type Process struct {
	PID     int64
	Name    string
	Started time.Time
}

// read takes the outline of every line of every file.
func (r *reader) read() error {
	r.fronts, r.owners = map[Identity]*timeline{}, map[uint32]Process{}
	if len(r.files) > 1<<16 {
		return fmt.Errorf("%d files; give at most %d", len(r.files), 1<<16)
	}
	for i, file := range r.files {
		last, err := eachLine(file, func(n uint32, line []byte) {
			if rest, torn := whole(line); torn {
				r.skipped.add(file, int(n), errTorn)
				line = rest
			}
			if len(line) == 0 {
				return // as --log writes when two checks meet
			}
			if err := r.take(line, outline{line: n, file: uint16(i)}); err != nil {
				r.skipped.add(file, int(n), err)
			}
		})
		if err != nil {
			r.skipped.add(file, last, fmt.Errorf("the rest cannot be read: %w", err))
		}
	}
	for _, front := range r.fronts {
		slices.SortFunc(front.looks, func(a, b outline) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(rank[b.status], rank[a.status]),
				cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
		})
		// Of the looks in one second the worst. The others may be the same line in another file.
		front.looks = slices.CompactFunc(front.looks, func(a, b outline) bool { return a.at == b.at })
	}
	return nil
}

// take keeps the outline of a line.
func (r *reader) take(line []byte, o outline) error {
	g, err := glanceAt(line)
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, g.time)
	if err != nil {
		return errForeign
	}
	if r.zone == nil {
		_, offset := at.Zone()
		r.zone = time.FixedZone(at.Format("-07:00"), offset)
	}
	from, to := r.from.in(r.zone), r.to.in(r.zone)
	if !from.IsZero() && at.Before(from) || !to.IsZero() && at.After(to) {
		return nil
	}
	o.at, o.status, o.closed = at.Unix(), g.status, g.closed
	o.trouble = uint32(min(g.trouble, math.MaxUint32))
	o.code = uint16(min(r.codes.number(printable(g.code)), math.MaxUint16))
	o.socket = r.socketOf(g)
	front, known := r.fronts[g.Identity]
	if !known {
		id := Identity{printable(g.Host), printable(g.Service), printable(g.Name), printable(g.Ports)}
		front = &timeline{Identity: id}
		r.fronts[id] = front
	}
	front.looks = append(front.looks, o)
	return nil
}

// socketOf numbers the listeners of a line, and keeps their process.
func (r *reader) socketOf(g glance) uint32 {
	if len(g.inodes) == 0 || g.inodes[0] == 0 {
		return 0
	}
	n := uint32(r.sockets.number(g.Host + fmt.Sprint(g.inodes)))
	if g.process.IsObject() {
		started, _ := time.Parse(time.RFC3339, g.process.Get("started").Str) // zero if it is not known
		r.owners[n] = Process{g.process.Get("pid").Int(), printable(g.process.Get("name").Str), started}
	}
	return n
}
