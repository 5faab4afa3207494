package source

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"frontsockets/internal/tcp"
)

// TestLooksFor: the fewer buckets for its sessions, the more looks.
func TestLooksFor(t *testing.T) {
	for _, test := range []struct{ sessions, entries, want int }{
		{700, 64, 3}, {700, 4096, 3}, {300, 4096, 3}, {300, 65_536, 2}, {300, 131_072, 2}, {2, 131_072, 2},
		{300, 262_144, 1}, {300, 0, 1}, {0, 4096, 1},
		{10_000, 4096, 3}, {10_000, 65_536, 2}, {10_000, 262_144, 2}, {10_000, 2_097_152, 1},
	} {
		if got := looksFor(test.sessions, test.entries, 3); got != test.want {
			t.Errorf("%+v: %d looks, by chance %g", test, got, missChance(test.sessions, test.entries))
		}
	}
}

// TestSplit: the ranges cover each port once.
func TestSplit(t *testing.T) {
	for _, test := range []struct {
		ports []uint16
		n     int
		want  string
	}{
		{[]uint16{5, 6, 7, 8}, 1, "[{0 65535}]"},
		{[]uint16{8, 5, 7, 6}, 2, "[{0 6} {7 65535}]"},
		{[]uint16{5, 6, 7, 8}, 4, "[{0 5} {6 6} {7 7} {8 65535}]"},
		{[]uint16{5, 5, 5, 5}, 3, "[{0 4} {5 65535}]"},
		{[]uint16{0, 0, 0xffff, 0xffff}, 2, "[{0 65534} {65535 65535}]"},
	} {
		if got := fmt.Sprint(split(test.ports, test.n)); got != test.want {
			t.Errorf("%v in %d: %s, want %s", test.ports, test.n, got, test.want)
		}
	}
}

// TestDiagLooksAgain: where the table is small later looks find what the first one passed
// over, and counts nothing twice.
func TestDiagLooksAgain(t *testing.T) {
	session := func(client uint16, state tcp.State, cookie uint32) []byte {
		r := row(state, cookie)
		binary.BigEndian.PutUint16(r[6:], client)
		return r
	}
	look := func(entries, looks int) (n int) {
		asked := 0
		kernel := func(_ context.Context, request []byte, receive func([]byte) (bool, error)) error {
			asked++
			seq := binary.LittleEndian.Uint32(request[8:])
			answer := func(kind uint16, body []byte) (bool, error) { return receive(message(kind, 0, seq, body)) }
			for client := range uint16(20) {
				if asked == 1 && client == 7 {
					continue // passed over
				}
				state, cookie := tcp.Established, uint32(client)
				if asked > 1 && client == 8 {
					state = tcp.TimeWait
				}
				if asked > 1 && client == 9 {
					cookie = 99 // reset, and connected again
				}
				if _, err := answer(tcpDiagGetSock, session(client, state, cookie)); err != nil {
					return err
				}
			}
			_, err := answer(nlmsgDone, i32(0))
			return err
		}
		d := diag{exchange: kernel, order: binary.LittleEndian, entries: func() int { return entries }}
		if _, err := d.both().Look(context.Background(), anyPort, func(*tcp.Socket) { n++ }); err != nil || asked != looks {
			t.Errorf("%d entries: asked %d times, want %d; %v", entries, asked, looks, err)
		}
		return n
	}
	for _, test := range []struct{ entries, looks, want int }{
		{262_144, 1, 19}, {65_536, 2, 20}, {64, 3, 20}, {10, 5, 20}, {0, 1, 19},
	} {
		if got := look(test.entries, test.looks); got != test.want {
			t.Errorf("%d entries: %d sockets, want %d", test.entries, got, test.want)
		}
	}
}

// TestRemoteBytecode runs the filter on local and remote ports.
func TestRemoteBytecode(t *testing.T) {
	ports := tcp.Ports{{Lo: 41213, Hi: 41213}, {Lo: 41223, Hi: 41226}}
	code := append(remoteBytecode(binary.LittleEndian, portRange{100, 200}, len(ports)),
		portBytecode(binary.LittleEndian, ports)...)
	for _, local := range []uint16{1, 41212, 41213, 41214, 41223, 41226, 41227} {
		for _, remote := range []uint16{0, 99, 100, 150, 200, 201, 65535} {
			want := ports.Has(local) && remote >= 100 && remote <= 200
			if got := runBytecode(t, code, local, remote); got != want {
				t.Errorf("%d to %d passes: %v, want %v", remote, local, got, want)
			}
		}
	}
}

// TestProcLooksAgain: as TestDiagLooksAgain, in /proc.
func TestProcLooksAgain(t *testing.T) {
	row := func(client int, state, object string) string {
		return fmt.Sprintf("   0: 0100007F:A0FD 0900007F:%04X %s 00000000:00000000 00:00000000 00000000     0        0"+
			" 0 1 %s\n", client, state, object)
	}
	const none, here, there = "0000000000000000", "00000000c0ffee01", "00000000c0ffee02"
	twins := row(2, "06", none) + row(2, "06", none) // on two interfaces
	looks := []string{
		row(1, "01", here) + row(2, "06", none),
		row(1, "06", there) + twins + row(3, "01", here), // 1 has closed; 2 and 3 had been passed over
		row(3, "01", here) + twins,
	}
	var filler strings.Builder // 540 rows of others
	for i := range 540 {
		filler.WriteString(strings.Replace(row(i, "01", none), "A0FD", "0050", 1))
	}
	for _, test := range []struct{ entries, looks, want int }{{262_144, 1, 2}, {1024, 2, 4}, {16, 3, 4}} {
		asked, n := 0, 0
		open := func(name string) (io.ReadCloser, error) {
			if name == "tcp6" {
				return io.NopCloser(strings.NewReader(proc6Header)), nil
			}
			asked++
			return io.NopCloser(strings.NewReader(procHeader + filler.String() + looks[asked-1])), nil
		}
		p := proc{open: open, order: binary.LittleEndian, entries: func() int { return test.entries }}
		q := tcp.Query{Ports: tcp.Ports{{Lo: 41213, Hi: 41213}}}
		if err := p.look(context.Background(), q, func(*tcp.Socket) { n++ }); err != nil || n != test.want ||
			asked != test.looks {
			t.Errorf("%d entries: %d sockets of %d in %d looks, want %d; %v", test.entries, n, test.want, asked, test.looks, err)
		}
	}
}
