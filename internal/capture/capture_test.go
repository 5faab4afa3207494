package capture

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

var front = tcp.Query{Ports: tcp.Ports{{Lo: 41213, Hi: 41213}}}

func from(tool string, text io.Reader) tcp.Source {
	return From(tool, textfile.File{Name: "-", Stdin: text})
}

// readText reads a capture and gives its rows.
func readText(kind, text string, q tcp.Query) (rows []tcp.Socket, seen tcp.Look, err error) {
	seen, err = from(kind, strings.NewReader(text)).Look(context.Background(), q,
		func(s *tcp.Socket) { rows = append(rows, *s) })
	return rows, seen, err
}

const (
	queues = tcp.FactClient | tcp.FactRecvQ | tcp.FactSendQ
)

// renderings are the text formats: how a socket looks in each, and what it tells.
var renderings = []struct {
	name, kind, header string
	tells              tcp.Facts
	dotted             bool
	row                func(tcp.Socket) string
}{
	{"net-tools", "netstat", "Proto Recv-Q Send-Q Local Address           Foreign Address         State      \n", queues,
		false, func(s tcp.Socket) string {
			return fmt.Sprintf("tcp%-1s %6d %6d %-23s %-23s %-11s\n", six(s), s.RecvQ, s.SendQ, colon(s.Local), colon(s.Remote),
				upper(s.State))
		}},
	{"net-tools -o", "netstat", "", queues | tcp.FactRetransmits, false, func(s tcp.Socket) string {
		timer := "off (0.00/0/0)"
		if s.Retransmits > 0 {
			timer = fmt.Sprintf("on (0.21/%d/0)", s.Retransmits)
		}
		return fmt.Sprintf("tcp %6d %6d %-23s %-23s %-11s 1234/front: trade    %s\n", s.RecvQ, s.SendQ, colon(s.Local),
			colon(s.Remote), upper(s.State), timer)
	}},
	{"Windows", "netstat", "  Proto  Lokale Adresse         Remoteadresse          Status           PID\r\n",
		tcp.FactClient, false, func(s tcp.Socket) string {
			word := strings.NewReplacer("syn_recv", "SYN_RECEIVED", "fin_wait1", "FIN_WAIT_1", "fin_wait2", "FIN_WAIT_2",
				"close", "BOUND", "listen", "LISTENING").Replace(s.State.String())
			if s.State == tcp.CloseWait {
				word = "CLOSE_WAIT"
			}
			return fmt.Sprintf("  TCP    %-22s %-22s %-15s %d\r\n", s.Local, s.Remote, strings.ToUpper(word), 41213)
		}},
	{"BSD", "netstat", "Proto Recv-Q Send-Q Local Address          Foreign Address        (state)\n", queues, true,
		func(s tcp.Socket) string {
			return fmt.Sprintf("tcp%s %6d %6d  %-45s %-45s %s\n", []string{"4", "6"}[len(six(s))], s.RecvQ, s.SendQ,
				dot(s.Local), dot(s.Remote), bsdWord(s.State))
		}},
	{"AIX -A", "netstat", "PCB/ADDR         Proto Recv-Q Send-Q  Local Address      Foreign Address    (state)\n",
		queues, true, func(s tcp.Socket) string {
			return fmt.Sprintf("f1000e00004a3bb8 tcp %6d %6d  %-18s %-18s %s\n", s.RecvQ, s.SendQ, dot(s.Local), dot(s.Remote),
				bsdWord(s.State))
		}},
	{"Solaris", "netstat", "\nTCP: IPv4\n" +
		"   Local Address        Remote Address     Swind Send-Q Rwind Recv-Q    State\n", queues, true,
		func(s tcp.Socket) string {
			return fmt.Sprintf("%-20s %-20s %6d %6d %6d %6d %s\n", dot(s.Local), dot(s.Remote), 64240, s.SendQ, 49232, s.RecvQ,
				bsdWord(s.State))
		}},
	{"ss", "ss", "State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n", queues | tcp.FactBacklog, false,
		ssRow},
	{"ss -i", "ss", "", queues | tcp.FactBacklog | tcp.FactLastDataSent, false,
		func(s tcp.Socket) string { return ssRow(s) + "\t cubic" + ssInfo(s) + "\n" }},
	{"ss -mi", "ss", "", queues | tcp.FactBacklog | tcp.FactLastDataSent | tcp.FactDrops, false,
		func(s tcp.Socket) string {
			return ssRow(s) + fmt.Sprintf("\t skmem:(r0,rb131072,t0,tb87040,f0,w0,o0,bl0,d%d) cubic%s\n", s.Drops, ssInfo(s))
		}},
	{"ss -O", "ss", "", queues | tcp.FactBacklog | tcp.FactLastDataSent, false, func(s tcp.Socket) string {
		return "tcp " + strings.TrimSuffix(ssRow(s), "\n") + ` users:(("front",pid=7,fd=3)) bbr` + ssInfo(s) + "\n"
	}},
}

