package capture

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// TestCases reads the captures in testdata/cases, which came from people or were changed on
// their way. Beside each is a file with a line for every question: the tool, the port, -a
// with an address if that is asked, and then metrics with their values, or "refuse" and how
// the error begins. Lines with '#' say what the capture is.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.want")
	if err != nil || len(files) < 45 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		questions, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(questions)) {
			if !strings.HasPrefix(line, "#") {
				ask(t, strings.TrimSuffix(file, ".want")+".txt", strings.TrimSpace(line))
			}
		}
	}
}

// ask reads a capture and compares what it says with the answer in the question's line.
func ask(t *testing.T, file, question string) {
	t.Helper()
	tool, rest, _ := strings.Cut(question, " ")
	port, want, _ := strings.Cut(rest, " ")
	ports, err := tcp.ParsePorts(port)
	if err != nil {
		t.Fatal(file, err)
	}
	q := tcp.Query{Ports: ports}
	if after, ok := strings.CutPrefix(want, "-a "); ok {
		var address string
		address, want, _ = strings.Cut(after, " ")
		q.Addresses = []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(address), 32)}
	}
	count := tally.New(tally.Rules{Normal: tcp.Set(tcp.Established, tcp.Listen), StalledAfter: 10 * time.Second}, nil, 0)
	look, err := From(tool, textfile.File{Name: file}).Look(context.Background(), q, count.Add)
	begin, refused := strings.CutPrefix(want, "refuse ")
	switch {
	case refused && (err == nil || !strings.HasPrefix(err.Error(), begin)):
		t.Errorf("%s: error %v, want %s", file, err, begin)
	case !refused && err != nil:
		t.Errorf("%s: %v", file, err)
	case !refused:
		result := count.Result(look)
		for _, pair := range strings.Fields(want) {
			name, value, _ := strings.Cut(pair, "=")
			for m, v := range result.Values {
				if tally.Metric(m).String() == name && v.String() != value && (value != "U" || v.Known()) {
					t.Errorf("%s: %s is %s, want %s", file, name, v, value)
				}
			}
		}
	}
}
