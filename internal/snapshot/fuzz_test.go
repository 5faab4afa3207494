package snapshot

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

var front = tcp.Query{Ports: tcp.Ports{{Lo: 41213, Hi: 41213}}}

// randomSockets makes a listener and up to 40 sessions with some of the facts.
func randomSockets(r *rand.Rand, facts tcp.Facts) []tcp.Socket {
	local := netip.MustParseAddrPort("10.1.0.7:41213")
	sockets := []tcp.Socket{{State: tcp.Listen, Facts: facts, Local: local, RecvQ: r.Uint32N(9), SendQ: 128, Inode: 7}}
	for i := range r.IntN(40) {
		sockets = append(sockets, tcp.Socket{
			State: tcp.State(1 + r.IntN(int(tcp.NumStates)-1)), Facts: facts, Local: local,
			Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 2, byte(i)}), uint16(1024+i)),
			RecvQ:  r.Uint32N(3), SendQ: r.Uint32N(3), Inode: r.Uint64N(3), Retransmits: uint8(r.UintN(3)),
			LastDataSent:     time.Duration(r.IntN(9000)) * time.Millisecond,
			LastDataReceived: time.Duration(r.IntN(9000)) * time.Millisecond,
			RTT:              time.Duration(r.IntN(9000)) * time.Microsecond,
			BytesRead:        r.Uint64N(3), Drops: r.Uint32N(3), MPTCP: r.IntN(9) == 0,
		})
	}
	return sockets
}

func tallied(sockets []tcp.Socket, look tcp.Look) tally.Result {
	t := tally.New(tally.Rules{Normal: tcp.Set(tcp.Established, tcp.Listen), StalledAfter: 10 * time.Second}, nil, 0)
	for i := range sockets {
		t.Add(&sockets[i])
	}
	r := t.Result(look)
	for i := range r.Listeners { // a listener has no Send-Q
		r.Listeners[i].Facts &^= tcp.FactSendQ
	}
	return r
}

// FuzzSnapshot: what was read from a snapshot and saved again reads the same.
func FuzzSnapshot(f *testing.F) {
	file := textfile.File{Now: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC), MaxAge: time.Minute}
	for seed := range uint64(4) {
		var r Recording
		for _, s := range randomSockets(rand.New(rand.NewPCG(seed, 2)), tcp.Facts(seed*85)) {
			r.Add(&s)
		}
		f.Add(r.encode(front, tcp.Look{
			Source: "sockdiag", Provides: ^tcp.Facts(0), HiddenStates: tcp.Set(tcp.TimeWait), Host: "front7", Time: file.Now,
		}))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		readText := func(text []byte) (rows []tcp.Socket, look tcp.Look, err error) {
			lines := textfile.NewLines(context.Background(), bytes.NewReader(text))
			look, err = read(lines, file, front, func(s *tcp.Socket) { rows = append(rows, *s) })
			return rows, look, err
		}
		first, look, err := readText(text)
		if err != nil {
			return
		}
		var r Recording
		for i := range first {
			r.Add(&first[i])
		}
		second, again, err := readText(r.encode(front, look))
		if err != nil {
			t.Fatalf("does not read what it wrote: %v", err)
		}
		look.Time, again.Time = look.Time.UTC(), again.Time.UTC()
		if len(look.Skipped) == 0 {
			look.Skipped, again.Skipped = nil, nil
		}
		if !reflect.DeepEqual(look, again) {
			t.Fatalf("%+v becomes %+v", look, again)
		}
		if a, b := tallied(first, look), tallied(second, look); !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v becomes %+v", a, b)
		}
	})
}