func six(s tcp.Socket) string {
	if s.Local.Addr().Is6() {
		return "6"
	}
	return ""
}

func upper(s tcp.State) string { return strings.ToUpper(s.String()) }

func bsdWord(s tcp.State) string {
	return strings.NewReplacer("SYN_RECV", "SYN_RCVD", "FIN_WAIT1", "FIN_WAIT_1", "FIN_WAIT2",
		"FIN_WAIT_2").Replace(upper(s))
}

func port(a netip.AddrPort) string {
	if a.Port() == 0 {
		return "*"
	}
	return fmt.Sprint(a.Port())
}

func colon(a netip.AddrPort) string { return a.Addr().String() + ":" + port(a) }

func dot(a netip.AddrPort) string {
	if a.Addr().IsUnspecified() {
		return "*." + port(a)
	}
	return a.Addr().String() + "." + port(a)
}

func ssRow(s tcp.Socket) string {
	word := strings.NewReplacer("ESTABLISHED", "ESTAB", "SYN_", "SYN-", "TIME_", "TIME-", "CLOSE_WAIT", "CLOSE-WAIT",
		"FIN_WAIT", "FIN-WAIT-", "LAST_", "LAST-").Replace(upper(s.State))
	if s.State == tcp.Close {
		word = "UNCONN"
	}
	ends := [2]string{}
	for i, a := range []netip.AddrPort{s.Local, s.Remote} {
		ends[i] = a.Addr().String() + ":" + port(a)
		if a.Addr().Is6() {
			ends[i] = "[" + a.Addr().String() + "]:" + port(a)
		}
	}
	return fmt.Sprintf("%-10s %-6d %-6d %28s %28s\n", word, s.RecvQ, s.SendQ, ends[0], ends[1])
}

func ssInfo(s tcp.Socket) string {
	info := " wscale:7,7 rto:204 cwnd:10"
	if s.LastDataSent > 0 {
		info += fmt.Sprintf(" lastsnd:%d", s.LastDataSent.Milliseconds())
	}
	return fmt.Sprintf("%s lastrcv:%d minrtt:0.03", info, lastDataReceived.Milliseconds())
}

// lastDataReceived is the same for every row of ss -i.
const lastDataReceived = 5 * time.Millisecond

// randomSockets makes sockets of the front and of others. IPv6 addresses are longer
// than any column, so that none of them may be cut.
func randomSockets(r *rand.Rand) []tcp.Socket {
	var sockets []tcp.Socket
	for range r.IntN(40) {
		local, client := netip.AddrFrom4([4]byte{10, 1, 0, 7}), netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), 200,
			byte(1 + r.IntN(4))})
		if r.IntN(3) == 0 {
			local = netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666")
			client = netip.MustParseAddr(fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:%d", 1111+r.IntN(5)))
		}
		s := tcp.Socket{
			State: tcp.State(1 + r.IntN(int(tcp.NumStates)-1)), Local: netip.AddrPortFrom(local,
				[]uint16{41213, 41213, 41213, 4121, 22}[r.IntN(5)]),
			Remote: netip.AddrPortFrom(client, uint16(1+r.IntN(65535))),
			RecvQ:  uint32(r.IntN(3) * r.IntN(100000)), SendQ: uint32(r.IntN(3) * r.IntN(100000)),
			Retransmits: uint8(r.IntN(3) * r.IntN(15)), Drops: uint32(r.IntN(9)),
			LastDataSent: time.Duration(r.IntN(3)*r.IntN(50000)) * time.Millisecond,
		}
		if s.State == tcp.Listen {
			s.Remote = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
			if local.Is4() {
				s.Remote = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
			}
		}
		sockets = append(sockets, s)
	}
	slices.SortStableFunc(sockets, func(a, b tcp.Socket) int { // Linux prints listeners first
		return cmp.Compare(min(a.State^tcp.Listen, 1), min(b.State^tcp.Listen, 1))
	})
	return sockets
}

