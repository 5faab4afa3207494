package plugins

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// file writes a file for an option.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestClients(t *testing.T) {
	names := file(t, "\ufeff# desks\r\n10.1.0.0/16\tBroker B\r\n\r\n10.1.2.0/24  Client A, desk 2\n10.3.0.0/16 Desk"+
		" #7\n::ffff:10.9.0.0/112 Mapped\n2001:db8::/32 Six\n10.1.2.0/24 Client A, desk 2\n")
	out, _ := at(noon, front(60), "--clients", names, "-v")
	first, details, _ := strings.Cut(out, "\n")
	const named = " (60 TIME_WAIT) from 10.1.2.3 (Client A, desk 2) - one client looping, 100 % of them | "
	if !strings.Contains(first, named) ||
		!strings.Contains(details, "client 10.1.2.3 (Client A, desk 2): 60 abnormal of 60 ") {
		t.Error(out)
	}
	if out, _ := at(noon, front(60), "--clients", names, "-f", "json"); !strings.Contains(out,
		`{"address":"10.1.2.3","name":"Client A, desk 2",`) {
		t.Error(out)
	}
	s, err := MDFront.parse([]string{"--clients", names}, textfile.File{})
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]string{"10.1.3.1": "Broker B", "10.3.3.3": "Desk #7",
		"10.1.2.255": "Client A, desk 2", "10.9.7.7": "Mapped", "2001:db8::9": "Six", "10.2.0.1": "", "::1": ""} {
		if got := s.clients.nameOf(netip.MustParseAddr(client)); got != want {
			t.Errorf("%s is %q, want %q", client, got, want)
		}
	}
	all, err := parseClients(strings.NewReader("::/0 everyone\n10.0.0.0/8 ten\n2001:db8::/32 six\n"), "file")
	if err != nil || all.fault != nil {
		t.Fatal(err, all.fault)
	}
	for client, want := range map[string]string{"10.1.2.3": "ten", "192.0.2.1": "everyone", "2001:db8::1": "six",
		"2001:db9::1": "everyone"} {
		if got := all.names.nameOf(netip.MustParseAddr(client)); got != want {
			t.Errorf("%s is %q, want %q", client, got, want)
		}
	}
}

// TestFaultyClients: a fault in the file costs the names and not the answer. The end of the line
// has the line's number and the reason, and no text of the file.
func TestFaultyClients(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.0/24 SecretA\n10.1.2.7/24 SecretB\n":   "2: a second name for a prefix of a line above",
		"10.1.2.0/33 Secret\n":                         "1: the first word is not an address or prefix; write 10.1.2.3 NAME",
		"root:Secret:20000\n":                          "1: the first word is not an address or prefix; write 10.1.2.3 NAME",
		"\n10.1.2.0/24\n":                              "2: no name; write 10.1.2.3 NAME",
		"10.1.2.0/24 Secret|b\n":                       "1: not a name; use up to 64 printable",
		"10.1.2.0/24 <b>Secret</b>\n":                  "1: not a name; use up to 64 printable",
		"10.1.2.0/24 \xb9\xfa\xcc\xa9\n":               "1: not UTF-8: if it is GBK, write it into another file",
		"10.1.2.0/24 A\n" + strings.Repeat("x", 1<<17): "2: over 65536 bytes long",
	} {
		out, code := at(noon, front(60), "--clients", file(t, text), "-f", "json")
		reason := metrics(t, out)["reason"]
		if code != 2 || !strings.Contains(reason, "; clients not named: ") || !strings.Contains(reason, want) ||
			strings.Contains(out, "Secret") || !strings.Contains(reason, " from 10.1.2.3 - one client looping") {
			t.Errorf("%.40q: exit %d, %s", text, code, out)
		}
	}
	out, code := at(noon, front(0), "--clients", file(t, "x\n"), "--session", "cn-futures")
	first, _, _ := strings.Cut(out, " | ")
	if code != 0 || !strings.Contains(first, "; clients not named: ") {
		t.Errorf("exit %d, %s", code, out)
	}
	// No file at all is a slip of the pen, or a right that is missing: nobody may miss it.
	for name, want := range map[string]string{
		"/nowhere":  "no such file or directory",
		t.TempDir(): "not a regular file",
	} {
		out, code := at(noon, front(0), "--clients", name)
		if code != 3 || !strings.HasPrefix(out, "MDFRONT UNKNOWN: --clients: ") || !strings.Contains(out, want) {
			t.Errorf("exit %d, %s", code, out)
		}
	}
}

