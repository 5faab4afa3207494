//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestHostMonitor runs the scripts as HostMonitor's agent does, and the commands of its SSH test,
// and reads the replies as HostMonitor does. HostMonitor itself is not available here.
func TestHostMonitor(t *testing.T) {
	if !machine(t) {
		return
	}
	install(t)
	const scripts = "/usr/share/doc/frontsockets/contrib/hostmonitor/"
	run(t, "install", scripts+"checkMdfrontSocket", scripts+"checkfrontSocket", "/usr/local/bin/")
	readme, err := os.ReadFile(scripts + "README.md")
	if err != nil {
		t.Fatal(err)
	}
	sshCommand := regexp.MustCompile(`(?m)^/usr/lib/nagios/plugins/check_\w+ .* -f hostmonitor$`)
	ssh := sshCommand.FindAllString(string(readme), -1)
	if len(ssh) != 2 {
		t.Fatalf("the README has the commands %q for SSH, want 2", ssh)
	}
	params := readTests(t, scripts)

	// The reply says so as soon as the queue is full.
	const hung = `\d+ (socket disconnect|accept queue of port \d+ is full, \d+ of \d+)`
	var critical, recovery time.Duration
	for _, f := range []struct{ script, title, ssh, port string }{
		{"checkMdfrontSocket", "front7 market data", ssh[0], "41213"},
		{"checkfrontSocket", "front7 trade", ssh[1], "41205"},
	} {
		command := "/bin/sh /usr/local/bin/" + f.script + " " + params[f.title]
		clients := []string{"--port", f.port, "--clients", "120"} // more than either threshold
		both := func(status, reply string) {
			t.Helper()
			awaitHostMonitor(t, command, status, reply)
			awaitHostMonitor(t, f.ssh, status, reply)
			awaitHostMonitor(t, f.ssh+" --reply number", status, `\d+`)
		}
		front := newFront(t, clients...)
		both("Ok", `0`)
		began := front.act("hang")
		awaitHostMonitor(t, command, "Bad", hung)
		critical = max(critical, time.Since(began))
		both("Bad", hung)
		began = time.Now()
		front.act("healthy")
		awaitHostMonitor(t, command, "Ok", `0`)
		recovery = max(recovery, time.Since(began))
		both("Ok", `0`)
		front.now.stop()
		awaitHostMonitor(t, command, "Bad", `0 nothing listens on port `+f.port)
		run(t, "sed", "-i", "s|^source=auto|source=snapshot:/nowhere|", "/usr/local/bin/"+f.script)
		awaitHostMonitor(t, command, "Unknown", `.*no such file or directory`)
	}
	// HostMonitor has no perfdata. --reply number gives it the numbers for its charts.
	t.Logf("HostMonitor: seconds to Bad %.1f, to Ok %.1f", critical.Seconds(), recovery.Seconds())
}

// awaitHostMonitor runs the command until its answer has the status and the reply.
func awaitHostMonitor(t *testing.T, command, status, reply string) {
	t.Helper()
	want := regexp.MustCompile(`^` + reply + `$`)
	await(t, slow, status, func() (bool, string) {
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 {
			t.Fatalf("%s: %v, stderr %q", command, err, stderr.Bytes())
		}
		gotStatus, gotReply := readReply(t, stdout.String())
		return gotStatus == status && want.MatchString(gotReply), stdout.String()
	})
}

// replyLine is scriptres:<status>:[<reply>]: one line of ASCII, with a status that the vendor's
// scripts use and without a colon in the reply.
var replyLine = regexp.MustCompile(
	`^(?i:scriptres):(Host is alive|No answer|Unknown|Unknown host|Ok|Bad|Bad contents):([ -9;-~]*)\n$`)

// readReply returns the status and the reply in the output of a script.
func readReply(t *testing.T, text string) (status, reply string) {
	t.Helper()
	line := replyLine.FindStringSubmatch(text)
	if line == nil {
		t.Fatalf("HostMonitor cannot read %q", text)
	}
	return line[1], line[2]
}

// testKeys are the keys of each test in tests.txt.
var testKeys = strings.Fields("Method Title RMAgent Schedule Interval Alerts Script Params Timeout")

// readTests reads the tests to import as HostMonitor does, checks them, and returns the
// parameters of each test by its title.
func readTests(t *testing.T, folder string) map[string]string {
	t.Helper()
	tests := parseTests(t, folder+"tests.txt")
	if len(tests) != 14 {
		t.Errorf("there are %d tests, want 14", len(tests))
	}
	files := scriptFiles(t, folder)
	thresholds := map[string]string{"checkMdfrontSocket": "50", "checkfrontSocket": "100"}
	params := map[string]string{}
	for _, test := range tests {
		file := files[test["Script"]]
		words := strings.Fields(test["Params"])
		interval, errInterval := strconv.Atoi(test["Interval"])
		timeout, errTimeout := strconv.Atoi(test["Timeout"])
		switch {
		case len(test) != len(testKeys), test["Method"] != "ShellScript", file == "",
			len(words) != 2, words[1] != thresholds[file], test["RMAgent"] != words[0],
			errInterval != nil, errTimeout != nil, timeout <= 5, timeout >= interval:
			t.Errorf("this test is wrong: %v", test)
		}
		if _, twice := params[test["Title"]]; twice {
			t.Errorf("two tests have the title %q", test["Title"])
		}
		params[test["Title"]] = test["Params"]
	}
	return params
}

// parseTests returns the keys and values of each test in the file.
func parseTests(t *testing.T, file string) (tests []map[string]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`[^\r\n -~]|[^\r]\n|\r[^\n]`).Match(text) {
		t.Errorf("%s has lines that are not ASCII or do not end in CR LF", file)
	}
	for line := range strings.SplitSeq(string(text), "\r\n") {
		if line == "" || strings.HasPrefix(line, ";") {
			continue
		}
		parts := strings.Split(line, "=")
		if len(parts) != 2 {
			t.Fatalf("%q is not a key and a value", line)
		}
		key, value := strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1])
		if key == "Method" {
			tests = append(tests, map[string]string{})
		}
		test := tests[len(tests)-1]
		if _, twice := test[key]; twice || !slices.Contains(testKeys, key) || value == "" {
			t.Errorf("%q: the key is unknown or comes twice, or the value is empty", line)
		}
		test[key] = value
	}
	return tests
}

// scriptFiles checks the headers of the scripts, and returns the file of each script by the name
// that a test uses.
func scriptFiles(t *testing.T, folder string) map[string]string {
	t.Helper()
	headers := []string{
		`\A#!/bin/sh\n#\[Name\] .+\n`, `\n#\[Hint\] Params: <Name> <Threshold>\n`, `\n#\[Platform\] Linux\n`,
		`\n#\[Version\] .+\n`, `\n#\[Start cmd\] %Script% %Params%\n`,
	}
	files := map[string]string{}
	for _, file := range []string{"checkMdfrontSocket", "checkfrontSocket"} {
		script, err := os.ReadFile(folder + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range headers {
			if !regexp.MustCompile(header).Match(script) {
				t.Errorf("%s has no header %q", file, header)
			}
		}
		if regexp.MustCompile(`[^\n\t -~]`).Match(script) {
			t.Errorf("%s has lines that are not ASCII or do not end in LF", file)
		}
		name := regexp.MustCompile(`#\[Name\] (.+)`).FindStringSubmatch(string(script))[1]
		files[name+"||Linux"] = file
	}
	return files
}