// tallied is what counts: every metric, and every client.
func tallied(sockets []tcp.Socket, tells tcp.Facts) string {
	t := tally.New(tally.Rules{Normal: tcp.Set(tcp.Established, tcp.Listen), StalledAfter: 10 * time.Second}, nil, 0)
	for i := range sockets {
		t.Add(&sockets[i])
	}
	r := t.Result(tcp.Look{Provides: tells})
	var b strings.Builder
	for m, v := range r.Values {
		fmt.Fprintf(&b, "%s=%s ", tally.Metric(m), v)
	}
	for _, c := range r.Clients {
		fmt.Fprintf(&b, "\n%v", c)
	}
	return b.String()
}

// TestRenderings: sockets that are written as each tool writes them and read again
// have the tally that they had, and U where the tool does not tell.
func TestRenderings(t *testing.T) {
	for _, f := range renderings {
		t.Run(f.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(41213, 41205))
			for range 300 {
				sockets := randomSockets(r)
				var text strings.Builder
				text.WriteString(f.header + f.row(tcp.Socket{State: tcp.Established,
					Local: netip.MustParseAddrPort("127.0.0.1:22"), Remote: netip.MustParseAddrPort("127.0.0.1:5")}))
				var mine []tcp.Socket
				for _, s := range sockets {
					text.WriteString(f.row(s))
					if s.Local.Port() != 41213 {
						continue
					}
					s.Facts = f.tells
					if f.dotted && s.State == tcp.Listen {
						s.Facts &^= tcp.FactRecvQ
					}
					if s.State == tcp.SynRecv {
						s.Facts &^= tcp.FactRetransmits
					}
					if s.State == tcp.Listen && s.SendQ == 0 {
						s.Facts &^= tcp.FactBacklog
					}
					if !s.Facts.Has(tcp.FactRetransmits) {
						s.Retransmits = 0
					}
					s.LastDataReceived = lastDataReceived
					if !s.Facts.Has(tcp.FactLastDataSent) {
						s.LastDataSent, s.LastDataReceived = 0, 0
					}
					if !f.tells.Has(tcp.FactRecvQ) {
						s.RecvQ, s.SendQ = 0, 0
					}
					mine = append(mine, s)
				}
				if len(mine) == 0 {
					continue
				}
				got, seen, err := readText(f.kind, text.String(), front)
				if err != nil {
					t.Fatalf("%v in\n%s", err, &text)
				}
				if got, want := tallied(got, seen.Provides), tallied(mine, f.tells); got != want {
					t.Fatalf("%s\nreads\n%s\nwant\n%s", &text, got, want)
				}
			}
		})
	}
}

