package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/tcp"
)

// logLine is what the tests read of a line of the log.
type logLine struct {
	Name, Status, Reason, Time string
	Clients                    []struct {
		Address            string
		Sessions, Abnormal int
	}
	Omitted   int `json:"clients_omitted"`
	Listeners []struct{ Inode uint64 }
}

// readLog returns the lines of a log; each must be whole.
func readLog(t *testing.T, file string) []logLine {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []logLine
	for line := range strings.Lines(string(text)) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		lines = append(lines, l)
	}
	return lines
}

// TestLog: each answer is a line more, whatever the format, the status and the source: the line
// of -f json. The file's name has the day in the zone of the sessions.
func TestLog(t *testing.T) {
	dir := t.TempDir()
	pattern := filepath.Join(dir, "fronts-%Y-%m-%d.log")
	late := time.Date(2026, 11, 23, 16, 30, 0, 0, time.UTC) // the 24th in Shanghai
	failing := fake(func(tcp.Visit) error { return errors.New("broken pipe") })
	var want []string
	for i, step := range []struct {
		p      Profile
		args   string
		status string
	}{
		{front(0), "", "OK"}, {front(20), "-w 10 -f value", "WARNING"}, {front(60), "-f hostmonitor", "CRITICAL"},
		{failing, "-f nagios", "UNKNOWN"}, {front(1), "-v", "OK"}, {front(1), "-f prometheus", "OK"},
	} {
		name := fmt.Sprint("front", i)
		args := append(strings.Fields(step.args), "--log", pattern, "-n", name)
		at(late, step.p, args...)
		want = append(want, name+" "+step.status)
	}
	file := filepath.Join(dir, "fronts-2026-11-24.log")
	var got []string
	for _, l := range readLog(t, file) {
		got = append(got, l.Name+" "+l.Status)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %s, %v", info.Mode(), err)
	}

	// A front without an abnormal socket: JSON lists the same clients in the same order.
	answer, _ := at(late, front(0), "-f", "json", "--log", filepath.Join(dir, "json"))
	if line, err := os.ReadFile(filepath.Join(dir, "json")); err != nil || string(line) != answer {
		t.Errorf("%v: logged\n%sanswered\n%s", err, line, answer)
	}
}

// TestLogAfterTimeout: a look that takes too long is a line too.
func TestLogAfterTimeout(t *testing.T) {
	slow := MDFront
	untilTheEnd := func(ctx context.Context, _ tcp.Query, _ tcp.Visit) (tcp.Look, error) {
		<-ctx.Done()
		return tcp.Look{}, ctx.Err()
	}
	slow.sources = []tcp.Source{{Name: "slow", Look: untilTheEnd}}
	file := filepath.Join(t.TempDir(), "log")
	if out, code := at(noon, slow, "-t", "20ms", "--log", file); code != 3 || strings.Contains(out, "not written") {
		t.Errorf("exit %d, %s", code, out)
	}
	l := readLog(t, file)
	if len(l) != 1 || l[0].Status != "UNKNOWN" || !strings.Contains(l[0].Reason, "no answer within 20ms") {
		t.Errorf("%+v", l)
	}
}

// TestLoggedClients: the log has every client with an abnormal socket before those with most
// sessions, 200 in all, and says how many it leaves out.
func TestLoggedClients(t *testing.T) {
	crowd := fake(func(visit tcp.Visit) error {
		visit(listener())
		for i := range 300 { // client i has 1 + i%3 sessions; every tenth has one in CLOSE_WAIT besides
			client := netip.AddrFrom4([4]byte{10, 1, byte(i / 256), byte(i)})
			for k := range 1 + i%3 {
				visit(&tcp.Socket{State: tcp.Established, Facts: ^tcp.Facts(0), Inode: 7,
					Local:  netip.MustParseAddrPort("10.1.0.7:41213"),
					Remote: netip.AddrPortFrom(client, uint16(50000+k))})
			}
			if i%10 == 0 {
				visit(&tcp.Socket{State: tcp.CloseWait, Facts: ^tcp.Facts(0), Inode: 7,
					Local: netip.MustParseAddrPort("10.1.0.7:41213"), Remote: netip.AddrPortFrom(client, 60000)})
			}
		}
		return nil
	})
	file := filepath.Join(t.TempDir(), "log")
	at(noon, crowd, "--log", file)
	l := readLog(t, file)[0]
	if len(l.Clients) != 200 || l.Omitted != 100 {
		t.Fatalf("%d clients, %d omitted; want 200 and 100", len(l.Clients), l.Omitted)
	}
	for i, c := range l.Clients {
		if i < 30 != (c.Abnormal == 1) {
			t.Errorf("client %d has %d abnormal sockets", i, c.Abnormal)
		}
		if i > 30 && c.Sessions > l.Clients[i-1].Sessions {
			t.Errorf("client %d has %d sessions, the one before %d", i, c.Sessions, l.Clients[i-1].Sessions)
		}
	}
}

// TestLogError: a line that cannot be written makes the answer UNKNOWN, unless it is CRITICAL,
// and is named in any case.
func TestLogError(t *testing.T) {
	dir := t.TempDir()
	target, link, dangling := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "dangling")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{link: target, dangling: filepath.Join(dir, "none")} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	for file, cause := range map[string]string{
		filepath.Join(dir, "nowhere", "log"): "its folder does not exist",
		dir:                                  "not a regular file: a directory",
		link:                                 "not a regular file: a symbolic link",
		dangling:                             "not a regular file: a symbolic link",
	} {
		want := "log not written: " + cause + ": " + file
		for n, wantCode := range map[int]int{0: 3, 20: 3, 60: 2} {
			out, code := at(noon, front(n), "--log", file, "-w", "10", "-f", "json")
			if reason := metrics(t, out)["reason"]; code != wantCode || !strings.Contains(reason, want) {
				t.Errorf("%d sockets: exit %d, %s\nwant %d, %s", n, code, reason, wantCode, want)
			}
		}
	}
	out, code := at(noon, front(0), "--log", dir, "--save", filepath.Dir(dir), "-f", "hostmonitor")
	want := []string{"snapshot not written, not a regular file", "; log not written, not a regular file"}
	if code != 0 || !strings.Contains(out, want[0]) || !strings.Contains(out, want[1]) {
		t.Errorf("neither the snapshot nor the log can be written: %s", out)
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "precious" {
		t.Errorf("the target of the link has %q, %v", got, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the target of the dangling link: %v", err)
	}
	for value, want := range map[string]string{
		"-":        "--log: '-' is not a file; stdout has the answer",
		"log-%H":   "--log: 'log-%H' has a placeholder that is not known; use only %Y-%m-%d",
		"log-%Y%m": "--log: 'log-%Y%m' has a placeholder",
		"":         "--log: its value is empty",
	} {
		if out, code := at(noon, front(0), "--log="+value); code != 3 || !strings.Contains(out, want) {
			t.Errorf("--log=%s: exit %d, %s", value, code, out)
		}
	}
}