// TestPolicies: a ready-made policy is replaced metric by metric and level by level.
func TestPolicies(t *testing.T) {
	for _, test := range []struct {
		args     string
		abnormal int
		want     int
	}{
		{"", 50, 2}, {"", 49, 0}, {"--policy seed", 50, 2}, {"--policy seed", 49, 0}, {"--policy seed -w 10", 49, 1},
		{"--policy seed -w 10", 50, 2}, {"--policy seed -c 100", 60, 0},
		{"--policy strict", 60, 1}, {"--policy strict", 20, 0}, {"--policy strict -c diagnosis=client_loop", 60, 2},
		{"--policy strict -w diagnosis=none", 60, 0}, {"-c diagnosis=front", 49, 0}, {"-c diagnosis=client_loop", 49, 2},
		// There is no feed to be late without a client; but who asks for it himself has to know.
		{"--policy strict", 0, 0}, {"--policy strict -c feed_age=10", 0, 3}, {"--policy strict -w feed_age=5", 0, 3},
	} {
		if out, code := at(noon, front(test.abnormal), strings.Fields(test.args)...); code != test.want {
			t.Errorf("%s with %d: exit %d, want %d: %s", test.args, test.abnormal, code, test.want, out)
		}
	}
	// Strict works with every source, as far as that can tell.
	statesOnly := fake(func(visit tcp.Visit) error {
		visit(&tcp.Socket{State: tcp.Listen, Facts: tcp.FactClient, Local: netip.MustParseAddrPort("0.0.0.0:41213")})
		return nil
	})
	if out, code := at(noon, statesOnly, "--policy", "strict"); code != 0 {
		t.Errorf("exit %d, %s", code, out)
	}
	for codes, want := range map[string]string{
		"hungry": "-c: 'hungry' is not a diagnosis; use front, none, healthy, ",
		"":       "-c: '' is not a diagnosis; ", "hung,": "-c: '' is not a diagnosis; ",
	} {
		if out, code := check(t, MDFront, "-c", "diagnosis="+codes); code != 3 || !strings.HasPrefix(out,
			"MDFRONT UNKNOWN: "+want) {
			t.Errorf("%s: exit %d, %s", codes, code, out)
		}
	}
	for _, p := range []Profile{MDFront, Front} {
		if help := p.help(); !strings.Contains(strings.Join(strings.Fields(help), " "),
			"strict: "+p.Policies()["strict"].String()+" ") {
			t.Errorf("%s: the policy is not in the help", p.Program)
		}
	}
}

