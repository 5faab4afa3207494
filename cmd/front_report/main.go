// Command front_report tells the story of a day from the logs that the checks write with --log:
// in words, or as a page.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/jessevdk/go-flags"

	"frontsockets/internal/report"
	"frontsockets/internal/suggest"
	"frontsockets/internal/textfile"
	"frontsockets/internal/version"
)

// The exit codes, as the help explains them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `Usage:
  front_report [options] LOG...

Tells the story of the logs that check_mdfront_sockets and check_front_sockets
write with --log: which front was in trouble, from when to when, whose sessions
these were, and how the same clients fared at other fronts at that time.

A LOG is a file or pipe, plain or gzip, a folder of files, or - for stdin. The
logs may be of many fronts and hosts, in any order. Lines that --log did not
write, torn ones and those of a newer version are skipped, counted and told.

Options:
  --from TIME    tell of the looks from TIME on
  --to TIME      tell of the looks up to TIME
  --html FILE    write a page to FILE instead of words to stdout
  --lang LANG    language: en or zh (default: en)
  -V, --version  print the version
  -h, --help     show this help

TIME is such as '2026-11-25 10:20' or 2026-11-25 (its midnight), in the zone of
the first line of the logs, or 2026-11-25T10:20:00+08:00. All times are shown in
the zone of the first line.

Exit codes:
  0  the story is told
  1  the logs cannot be read, or have no line to tell of
  2  the command line is wrong

Examples:
  front_report /var/log/frontsockets
  front_report --from '2026-11-25 10:00' --to '2026-11-25 11:00' front7.log
  front_report --html day.html --lang zh /var/log/frontsockets/*2026-11-25.log
  zcat front7.log.1.gz | front_report -
`

type options struct {
	From    string `long:"from"`
	To      string `long:"to"`
	HTML    string `long:"html"`
	Lang    string `long:"lang" default:"en"`
	Version bool   `short:"V" long:"version"`
	Help    bool   `short:"h" long:"help"`
}

// usageError is a command line that is wrong.
type usageError struct{ error }

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs the program and returns its exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	os.Unsetenv("GO_FLAGS_COMPLETION") // go-flags would print words and exit
	err := tell(args, stdin, stdout)
	var wrong usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "front_report: %s (see front_report --help)\n", oneLine(err))
		return exitUsage
	}
	fmt.Fprintln(stderr, "front_report:", oneLine(err))
	return exitFailed
}

// oneLine returns the text of an error as one printable line: the name of a file may have a newline
// or an escape sequence.
func oneLine(err error) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ReplaceAll(err.Error(), "`", "'")) // go-flags quotes as `this'
}

// tell reads the logs and writes the story.
func tell(args []string, stdin io.Reader, stdout io.Writer) error {
	o, logs, err := parse(args)
	switch {
	case o.Help:
		_, err = io.WriteString(stdout, usage)
		return err
	case err != nil:
		return usageError{err}
	case o.Version:
		_, err = fmt.Fprintln(stdout, "front_report", version.String())
		return err
	}
	language, err := languageOf(o.Lang)
	if err != nil {
		return usageError{err}
	}
	from, to, err := bounds(o)
	if err != nil {
		return usageError{err}
	}
	page, err := pageFile(o.HTML)
	if err != nil {
		return err
	}
	files, remove, err := report.Logs(logs, stdin)
	defer remove()
	if err != nil {
		return err
	}
	story, err := report.Read(files, from, to)
	if err != nil {
		return err
	}
	if page == "" {
		return language.Write(stdout, story)
	}
	var text bytes.Buffer
	if err := language.WritePage(&text, story); err != nil {
		return err
	}
	if err := replace(page, text.Bytes()); err != nil {
		return fmt.Errorf("--html %s: not written: %w", o.HTML, err)
	}
	return nil
}

// parse reads the command line. -h helps anywhere, also when the rest is wrong.
func parse(args []string) (o options, logs []string, err error) {
	parser := flags.NewParser(&o, flags.PassDoubleDash)
	logs, err = parser.ParseArgs(args)
	for _, arg := range args {
		if arg == "--" {
			break
		}
		o.Help = o.Help || arg == "-h" || arg == "--help"
	}
	if err != nil || o.Help || o.Version {
		return o, logs, unknownOption(parser, err)
	}
	for _, option := range parser.Groups()[0].Options() {
		// A script that fills in an unset variable.
		if text, ok := option.Value().(string); ok && text == "" && option.IsSet() {
			return o, nil, fmt.Errorf("--%s: its value is empty", option.LongName)
		}
	}
	if len(logs) == 0 {
		return o, nil, errors.New("no LOG: give a file or folder that --log wrote")
	}
	return o, logs, nil
}

// unknownOption adds to the error, if it is of an unknown option, which option was meant.
func unknownOption(parser *flags.Parser, err error) error {
	var known *flags.Error
	if !errors.As(err, &known) || known.Type != flags.ErrUnknownFlag {
		return err
	}
	var long []string
	for _, option := range parser.Groups()[0].Options() {
		long = append(long, "--"+option.LongName)
	}
	_, name, _ := strings.Cut(known.Message, "`")
	return fmt.Errorf("%w%s", err, suggest.DidYouMean("--"+strings.TrimSuffix(name, "'"), long))
}

// bounds returns the period to tell of.
func bounds(o options) (from, to report.Bound, err error) {
	if from, err = report.ParseBound(o.From); err != nil {
		return from, to, fmt.Errorf("--from: %w", err)
	}
	if to, err = report.ParseBound(o.To); err != nil {
		return from, to, fmt.Errorf("--to: %w", err)
	}
	if to.Before(from) {
		return from, to, fmt.Errorf("--from %s is after --to %s", o.From, o.To)
	}
	return from, to, nil
}

// pageFile returns the file of --html, which may be a symbolic link to it. It checks --html before the
// logs are read, and refuses what would fail later and what the page would destroy: a device, or a log
// (the shell turns --html *.log into --html a.log b.log).
func pageFile(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	if file == "-" {
		return "", usageError{errors.New("--html: '-' is not a file; give the name of a file")}
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
			return "", fmt.Errorf("--html %s: the folder does not exist", file)
		}
		return file, nil
	case err != nil:
		return "", fmt.Errorf("--html %s: %w", file, textfile.WithoutPath(err))
	case info.IsDir():
		return "", fmt.Errorf("--html %s: it is a folder; give the name of a file", file)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("--html %s: not a regular file", file)
	case isLog(file):
		return "", usageError{fmt.Errorf("--html %s: it is a log, which the page would replace", file)}
	}
	return filepath.EvalSymlinks(file)
}

// isLog reports whether a file begins as a log does, plain or gzip.
func isLog(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	begin := make([]byte, 8)
	n, _ := io.ReadFull(f, begin)
	text := string(begin[:n])
	return strings.HasPrefix(text, `{"name":`) || strings.HasPrefix(text, "\x1f\x8b")
}

func languageOf(name string) (*report.Language, error) {
	var names []string
	for _, l := range report.Languages {
		if l.Name == name {
			return l, nil
		}
		names = append(names, l.Name)
	}
	return nil, fmt.Errorf("--lang: '%s' is not a language; use %s", name, strings.Join(names, " or "))
}

// replace replaces a file whole or not at all. The file keeps its mode.
func replace(file string, content []byte) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".front_report")
	if err != nil {
		return textfile.WithoutPath(err)
	}
	defer os.Remove(f.Name()) // it has another name after success
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if errClose := f.Close(); err == nil {
		err = errClose
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return textfile.WithoutPath(err)
}
