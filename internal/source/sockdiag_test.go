package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"frontsockets/internal/tcp"
)

const recorded = "../../testdata/sockdiag/"

var anyPort = tcp.Query{Ports: tcp.Ports{{Lo: 1, Hi: 65535}}}

// replay is an exchange with a kernel that always sends the same datagrams.
func replay(datagrams ...[]byte) exchange {
	return func(_ context.Context, _ []byte, receive func([]byte) (bool, error)) error {
		for _, d := range datagrams {
			if done, err := receive(d); done || err != nil {
				return err
			}
		}
		return errors.New("the kernel fell silent")
	}
}

// rows gives what a diag source sees as text, a row a line.
func rows(d diag, q tcp.Query) (string, error) {
	var b strings.Builder
	_, err := d.both().Look(context.Background(), q, printTo(&b))
	return b.String(), err
}

// printTo prints each socket on a line.
func printTo(b *strings.Builder) tcp.Visit {
	return func(s *tcp.Socket) {
		fmt.Fprintf(b, "%s %s %s recvq=%d sendq=%d inode=%d retransmits=%d sent=%s drops=%d read=%d rtt=%s closed=%s"+
			" known=%011b\n",
			s.State, s.Local, s.Remote, s.RecvQ, s.SendQ, s.Inode, s.Retransmits, s.LastDataSent, s.Drops,
			s.BytesRead, s.RTT, s.Closed, s.Facts&^tcp.FactUID)
	}
}

// attempts are those that a check makes of sock_diag.
func attempts(d diag) []tcp.Source { return []tcp.Source{d.both(), d.both(), d.each(), d.each()} }

// message is a netlink message of the type, with the given flags and sequence number.
func message(kind, flags uint16, seq uint32, body []byte) []byte {
	o := binary.LittleEndian
	b := o.AppendUint32(nil, uint32(nlmsgHeaderLen+len(body)))
	b = o.AppendUint16(b, kind)
	b = o.AppendUint16(b, flags)
	b = o.AppendUint32(b, seq)
	b = o.AppendUint32(b, 0)
	return append(b, body...)
}

// row is the fixed part of a row: an IPv4 session on port 41213 with 127.0.0.9.
func row(state tcp.State, cookie uint32) []byte {
	b := make([]byte, rowLen)
	b[0], b[1] = afInet, uint8(state)
	binary.BigEndian.PutUint16(b[4:], 41213)
	binary.BigEndian.PutUint16(b[6:], 50000)
	copy(b[8:], []byte{127, 0, 0, 1})
	copy(b[24:], []byte{127, 0, 0, 9})
	binary.LittleEndian.PutUint32(b[44:], cookie)
	return b
}

func attr(kind uint16, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(attrHeaderLen+len(value)))
	b = binary.LittleEndian.AppendUint16(b, kind)
	return append(b, value...)
}

