package report

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"frontsockets/internal/textfile"
)

// Problem is a line, or the rest of a file, that was skipped.
type Problem struct {
	File string
	Line int // 0 is the whole file
	Why  string
}

func (p Problem) String() string {
	place := printable(p.File)
	if p.Line > 0 {
		place += ":" + strconv.Itoa(p.Line)
	}
	return place + ": " + printable(p.Why)
}

// Skipped is what was skipped: how much, and the first of it.
type Skipped struct {
	N     int
	First []Problem
}

// maxProblems is how many skipped lines are told one by one.
const maxProblems = 10

func (s *Skipped) add(file string, line int, why error) {
	s.N++
	first := !slices.ContainsFunc(s.First, func(p Problem) bool { return p.Why == why.Error() })
	// That a limit was reached is told in any case: the story is not whole then.
	if len(s.First) < maxProblems || first && slices.Contains(limitErrors, why) {
		s.First = append(s.First, Problem{file, line, why.Error()})
	}
}

// Log is a file to read. It is read several times.
type Log struct {
	Name string   // as messages have it
	copy *os.File // of what can be read only once; nil if the file itself is read
}

func (l Log) open() (io.ReadCloser, error) {
	if l.copy != nil {
		return io.NopCloser(io.NewSectionReader(l.copy, 0, math.MaxInt64)), nil
	}
	return os.Open(l.Name)
}

// Logs returns the logs of a command line. A folder stands for the files in it and in its folders,
// in the order of their names. "-" is stdin. Stdin and pipes are copied into temporary files, which
// remove deletes; call it also after an error.
func Logs(names []string, stdin io.Reader) (logs []Log, remove func(), err error) {
	var copies []*os.File
	remove = func() {
		for _, f := range copies {
			f.Close()
			os.Remove(f.Name()) // it may be gone: see temporary
		}
	}
	for _, name := range names {
		if name != "-" {
			info, err := os.Stat(name)
			switch {
			case err != nil:
				return nil, remove, fmt.Errorf("%s: %w", name, textfile.WithoutPath(err))
			case info.Mode().IsRegular():
				logs = append(logs, Log{Name: name})
				continue
			case info.IsDir():
				if logs, err = appendFolder(logs, name); err != nil {
					return nil, remove, err
				}
				continue
			case info.Mode()&fs.ModeNamedPipe == 0:
				return nil, remove, fmt.Errorf("%s: not a file, a folder or a pipe", name)
			}
		}
		f, err := temporary()
		if err != nil {
			return nil, remove, err
		}
		copies = append(copies, f)
		log := Log{Name: name, copy: f}
		if name == "-" {
			log.Name = "stdin"
		}
		if err := log.fill(name, stdin); err != nil {
			return nil, remove, fmt.Errorf("%s: %w", log.Name, textfile.WithoutPath(err))
		}
		logs = append(logs, log)
	}
	return logs, remove, nil
}

// appendFolder appends the files of a folder, also those that a symbolic link leads to. It is
// an error if there is none.
func appendFolder(logs []Log, name string) ([]Log, error) {
	before := len(logs)
	// With the separator a symbolic link to a folder is followed.
	err := filepath.WalkDir(name+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", path, textfile.WithoutPath(err))
		}
		regular := entry.Type().IsRegular()
		if entry.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(path)
			regular = err == nil && info.Mode().IsRegular()
		}
		if regular {
			logs = append(logs, Log{Name: path})
		}
		return nil
	})
	if err == nil && len(logs) == before {
		err = fmt.Errorf("%s: there is no file in this folder", name)
	}
	return logs, err
}

// temporary returns a temporary file. It has no name where the system allows that, so that nothing
// of it is left when the program is killed.
func temporary() (*os.File, error) {
	f, err := os.CreateTemp("", "front_report")
	if err == nil && runtime.GOOS != "windows" {
		err = os.Remove(f.Name())
	}
	return f, err
}

// fill copies a pipe, or stdin.
func (l Log) fill(name string, stdin io.Reader) error {
	if name != "-" {
		pipe, err := os.Open(name)
		if err != nil {
			return err
		}
		defer pipe.Close()
		stdin = pipe
	}
	_, err := io.Copy(l.copy, stdin)
	return err
}

