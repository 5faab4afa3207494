package plugins

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// captures are recordings of every system in testdata/captures; beside each is what
// an independent count of its sockets came to, in words metric=value.
func captures(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../testdata/captures/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	return files
}

// sourceOf is the -s for a capture: the files are named after the system, or after ss.
func sourceOf(file string) string {
	if strings.HasPrefix(filepath.Base(file), "ss-") {
		return "ss:" + file
	}
	return "netstat:" + file
}

// metrics are what -f json says, a value "U" for null.
func metrics(t *testing.T, out string) map[string]string {
	t.Helper()
	var doc struct {
		Reason  string
		Metrics map[string]*float64
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	values := map[string]string{"reason": doc.Reason}
	for name, v := range doc.Metrics {
		values[name] = "U"
		if v != nil {
			values[name] = strconv.FormatFloat(*v, 'f', -1, 64)
		}
	}
	return values
}

// TestTwistedCaptures: a capture that was twisted on its way has the same tally, or is
// an error. If a row is there twice, the tally may be larger.
func TestTwistedCaptures(t *testing.T) {
	counts := func(text []byte, file string) string {
		out, _ := MDFront.respond([]string{"-s", strings.Split(sourceOf(file), ":")[0] + ":-", "-f", "json"},
			bytes.NewReader(text), noon)
		got := metrics(t, string(out))
		if strings.Contains(got["reason"], "cannot be judged") {
			return "error"
		}
		return strings.Join([]string{got["established"], got["abnormal"], got["clients"], got["listeners"]}, " ")
	}
	for _, file := range captures(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(text, []byte("\xff\xfe")) {
			continue // its bytes are no lines
		}
		want := counts(text, file)
		lines := bytes.SplitAfter(text, []byte("\n"))
		twist := func(name string, i int, line string) {
			got := counts(bytes.Join(slices.Concat(lines[:i], [][]byte{[]byte(line)}, lines[i+1:]), nil), file)
			if got == want || got == "error" || name == "twice" && noFewer(got, want) {
				return
			}
			t.Errorf("%s, line %d, %s: %s, was %s", filepath.Base(file), i+1, name, got, want)
		}
		for i, line := range lines {
			if !bytes.Contains(line, []byte("41213")) || i == len(lines)-1 || i > 40 {
				continue
			}
			twist("coloured", i, "\x1b[31m"+string(line))
			twist("quoted", i, "> "+string(line))
			twist("behind a pager", i, "-- More --\r          \r"+string(line))
			twist("twice", i, string(line)+string(line))
			twist("joined", i, strings.TrimRight(string(line), "\r\n")+" ")
			twist("with a bare return", i, strings.TrimRight(string(line), "\r\n")+"\r")
		}
	}
}

// noFewer reports whether no number of got is smaller than that of want. U is unknown.
func noFewer(got, want string) bool {
	numbers := strings.Fields(got)
	for i, w := range strings.Fields(want) {
		n, _ := strconv.Atoi(numbers[i])
		least, _ := strconv.Atoi(w)
		if (numbers[i] == "U") != (w == "U") || n < least {
			return false
		}
	}
	return true
}

// TestIncompleteCapture: what a capture leaves out is told in words, with how to capture it.
func TestIncompleteCapture(t *testing.T) {
	const ssHeader = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
	const header = "Proto Recv-Q Send-Q Local Address Foreign Address State\n"
	const closeWait = "tcp 1 0 10.1.0.7:41213 10.1.2.3:5001 CLOSE_WAIT\n"
	const established = "tcp 0 0 10.1.0.7:41213 10.1.2.3:5002 ESTABLISHED\n"
	const listens = "tcp 0 0 0.0.0.0:41213 0.0.0.0:* LISTEN\n"
	const sessionsOnly = "cannot tell if the front listens: the capture does not show listeners (netstat -an and ss" +
		" -tan do)"
	const listenersOnly = "the capture shows only listeners (was it made with -l, or was there no session?)"
	const noServers = "Active Internet connections (w/o servers)\n" + header + closeWait
	const both = "Active Internet connections (servers and established)\n" + header + listens + closeWait
	for _, test := range []struct{ name, source, text, args, want string }{
		{"ss without -a", "ss", ssHeader + "CLOSE-WAIT 1 0 10.1.0.7:41213 10.1.2.3:5001\n", "",
			"UNKNOWN: " + sessionsOnly + "; "},
		{"netstat without -a", "netstat", noServers, "", "UNKNOWN: " + sessionsOnly + "; :41213 has 1 abnormal socket"},
		{"netstat without -a, in HostMonitor", "netstat", noServers, "-f hostmonitor",
			"ScriptRes:Unknown:" + strings.Replace(sessionsOnly, ":", ",", 1)},
		{"a threshold on listeners", "netstat", noServers, "--no-listener ok -c listeners=1:",
			"UNKNOWN: cannot judge listeners: the capture does not show listeners (netstat -an and ss -tan do"},
		{"a threshold on the accept queue", "netstat", noServers, "--no-listener ok -c accept_queue=5",
			"UNKNOWN: cannot judge accept_queue: the capture does not show listeners (netstat -an and ss -tan do"},
		{"ss -l", "ss", ssHeader + "LISTEN 0 128 0.0.0.0:41213 0.0.0.0:*\n", "",
			"UNKNOWN: cannot judge abnormal: " + listenersOnly},
		{"netstat -l", "netstat", "Active Internet connections (only servers)\n" + header + listens, "-v",
			"\nUNKNOWN: cannot judge abnormal: " + listenersOnly + "\n"},
		{"no backlog", "netstat", both, "", "; accept queue not judged: no backlog, see ss -ltn |"},
		{"no backlog, with -v", "netstat", both, "-v", "\naccept queue not judged: a full one would go unseen; on Linux" +
			" use -s sockdiag, or see ss -ltn: it is full if Recv-Q is over Send-Q\nlistener"},
		{"no accept queue", "netstat", "  TCP    0.0.0.0:41213   0.0.0.0:0   LISTENING\n" +
			"  TCP    10.1.0.7:41213   10.1.2.3:5001   CLOSE_WAIT\n", "",
			"; accept queue not judged: not shown by this source |"},
		{"no times", "netstat", both + established, "-c feed_age=30",
			"UNKNOWN: cannot judge feed_age: this source does not show when data was last sent (sockdiag and ss -tani do); "},
		{"no round-trip times", "netstat", both + established, "-c rtt=1",
			"UNKNOWN: cannot judge rtt: this source does not show round-trip times (sockdiag and ss -tani do); "},
		{"nothing to measure", "netstat", both, "-c rtt=1", "UNKNOWN: cannot judge rtt: no client is established; "},
	} {
		args := append(strings.Fields(test.args), "-s", test.source+":-")
		out, _ := MDFront.respond(args, strings.NewReader(test.text), noon)
		if !strings.Contains(string(out), test.want) {
			t.Errorf("%s:\n%swant\n%s", test.name, out, test.want)
		}
	}
}

// TestUnknownClients: where addresses may be cut, the answer says that it does not know the clients.
func TestUnknownClients(t *testing.T) {
	for args, want := range map[string]string{
		"-f json":                     " 1 CLOSE) from unknown clients - unclear trouble; ",
		"-f hostmonitor --reply long": " 1 CLOSE; from unknown clients; unclear trouble",
		"-f json -c top_client=40": "cannot judge top_client: this source does not show the client's whole address" +
			" (netstat -W does, on macOS -l)",
	} {
		out, _ := check(t, MDFront, append(strings.Fields(args), "-s", "netstat:../testdata/captures/linux-7.txt")...)
		if !strings.Contains(out, want) {
			t.Errorf("%s: %s\nwant %s", args, out, want)
		}
	}
}

func TestCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(strings.TrimSuffix(file, ".txt") + ".want")
			if err != nil {
				t.Fatal(err)
			}
			out, _ := check(t, MDFront, "-s", sourceOf(file), "-f", "json")
			got := metrics(t, out)
			if strings.Contains(got["reason"], "cannot be judged") {
				t.Fatal(got["reason"])
			}
			words := strings.Fields(string(want))
			if len(words) < 15 {
				t.Fatalf("%d words", len(words))
			}
			var wrong []string
			for _, word := range words {
				name, value, _ := strings.Cut(word, "=")
				if got[name] != value {
					wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", name, got[name], value))
				}
			}
			if wrong != nil {
				t.Error(strings.Join(wrong, "\n"))
			}
		})
	}
}