// TestSessions: outside of all sessions nothing is a problem, but what failed.
func TestSessions(t *testing.T) {
	holidays := file(t, "# National Day\n2026-10-01..2026-10-07\n")
	args := []string{"--session", "cn-futures", "--holidays", holidays}
	shanghai := func(when string) time.Time {
		at, err := time.ParseInLocation("2006-01-02 15:04", when, time.FixedZone("CST", 8*60*60))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	const outside = "MDFRONT OK: outside of all sessions, the next opens "
	for when, want := range map[string]string{
		"2026-11-23 10:00": "MDFRONT CRITICAL: :41213 has 60 ",                   // Monday
		"2026-11-23 12:00": outside + "Mon 2026-11-23 13:00 CST; :41213 has 60 ", // lunch
		"2026-11-28 02:29": "MDFRONT CRITICAL: ",                                 // Friday's night
		"2026-11-28 02:30": outside + "Mon 2026-11-30 08:55 CST; ",
		"2026-09-30 21:00": outside + "Thu 2026-10-08 08:55 CST; ", // no night before the holiday
		"2026-10-08 21:00": "MDFRONT CRITICAL: ",
	} {
		if out, _ := at(shanghai(when), front(60), args...); !strings.HasPrefix(out, want) || !strings.Contains(out,
			" abnormal=60;") {
			t.Errorf("%s: %s", when, out)
		}
	}
	saturday := shanghai("2026-11-28 12:00")
	down := fake(func(tcp.Visit) error { return nil })
	if out, code := at(saturday, down, args...); code != 0 || !strings.HasPrefix(out, outside) {
		t.Errorf("down on a Saturday: exit %d, %s", code, out)
	}
	failed := fake(func(tcp.Visit) error { return os.ErrPermission })
	if out, code := at(saturday, failed, args...); code != 3 {
		t.Errorf("a failure on a Saturday: exit %d, %s", code, out)
	}
	if out, code := at(saturday, front(60), append(args, "-f", "hostmonitor")...); code != 0 ||
		out != "ScriptRes:Ok:60\n" {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, code := at(saturday, front(0), append(args, "--save", "/nowhere/file")...); code != 3 ||
		!strings.Contains(out, "not written") {
		t.Errorf("unsaved on a Saturday: exit %d, %s", code, out)
	}
	// A snapshot is judged by its own time.
	recorded := filepath.Join(t.TempDir(), "snapshot")
	at(shanghai("2026-11-23 11:29"), front(60), "--save", recorded)
	if out, code := at(shanghai("2026-11-23 11:31"), MDFront, append(args, "-s", "snapshot:"+recorded)...); code != 2 {
		t.Errorf("exit %d, %s", code, out)
	}
	// What a collector left behind at the weekend does not close the week.
	capture := file(t, "tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN\ntcp 0 0 10.1.0.7:41213 10.1.2.3:5 TIME_WAIT\n")
	if err := os.Chtimes(capture, saturday, saturday); err != nil {
		t.Fatal(err)
	}
	if out, code := at(shanghai("2026-11-30 10:00"), MDFront, append(args, "-s", "netstat:"+capture)...); code != 2 {
		t.Errorf("exit %d, %s", code, out)
	}
	// A calendar without any session is no reason for an OK.
	for text, want := range map[string]string{
		"2026-11-01..2026-11-30\n2026-12-01..2026-12-31\n2027-01-01..2027-01-31\n": "no session opens in the next 40" +
			" days, so --session or --holidays are wrong",
		"2026-10-01..2062-10-07\n": "line 1: not a holiday: it is over 31 days long; ",
	} {
		if out, code := at(noon, front(0), "--session", "00:00-24:00", "--holidays", file(t, text), "-f",
			"json"); code != 3 || !strings.Contains(metrics(t, out)["reason"], want) {
			t.Errorf("%q: exit %d, %s", text, code, out)
		}
	}
	t.Setenv("ZONEINFO", "/nowhere")
	t.Setenv("TZ", "Mars/Olympus")
	if out, _ := at(saturday, front(0), "--session", "Sat 11:00-13:00", "--session-tz",
		"Europe/London"); !strings.HasPrefix(out, "MDFRONT OK: outside of all sessions, the next opens Sat 2026-11-28"+
		" 11:00 GMT; ") {
		t.Error(out)
	}

	bad := file(t, "2026-10-01\n2026-02-30 # leap\n")
	if out, code := at(noon, front(0), "--session", "cn-futures", "--holidays", bad, "-f", "json"); code != 3 ||
		!strings.Contains(out, "--holidays: line 2: not a holiday: there is no such day; write ") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// TestTwoLooks: --sample looks twice, so far apart, and judges the second.
func TestTwoLooks(t *testing.T) {
	var looks []time.Time
	failed := fakeSource("failed", func(visit tcp.Visit) error {
		visit(&tcp.Socket{State: tcp.TimeWait})
		return os.ErrPermission
	})
	p := fake(func(visit tcp.Visit) error {
		looks = append(looks, time.Now())
		l := listener()
		l.Drops = uint32(100 * len(looks))
		visit(l)
		for i := range 10 * len(looks) {
			s := tcp.Socket{
				State: tcp.Established, Facts: ^tcp.Facts(0), Inode: 1, LastDataReceived: time.Second,
				Local:  netip.MustParseAddrPort("10.1.0.7:41213"),
				Remote: netip.AddrPortFrom(netip.MustParseAddr("10.1.2.3"), uint16(1+i)),
			}
			if i < 5 { // so few that nobody is suspected, and no third look is needed
				s.RecvQ = 8
			}
			visit(&s)
		}
		return nil
	})
	p.sources = slices.Insert(p.sources, 0, failed)
	out, code := check(t, p, "--policy", "seed", "--sample", "200ms", "-c", "reconnects=9")
	// The check takes the time before it begins to look, and may be delayed then.
	const delay = 100 * time.Millisecond
	if apart := looks[1].Sub(looks[0]); len(looks) != 2 || apart < 200*time.Millisecond-delay || apart > 3*time.Second {
		t.Errorf("%d looks, %s apart", len(looks), apart)
	}
	if code != 2 || !strings.HasPrefix(out, "MDFRONT CRITICAL: reconnects is 10 (critical 9); ") ||
		!strings.Contains(out, " established=20;") || !strings.HasSuffix(out, " reconnects=10;;9;0 unread_stuck=5;;;0\n") {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, _ := check(t, p); strings.Contains(out, "reconnects") {
		t.Errorf("one look: %s", out)
	}
	// The same labels also when nothing was seen.
	if out, code := check(t, p, "--policy", "seed", "--sample", "100ms", "-c", "1000"); code != 0 ||
		!strings.Contains(out, "reconnects=") {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, code := check(t, fake(func(tcp.Visit) error { return os.ErrPermission }), "--sample", "1ms"); code != 3 ||
		strings.Contains(out, "|") {
		t.Errorf("exit %d, %s", code, out)
	}
}
