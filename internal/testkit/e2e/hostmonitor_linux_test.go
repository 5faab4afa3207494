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

// TestHostMonitor: there is no HostMonitor to run, so this reads the lines as it does: the
// scripts as its agent runs them and the commands of the SSH test.
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
	ssh := regexp.MustCompile(`(?m)^/usr/lib/nagios/plugins/check_\w+ .* -f hostmonitor$`).FindAllString(string(readme), -1)
	if len(ssh) != 2 {
		t.Fatalf("the README has these commands for SSH: %q", ssh)
	}
	params := importFile(t, scripts)

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
		awaitHostMonitor(t, command, "Bad", `\d+ socket disconnect`)
		critical = max(critical, time.Since(began))
		both("Bad", `\d+ socket disconnect`)
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
	// It has no perfdata; the numbers that it can chart were asked for above.
	t.Logf("HostMonitor: seconds to Bad %.1f, to Ok %.1f", critical.Seconds(), recovery.Seconds())
}

// awaitHostMonitor asks until the answer has this status and reply.
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

// readReply reads scriptres:<status>:[<reply>], one line of ASCII, with a status that the
// vendor's scripts use and without a colon in the reply.
func readReply(t *testing.T, text string) (status, reply string) {
	t.Helper()
	line := regexp.MustCompile(`^(?i:scriptres):(Host is alive|No answer|Unknown|Unknown host|Ok|Bad|Bad contents):([ -9;-~]*)\n$`).FindStringSubmatch(text)
	if line == nil {
		t.Fatalf("HostMonitor cannot read %q", text)
	}
	return line[1], line[2]
}

// importFile reads the tests to import as HostMonitor does, judges every key, and gives the
// parameters of each test by its title.
func importFile(t *testing.T, folder string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(folder + "tests.txt")
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`[^\r\n -~]|[^\r]\n|\r[^\n]`).Match(text) {
		t.Error("tests.txt is not lines of ASCII that end in CR LF")
	}
	keys := strings.Fields("Method Title RMAgent Schedule Interval Alerts Script Params Timeout")
	var tests []map[string]string
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
		if _, twice := test[key]; twice || !slices.Contains(keys, key) || value == "" {
			t.Errorf("%q: a key that is unknown or comes twice, or no value", line)
		}
		test[key] = value
	}
	if len(tests) != 14 {
		t.Errorf("there are %d tests", len(tests))
	}
	names := map[string]string{} // of a script → its file
	for _, file := range []string{"checkMdfrontSocket", "checkfrontSocket"} {
		script, err := os.ReadFile(folder + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range []string{`\A#!/bin/sh\n#\[Name\] .+\n`, `\n#\[Hint\] Params: <Name> <Threshold>\n`, `\n#\[Platform\] Linux\n`, `\n#\[Version\] .+\n`, `\n#\[Start cmd\] %Script% %Params%\n`} {
			if !regexp.MustCompile(header).Match(script) {
				t.Errorf("%s has no %q", file, header)
			}
		}
		if regexp.MustCompile(`[^\n\t -~]`).Match(script) {
			t.Errorf("%s is not lines of ASCII that end in LF", file)
		}
		names[regexp.MustCompile(`#\[Name\] (.+)`).FindStringSubmatch(string(script))[1]+"||Linux"] = file
	}
	limits := map[string]string{"checkMdfrontSocket": "50", "checkfrontSocket": "100"}
	params := map[string]string{}
	for _, test := range tests {
		file := names[test["Script"]]
		words := strings.Fields(test["Params"])
		interval, errInterval := strconv.Atoi(test["Interval"])
		timeout, errTimeout := strconv.Atoi(test["Timeout"])
		if len(test) != len(keys) || test["Method"] != "ShellScript" || file == "" || len(words) != 2 || words[1] != limits[file] ||
			test["RMAgent"] != words[0] || errInterval != nil || errTimeout != nil || timeout <= 5 || timeout >= interval {
			t.Errorf("not a test: %v", test)
		}
		if _, twice := params[test["Title"]]; twice {
			t.Errorf("two tests %q", test["Title"])
		}
		params[test["Title"]] = test["Params"]
	}
	return params
}
