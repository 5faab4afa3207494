package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"frontsockets/internal/tcp"
)

const procHeader = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

const proc6Header = "  sl  local_address                         remote_address                        st" +
	" tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// procFiles opens tables from memory.
func procFiles(files map[string]string) func(string) (io.ReadCloser, error) {
	return func(name string) (io.ReadCloser, error) {
		text, ok := files[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}
}

func procLook(order byteOrder, files map[string]string, q tcp.Query) (string, error) {
	var b strings.Builder
	err := proc{open: procFiles(files), order: order}.look(context.Background(), q, func(s *tcp.Socket) {
		fmt.Fprintf(&b, "%s %s %s recvq=%d sendq=%d inode=%d retransmits=%d\n",
			s.State, s.Local, s.Remote, s.RecvQ, s.SendQ, s.Inode, s.Retransmits)
	})
	return b.String(), err
}

// TestProcFixtures reads tables as they stand on hosts of both byte orders.
func TestProcFixtures(t *testing.T) {
	const dir = "../../testdata/procnet/"
	golden, err := os.ReadFile(dir + "golden")
	if err != nil {
		t.Fatal(err)
	}
	for name, order := range map[string]byteOrder{"le": binary.LittleEndian, "be": binary.BigEndian} {
		open := func(table string) (io.ReadCloser, error) { return os.Open(dir + name + "/" + table) }
		var b strings.Builder
		err := proc{open: open, order: order}.look(context.Background(), tcp.Query{Ports: tcp.Ports{{Lo: 41213,
			Hi: 41213}}}, func(s *tcp.Socket) {
			fmt.Fprintf(&b, "%s %s %s recvq=%d sendq=%d inode=%d retransmits=%d\n",
				s.State, s.Local, s.Remote, s.RecvQ, s.SendQ, s.Inode, s.Retransmits)
		})
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(golden) {
			t.Errorf("%s reads\n%swant\n%s", name, b.String(), golden)
		}
	}
}

func TestProcWithoutIPv6(t *testing.T) {
	row := "   0: 0100007F:A0FD 0900007F:C350 06 00000000:00000000 03:00000DA3 00000000     0        0 0 3" +
		" 0000000000000000\n"
	got, err := procLook(binary.LittleEndian, map[string]string{"tcp": procHeader + row}, anyPort)
	if want := "time_wait 127.0.0.1:41213 127.0.0.9:50000 recvq=0 sendq=0 inode=0 retransmits=0\n"; err != nil ||
		got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := procLook(binary.LittleEndian, nil, anyPort); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no table at all: %v, want that it is absent", err)
	}
}

// TestProcRowTwice: a row counts twice unless it is certain that it shows the same socket.
func TestProcRowTwice(t *testing.T) {
	row := func(state, inode, object string) string {
		return "   0: 0100007F:A0FD 0900007F:C350 " + state + " 00000000:00000000 00:00000000 00000000     0        0 " +
			inode + " 1 " + object + "\n"
	}
	const hidden, here, there = "0000000000000000", "00000000c0ffee01", "00000000c0ffee02"
	for _, test := range []struct {
		name, rows string
		want       int
	}{
		{"the same object", row("01", "77", here) + row("01", "77", here), 1},
		{"accepted meanwhile", row("01", "0", here) + row("01", "77", here), 1},
		{"TIME_WAIT on two interfaces", row("06", "0", here) + row("06", "0", there), 2},
		{"two inodes on two interfaces", row("08", "77", hidden) + row("08", "78", hidden), 2},
		{"the same inode", row("08", "77", hidden) + row("08", "77", hidden), 1},
		{"nothing to tell them apart", row("06", "0", hidden) + row("06", "0", hidden), 2},
		{"a kernel without the column", row("06", "0", "") + row("06", "0", ""), 2},
		{"a column that is no hash", row("06", "0", "here and there") + row("06", "0", "here and there"), 2},
	} {
		got, err := procLook(binary.LittleEndian, map[string]string{"tcp": procHeader + test.rows}, anyPort)
		if err != nil || strings.Count(got, "\n") != test.want {
			t.Errorf("%s: got %q, %v; want %d", test.name, got, err, test.want)
		}
	}
	listener := "   0: 0100007F:A0FD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1\n"
	twin := strings.Replace(listener, " 77 ", " 78 ", 1)
	got, err := procLook(binary.LittleEndian, map[string]string{"tcp": procHeader + listener + twin + listener}, anyPort)
	if err != nil || strings.Count(got, "\n") != 2 {
		t.Errorf("got %q, %v; want two listeners", got, err)
	}
}

// TestGarbledRowsOfOthers: what cannot be read may have been ours.
func TestGarbledRowsOfOthers(t *testing.T) {
	q := tcp.Query{Ports: tcp.Ports{{Lo: 1, Hi: 1}}}
	for _, row := range []string{
		"   0: 0100007F:A0FDE 0900007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12345 1\n",
		"   0:x0100007F:A0FD 0900007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12345 1\n",
		"   0: 0100007F A0FD 0900007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12345 1\n",
		"   0: 0100007F:A0F\n",
	} {
		if got, err := procLook(binary.LittleEndian, map[string]string{"tcp": procHeader + row}, q); !errors.Is(err,
			errGarbled) {
			t.Errorf("%q reads %q, %v", row, got, err)
		}
	}
}