// TestUnreadable: what looks like a row and cannot be read is an error that names the
// line and quotes it, and so is a text without a table.
func TestUnreadable(t *testing.T) {
	const header = "Proto Recv-Q Send-Q Local Address           Foreign Address         State\n"
	const good = "tcp        0      0 10.1.0.7:41213          10.1.2.3:50000          TIME_WAIT\n"
	for _, test := range []struct{ name, kind, text, want string }{
		{"empty", "netstat", "", "empty: "},
		{"empty ss", "ss", "", "empty: "},
		{"blanks", "netstat", "\n \t\n", "empty: the command that wrote it printed nothing"},
		{"time stamps", "netstat", "2026-12-01 10:00:00 Active Internet connections (servers and established)\n" +
			"2026-12-01 10:00:00 " + header + "2026-12-01 10:00:00 " + good,
			"line 2: text before a row, as grep -n, a time stamp or a quotation adds it: "},
		{"echo $(...)", "netstat", "Active Internet connections " + strings.TrimSpace(header) + " " + good,
			"line 1: a row after the header in one line"},
		{"words", "netstat", "ssh: connect to host front7 port 22: Connection refused\n",
			"no socket table in "},
		{"GBK words", "netstat", "\xbb\xee\xb6\xaf\xc1\xac\xbd\xd3\n\xd0\xad\xd2\xe9\n", "no socket table in "},
		{"ss for netstat", "netstat", "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nESTAB 0 0" +
			" 10.1.0.7:41213 10.1.2.3:5\n", "line 1: a table of ss: write ss instead of netstat after -s"},
		{"netstat for ss", "ss", header + good, "line 1: a table of netstat: write netstat instead of ss after -s"},
		{"binary", "netstat", header + "\x7fELF\x02\x01\x01\x00\x00\n",
			`line 2: not text but binary: give a file of plain text`},
		{"gzip", "netstat", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xed",
			"not text but gzip: write its text into another file with zcat"},
		{"a NUL in the state", "netstat", header + "tcp 0 0 10.1.0.7:41213 10.1.2.3:5 TIME_WA\x00T\n", "line 2: not text"},
		{"one long line", "netstat", header + strings.Repeat("x", 1<<18), "line 2: over 65536 bytes long"},
		{"cut in the state", "netstat", header + good + "tcp 0 0 10.1.0.7:41213 10.1.2.3:5 TIME_W",
			"line 3: cut short in the middle of a row: copy or capture the text again: "},
		{"cut in the port", "netstat", header + good + "tcp 0 0 10.1.0.7:4121", "line 3: cut short"},
		{"cut after CLOSE", "netstat", header + strings.Replace(good, "TIME_WAIT\n", "CLOSE", 1), "line 2: cut short"},
		{"cut after CLOSE_", "netstat", strings.Replace(header+good, "TIME_WAIT\n", "CLOSE_", 1), "line 2: cut short"},
		{"broken after CLOSE_", "netstat", strings.Replace(header+good, "TIME_WAIT", "CLOSE_", 1),
			"line 2: 'CLOSE_' is not a whole TCP state in English"},
		{"cut in the first word", "netstat", header + good + "tc", "line 3: not a row of the table: "},
		{"no newline at all", "netstat", strings.ReplaceAll(header+good, "\n", "\r"),
			"line 1: all lines end with a carriage return alone"},
		{"cut ss", "ss", "ESTAB 0 0 10.1.0.7:41213 10.1.2.3:5", "line 1: cut short"},
		{"no state", "netstat", "tcp 0 0 10.1.0.7:41213 10.1.2.3:50000\n", "line 1: the state is missing"},
		{"a number for a state", "netstat", "tcp 0 0 10.1.0.7:41213 10.1.2.3:50000 6\n",
			"line 1: '6' is not a whole TCP state in English"},
		{"German", "netstat", "tcp 0 0 10.1.0.7:41213 10.1.2.3:50000 VERBUNDEN\n", "line 1: 'VERBUNDEN' is not a TCP state"},
		{"no client", "netstat", "tcp 0 0 10.1.0.7:41213\n", "line 1: an address is missing"},
		{"no Send-Q", "netstat", "tcp 0 10.1.0.7:41213 10.1.2.3:5 TIME_WAIT\n",
			"line 1: Recv-Q and Send-Q are not two numbers"},
		{"port over 65535", "netstat", "tcp 0 0 10.1.0.7:65536 10.1.2.3:5 TIME_WAIT\n",
			"line 1: '10.1.0.7:65536' has a port over 65535"},
		{"port of 30 digits", "netstat", "tcp 0 0 10.1.0.7:100000000000000000000000041213 10.1.2.3:5 TIME_WAIT\n",
			"has a port over 65535"},
		{"client's port over 65535", "netstat", "tcp 0 0 10.1.0.7:41213 10.1.2.3:99999 TIME_WAIT\n",
			"line 1: '10.1.2.3:99999' has a port over 65535"},
		{"name of a service", "netstat", "tcp 0 0 10.1.0.7:ssh 10.1.2.3:5 TIME_WAIT\n",
			"line 1: '10.1.0.7:ssh' has no port in digits: a name (use -n), or it is cut"},
		{"no address", "netstat", "tcp 0 0 10.1.0.777:41213 10.1.2.3:5 TIME_WAIT\n",
			"line 1: '10.1.0.777' is not an IP address"},
		{"name of a client", "netstat", "tcp 0 0 10.1.0.7:41213 desk2:5 TIME_WAIT\n",
			"line 1: 'desk2' is not an IP address, but a name (use -n)"},
		{"Solaris, garbled", "netstat", "TCP: IPv4\n10.1.0.7.41213 10.1.2.3.50000 64240 x 64240 0 TIME_WAIT\n",
			"line 2: not a socket (netstat -r or -i?)"},
		{"Solaris with -u", "netstat", "10.1.0.7.41213 10.1.2.3.50000 trade 77 front 64240 0 64240 0 TIME_WAIT\n",
			"line 1: not a socket (netstat -r or -i?)"},
		{"busybox, port cut", "netstat", "tcp 0 0 2001:db8:1111:2222::41: 2001:db8:1111:2222::7:5 TIME_WAIT\n",
			"has no port in digits"},
		{"busybox, port cut in half", "netstat", "tcp 0 0 2001:db8:1111:2222::412 2001:db8:1111:2222::7:5 TIME_WAIT\n" +
			good, "netstat -antW"},
		{"BSD -A, port cut", "netstat", "f1000e00004a3bb8 tcp4 0 0 192.168.100.200.41 10.1.2.3.5 TIME_WAIT\n",
			"the port of '192.168.100.200.41' may be cut"},
		{"ss, no queue", "ss", "ESTAB - 0 10.1.0.7:41213 10.1.2.3:5\n", "line 1: Recv-Q and Send-Q are not two numbers"},
		{"ss, no address", "ss", "ESTAB 0 0 10.1.0.7:41213 10.1.2:5\n", "line 1: '10.1.2' is not an IP address"},
		{"ss, without its colons", "ss", "State Recv-Q Send-Q Local Address Port Peer Address Port\n" +
			"ESTAB 0 0 10.1.0.7:41213 10.1.2.3:5\n", "line 1: not the header of ss -tan (changed by awk or cut?); capture"},
		{"netstat, columns left out", "netstat", "Proto Local Foreign\ntcp 10.1.0.7:41213 10.1.2.3:5 TIME_WAIT\n",
			"line 2: the header in line 1 lacks columns, as after awk or in a narrow window; capture with netstat -an"},
		{"ss, lastsnd", "ss", "ESTAB 0 0 10.1.0.7:41213 10.1.2.3:5\n\t cubic lastsnd:-5\n",
			"line 2: 'lastsnd:-5' is not a number of milliseconds"},
		{"a coloured row", "netstat", header + "\x1b[31mtcp 0 0 10.1.0.7:41213 10.1.2.3:5 TIME_WAIT\x1b[0m\n",
			"line 2: the line has codes for colours: "},
		{"a quoted row", "netstat", header + good + "> " + good, "line 3: text before a row"},
		{"a row of a diff", "netstat", header + good + "+" + good, "line 3: text before a row"},
		{"a hard blank in an address", "netstat", header + "tcp 0 0 10.1.0\u00a0.7:41213 10.1.2.3:5 TIME_WAIT\n",
			"line 2: the address '10.1.0 .7:41213' has a blank after '10.1.0': the text was changed; capture with "},
		{"a blank in the peer", "netstat", header + "tcp 0 0 10.1.0.7:41213 10.1.2 .3:5 TIME_WAIT\n",
			"line 2: the address '10.1.2 .3:5' has a blank after '10.1.2'"},
		{"a blank before the port", "ss", "ESTAB 0 0 10.1.0.7: 41213 10.1.2.3:5\n",
			"line 1: the address '10.1.0.7: 41213' has a blank after '10.1.0.7:'"},
		{"a blank in an IPv6 address", "ss", "ESTAB 0 0 [2001:db8 ::7]:41213 [2001:db8::9]:5\n",
			"line 1: the address '[2001:db8 ::7]:41213' has a blank after '[2001:db8'"},
		{"netstat -L of macOS", "netstat", "Listen         Local Address\n0/0/128        *.41213\n",
			"line 2: a table of accept queues (netstat -L), not of sessions"},
		{"dots in a row", "netstat", header + strings.TrimSpace(good) + " ...\n", "line 2: dots in a row"},
		{"two rows in a line", "netstat", header + strings.TrimSpace(good) + "  " + good, "line 2: two rows in one line"},
		{"another's row before it", "netstat", header + "tcp 0 0 10.1.0.7:8080 10.1.2.3:5 TIME_WAIT " + good,
			"line 2: two rows in one line"},
		{"a header only", "netstat", header[:10] + "\n", "no socket table in "},
		{"UDP only", "netstat", "udp 0 0 0.0.0.0:53 0.0.0.0:*\n", "no socket table in "},
		{"ss, a word of the header", "ss", "State\n", "no socket table in "},
		{"ss of one state", "ss", "Recv-Q Send-Q Local Address:Port Peer Address:Port\n0 0 10.1.0.7:41213 10.1.2.3:5\n",
			"line 1: no column of states"},
		{"tcp without a state", "ss", "tcp 0 0 10.1.0.7:41213 10.1.2.3:5\n", "line 1: no column of states"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows, _, err := readText(test.kind, test.text, front)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%d rows, error %v; want one with %q", len(rows), err, test.want)
			}
		})
	}
}

