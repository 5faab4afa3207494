package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// line is a line of --log.
const line = `{"name":"front7","ports":"41213","exit_code":%d,"reason":"front7 has 60 abnormal sockets",` +
	`"diagnosis":{"code":"hung"},"metrics":{"abnormal":60},"states":{"close_wait":60},"clients":[{"address":"10.1.2.3",` +
	`"abnormal":60,"states":{"close_wait":60}}],"clients_omitted":0,"host":"a","time":"2026-11-25T10:0%d:00+08:00",` +
	`"service":"MDFRONT","format":1}` + "\n"

// story is a log of an incident, and of a line that --log did not write.
func story() string { return fmt.Sprintf(line+"hello\n"+line+line, 0, 0, 2, 1, 0, 2) }

// frontReport runs the program in this process.
func frontReport(stdin string, args ...string) (stdout, stderr string, code int) {
	var out, errs strings.Builder
	code = run(args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

func write(t *testing.T, file, content string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestUsage: a command line that is wrong gets one line and exit code 2, and nothing is written.
func TestUsage(t *testing.T) {
	dir := t.TempDir()
	log := write(t, filepath.Join(dir, "log"), story())
	zipped := write(t, filepath.Join(dir, "log.gz"), "\x1f\x8b\x08")
	page := filepath.Join(dir, "page")
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "no LOG: give a file or folder that --log wrote"},
		{[]string{"--html", page}, "no LOG: "},
		{[]string{"--from", "2026-11-26", "--to", "2026-11-25", log}, "--from 2026-11-26 is after --to 2026-11-25"},
		{[]string{"--from", "soon", log}, "--from: 'soon' is not a time; use one such as '2026-11-25 10:20', 2026-11-25 or "},
		{[]string{"--to=10:20", log}, "--to: '10:20' is not a time"},
		{[]string{"--from=", log}, "--from: its value is empty"},
		{[]string{"--to=", log}, "--to: its value is empty"},
		{[]string{"--html=", log}, "--html: its value is empty"},
		{[]string{"--lang=", log}, "--lang: its value is empty"},
		{[]string{"--html", "-", log}, "--html: '-' is not a file; give the name of a file"},
		{[]string{"--html", log, log}, "--html " + log + ": it is a log, which the page would replace"},
		{[]string{"--html", zipped, log}, "--html " + zipped + ": it is a log, which the page would replace"},
		{[]string{"--lang", "de", log}, "--lang: 'de' is not a language; use en or zh"},
		{[]string{"--what", log}, "unknown flag 'what'"},
		{[]string{"-x", log}, "unknown flag 'x' (see "},
		{[]string{"--htlm", page, log}, "unknown flag 'htlm' (did you mean --html?) (see "},
		{[]string{"--form=2026-11-25", log}, "unknown flag 'form' (did you mean --from?) (see "},
		{[]string{log, "--from"}, "expected argument for flag '--from'"},
		{[]string{"--from", "a\nb\x1b[2J", log}, "--from: 'a\ufffdb\ufffd[2J' is not a time"},
	} {
		stdout, stderr, code := frontReport("", test.args...)
		want := "front_report: " + test.want
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 ||
			!strings.HasSuffix(stderr, " (see front_report --help)\n") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want %q", test.args, code, stdout, stderr, want)
		}
	}
	if _, err := os.Stat(page); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a page was written: %v", err)
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != story() {
		t.Errorf("the log has %q, %v", text, err)
	}
}

// TestFailure: what cannot be read or written gets one line and exit code 1, and nothing is written.
func TestFailure(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	log, empty := write(t, in("log"), story()), write(t, in("empty"), "")
	binary := write(t, in("binary"), "\x7fELF\x02\n\x00\x01\n")
	if err := os.MkdirAll(in("folder/more"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		want string
	}{
		{[]string{in("nobody")}, in("nobody") + ": "},
		{[]string{log, in("nobody")}, in("nobody") + ": "},
		{[]string{in("folder")}, in("folder") + ": there is no file in this folder"},
		{[]string{binary}, "no line that this program can read; the first that was skipped: " + binary +
			":1: not a line of --log"},
		{[]string{empty}, "no line: the logs are empty"},
		{[]string{"-"}, "no line: the logs are empty"},
		{[]string{"--from", "2026-11-26", log}, "no look between --from and --to; the logs have looks from 2026-11-25T10:"},
		{[]string{"--html", in("nowhere/page"), log}, "--html " + in("nowhere/page") + ": the folder does not exist"},
		{[]string{"--html", filepath.Join(log, "page"), log}, "--html " + filepath.Join(log, "page") + ": "},
		{[]string{"--html", in("folder"), log}, "--html " + in("folder") + ": it is a folder; give the name of a file"},
	}
	if runtime.GOOS != "windows" {
		tests = append(tests, []struct {
			args []string
			want string
		}{
			{[]string{"/dev/null"}, "/dev/null: not a file, a folder or a pipe"},
			{[]string{in("a\nb")}, in("a\ufffdb") + ": no such file or directory"},
		}...)
	}
	for _, test := range tests {
		stdout, stderr, code := frontReport("", test.args...)
		want := "front_report: " + test.want
		if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want %q", test.args, code, stdout, stderr, want)
		}
	}
	requireFiles(t, dir, "binary empty folder log")
}

