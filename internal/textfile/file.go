package textfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// File is a recorded text, and the time at which it is read.
type File struct {
	// Name is the file's path; "-" is Stdin.
	Name  string
	Stdin io.Reader
	// Now is the current time. MaxAge is how old the recording may be; 0 leaves that to
	// its format.
	Now    time.Time
	MaxAge time.Duration
}

// Read hands the file to read and returns the time of its last change: for anything but a
// regular file that is Now. It fails if the file changed while it was read.
func (f File) Read(read func(io.Reader) error) (written time.Time, err error) {
	file, isFile := f.Stdin.(*os.File)
	switch {
	case f.Name == "-" && !isFile:
		return f.Now, read(f.Stdin)
	case f.Name != "-":
		if file, err = os.Open(f.Name); errors.Is(err, fs.ErrPermission) {
			return f.Now, errors.New("permission denied: is this user in the group of the file?")
		}
		if err != nil {
			return f.Now, WithoutPath(err)
		}
		defer file.Close()
	}
	before, err := file.Stat()
	if err != nil {
		return f.Now, WithoutPath(err)
	}
	if err := read(file); err != nil || !before.Mode().IsRegular() {
		return f.Now, WithoutPath(err)
	}
	after, err := file.Stat()
	if err == nil && (after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime())) {
		err = errors.New("the file changed while it was read: wait until it is written, or rename it into its place")
	}
	return before.ModTime(), err
}

// CheckRegular returns an error that says what a file is, unless it is a regular one.
func CheckRegular(mode fs.FileMode) error {
	kind := "something else"
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeSymlink != 0:
		kind = "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a FIFO"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	}
	return errors.New("not a regular file: " + kind)
}

// WithoutPath returns an error without the name of its file. The caller says the name, and a long
// path, said twice, leaves no room for the reason.
func WithoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// CheckAge returns an error if a recording of the given time is older than limit, or
// dated in the future.
func (f File) CheckAge(recorded time.Time, limit time.Duration) error {
	const clockSkew = 2 * time.Second // the clocks of two hosts may differ by this much
	switch age := f.Now.Sub(recorded); {
	case age > limit:
		unit := time.Second
		if age-limit < unit { // or both would look the same
			unit = time.Millisecond
		}
		return fmt.Errorf("too old: %s, and --max-age is %s: does the job that writes it still run?", age.Round(unit), limit)
	case age < -clockSkew:
		return fmt.Errorf("dated %s in the future: compare the clocks of both hosts", -age.Round(time.Second))
	}
	return nil
}

// A list, such as the names of clients, has at most maxListBytes and maxListLines. That is twice what a
// broker with 20,000 clients needs, and can be read in a fraction of a second.
const (
	maxListBytes = 4 << 20
	maxListLines = 50_000
)

// Each hands every line of a list to take, without the blanks around it. It leaves out empty
// lines and comments: a '#' that begins a line, or stands between blanks, and what follows
// it. A byte order mark is ignored. Errors have the line's number, and end with the name. They do
// not quote the text, and take's must not: whoever runs the check may not be allowed to read the
// file.
func Each(r io.Reader, name string, take func(line string) error) error {
	lines := NewLines(context.Background(), &limitedReader{r, maxListBytes})
	lines.Private = true
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, ErrNoNewline) {
			return fmt.Errorf("%w, in %s", err, name)
		}
		if lines.N > maxListLines {
			return fmt.Errorf("over %d lines, in %s", maxListLines, name)
		}
		if lines.N == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		text := string(line)
		if strings.Contains(text, "#") { // an expression for every line costs more than all the rest
			text = comment().ReplaceAllString(text, "")
		}
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if err := take(text); err != nil {
			return fmt.Errorf("%w, in %s", lines.at(err), name)
		}
	}
}

// comment takes for a blank what strings.TrimSpace does.
var comment = Lazy(`^[\s\v\x{85}\pZ]*#.*|[\s\v\x{85}\pZ]#([\s\v\x{85}\pZ].*)?$`)

// limitedReader fails when more than left bytes are read.
type limitedReader struct {
	r    io.Reader
	left int
}

func (l *limitedReader) Read(p []byte) (n int, err error) {
	n, err = l.r.Read(p)
	if l.left -= n; l.left < 0 {
		return 0, fmt.Errorf("over %d MiB long", maxListBytes>>20)
	}
	return n, err
}
