package plugins

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// checked is a front with 2 clients and a health checker, 10.1.9.9, that left n TIME_WAIT.
func checked(n int) Profile {
	return fake(func(visit tcp.Visit) error {
		visit(listener())
		session := func(state tcp.State, client string, port int) {
			visit(&tcp.Socket{
				State: state, Facts: ^tcp.Facts(0), Local: netip.MustParseAddrPort("10.1.0.7:41213"), Inode: 7,
				Remote: netip.AddrPortFrom(netip.MustParseAddr(client), uint16(port)),
			})
		}
		session(tcp.Established, "10.1.2.3", 1)
		session(tcp.TimeWait, "2001:db8::1", 2)
		for i := range n {
			session(tcp.TimeWait, "10.1.9.9", 50000+i)
		}
		return nil
	})
}

// TestExclude: sessions of these addresses count for nothing, and the answer says how many.
func TestExclude(t *testing.T) {
	p := checked(60)
	got, code := check(t, p, "-x", "10.1.9.0/24", "-v")
	want := "MDFRONT OK: :41213 has 1 abnormal socket (1 TIME_WAIT) from 2001:db8::1; 60 sessions excluded | "
	if code != 0 || !strings.HasPrefix(got, want) ||
		!strings.Contains(got, "\n60 sessions excluded: 10.1.9.0/24\n") || strings.Contains(got, "client 10.1.9.9") {
		t.Errorf("exit %d, %s", code, got)
	}
	for args, want := range map[string]string{
		"-x 10.1.9.9 -x 2001:db8::/32": "has 0 abnormal sockets, 1 established from 1 client; 61 sessions excluded | ",
		"-x 10.1.9.9 --sample 10ms":    "from 2001:db8::1; 60 sessions excluded | ",
		"-x 10.7.0.0/16":               "has 61 abnormal sockets (61 TIME_WAIT) from 2 clients, 60 from 10.1.9.9 - ",
	} {
		got, _ := check(t, p, strings.Fields(args)...)
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s", args, got)
		}
	}
	if got, _ := check(t, p, "-f", "json", "-x", "10.1.9.9"); !strings.Contains(got, `"excluded":60,`) {
		t.Error(got)
	}
	got, _ = check(t, p, "-v", "-x", "10.7.0.0/16")
	first, details, _ := strings.Cut(got, "\n")
	if strings.Contains(first, "excluded") || !strings.Contains(details, "0 sessions excluded: 10.7.0.0/16\n") {
		t.Error(got)
	}
}

// TestExcludeOfSnapshot: a snapshot records the sessions that are left out.
func TestExcludeOfSnapshot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mdfront")
	if got, code := at(noon, checked(60), "-x", "10.1.9.9", "--save", file); code != 0 {
		t.Fatal(got)
	}
	for args, want := range map[string]string{
		"":            "ScriptRes:Bad:61 socket disconnect\n",
		"-x 10.1.9.9": "ScriptRes:Ok:1\n",
	} {
		args := append(strings.Fields(args), "-s", "snapshot:"+file, "-f", "hostmonitor")
		if got, _ := at(noon, MDFront, args...); got != want {
			t.Errorf("%v: %s", args, got)
		}
	}
}

// TestShared: the rules hear which addresses stand for many clients.
func TestShared(t *testing.T) {
	s, err := MDFront.parse([]string{"--shared", "10.1.9.0/24", "--shared", "2001:db8::1"}, textfile.File{})
	if err != nil || len(s.rules.Shared) != 2 {
		t.Error(s.rules.Shared, err)
	}
}

// TestByPort: of several ports each is told by itself.
func TestByPort(t *testing.T) {
	got, _ := check(t, checked(2), "-p", "41213,41214", "-v")
	want := "\nport 41213: 3 abnormal (3 TIME_WAIT, 1 ESTABLISHED), 1 listener, accept queue 0\n" +
		"port 41214: 0 abnormal, 0 listeners, accept queue 0\nlistener "
	if !strings.Contains(got, want) {
		t.Errorf("%swant %s", got, want)
	}
	if got, _ := check(t, checked(2), "-f", "json"); strings.Contains(got, "by_port") {
		t.Errorf("of one port: %s", got)
	}
}