// maxLine is the most bytes that a line may have: more than the longest of --log (output.LogLine).
const maxLine = 1 << 20

// magics are how files begin that another program has to read.
var magics = map[string]struct{ is, program string }{
	"\xfd7zXZ": {"compressed", "xzcat"}, "\x28\xb5\x2f\xfd": {"compressed", "zstdcat"}, "BZh": {"compressed", "bzcat"},
	"\xff\xfe": {"UTF-16", "iconv -f UTF-16 -t UTF-8"}, "\xfe\xff": {"UTF-16", "iconv -f UTF-16 -t UTF-8"},
}

// lineReaders keeps buffers for the next of many files.
var lineReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxLine) }}

// lineReader returns a reader for lines of maxLine. Call put when it is no longer used.
func lineReader(from io.Reader) (r *bufio.Reader, put func()) {
	r = lineReaders.Get().(*bufio.Reader)
	r.Reset(from)
	return r, func() {
		r.Reset(nil)
		lineReaders.Put(r)
	}
}

// eachLine hands the lines of a file to take, plain or gzip, with their numbers from 1. Of a line
// that is too long it hands the beginning. It returns the number of the line that could not be
// read, 0 if the file could not.
func eachLine(log Log, take func(n uint32, line []byte, tooLong bool)) (at int, err error) {
	f, err := log.open()
	if err != nil {
		return 0, textfile.WithoutPath(err)
	}
	defer f.Close()
	plain, putPlain := lineReader(f)
	defer putPlain()
	r := plain
	if magic, _ := plain.Peek(2); string(magic) == "\x1f\x8b" {
		unzip, err := gzip.NewReader(plain)
		if err != nil {
			return 0, unreadable(err)
		}
		unzipped, putUnzipped := lineReader(unzip)
		defer putUnzipped()
		r = unzipped
	}
	for magic, kind := range magics {
		if begin, _ := plain.Peek(len(magic)); string(begin) == magic {
			return 0, fmt.Errorf("it is %s: use %s %s | front_report -", kind.is, kind.program, log.Name)
		}
	}
	for n := uint32(1); ; n++ {
		line, err := r.ReadSlice('\n')
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		if len(line) > 0 && (err == nil || err == io.EOF || tooLong) {
			take(n, bytes.TrimSpace(line), tooLong)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if err == io.EOF {
			return 0, nil
		}
		if err != nil {
			return int(n), unreadable(err)
		}
	}
}

// unreadable is an error of a file in plain words, without the file's name.
func unreadable(err error) error {
	if err == io.ErrUnexpectedEOF {
		return errCutShort
	}
	return textfile.WithoutPath(err)
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
	logs     []Log
	from, to Bound
	zone     *time.Location // of the first line
	earliest time.Time      // of all lines, also of those that are not told
	latest   time.Time
	most     limits // the zero value is allLimits
	looks    int    // of all fronts
	fronts   map[Identity]*timeline
	codes    table[string]
	// sockets numbers the listeners by a hash of their host and inodes, which may be very long.
	sockets table[uint64]
	seed    maphash.Seed
	owners  map[uint32]Process // of the listeners, by their index
	skipped Skipped
	told    map[position]bool // what a later reading has skipped
}

// timeline is the outlines of one front's looks.
type timeline struct {
	Identity
	looks []outline
}

// limits bound the memory that the first reading needs. A log can be a hostile one, and a small file of
// gzip can hold gigabytes. Lines beyond a limit are skipped, and the story says so.
type limits struct{ fronts, looks, listeners, codes int }

var allLimits = limits{
	// Several times the fronts of a broker with three data centres. Each has a strip in the page.
	fronts: 500,
	// 100 fronts with a look a minute for 30 days are 4.3 million. Each needs 32 bytes.
	looks: 5_000_000,
	// 100 fronts with 40 restarts a day for 30 days are 120,000.
	listeners: 1 << 17,
	// The checks have 12 diagnoses, and newer ones may have more.
	codes: 1000,
}

// table numbers values from 1 in the order in which they come.
type table[V comparable] struct {
	numbers map[V]int
	values  []V
}

// number returns the number of a value, or 0 if it is new and the table has limit values.
func (t *table[V]) number(value V, limit int) int {
	n, known := t.numbers[value]
	if !known && len(t.values) < limit {
		if t.numbers == nil {
			t.numbers = map[V]int{}
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
	r.fronts, r.owners, r.told = map[Identity]*timeline{}, map[uint32]Process{}, map[position]bool{}
	r.seed = maphash.MakeSeed()
	if r.most == (limits{}) {
		r.most = allLimits
	}
	if len(r.logs) > 1<<16 {
		return fmt.Errorf("%d files; give at most %d", len(r.logs), 1<<16)
	}
	for i, log := range r.logs {
		at, err := eachLine(log, func(n uint32, line []byte, tooLong bool) {
			if tooLong {
				r.skipped.add(log.Name, int(n), errTooLong)
				return
			}
			if rest, torn := whole(line); torn {
				r.skipped.add(log.Name, int(n), errTorn)
				line = rest
			}
			if len(line) == 0 {
				return // as --log writes when two checks meet
			}
			if err := r.take(line, outline{line: n, file: uint16(i)}); err != nil {
				r.skipped.add(log.Name, int(n), err)
			}
		})
		switch {
		case err != nil && at == 0:
			r.skipped.add(log.Name, 0, fmt.Errorf("%w: %w", errUnreadable, err))
		case err != nil:
			r.skipped.add(log.Name, at, fmt.Errorf("%w: %w", errRest, err))
		}
	}
	for _, front := range r.fronts {
		slices.SortFunc(front.looks, func(a, b outline) int {
			return cmp.Or(cmp.Compare(a.at, b.at), b.status.compare(a.status),
				cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
		})
		// Keep the worst look of each second: the others may be the same line in another file.
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
	at := g.time
	if r.zone == nil {
		_, offset := at.Zone()
		r.zone = time.FixedZone(at.Format("-07:00"), offset)
	}
	if r.earliest.IsZero() || at.Before(r.earliest) {
		r.earliest = at
	}
	if at.After(r.latest) {
		r.latest = at
	}
	from, to := r.from.in(r.zone), r.to.in(r.zone)
	if !from.IsZero() && at.Before(from) || !to.IsZero() && at.After(to) {
		return nil
	}
	o.at, o.status, o.closed = at.Unix(), g.status, g.closed
	o.trouble = uint32(min(g.trouble, math.MaxUint32))
	return r.keep(g, o)
}

// keep adds an outline to its front, unless a limit is reached.
func (r *reader) keep(g glance, o outline) error {
	id := g.Identity.printable()
	front, known := r.fronts[id]
	switch {
	case r.looks == r.most.looks:
		return errLooks
	case !known && len(r.fronts) == r.most.fronts:
		return errFronts
	}
	code := r.codes.number(strings.Clone(short(g.code)), r.most.codes)
	if code == 0 {
		return errCodes
	}
	o.code = uint16(code)
	var err error
	if o.socket, err = r.socketOf(g); err != nil {
		return err
	}
	if !known {
		// Copies, because the strings are parts of the line, which is much longer.
		id = Identity{strings.Clone(id.Host), strings.Clone(id.Service), strings.Clone(id.Name), strings.Clone(id.Ports)}
		front = &timeline{Identity: id}
		r.fronts[id] = front
	}
	front.looks = append(front.looks, o)
	r.looks++
	return nil
}

// socketOf numbers the listeners of a line, and keeps their process. 0 is not known.
func (r *reader) socketOf(g glance) (uint32, error) {
	if len(g.inodes) == 0 || g.inodes[0] == 0 {
		return 0, nil
	}
	// Two of all the hashes are the same in one of 10^9 stories; a restart could be missed then.
	var hash maphash.Hash
	hash.SetSeed(r.seed)
	hash.WriteString(g.Host)
	for _, inode := range g.inodes {
		var bytes [8]byte
		binary.LittleEndian.PutUint64(bytes[:], inode)
		hash.Write(bytes[:])
	}
	n := uint32(r.sockets.number(hash.Sum64(), r.most.listeners))
	if n == 0 {
		return 0, errListeners
	}
	if g.process.IsObject() {
		started, _ := time.Parse(time.RFC3339, g.process.Get("started").Str) // zero if it is not known
		r.owners[n] = Process{g.process.Get("pid").Int(), strings.Clone(short(g.process.Get("name").Str)), started}
	}
	return n, nil
}
