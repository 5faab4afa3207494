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

// BenchmarkDiag decodes a dump of 10,000 wanted rows with all their attributes.
func BenchmarkDiag(b *testing.B) {
	const n = 10_000
	var datagrams [][]byte
	body := func(i int) []byte {
		r := row(tcp.Established, uint32(i))
		binary.BigEndian.PutUint16(r[6:], uint16(i))
		r = append(r, attr(attrInfo, make([]byte, 280))...)
		return append(r, attr(attrSKMemInfo, make([]byte, 36))...)
	}
	for i := 0; i < n; {
		var d []byte
		for len(d) < 32<<10-500 && i < n {
			d = append(d, message(tcpDiagGetSock, 2, 1, body(i))...)
			i++
		}
		datagrams = append(datagrams, d)
	}
	datagrams = append(datagrams, message(nlmsgDone, 2, 1, i32(0)))
	source := diag{exchange: replay(datagrams...), order: binary.LittleEndian}
	benchmark(b, n, n, func(visit tcp.Visit) error {
		_, err := source.both().Look(context.Background(), anyPort, visit)
		return err
	})
}

// BenchmarkProc reads 100,000 rows of others and 100 of ours.
func BenchmarkProc(b *testing.B) {
	const others, ours = 100_000, 100
	var table strings.Builder
	table.WriteString(procHeader)
	for i := range others + ours {
		port := 9000 + i%1000
		if i%(others/ours) == 0 && i > 0 {
			port = 41213
		}
		fmt.Fprintf(&table, "%4d: 0100007F:%04X %08X:%04X 01 00000000:00000000 00:00000000 00000000  1000        0 %d 1"+
			" 0000000000000000 20 4 30 10 -1\n",
			i, port, 0x0900007F+i, 50000+i%1000, 100+i)
	}
	open := func(name string) (io.ReadCloser, error) {
		if name == "tcp6" {
			return io.NopCloser(strings.NewReader(proc6Header)), nil
		}
		return io.NopCloser(strings.NewReader(table.String())), nil
	}
	b.SetBytes(int64(table.Len()))
	source := proc{open: open, order: binary.LittleEndian}
	benchmark(b, others+ours, ours, func(visit tcp.Visit) error {
		return source.look(context.Background(), tcp.Query{Ports: tcp.Ports{{Lo: 41213, Hi: 41213}}}, visit)
	})
}

// benchmark looks again and again, and reports time and allocations per row.
func benchmark(b *testing.B, rows, wanted int, look func(tcp.Visit) error) {
	b.ReportAllocs()
	for b.Loop() {
		seen := 0
		if err := look(func(*tcp.Socket) { seen++ }); err != nil || seen != wanted {
			b.Fatalf("%d rows of %d, %v", seen, wanted, err)
		}
	}
	allocs := testing.AllocsPerRun(1, func() { _ = look(func(*tcp.Socket) {}) })
	b.ReportMetric(allocs/float64(rows), "allocs/row")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}