// TestCutAddresses: a client whose address may be cut is unknown, unless a longer one
// shows that nothing is; with -a a local one that may be cut is an error.
func TestCutAddresses(t *testing.T) {
	const (
		cut     = "tcp6       0      0 ::1:41213               2001:db8:1:2:3:4::1:443 TIME_WAIT\n" // 23 characters
		cutOdd  = "tcp6       0      0 ::1:41213               ::ffff:192.168.10:41213 TIME_WAIT\n"
		whole   = "tcp6       0      0 ::1:41213               2001:db8:1111:2222:3333:4444:5555:6666:443 TIME_WAIT\n"
		local   = "tcp6       0      0 2001:db8:1:2:3::7:41213 ::1:443                 TIME_WAIT\n"
		bsd     = "tcp6 0 0 ::1.41213 2001:db8:1:2:3:4.50000 TIME_WAIT\n" // 16 characters
		bsdLong = "tcp6 0 0 ::1.41213 2001:db8:1111:2222:3333.443 TIME_WAIT\n"
	)
	for _, test := range []struct {
		name, text string
		knows      bool
	}{
		{"maybe", cut, false}, {"surely", cutOdd, false}, {"not", cut + whole, true}, {"not, seen before", whole + cut, true},
		{"BSD", bsd, false}, {"IPv4", "tcp6 0 0 10.100.100.107:41213 100.100.100.100:50000 TIME_WAIT\n", true},
		{"in brackets", "TCP [::1]:41213 [fe80::1111:2222:333]:5 TIME_WAIT\n", true},
	} {
		rows, seen, err := readText("netstat", test.text, front)
		knows := seen.Provides
		for _, s := range rows {
			knows &= s.Facts
		}
		if err != nil || len(rows) != strings.Count(test.text, "\n") || knows.Has(tcp.FactClient) != test.knows {
			t.Errorf("%s: %d rows, knows %b, %v", test.name, len(rows), knows, err)
		}
	}
	if _, _, err := readText("netstat", bsd+bsdLong, front); err == nil {
		t.Error("an address of five groups was read")
	}
	q := front
	q.Addresses = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}
	if rows, _, err := readText("netstat", local, front); err != nil || len(rows) != 1 {
		t.Errorf("without -a: %d rows, %v", len(rows), err)
	}
	if _, _, err := readText("netstat", local, q); err == nil || !strings.Contains(err.Error(),
		"the address of '2001:db8:1:2:3::7:41213' may be cut, and -a needs it whole (or leave out -a); capture with ") {
		t.Errorf("with -a: %v", err)
	}
	if rows, _, err := readText("netstat", local+whole, q); err != nil || len(rows) != 1 {
		t.Errorf("with -a, wide: %d rows, %v", len(rows), err)
	}
}