// TestPageStays: a page that exists stays as it is when there is no story to replace it.
func TestPageStays(t *testing.T) {
	t.Setenv("GO_FLAGS_COMPLETION", "1") // must not make the program print words for a shell
	dir := t.TempDir()
	page := write(t, filepath.Join(dir, "page"), "the story of yesterday")
	for args, want := range map[string]int{
		"--html " + page + " -": exitFailed, "--html " + page + " " + filepath.Join(dir, "nobody"): exitFailed,
		"--html " + page: exitUsage, "--lang de --html " + page + " -": exitUsage,
		"--from 2030-01-01 --html " + page + " -": exitFailed,
	} {
		stdout, stderr, code := frontReport("hello\n", strings.Fields(args)...)
		if code != want || stdout != "" || stderr == "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	if text, err := os.ReadFile(page); err != nil || string(text) != "the story of yesterday" {
		t.Errorf("%q, %v", text, err)
	}
	requireFiles(t, dir, "page")
}

// requireFiles requires that a folder has these files and no other: nothing temporary is left.
func requireFiles(t *testing.T, dir, want string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("the folder has %s, want %s", got, want)
	}
}

// TestHelp: -h and --help help anywhere, also on a command line that is wrong. -V prints the version.
func TestHelp(t *testing.T) {
	for _, args := range []string{"-h", "--help", "log -h", "--what -h", "-x --help", "--from -h", "--lang de -h", "-V -h",
		"-hV", "--from= -h"} {
		stdout, stderr, code := frontReport("", strings.Fields(args)...)
		if code != exitDone || stdout != usage || stderr != "" {
			t.Errorf("%s: exit %d, stdout %.50q, stderr %q", args, code, stdout, stderr)
		}
	}
	if stdout, _, code := frontReport("", "--", "-h"); code != exitFailed || stdout != "" {
		t.Errorf("a file with the name -h: exit %d, %q", code, stdout)
	}
	for _, args := range []string{"-V", "--version", "-V log"} {
		stdout, stderr, code := frontReport("", strings.Fields(args)...)
		if code != exitDone || !strings.HasPrefix(stdout, "front_report ") || stderr != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	for _, l := range strings.Split(usage, "\n") {
		if len(l) > 80 {
			t.Errorf("the help has a line of %d columns: %s", len(l), l)
		}
	}
}

// TestStory: words go to stdout, in either language, from files, folders and stdin alike.
func TestStory(t *testing.T) {
	dir := t.TempDir()
	log := write(t, filepath.Join(dir, "log"), story())
	const en = "Incident 1 of 1: front7 was CRITICAL from 10:01:00 to 10:02:00 (1m)\n"
	for _, test := range []struct{ args, want string }{
		{log, en}, {dir, en}, {"-", en}, {log + " " + dir + " -", en}, {"--lang en -- " + log, en},
		{"--lang zh " + log, "故障 1/1：front7 CRITICAL，自 10:01:00 至 10:02:00（1 分钟）\n"},
		{"--from 2026-11-25 --to 2026-11-25T10:01 " + log, "Incident 1 of 1: front7 was CRITICAL from 10:01:00; its end was"},
	} {
		stdout, stderr, code := frontReport(story(), strings.Fields(test.args)...)
		if code != exitDone || stderr != "" || !strings.Contains(stdout, test.want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", test.args, code, stdout, stderr)
		}
	}
	stdout, _, _ := frontReport(story(), "-")
	if !strings.Contains(stdout, "\nLines that were skipped: 1\n  stdin:2: not a line of --log\n") {
		t.Error(stdout)
	}
}

// TestPage: --html writes the page and nothing else. A file that exists is replaced whole and keeps
// its mode; a symbolic link stays one.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "day.html")
	for _, before := range []string{"", "an older and much longer page" + strings.Repeat("x", 1<<20)} {
		if before != "" {
			if err := os.Chmod(write(t, page, before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		stdout, stderr, code := frontReport(story(), "--html", page, "-")
		if code != exitDone || stdout != "" || stderr != "" {
			t.Fatalf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
		}
		text, err := os.ReadFile(page)
		if err != nil || !strings.HasPrefix(string(text), "<!") || !strings.HasSuffix(string(text), "</html>\n") {
			t.Errorf("%v: %.100q", err, text)
		}
		info, err := os.Stat(page)
		if err != nil {
			t.Fatal(err)
		}
		want := os.FileMode(0o644)
		if before != "" {
			want = 0o600
		}
		if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != want {
			t.Errorf("mode %s, want %s", mode, want)
		}
	}
	requireFiles(t, dir, "day.html")
	if runtime.GOOS == "windows" {
		return
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("day.html", link); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := frontReport(story(), "--html", link, "--lang", "zh", "-"); code != exitDone {
		t.Errorf("exit %d, %s", code, stderr)
	}
	target, err := os.Readlink(link)
	text, errText := os.ReadFile(page)
	if err != nil || errText != nil || target != "day.html" || !strings.Contains(string(text), `lang="zh`) {
		t.Errorf("%v, %v, %s, %.200q", err, errText, target, text)
	}
}

// TestWriteFailure: a story that cannot be written is an error.
func TestWriteFailure(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	var stderr strings.Builder
	if code := run([]string{"-"}, strings.NewReader(story()), w, &stderr); code != exitFailed || stderr.Len() == 0 {
		t.Errorf("exit %d, %s", code, &stderr)
	}
}
