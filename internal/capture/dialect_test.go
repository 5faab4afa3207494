package capture

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"frontsockets/internal/tcp"
)

// useOrders makes orders the usual ones and some more, and adds words to headerWords, until the test ends.
func useOrders(t *testing.T, words map[string]string, more ...string) {
	oldOrders, oldWords := orders, headerWords
	t.Cleanup(func() { orders, headerWords = oldOrders, oldWords })
	orders = append([]string{orderWithQueues, orderWithoutQueues, orderOfSolaris}, more...)
	headerWords = maps.Clone(headerWords)
	maps.Copy(headerWords, words)
}

// inventedRows are the rows of one host: all are of TCP, but the last.
var inventedRows = []map[string]string{
	{"Proto": "tcp", "Recv-Q": "3", "Send-Q": "0", "Local": "0.0.0.0:41213", "Foreign": "0.0.0.0:*", "State": "LISTEN"},
	{"Proto": "tcp6", "Recv-Q": "0", "Send-Q": "0", "Local": ":::41213", "Foreign": ":::*", "State": "LISTEN"},
	{"Proto": "tcp", "Recv-Q": "0", "Send-Q": "0", "Local": "0.0.0.0:22", "Foreign": "0.0.0.0:*", "State": "LISTEN"},
	{"Proto": "tcp", "Recv-Q": "17", "Send-Q": "5", "Local": "10.1.0.7:41213", "Foreign": "10.1.2.3:50000",
		"State": "CLOSE_WAIT"},
	{"Proto": "tcp6", "Recv-Q": "0", "Send-Q": "912", "Local": "2001:db8::7:41213", "Foreign": "2001:db8::9:50001",
		"State": "ESTABLISHED"},
	{"Proto": "tcp", "Recv-Q": "8", "Send-Q": "9", "Local": "10.1.0.7:40000", "Foreign": "10.9.9.9:41213", // a client
		"State": "ESTABLISHED"},
	{"Proto": "tcp", "Recv-Q": "0", "Send-Q": "0", "Local": "10.1.0.7:41213", "Foreign": "10.1.2.3:50002",
		"State": "CLOSE"},
	{"Proto": "tcp", "Recv-Q": "41213", "Send-Q": "41213", "Local": "10.1.0.7:8080", "Foreign": "10.1.2.3:41213",
		"State": "TIME_WAIT"},
	{"Proto": "udp", "Recv-Q": "0", "Send-Q": "0", "Local": "10.1.0.7:41213", "Foreign": "0.0.0.0:*", "State": ""},
}

