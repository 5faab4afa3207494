package source

import (
	"context"
	"encoding/binary"
	"flag"
	"os"
	"testing"

	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/population"
)

var update = flag.Bool("update", false, "record the dumps and their golden anew")

// TestReplay reads a dump that was recorded from a kernel, in both byte orders.
func TestReplay(t *testing.T) {
	if *update {
		record(t)
	}
	golden, err := os.ReadFile(recorded + "dump.golden")
	if err != nil {
		t.Fatal(err)
	}
	for name, order := range map[string]byteOrder{"dump-le.bin": binary.LittleEndian, "dump-be.bin": binary.BigEndian} {
		dump, err := os.ReadFile(recorded + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := rows(diag{exchange: replay(dump), order: order}, anyPort)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(golden) {
			t.Errorf("%s reads\n%swant\n%s", name, got, golden)
		}
	}
}

// record makes the files of TestReplay from this kernel.
func record(t *testing.T) {
	population.Need(t)
	populate(t, "tcp", "[::]:41513", population.Addresses(2)...)
	populate(t, "tcp6", "[::1]:41514", "::1")
	var dump []byte
	err := askKernel(context.Background(), request(binary.NativeEndian, tcpDiagGetSock, 0, 1,
		tcp.Ports{{Lo: 41513, Hi: 41514}}, everyPort),
		func(datagram []byte) (bool, error) {
			dump = append(dump, datagram...)
			end := datagram[len(datagram)-20:]
			return binary.NativeEndian.Uint16(end[4:]) == nlmsgDone, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	write(t, "dump-le.bin", dump)
	write(t, "dump-be.bin", bigEndian(dump))
	text, err := rows(diag{exchange: replay(dump), order: binary.NativeEndian}, anyPort)
	if err != nil {
		t.Fatal(err)
	}
	write(t, "dump.golden", []byte(text))
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(recorded+name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// bigEndian turns a little-endian dump into what a big-endian kernel would send:
// ports and addresses are in network order on both, everything else is turned.
func bigEndian(dump []byte) []byte {
	le := binary.LittleEndian
	out := make([]byte, 0, len(dump))
	turn := func(b []byte, sizes ...int) []byte {
		for _, size := range sizes {
			for i := range size {
				out = append(out, b[size-1-i])
			}
			b = b[size:]
		}
		return b
	}
	words := func(n int) []int {
		sizes := make([]int, n)
		for i := range sizes {
			sizes[i] = 4
		}
		return sizes
	}
	for len(dump) > 0 {
		length := int(le.Uint32(dump))
		kind := le.Uint16(dump[4:])
		b := turn(dump[:length], 4, 2, 2, 4, 4)
		if kind == nlmsgDone {
			turn(b, 4)
			break
		}
		out = append(out, b[:4+36]...)    // state bytes, ports, addresses
		b = turn(b[4+36:], words(3+5)...) // interface, cookie; timer, queues, uid, inode
		for len(b) > 0 {
			size, kind := int(le.Uint16(b)), le.Uint16(b[2:])
			value := b[4:size]
			turn(b, 2, 2)
			switch kind {
			case attrInfo: // eight bytes, 24 words of 32 bits, then the words of 64 bits that are read here
				out = append(out, value[:8]...)
				rest := turn(value[8:], append(words(24), 8, 8, 8, 8)...)
				out = append(out, rest...)
			case attrSKMemInfo:
				turn(value, words(len(value)/4)...)
			default:
				out = append(out, value...)
			}
			pad := min(align4(size), len(b))
			out = append(out, b[size:pad]...)
			b = b[pad:]
		}
		out = append(out, make([]byte, align4(length)-length)...)
		dump = dump[align4(length):]
	}
	return out
}