// TestRepeats: net-tools repeats rows of a table that changes. A row that is whole and equal
// in every column is one session; rows that may be two are two, and what contradicts is an error.
func TestRepeats(t *testing.T) {
	const (
		listener = "tcp 0 0 0.0.0.0:41213 0.0.0.0:* LISTEN\n"
		row      = "tcp 0 0 10.1.0.7:41213 10.1.2.3:5 TIME_WAIT\n"
		other    = "tcp 0 0 10.1.0.7:41213 10.1.2.3:6 TIME_WAIT\n"
		third    = "tcp 0 0 10.1.0.7:41213 10.1.2.3:7 TIME_WAIT\n"
		halfOpen = "tcp 0 0 10.1.0.7:41213 10.1.2.3:8 SYN_RECV\n"
		link     = "tcp6 0 0 fe80::1:41213 fe80::2:50001 CLOSE_WAIT\n"
		ssRow    = "ESTAB 0 0 10.1.0.7:41213 10.1.2.3:5\n"

		ssListener  = "LISTEN 0 128 0.0.0.0:41213 0.0.0.0:*\n"
		bsdListener = "tcp4 0 0 *.41213 *.* LISTEN\n"
		bsdRow      = "tcp4 0 0 10.1.0.7.41213 10.1.2.3.5 TIME_WAIT\n"
	)
	for _, test := range []struct {
		name, kind, text string
		rows             int
		want             string
	}{
		{"equal", "netstat", listener + listener + row + row + row + other, 4, ""},
		{"a block", "netstat", listener + row + other + row + other + third, 4, ""},
		{"a part of a block", "netstat", listener + row + other + row + third, 0, "line 4: the session of line 2 again"},
		{"a part of a block at the end", "netstat", listener + row + other + third + row + other, 0,
			"line 5: the session of line 2 again"},
		{"half-open ones come and go", "netstat", listener + halfOpen + row + halfOpen + row + halfOpen + other, 4, ""},
		{"a listener after sessions", "netstat", listener + row + listener + other, 0,
			"line 3: the listener of line 1 again, below sessions"},
		{"a listener after sessions of ss", "ss", ssListener + ssRow + ssListener, 0,
			"line 3: the listener of line 1 again, below sessions"},
		{"listeners of BSD", "netstat", bsdListener + bsdRow + bsdListener, 3, ""},
		{"no zone", "netstat", link + link, 2, ""},
		{"another queue", "netstat", row + strings.Replace(row, "tcp 0", "tcp 1", 1), 0,
			"line 2: the session of line 1 again"},
		{"another state", "netstat", row + other + strings.Replace(row, "TIME", "CLOSE", 1), 0,
			"line 3: the session of line 1 again, in another state"},
		{"ss", "ss", ssRow + ssRow, 0, "line 2: the session of line 1 again"},
		{"ss on two links", "ss", "ESTAB 0 0 10.1.0.7%a:41213 10.1.2.3:5\nESTAB 0 0 10.1.0.7%b:41213 10.1.2.3:5\n", 2, ""},
	} {
		rows, _, err := readText(test.kind, test.text, front)
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", test.name, err, test.want)
			}
		} else if err != nil || len(rows) != test.rows {
			t.Errorf("%s: %d rows, %v", test.name, len(rows), err)
		}
	}
}

