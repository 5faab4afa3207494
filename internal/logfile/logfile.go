// Package logfile appends lines to the log of --log. Several checks may append to one file, and
// others may rename or truncate it at any time.
package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"frontsockets/internal/textfile"
)

// dayLayout is the only placeholder in a name: as in strftime(3), for example 2026-11-25.
const dayLayout = "%Y-%m-%d"

// Name is the name of a log, in which dayLayout may stand for the day.
type Name string

// ParseName returns the name of a log. It refuses "-" and any other placeholder.
func ParseName(s string) (Name, error) {
	switch {
	case s == "-":
		return "", errors.New("'-' is not a file; stdout has the answer")
	case strings.Contains(strings.ReplaceAll(s, dayLayout, ""), "%"):
		return "", fmt.Errorf("'%s' has a placeholder that is not known; use only %s", s, dayLayout)
	}
	return Name(s), nil
}

// On returns the name for the date of now, in the zone of now.
func (n Name) On(now time.Time) string {
	return strings.ReplaceAll(string(n), dayLayout, now.Format(time.DateOnly))
}

// Append appends a line, which ends with a newline, in one write. It creates the file, with mode
// 0640, and follows no symbolic link. If the last line has no newline, because its writer was
// killed, a newline is written first, so that only that line is lost. Errors do not name
// the file.
func Append(file string, line []byte) error {
	f, err := create(file)
	if err != nil {
		return reason(err)
	}
	defer f.Close()
	if isTorn(f) {
		line = append([]byte{'\n'}, line...)
	}
	if n, err := f.Write(line); err != nil {
		if n > 0 {
			return fmt.Errorf("only %d of %d bytes: %w", n, len(line), reason(err))
		}
		return reason(err)
	}
	return reason(f.Close()) // some network file systems tell it only now
}

// create opens the file to append to it. If it does not exist, create makes it.
func create(file string) (*os.File, error) {
	f, err := open(file, 0)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w; the check must read the log and append to it", reason(err))
	case !errors.Is(err, fs.ErrNotExist):
		return f, err
	}
	f, err = open(file, os.O_CREATE|os.O_EXCL)
	switch {
	case errors.Is(err, fs.ErrExist): // another check was faster
		return open(file, 0)
	case err != nil:
		return nil, err
	}
	return f, f.Chmod(mode) // whatever the umask
}

// mode is that of a new log: it has the addresses of clients.
const mode = 0o640

// open opens a regular file, not a link to one, to read its end and to append to it.
func open(file string, flags int) (*os.File, error) {
	if info, err := os.Lstat(file); err == nil {
		if err := textfile.CheckRegular(info.Mode()); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND|doNotFollow|flags, mode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = textfile.CheckRegular(info.Mode()) // it may have been replaced in this moment
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// isTorn reports whether the file ends in the middle of a line, and does not grow for a moment: another
// check may be writing that line. If that check takes longer, an empty line comes after its line.
func isTorn(f *os.File) bool {
	const moment = 5 * time.Millisecond // 60 KB take some 20 µs
	for before := int64(-1); ; time.Sleep(moment) {
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil || size == 0 {
			return false
		}
		var last [1]byte
		if _, err = f.ReadAt(last[:], size-1); err != nil || last[0] == '\n' {
			return false
		}
		if size == before {
			return true
		}
		before = size
	}
}

// tailLens is how many bytes at the end of a log Mentions reads: first the end of the last line, then the
// lines of several fronts.
var tailLens = [...]int64{4 << 10, 64 << 10}

// Mentions reports whether the end of the log has all the words. A file that cannot be read
// has none.
func Mentions(file string, words ...string) bool {
	f, err := open(file, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false
	}
	for _, n := range tailLens {
		tail := make([]byte, min(size, n))
		if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
			return false
		}
		if !slices.ContainsFunc(words, func(word string) bool { return !bytes.Contains(tail, []byte(word)) }) {
			return true
		}
	}
	return false
}

// reason returns an error without the name of the file. Append creates a missing file, so
// fs.ErrNotExist means that the folder is missing.
func reason(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("its folder does not exist")
	}
	return textfile.WithoutPath(err)
}
