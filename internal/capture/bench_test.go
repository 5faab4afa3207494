package capture

import (
	"bytes"
	"fmt"
	"testing"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// BenchmarkNetstat reads a capture in which one row of a hundred is wanted.
func BenchmarkNetstat(b *testing.B) {
	var text bytes.Buffer
	const rows = 100_000
	for i := range rows {
		port := 8080
		if i%100 == 0 {
			port = 41213
		}
		fmt.Fprintf(&text, "tcp   %6d %6d %-23s %-23s %-11s\n", 0, 0, fmt.Sprintf("10.1.0.7:%d", port),
			fmt.Sprintf("10.1.%d.%d:%d", i>>8&255, i&255, 30000+i%30000), "TIME_WAIT")
	}
	b.ReportAllocs()
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		source := From("netstat", textfile.File{Name: "-", Stdin: bytes.NewReader(text.Bytes())})
		n := 0
		_, err := source.Look(b.Context(), front, func(*tcp.Socket) { n++ })
		if err != nil || n != rows/100 {
			b.Fatal(n, err)
		}
	}
}