// TestManyRows: memory is bounded by the number of rows with a wanted port.
func TestManyRows(t *testing.T) {
	var text strings.Builder
	for i := range maxRows + 1 {
		fmt.Fprintf(&text, "tcp 0 0 10.1.0.7:41213 10.1.%d.%d:%d TIME_WAIT\n", i>>16, i>>8&255, 1+i&255)
	}
	if _, _, err := readText("netstat", text.String(), front); err == nil || !strings.Contains(err.Error(),
		"more than 262144 rows") {
		t.Error(err)
	}
}

// TestAgesOfSS: ss without times (an old one, or one that had to look into /proc) does
// not tell that all were sent data just now, nor a backlog of 0.
func TestAgesOfSS(t *testing.T) {
	const listen, row = "LISTEN 1 0 *:41213 *:*\n", "ESTAB 0 0 10.1.0.7:41213 10.1.2.3:5\n"
	for details, knows := range map[string]bool{
		"": false, "\t cwnd:10 reordering:0\n": false, "\t cwnd:10 lastsnd:6 0000\n": false,
		"\t cwnd:10 last snd:60000 lastack:3\n": false, "\t cubic cwnd:10 lastack:3\n": true,
		"\t cubic cwnd:10 lastsnd:7 lastrcv:1\n": true,
	} {
		rows, seen, err := readText("ss", listen+row+details, front)
		if err != nil || len(rows) != 2 || (seen.Provides&rows[1].Facts).Has(tcp.FactLastDataSent) != knows ||
			rows[0].Facts.Has(tcp.FactBacklog) {
			t.Errorf("%q: %+v, tells %b, %v", details, rows, seen.Provides, err)
		}
	}
	const named = "ESTAB 0 0 10.1.0.7:41213 10.1.2.3:5 users:((\"x lastsnd:0 y\",pid=1,fd=3),(\"z\",pid=2,fd=3))" +
		" cwnd:10 lastsnd:9\n"
	if rows, _, err := readText("ss", named, front); err != nil || rows[0].LastDataSent != 9*time.Millisecond {
		t.Errorf("%+v, %v", rows, err)
	}
}

// endless gives rows without end, to show that memory is flat and time is kept.
type endless struct{ n int }

func (e *endless) Read(b []byte) (int, error) {
	e.n++
	return copy(b, fmt.Sprintf("tcp 0 0 10.1.0.7:8080 10.1.%d.%d:50000 TIME_WAIT\n", e.n>>8&255, e.n&255)), nil
}

func TestEndlessCapture(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := from("netstat", &endless{}).Look(ctx, front, func(*tcp.Socket) {}); err != context.DeadlineExceeded {
		t.Error(err)
	}
}

func fuzzCapture(f *testing.F, kind string) {
	for _, r := range renderings {
		text := r.header
		for _, s := range randomSockets(rand.New(rand.NewPCG(1, 2))) {
			text += r.row(s)
		}
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		_, err := from(kind, bytes.NewReader(text)).Look(context.Background(), front, func(s *tcp.Socket) {
			n++
			if s.Local.Port() != 41213 || s.State < tcp.Established || s.State >= tcp.NumStates ||
				s.Facts.Has(tcp.FactClient) && !s.Remote.Addr().IsValid() {
				t.Errorf("%+v", s)
			}
		})
		// A last row needs no newline.
		if lines := bytes.Count(text, []byte("\n")) + 1; n > lines && !bytes.HasPrefix(text, []byte("\xff\xfe")) &&
			!bytes.HasPrefix(text, []byte("\xfe\xff")) {
			t.Errorf("%d rows in %d lines", n, lines)
		}
		if err == nil && n > 0 { // what was read does not depend on how it comes
			again := 0
			_, err := from(kind, &oneByOne{text}).Look(context.Background(), front, func(*tcp.Socket) { again++ })
			if err != nil || again != n {
				t.Errorf("byte by byte %d rows, %v; want %d", again, err, n)
			}
		}
	})
}