func i32(n int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

func TestBrokenDumps(t *testing.T) {
	good := message(tcpDiagGetSock, 0, 1, row(tcp.Established, 1))
	done := message(nlmsgDone, 0, 1, i32(0))
	long := bytes.Clone(good)
	binary.LittleEndian.PutUint32(long, 4000)
	short := bytes.Clone(good)
	binary.LittleEndian.PutUint32(short, 15)
	badState := row(tcp.Established, 1)
	badState[1] = 13
	badFamily := row(tcp.Established, 1)
	badFamily[0] = 1
	longAttr := append(row(tcp.Established, 1), 200, 0, 2, 0)
	shortAttr := append(row(tcp.Established, 1), 3, 0, 2, 0)
	for _, test := range []struct {
		name string
		dump []byte
		want string
	}{
		{"no end", good, "fell silent"},
		{"nothing", nil, "empty datagram"},
		{"header cut", good[:10], "10 bytes left in a datagram are no message"},
		{"row cut", good[:40], "a message claims 88 bytes, its datagram has 40"},
		{"message longer than its datagram", long, "claims 4000 bytes"},
		{"message shorter than its header", short, "claims 15 bytes"},
		{"row one byte short", message(tcpDiagGetSock, 0, 1, make([]byte, 71)), "a row has 71 bytes of 72"},
		{"row shorter than a row", message(tcpDiagGetSock, 0, 1, make([]byte, 20)), "a row has 20 bytes of 72"},
		{"unknown state", message(tcpDiagGetSock, 0, 1, badState), "13 is not a TCP state"},
		{"unknown family", message(tcpDiagGetSock, 0, 1, badFamily), "address family 1"},
		{"attribute longer than its row", message(tcpDiagGetSock, 0, 1, longAttr),
			"an attribute claims 200 bytes, its row has 4"},
		{"attribute shorter than its header", message(tcpDiagGetSock, 0, 1, shortAttr), "an attribute claims 3 bytes"},
		{"attribute cut", message(tcpDiagGetSock, 0, 1, append(row(tcp.Established, 1), 1, 2)), "2 bytes left in a row"},
		{"another request's answer", message(tcpDiagGetSock, 0, 7, row(tcp.Established, 1)), "answers request 7, not 1"},
		{"the next request's answer", message(tcpDiagGetSock, 0, 2, row(tcp.Established, 1)), "answers request 2, not 1"},
		{"nobody's answer", message(nlmsgDone, 0, 0, i32(0)), "answers request 0, not 1"},
		{"another kind of message", message(99, 0, 1, row(tcp.Established, 1)), "type 99"},
		{"lost data", message(4, 0, 1, nil), "type 4"},
		{"an end with half a status", message(nlmsgDone, 0, 1, []byte{0, 0, 0}), "status of 3 bytes"},
		{"interrupted row", append(message(tcpDiagGetSock, nlmFDumpIntr, 1, row(tcp.Established, 1)), done...),
			"NLM_F_DUMP_INTR"},
		{"interrupted end", append(bytes.Clone(good), message(nlmsgDone, nlmFDumpIntr, 1, i32(0))...), "NLM_F_DUMP_INTR"},
		{"failed at the end", append(bytes.Clone(good), message(nlmsgDone, 0, 1, i32(-int32(syscall.ENOMEM)))...),
			"the dump ended: cannot allocate memory"},
		{"refused", message(nlmsgError, 0, 1, i32(-int32(syscall.EPERM))), "refused: operation not permitted"},
		{"refused, no module", message(nlmsgError, 0, 1, i32(-int32(syscall.ENOENT))),
			"refused: the kernel has no tcp_diag (as root: modprobe tcp_diag): no such file or directory"},
		{"refused without a reason", message(nlmsgError, 0, 1, nil), "status of 0 bytes"},
		{"acknowledged only", message(nlmsgError, 0, 1, i32(0)), "acknowledged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := rows(diag{exchange: replay(test.dump), order: binary.LittleEndian}, anyPort)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestDecodesOnce(t *testing.T) {
	const established = "established 127.0.0.1:41213 127.0.0.9:50000"
	done := message(nlmsgDone, 0, 1, i32(0))
	join := func(messages ...[]byte) []byte { return bytes.Join(messages, nil) }
	get := func(body ...[]byte) []byte { return message(tcpDiagGetSock, 0, 1, join(body...)) }

	for _, test := range []struct {
		name string
		dump []byte
		want []string // how each row begins
	}{
		{"an empty table", done, nil},
		{"an end without a status", message(nlmsgDone, 0, 1, nil), nil},
		{"a no-op between", join(message(nlmsgNoop, 0, 1, nil), get(row(tcp.Established, 1)), done), []string{established}},
		{"a row that comes twice", join(get(row(tcp.Established, 1)), get(row(tcp.Established, 1)), done),
			[]string{established}},
		{"two listeners with one address", join(get(row(tcp.Listen, 1)), get(row(tcp.Listen, 2)), done),
			[]string{"listen", "listen"}},
		{"an unknown attribute", join(get(row(tcp.Established, 1), attr(777, []byte("new!"))), done), []string{established}},
		{"the kernel's twelfth state", join(get(row(12, 1)), done), []string{"syn_recv"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := rows(diag{exchange: replay(test.dump), order: binary.LittleEndian}, anyPort)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			if text == "" {
				lines = nil
			}
			if len(lines) != len(test.want) {
				t.Fatalf("got %d rows, want %d:\n%s", len(lines), len(test.want), text)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("row %d is %q, want %q", i, lines[i], want)
				}
			}
		})
	}
}

// TestShortAttributes: what an older kernel leaves out is unknown, not zero.
func TestShortAttributes(t *testing.T) {
	info := make([]byte, lastDataSentAt+4)
	binary.LittleEndian.PutUint32(info[lastDataSentAt:], 1500)
	memory := make([]byte, dropsAt+4)
	memory[dropsAt] = 7
	for _, test := range []struct{ info, memory int }{{48, 36}, {47, 35}, {0, 0}} {
		body := bytes.Join([][]byte{row(tcp.Established, 1), attr(attrInfo, info[:test.info])}, nil)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		body = append(body, attr(attrSKMemInfo, memory[:test.memory])...)
		dump := append(message(tcpDiagGetSock, 0, 1, body), make([]byte, align4(len(body))-len(body))...)
		dump = append(dump, message(nlmsgDone, 0, 1, nil)...)
		var got tcp.Socket
		_, err := diag{exchange: replay(dump), order: binary.LittleEndian}.both().Look(context.Background(), anyPort,
			func(s *tcp.Socket) { got = *s })
		if err != nil {
			t.Fatal(err)
		}
		if has, want := got.Facts.Has(tcp.FactLastDataSent), test.info == 48; has != want || want &&
			got.LastDataSent.Milliseconds() != 1500 {
			t.Errorf("tcp_info of %d bytes: known %v, %s", test.info, has, got.LastDataSent)
		}
		if has, want := got.Facts.Has(tcp.FactDrops), test.memory == 36; has != want || want && got.Drops != 7 {
			t.Errorf("skmeminfo of %d bytes: known %v, %d", test.memory, has, got.Drops)
		}
	}
}

// TestMPTCPAttribute: INET_DIAG_ULP_INFO names the protocol above, with or without the
// flag of a nested attribute.
func TestMPTCPAttribute(t *testing.T) {
	for _, test := range []struct {
		kind uint16
		name string
		want bool
	}{{attrULPInfo, "mptcp\x00", true}, {attrULPInfo | nestedFlag, "mptcp\x00", true}, {attrULPInfo, "tls\x00",
		false}, {attrULPInfo, "", false}, {attrULPInfo - 1, "mptcp\x00", false}} {
		body := append(row(tcp.Established, 1), attr(test.kind, attr(1, []byte(test.name)))...)
		dump := append(message(tcpDiagGetSock, 0, 1, body), make([]byte, align4(len(body))-len(body))...)
		dump = append(dump, message(nlmsgDone, 0, 1, nil)...)
		var got tcp.Socket
		_, err := diag{exchange: replay(dump), order: binary.LittleEndian}.both().Look(context.Background(), anyPort,
			func(s *tcp.Socket) { got = *s })
		if err != nil || got.MPTCP != test.want {
			t.Errorf("attribute %#x %q: %v, %v", test.kind, test.name, got.MPTCP, err)
		}
	}
}

// TestProbesAreNoRetransmits: the counter means retransmits only under their timer.
func TestProbesAreNoRetransmits(t *testing.T) {
	for timer, want := range map[byte]string{0: "retransmits=0", 1: "retransmits=3", 2: "retransmits=0",
		4: "retransmits=0"} {
		b := row(tcp.Established, 1)
		b[2], b[3] = timer, 3
		text, err := rows(diag{exchange: replay(append(message(tcpDiagGetSock, 0, 1, b), message(nlmsgDone, 0, 1, nil)...)),
			order: binary.LittleEndian}, anyPort)
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("timer %d: %q, %v; want %s", timer, text, err, want)
		}
	}
}

// TestRetry: a failed dump is made again, and what it had shown is forgotten.
func TestRetry(t *testing.T) {
	good := append(message(tcpDiagGetSock, 0, 1, row(tcp.Established, 2)), message(nlmsgDone, 0, 1, nil)...)
	cut := append(message(tcpDiagGetSock, 0, 1, row(tcp.TimeWait, 1)),
		message(tcpDiagGetSock, nlmFDumpIntr, 1, row(tcp.TimeWait, 3))...)
	for failures, want := range []string{"established", "established", ""} {
		asked := 0
		kernel := func(ctx context.Context, request []byte, receive func([]byte) (bool, error)) error {
			asked++
			if asked <= failures {
				return replay(cut)(ctx, request, receive)
			}
			return replay(good)(ctx, request, receive)
		}
		var b strings.Builder
		d := diag{exchange: kernel, order: binary.LittleEndian}
		look, err := First(context.Background(), []tcp.Source{d.both(), d.both()}, anyPort, func() tcp.Visit {
			b.Reset()
			return printTo(&b)
		})
		switch text := b.String(); {
		case want == "":
			if reason := "sockdiag: " + errInterrupted.Error(); err == nil || err.Error() != reason || asked != 2 {
				t.Errorf("%d failures: %v after %d dumps, want %q after 2", failures, err, asked, reason)
			}
		case err != nil || !strings.HasPrefix(text, want) || strings.Count(text, "\n") != 1:
			t.Errorf("%d failures: %q, %v; want one row %s", failures, text, err, want)
		case len(look.Skipped) > 0:
			t.Errorf("%d failures: skipped %q, want nothing: sockdiag answered", failures, look.Skipped)
		}
	}
}

// TestNoTimeToRetry: when the time is over a failed dump is not made again.
func TestNoTimeToRetry(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	asked := 0
	kernel := func(context.Context, []byte, func([]byte) (bool, error)) error {
		asked++
		cancel()
		return errInterrupted
	}
	begin := func() tcp.Visit { return nil }
	_, err := First(ctx, attempts(diag{exchange: kernel, order: binary.LittleEndian}), anyPort, begin)
	if !errors.Is(err, context.Canceled) || asked != 1 {
		t.Errorf("%v after %d dumps", err, asked)
	}
}

// TestOldRequestRefused: a kernel without the old request is asked per family.
func TestOldRequestRefused(t *testing.T) {
	for _, refusal := range []syscall.Errno{syscall.ENOENT, syscall.EINVAL, syscall.EOPNOTSUPP} {
		var families []byte
		kernel := func(ctx context.Context, request []byte, receive func([]byte) (bool, error)) error {
			kind, seq := binary.LittleEndian.Uint16(request[4:]), binary.LittleEndian.Uint32(request[8:])
			if kind == tcpDiagGetSock {
				return replay(message(nlmsgError, 0, seq, i32(-int32(refusal))))(ctx, request, receive)
			}
			families = append(families, request[nlmsgHeaderLen])
			body := row(tcp.Established, seq)
			body[0] = request[nlmsgHeaderLen]
			return replay(append(message(kind, 0, seq, body), message(nlmsgDone, 0, seq, nil)...))(ctx, request, receive)
		}
		var b strings.Builder
		begin := func() tcp.Visit { b.Reset(); return printTo(&b) }
		_, err := First(context.Background(), attempts(diag{exchange: kernel, order: binary.LittleEndian}), anyPort, begin)
		if text := b.String(); err != nil || strings.Count(text, "\n") != 2 || !bytes.Equal(families,
			[]byte{afInet, afInet6}) {
			t.Errorf("%v: families %v, rows %q, %v", refusal, families, text, err)
		}
	}
}

// TestRequest: what is asked, byte by byte as linux/inet_diag.h has it.
func TestRequest(t *testing.T) {
	zeros := func(n int) []byte { return make([]byte, n) }
	bytecode := []byte{
		2, 8, 24, 0, 0, 0, 0xfd, 0xa0, // source port >= 41213, or on to beyond the end
		3, 8, 16, 0, 0, 0, 0xfe, 0xa0, // source port <= 41214, or on to beyond the end
		1, 4, 4, 0, // to the end
	}
	attribute := slices.Concat([]byte{24, 0, 1, 0}, bytecode)
	states := []byte{0xfe, 0x1f, 0, 0} // 1 to 12, and no BOUND_INACTIVE
	for _, test := range []struct {
		kind   uint16
		family uint8
		want   []byte
	}{
		{tcpDiagGetSock, 0, slices.Concat([]byte{100, 0, 0, 0, 18, 0, 1, 3, 7, 0, 0, 0, 0, 0, 0, 0},
			[]byte{0, 0, 0, 0x42}, zeros(48), states, zeros(4), attribute)},
		{sockDiagByFamily, afInet6, slices.Concat([]byte{96, 0, 0, 0, 20, 0, 1, 3, 7, 0, 0, 0, 0, 0, 0, 0},
			[]byte{10, 6, 0x42, 0}, states, zeros(48), attribute)},
	} {
		got := request(binary.LittleEndian, test.kind, test.family, 7, tcp.Ports{{Lo: 41213, Hi: 41214}}, everyPort)
		if !bytes.Equal(got, test.want) {
			t.Errorf("request %d is\n%v, want\n%v", test.kind, got, test.want)
		}
		// A single port stands in the request itself too, in network order.
		got = request(binary.LittleEndian, test.kind, test.family, 7, tcp.Ports{{Lo: 41213, Hi: 41213}}, everyPort)
		sourcePort := map[uint16]int{tcpDiagGetSock: 20, sockDiagByFamily: 24}[test.kind]
		if !bytes.Equal(got[sourcePort:sourcePort+2], []byte{0xa0, 0xfd}) {
			t.Errorf("request %d of one port is %v", test.kind, got)
		}
	}
}

// TestPortBytecode runs the filter as inet_diag_bc_run does, on every port.
func TestPortBytecode(t *testing.T) {
	for _, text := range []string{"41213", "1-65535", "41213,41223-41226", "1,3,5,7,65535", "80,443,8000-8999,41205"} {
		ports, err := tcp.ParsePorts(text)
		if err != nil {
			t.Fatal(err)
		}
		code := portBytecode(binary.LittleEndian, ports)
		for port := range 1 << 16 {
			if got, want := runBytecode(t, code, uint16(port), 0), ports.Has(uint16(port)); got != want {
				t.Fatalf("%s: port %d passes: %v, want %v", text, port, got, want)
			}
		}
	}
}

func runBytecode(t *testing.T, code []byte, local, remote uint16) bool {
	at, left := 0, len(code)
	for left > 0 {
		op, yes, no := code[at], int(code[at+1]), int(binary.LittleEndian.Uint16(code[at+2:]))
		holds := false
		switch op {
		case 1: // jump: always the "no" way
		case 2:
			holds = local >= binary.LittleEndian.Uint16(code[at+6:])
		case 3:
			holds = local <= binary.LittleEndian.Uint16(code[at+6:])
		case 4:
			holds = remote >= binary.LittleEndian.Uint16(code[at+6:])
		case 5:
			holds = remote <= binary.LittleEndian.Uint16(code[at+6:])
		default:
			t.Fatalf("operation %d at %d", op, at)
		}
		step := no
		if holds {
			step = yes
		}
		at, left = at+step, left-step
	}
	return left == 0
}

func FuzzDiag(f *testing.F) {
	for name, order := range map[string]byteOrder{"dump-le.bin": binary.LittleEndian, "dump-be.bin": binary.BigEndian} {
		dump, err := os.ReadFile(recorded + name)
		if err != nil {
			f.Fatal(err)
		}
		end := dump[len(dump)-20:] // the NLMSG_DONE
		for range 12 {             // each of the first rows alone, as a whole dump
			length := align4(int(order.Uint32(dump)))
			f.Add(slices.Concat(dump[:length], end), name == "dump-be.bin")
			dump = dump[length:]
		}
		f.Add(slices.Concat(dump[:align4(int(order.Uint32(dump)))]), name == "dump-be.bin")
	}
	f.Fuzz(func(t *testing.T, dump []byte, big bool) {
		order := byteOrder(binary.LittleEndian)
		if big {
			order = binary.BigEndian
		}
		n := 0
		_, err := diag{exchange: replay(dump), order: order}.both().Look(context.Background(), anyPort, func(s *tcp.Socket) {
			n++
			if !s.Local.Addr().IsValid() || s.State >= tcp.NumStates || s.State == 0 {
				t.Errorf("visited %+v", *s)
			}
		})
		if most := len(dump) / (nlmsgHeaderLen + rowLen); n > most {
			t.Errorf("%d rows from %d bytes, which hold %d", n, len(dump), most)
		}
		if err == nil && len(dump) < nlmsgHeaderLen {
			t.Error("no error, and no end")
		}
	})
}