// TestProcTimers: the counter means retransmits only under their timer, and stops
// where a Socket's does.
func TestProcTimers(t *testing.T) {
	for timer, want := range map[string]string{"00": "=0", "01": "=3", "02": "=0", "03": "=0", "04": "=0"} {
		row := "   0: 0100007F:A0FD 0900007F:C350 01 00000000:00000000 " + timer + ":00000010 00000003     0        0 77 1\n"
		got, err := procLook(binary.LittleEndian, map[string]string{"tcp": procHeader + row}, anyPort)
		if err != nil || !strings.HasSuffix(got, " retransmits"+want+"\n") {
			t.Errorf("timer %s: %q, %v; want retransmits%s", timer, got, err, want)
		}
	}
	row := "   0: 0100007F:A0FD 0900007F:C350 01 00000000:00000000 01:00000010 00000100     0        0 77 1\n"
	if got, err := procLook(binary.LittleEndian, map[string]string{"tcp": procHeader + row}, anyPort); err != nil ||
		!strings.HasSuffix(got, " retransmits=255\n") {
		t.Errorf("256 retransmits: %q, %v", got, err)
	}
}

type closing struct {
	io.Reader
	closed *int
}

func (c closing) Close() error { *c.closed++; return nil }

func TestProcClosesItsTables(t *testing.T) {
	opened, closed := 0, 0
	open := func(string) (io.ReadCloser, error) {
		opened++
		return closing{strings.NewReader(procHeader), &closed}, nil
	}
	err := proc{open: open, order: binary.LittleEndian}.look(context.Background(), anyPort, func(*tcp.Socket) {})
	if err != nil || opened != 2 || closed != 2 {
		t.Errorf("%d tables opened, %d closed, %v", opened, closed, err)
	}
}

func TestGarbledProc(t *testing.T) {
	good := "   0: 0100007F:A0FD 0900007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12345 1" +
		" 0000000000000000 20 0 0 10 -1\n"
	swap := func(old, new string) string { return procHeader + strings.Replace(good, old, new, 1) }
	for _, test := range []struct{ name, table, want string }{
		{"empty", "", "empty, without even a header"},
		{"no header", good, "line 1: not the header"},
		{"header cut", "  sl  local_add", "line 1: cut short"},
		{"row cut", procHeader + good[:60], "line 2: cut short"},
		{"second row cut", procHeader + good + good[:60], "line 3: cut short"},
		{"blank line", procHeader + "\n", "line 2: not a row"},
		{"no port", swap("0100007F:A0FD", "0100007F A0FD"), "line 2: not a row"},
		{"port of three digits", swap(":A0FD", ":0FD"), "not a row"},
		{"port no hex", swap(":A0FD", ":A0GD"), "not a row"},
		{"address no hex", swap("0100007F", "0100007G"), "not a row"},
		{"remote of six digits", swap("0900007F", "09007F"), "not a row"},
		{"port of five digits", swap(":A0FD", ":A0FDE"), "not a row"},
		{"no blank behind the number", swap("0: 01", "0:x01"), "not a row"},
		{"queue of nine digits", swap("01 00000000:", "01 000000000:"), "not a row"},
		{"inode of twenty digits", swap(" 12345 ", " 11111111111111111111 "), "not a row"},
		{"state 0", swap(" 01 ", " 00 "), "0 is not a TCP state"},
		{"state 13", swap(" 01 ", " 0D "), "13 is not a TCP state"},
		{"state no hex", swap(" 01 ", " zz "), "not a row"},
		{"state of three digits", swap(" 01 ", " 101 "), "not a row"},
		{"queues no pair", swap("00000000:00000000", "00000000"), "not a row"},
		{"timer no pair", swap("00:00000000", "00"), "not a row"},
		{"retransmits no hex", swap(" 00000000     0", " 0000000x     0"), "not a row"},
		{"inode no number", swap(" 12345 ", " 12x45 "), "not a row"},
		{"inode missing", procHeader + strings.Fields(good)[0] + " " + strings.Join(strings.Fields(good)[1:9], " ") + "\n",
			"not a row"},
		{"an IPv6 row among IPv4", procHeader + strings.ReplaceAll(good, "0100007F", strings.Repeat("0", 32)), "not a row"},
		{"a line without end", procHeader + strings.Repeat("x", 70<<10), "over 65536 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := procLook(binary.LittleEndian, map[string]string{"tcp": test.table}, anyPort)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, error %v; want one with %q", got, err, test.want)
			}
		})
	}
}

func FuzzProc(f *testing.F) {
	for _, dir := range []string{"le", "be"} {
		for _, table := range []string{"tcp", "tcp6"} {
			text, err := os.ReadFile("../../testdata/procnet/" + dir + "/" + table)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text), table == "tcp6")
		}
	}
	f.Fuzz(func(t *testing.T, table string, six bool) {
		files := map[string]string{"tcp": procHeader, "tcp6": proc6Header}
		if six {
			files["tcp6"] = table
		} else {
			files["tcp"] = table
		}
		n := 0
		err := proc{open: procFiles(files), order: binary.LittleEndian}.look(context.Background(), anyPort,
			func(s *tcp.Socket) {
				n++
				if !s.Local.Addr().IsValid() || s.Local.Port() == 0 || s.State >= tcp.NumStates || s.State == 0 {
					t.Errorf("visited %+v", *s)
				}
			})
		if lines := strings.Count(table, "\n"); n > lines {
			t.Errorf("%d rows from %d lines", n, lines)
		}
		if err == nil && !strings.HasSuffix(table, "\n") {
			t.Error("a table that is cut short was taken")
		}
	})
}
