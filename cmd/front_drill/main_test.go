package main

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// asDrill is a variable that makes the test binary run as front_drill. The parts that it starts
// inherit it.
const asDrill = "FRONT_DRILL_TEST_AS_DRILL=1"

func TestMain(m *testing.M) {
	if name, value, _ := strings.Cut(asDrill, "="); os.Getenv(name) == value {
		main()
	}
	os.Exit(m.Run())
}

func TestUsageErrors(t *testing.T) {
	const number, port = "is not a number from 1 to 5000", "is not a number from 1 to 65535"
	for line, want := range map[string]string{
		"":                                `no scenario given: healthy, quiet, burst, logoff, hang, `,
		"--port 5":                        `no scenario given: healthy, quiet, burst, logoff, hang, `,
		"panic":                           `"panic" is not a scenario: healthy, quiet, burst, `,
		"hang now":                        `unexpected argument after hang: "now"`,
		"hang --port 5 leak loop":         `unexpected argument after hang: "leak loop"`,
		"healthy -- --port":               `unexpected argument after healthy: "--port"`,
		"healthy as-front":                `unexpected argument after healthy: "as-front"`,
		"healthy --port 0":                `--port: "0" ` + port,
		"healthy --port 65536":            `--port: "65536" ` + port,
		"healthy --port=-1":               `--port: "-1" ` + port,
		"healthy --port http":             `--port: "http" ` + port,
		"healthy --port=":                 `--port: "" ` + port,
		"healthy --clients 0":             `--clients: "0" ` + number,
		"healthy --clients 5001":          `--clients: "5001" ` + number,
		"healthy --clients 1e3":           `--clients: "1e3" ` + number,
		"healthy --clients":               "expected argument for flag",
		"healthy --for 0s":                `--for: "0s" is not a duration above 0 and up to 1h`,
		"healthy --for -1s":               "expected argument for flag",
		"healthy --for=-1s":               `--for: "-1s" is not a duration above 0 and up to 1h`,
		"healthy --for 3601s":             `--for: "3601s" is not a duration above 0 and up to 1h`,
		"healthy --for 3601":              `--for: "3601" is not a duration above 0 and up to 1h, such as 30, 30s or 2m`,
		"healthy --for 0":                 `--for: "0" is not a duration above 0 and up to 1h`,
		"healthy --for=":                  `--for: "" is not a duration above 0 and up to 1h`,
		"healthy --for half":              `--for: "half" is not a duration above 0 and up to 1h`,
		"hang --others 5":                 `--others: hang has no other clients`,
		"leak --others 0":                 `--others: "0" ` + number,
		"leak --others 5001":              `--others: "5001" ` + number,
		"leak --after 3601s":              `--after: "3601s" is not a duration from 0s and up to 1h`,
		"leak --after=-1s":                `--after: "-1s" is not a duration from 0s and up to 1h`,
		"healthy --after 1s":              `--after: no trouble begins in healthy`,
		"leak --over 1x":                  `--over: "1x" is not a duration from 0s and up to 1h`,
		"stuck --over 1s":                 `--over: the trouble of stuck cannot be spread over a time`,
		"healthy --address 8.8.8.8":       `--address: "8.8.8.8" is not a loopback IP address`,
		"healthy --address 0.0.0.0":       `--address: "0.0.0.0" is not a loopback IP address`,
		"healthy --address ::":            `--address: "::" is not a loopback IP address`,
		"healthy --address localhost":     `--address: "localhost" is not a loopback IP address`,
		"healthy --address 127.0.0.1:80":  `--address: "127.0.0.1:80" is not a loopback IP address`,
		"healthy --address=":              `--address: "" is not a loopback IP address`,
		"healthy --frobnicate":            "unknown flag `frobnicate', see --help",
		"healthy --client 5":              "unknown flag `client' (did you mean --clients?), see --help",
		"haelthy":                         `"haelthy" is not a scenario (did you mean healthy?): healthy, quiet, burst, `,
		"as-front healthy --clients zero": `--clients: "zero" ` + number,
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(line), &stdout, &stderr)
		if code != 2 || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "front_drill: "+want) {
			t.Errorf("%q: code %d, stdout %q, stderr %q; want code 2 and %q", line, code, &stdout, &stderr, want)
		}
		if strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: the error is not one line: %q", line, &stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, line := range []string{"-h", "--help", "hang --help", "--help --port 0", "--bogus -h", "--port -h", "-V -h"} {
		var stdout, stderr bytes.Buffer
		if code := run(strings.Fields(line), &stdout, &stderr); code != 0 || stdout.String() != usage || stderr.Len() > 0 {
			t.Errorf("%q: code %d, stdout %q, stderr %q", line, code, &stdout, &stderr)
		}
	}
	for text := range strings.Lines(usage) {
		if len(text) > 81 || strings.Contains(text, "\t") {
			t.Errorf("help does not fit a terminal: %q", text)
		}
	}
}

// TestVersion requires that the version is one line on stdout.
func TestVersion(t *testing.T) {
	for _, line := range []string{"-V", "--version", "hang --version"} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(line), &stdout, &stderr)
		if code != 0 || !strings.HasPrefix(stdout.String(), "front_drill ") || strings.Count(stdout.String(), "\n") != 1 ||
			stderr.Len() > 0 {
			t.Errorf("%q: code %d, stdout %q, stderr %q", line, code, &stdout, &stderr)
		}
	}
}

// TestSeconds requires that a time without a unit is a number of seconds.
func TestSeconds(t *testing.T) {
	d, _, err := parse(strings.Fields("leak --for 30 --after 1.5 --over 2m"))
	if err != nil || d.holdTime != 30*time.Second || d.after != 1500*time.Millisecond || d.over != 2*time.Minute {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestArgsRoundTrip requires that parse reads what args returns: the supervisor passes the
// drill to the parts as a command line.
func TestArgsRoundTrip(t *testing.T) {
	for _, line := range []string{
		"healthy",
		"hang --port 1 --clients 5000 --for 1h --address ::1",
		"--port=65535 leak --clients=1 --for=1ms --address=127.9.9.9",
		"loop --address ::ffff:127.0.0.1",
		"burst --others 9 --after 1m30s --over 1500ms",
		"frozen --address 10.0.0.1 --clients-netns /proc/1/ns/net",
	} {
		d, _, err := parse(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := parse(d.args())
		if err != nil || !reflect.DeepEqual(d, again) {
			t.Errorf("%q: %+v became %+v (%v)", line, d, again, err)
		}
	}
}

// TestScenarios requires that the help explains every scenario, and that a change begins in all
// but the unchanging ones.
func TestScenarios(t *testing.T) {
	for _, name := range scenarios {
		if !strings.Contains(usage, "\n  "+name+" ") {
			t.Errorf("help does not explain %s", name)
		}
		if _, begins := changes[name]; begins == slices.Contains(unchanging, name) {
			t.Errorf("%s: a change begins: %v", name, begins)
		}
	}
}