// write writes some of inventedRows in the order of a header. Other columns have a number.
func write(header string, rows []map[string]string, dotted bool) (lines []string) {
	lines = []string{header}
	for _, row := range rows {
		line := ""
		for _, name := range strings.Fields(strings.NewReplacer("Address", "", "Source", "Local", "Destination", "Foreign",
			"Remote", "Foreign", "Here", "Local", "There", "Foreign", "(state)", "State").Replace(header)) {
			cell, known := row[name]
			if i := strings.LastIndexByte(cell, ':'); i >= 0 && dotted {
				cell = strings.Replace(cell[:i], "0.0.0.0", "*", 1) + "." + cell[i+1:]
			}
			if !known {
				cell = "4"
			}
			line += cell + "  "
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// wantInvented returns what the front's rows of TCP are.
func wantInvented(header string, rows []map[string]string) (want []string) {
	for _, row := range rows {
		if row["Proto"] == "udp" || !strings.HasSuffix(row["Local"], ":41213") {
			continue
		}
		queues := "- -"
		if strings.Contains(header, "Recv-Q") {
			queues = row["Recv-Q"] + " " + row["Send-Q"]
		}
		remote, _ := strings.CutSuffix(row["Foreign"], ":*")
		want = append(want, fmt.Sprintf("%s %s %s", queues, strings.TrimSuffix(remote, ":0"), row["State"]))
	}
	return want
}

func readInvented(lines []string) (got []string, err error) {
	rows, _, err := readText("netstat", strings.Join(lines, "\n"), front)
	for _, s := range rows {
		queues := "- -"
		if s.Facts.Has(tcp.FactRecvQ | tcp.FactSendQ) {
			queues = fmt.Sprint(s.RecvQ, s.SendQ)
		}
		remote := fmt.Sprintf("%s:%d", s.Remote.Addr(), s.Remote.Port())
		if s.State == tcp.Listen { // "*" and "::" are the same
			remote = map[bool]string{true: "0.0.0.0", false: "::"}[s.Remote.Addr() == netip.IPv4Unspecified()]
		}
		got = append(got, fmt.Sprintf("%s %s %s", queues, remote, strings.ToUpper(s.State.String())))
	}
	return got, err
}

// TestInventedDialects: a row in the tables of dialect.go is enough for a netstat with another order of
// columns. Without it the table is refused. A row that lacks a column is refused, and so is one that is cut.
func TestInventedDialects(t *testing.T) {
	for _, test := range []struct {
		order, header string
		words         map[string]string
		// known says that the header is not refused without the row: what comes after the state is not read, and
		// words of another language are taken to be in the usual order.
		known bool
	}{
		{order: "Proto Local Foreign State Recv-Q Send-Q",
			header: "Proto Local Address Foreign Address State Recv-Q Send-Q", known: true},
		{order: "Proto Foreign Local Recv-Q Send-Q State",
			header: "Proto Foreign Address Local Address Recv-Q Send-Q State PID"},
		{order: "Proto Recv-Q Send-Q Foreign Local State",
			header: "Proto Recv-Q Send-Q Foreign Address Local Address (state)"},
		{order: "Proto Recv-Q Send-Q Foreign Local State",
			header: "PCB/ADDR Proto Recv-Q Send-Q Foreign Address Local Address State"},
		{order: "Proto Recv-Q Send-Q Foreign Local State", header: "Proto Recv-Q Send-Q Destination Source State"},
		{order: "Proto Foreign Local State", header: "Proto Remote Address Local Address State"},
		{order: "Proto Foreign Local State", header: "Proto There Here State",
			words: map[string]string{"Here": "Local", "There": "Foreign"}, known: true},
		{order: "Proto Recv-Q Send-Q Local Foreign User State", header: "Proto Recv-Q Send-Q Local Foreign User State"},
		{order: "Proto Fd Recv-Q Send-Q Local Foreign State",
			header: "Proto Fd Recv-Q Send-Q Local Address Foreign Address State"},
		{order: "Proto Local Recv-Q Foreign Send-Q State",
			header: "Proto Local Recv-Q Foreign Send-Q State User Inode"},
		{order: "State Proto Recv-Q Send-Q Local Foreign",
			header: "State Proto Recv-Q Send-Q Local Address Foreign Address"},
		{order: "Recv-Q Send-Q Local Foreign Proto State",
			header: "Recv-Q Send-Q Local Address Foreign Address Proto State"},
		{order: "Foreign State Local Send-Q Recv-Q",
			header: "Foreign Address State Local Address Send-Q Recv-Q"},
	} {
		for _, dotted := range []bool{false, true} {
			t.Run(fmt.Sprint(test.header, dotted), func(t *testing.T) {
				rows := inventedRows
				if !strings.Contains(test.header, "Proto") || strings.HasPrefix(test.header, "State") {
					rows = rows[:len(rows)-1]
				}
				lines := append(write(test.header, rows, dotted), "")
				useOrders(t, nil)
				if got, err := readInvented(lines); err == nil && !test.known {
					t.Errorf("without a row in the table: %q", got)
				}
				useOrders(t, test.words, test.order)
				want := wantInvented(test.header, rows)
				if dotted { // such a host has no accept queue in its rows, and "*" for both families
					for i := range want {
						if strings.HasSuffix(want[i], "LISTEN") {
							want[i] = "- - :: LISTEN"
						}
					}
				}
				got, err := readInvented(lines)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%v, got\n%q, want\n%q", err, got, want)
				}
				refusesBroken(t, lines, want, len(strings.Fields(test.order)))
			})
		}
	}
}

// refusesBroken checks that a table in which one row lacks one of its columns is refused, and that one which
// ends inside its last row of TCP is refused or has the whole row.
func refusesBroken(t *testing.T, lines, want []string, columns int) {
	t.Helper()
	for i, line := range lines[1:] {
		words := strings.Fields(line)
		if strings.Contains(line, "udp") || len(words) == 0 {
			continue
		}
		for j := range columns {
			broken := strings.Join(slices.Concat(words[:j], words[j+1:]), " ")
			if got, err := readInvented(slices.Concat(lines[:i+1], []string{broken}, lines[i+2:])); err == nil {
				t.Errorf("%q was read as one of %q", broken, got)
			}
		}
		for end := range len(line) {
			got, err := readInvented(append(slices.Clone(lines[:i+1]), line[:end]))
			if strings.TrimSpace(line[:end]) != "" && err == nil && !slices.Equal(got, want[:min(len(got), len(want))]) {
				t.Errorf("cut to %q: %q", line[:end], got)
			}
		}
	}
}

// TestWidthInAnotherOrder: an address that fills its column may be cut, in any order of columns.
func TestWidthInAnotherOrder(t *testing.T) {
	useOrders(t, nil, "Proto Recv-Q Send-Q Foreign Local State")
	const (
		header = "Proto Recv-Q Send-Q Foreign Address       Local Address         State\n"
		full   = "tcp 0 0 2001:db8:1:2:3::4:443 ::1:41213 TIME_WAIT\n" // 21 characters
		short  = "tcp 0 0 2001:db8:1:2:3::4:44 ::1:41213 TIME_WAIT\n"
	)
	for text, known := range map[string]bool{header + full: false, header + short: true} {
		rows, look, err := readText("netstat", text, front)
		if err != nil || len(rows) != 1 || look.Provides.Has(tcp.FactClient) != known {
			t.Errorf("%s%d rows, provides %b, %v", text, len(rows), look.Provides, err)
		}
	}
}
