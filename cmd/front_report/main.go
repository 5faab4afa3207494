// Command front_report tells the story of a day from the logs that the checks write with --log:
// in words, or as a page.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/jessevdk/go-flags"

	"frontsockets/internal/report"
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

A LOG is a file, plain or gzip, a folder of files, or - for stdin. The logs may
be of many fronts and hosts, in any order. Lines that --log did not write, torn
ones and those of a newer version are skipped, counted and told.

Options:
  --from TIME    tell of the looks from TIME on
  --to TIME      tell of the looks up to TIME
  --html FILE    write a page to FILE instead of words to stdout
  --lang LANG    language: en or zh (default: en)
  -V, --version  print the version
  -h, --help     show this help

TIME is such as '2026-11-25 10:20' or 2026-11-25, in the zone of the first line
of the logs, or 2026-11-25T10:20:00+08:00. All times are shown in that zone.

Exit codes:
  0  the story is told
  1  the logs cannot be read, or have no line to tell of
  2  the command line is wrong

Examples:
  front_report /var/log/frontsockets
  front_report --from '2026-11-25 10:00' --to '2026-11-25 11:00' front7.log
  front_report --html day.html --lang zh /var/log/frontsockets/*-2026-11-25.log
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
		fmt.Fprintf(stderr, "front_report: %v (see front_report --help)\n", err)
		return exitUsage
	}
	fmt.Fprintln(stderr, "front_report:", err)
	return exitFailed
}

// tell reads the logs and writes the story.
func tell(args []string, stdin io.Reader, stdout io.Writer) error {
	var o options
	logs, err := flags.NewParser(&o, flags.PassDoubleDash).ParseArgs(args)
	switch {
	case o.Help:
		_, err = io.WriteString(stdout, usage)
		return err
	case err != nil:
		return usageError{err}
	case o.Version:
		_, err = fmt.Fprintln(stdout, "front_report", version())
		return err
	case len(logs) == 0:
		return usageError{errors.New("no LOG: give a file or folder that --log wrote")}
	}
	language, err := languageOf(o.Lang)
	if err != nil {
		return usageError{err}
	}
	from, errFrom := report.ParseBound(o.From)
	to, errTo := report.ParseBound(o.To)
	switch {
	case errFrom != nil:
		return usageError{fmt.Errorf("--from: %w", errFrom)}
	case errTo != nil:
		return usageError{fmt.Errorf("--to: %w", errTo)}
	case to.Before(from):
		return usageError{fmt.Errorf("--from %s is after --to %s", o.From, o.To)}
	}
	files, remove, err := report.Files(logs, stdin)
	defer remove()
	if err != nil {
		return err
	}
	story, err := report.Read(files, from, to)
	if err != nil {
		return err
	}
	if o.HTML == "" {
		return language.Write(stdout, story)
	}
	var page bytes.Buffer
	if err := language.WritePage(&page, story); err != nil {
		return err
	}
	if err := replace(o.HTML, page.Bytes()); err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
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

// replace replaces a file whole or not at all.
func replace(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".front_report")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it has another name after success
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if errClose := f.Close(); err == nil {
		err = errClose
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// version returns the program's version as the go command recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown version"
}