type oneByOne struct{ rest []byte }

func (o *oneByOne) Read(b []byte) (int, error) {
	if len(o.rest) == 0 {
		return 0, io.EOF
	}
	b[0], o.rest = o.rest[0], o.rest[1:]
	return 1, nil
}

func FuzzNetstat(f *testing.F) { fuzzCapture(f, "netstat") }
func FuzzSS(f *testing.F)      { fuzzCapture(f, "ss") }

// TestTextAfterRows: text after the last row makes the answer UNKNOWN if rows may be missing there,
// and only then.
func TestTextAfterRows(t *testing.T) {
	tables := map[string]string{
		"netstat": "Active Internet connections (servers and established)\n" +
			"Proto Recv-Q Send-Q Local Address           Foreign Address         State\n" +
			"tcp        0      0 0.0.0.0:41213           0.0.0.0:*               LISTEN\n" +
			"tcp        0      0 10.1.0.7:41213          10.1.2.3:50000          TIME_WAIT\n",
		"ss": "State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n" +
			"LISTEN 0 128 0.0.0.0:41213 0.0.0.0:*\nTIME-WAIT 0 0 10.1.0.7:41213 10.1.2.3:50000\n",
	}
	for tool, table := range tables {
		for _, text := range []string{
			"", "\n", "[op@front7 ~]$ \n", "[op@front7 ~]$ ", "[root@10.1.0.7 ~]# ", "➜  ~ ", "PS C:\\> ", "front7% ",
			"md@front7 ~ % ", "</pre></html>\n",
			"[op@front7 ~]$ exit\n\nScript done\n", "[op@front7 ~]$ ss -tan | grep 10.1.0.7:41213\n", "```\n",
			"====\n", "----------\n", "Mon Nov 30 10:00:00 CST 2026\n", "2026-11-30 10:00:00\n",
			"2026年 11月 30日 星期一 10:00:00 CST\n", "Connection to front7 closed.\n", "\nTotal: 12\n(12 rows)\n",
			"Active UNIX domain sockets (servers and established)\nProto RefCnt Flags Type State I-Node Path\n" +
				"unix  2      [ ACC ]     STREAM     LISTENING     12345    /run/x\n",
			"活跃的UNIX域套接字\nProto RefCnt Flags Type State I-Node 路径\n",
		} {
			rows, _, err := readText(tool, table+text, front)
			foreign := tool == "ss" && strings.Contains(text, "RefCnt")
			if !foreign && (err != nil || len(rows) != 2) {
				t.Errorf("%s, then %q: %d rows, %v", tool, text, len(rows), err)
			}
		}
		for _, end := range cutTexts {
			for _, text := range []string{end, end + "\n", "\n" + end + "\n", end + "\n[op@front7 ~]$ ", end + "\n\nend\n",
				"Active UNIX domain sockets\n" + end + "\n", "====\n" + end,
				"[op@front7 ~]$ netstat -an\n" + end} {
				if rows, _, err := readText(tool, table+text, front); err == nil {
					t.Errorf("%s, then %q: %d rows", tool, text, len(rows))
				}
			}
		}
		const prose = "and so on\n"
		if rows, _, err := readText(tool, table+prose, front); err == nil {
			t.Errorf("%s, then %q: %d rows", tool, prose, len(rows))
		}
	}
}

// cutTexts is text after the last row of a table whose other rows are missing: of pagers, of people,
// and of commands that ended early.
var cutTexts = []string{
	"--More--", "--More--(45%)", "-- More  --", "--更多--(45%)", "-- 更多 --", "...", "……", "... 200 more",
	"(200 more rows)", "[truncated]", "<1200 rows omitted>", "（以下省略）", "以下省略", "Killed", "Terminated",
	"netstat: write error: No space left on device", "Connection to front7 closed by remote host.",
	"client_loop: send disconnect: Broken pipe", "timed out", "lines 1-10/300 3%",
}
