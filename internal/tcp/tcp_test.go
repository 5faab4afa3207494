package tcp

import (
	"slices"
	"strings"
	"testing"
)

func TestParseState(t *testing.T) {
	for want, words := range map[State]string{
		Established: "1 01 established ESTABLISHED ESTAB estab Established",
		SynSent:     "2 02 syn_sent SYN_SENT SYN-SENT SynSent",
		SynRecv:     "3 03 12 0C 0c syn_recv SYN_RECV SYN-RECV SYN_RCVD SYN_RECEIVED SynReceived NEW_SYN_RECV",
		FinWait1:    "4 04 fin_wait1 FIN_WAIT1 FIN-WAIT-1 FIN_WAIT_1 FinWait1",
		FinWait2:    "5 05 fin_wait2 FIN_WAIT2 FIN-WAIT-2 FIN_WAIT_2 FinWait2",
		TimeWait:    "6 06 time_wait TIME_WAIT TIME-WAIT TimeWait timewait",
		Close:       "7 07 close CLOSE CLOSED UNCONN IDLE BOUND DELETE_TCB DeleteTCB DELETE",
		CloseWait:   "8 08 close_wait CLOSE_WAIT CLOSE-WAIT CloseWait",
		LastAck:     "9 09 last_ack LAST_ACK LAST-ACK LastAck",
		Listen:      "10 0A 0a listen LISTEN LISTENING Listen",
		Closing:     "11 0B 0b closing CLOSING Closing",
	} {
		for _, word := range strings.Fields(words) {
			if got, err := ParseState(word); err != nil || got != want {
				t.Errorf("ParseState(%q) = %v, %v; want %v", word, got, err, want)
			}
		}
		if got, err := ParseState(want.String()); err != nil || got != want {
			t.Errorf("%v does not read itself: %v, %v", want, got, err)
		}
	}
	for _, word := range []string{"", "0", "13", "0D", "ESTABLISH", "TIME WAIT", "Foreign", "-", "VERBUNDEN"} {
		if got, err := ParseState(word); err == nil {
			t.Errorf("ParseState(%q) = %v, want an error", word, got)
		} else if !strings.Contains(err.Error(), "'"+word+"'") {
			t.Errorf("ParseState(%q): %q does not quote it", word, err)
		}
	}
}

func TestKernelState(t *testing.T) {
	for n := range 256 {
		got, err := KernelState(uint8(n))
		switch {
		case n >= 1 && n <= 11:
			if err != nil || got != State(n) {
				t.Errorf("KernelState(%d) = %v, %v", n, got, err)
			}
		case n == 12:
			if err != nil || got != SynRecv {
				t.Errorf("KernelState(12) = %v, %v; want syn_recv", got, err)
			}
		case err == nil:
			t.Errorf("KernelState(%d) = %v, want an error", n, got)
		}
	}
}

func TestStateSet(t *testing.T) {
	set, err := ParseStateSet("established,LISTEN,fin-wait-2")
	if err != nil {
		t.Fatal(err)
	}
	for s := Established; s < NumStates; s++ {
		if want := s == Established || s == Listen || s == FinWait2; set.Has(s) != want {
			t.Errorf("Has(%v) = %v", s, !want)
		}
	}
	for text, want := range map[string]string{"": "a state is missing", "established,": "a state is missing",
		"established;listen": "'established;listen' is not a TCP state"} {
		if _, err := ParseStateSet(text); err == nil || err.Error() != want {
			t.Errorf("ParseStateSet(%q): %v, want %q", text, err, want)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for _, test := range []struct{ words, want string }{
		{"41213", "41213"},
		{"41213,41223-41226", "41213,41223-41226"},
		{"41226 41213", "41213,41226"},
		{"5-9,7-12,13", "5-13"},
		{"1-10,2-3", "1-10"},
		{"1-65535", "1-65535"},
		{"65535 65534", "65534-65535"},
		{"041213", "41213"},
	} {
		ports, err := ParsePorts(strings.Fields(test.words)...)
		if err != nil || ports.String() != test.want {
			t.Errorf("%q reads %q, %v; want %q", test.words, ports, err, test.want)
		}
	}
	for text, want := range map[string]string{
		"0":           "'0' is not a port or range of ports: ports are 1 to 65535",
		"70000":       "'70000' is not a port or range of ports: ports are 1 to 65535",
		"5-3":         "'5-3' is not a range of ports: 5 is over 3; write 3-5",
		"":            "'' is not a port or range of ports: a port is missing",
		"80,":         "'' is not a port or range of ports: a port is missing",
		"80-":         "'80-' is not a port or range of ports: a port is missing",
		"-80":         "'-80' is not a port or range of ports: a port is missing",
		"1-2-3":       "'1-2-3' is not a port or range of ports: use such as 41213, 41213,41223 or 41213-41226",
		"http":        "'http' is not a port or range of ports: use such as 41213, 41213,41223 or 41213-41226",
		"+80":         "'+80' is not a port or range of ports: use such as 41213, 41213,41223 or 41213-41226",
		"80 81":       "'80 81' is not a port or range of ports: use such as 41213, 41213,41223 or 41213-41226",
		"0x50":        "'0x50' is not a port or range of ports: use such as 41213, 41213,41223 or 41213-41226",
		"99999999999": "'99999999999' is not a port or range of ports: ports are 1 to 65535",
	} {
		if ports, err := ParsePorts(text); err == nil || err.Error() != want {
			t.Errorf("%q reads %q, %v; want the error %q", text, ports, err, want)
		}
	}
}

func FuzzParsePorts(f *testing.F) {
	for _, text := range []string{"41213", "41213,41223-41226", "1-65535", "5-3", "0", "", ",", "65535,65534-65535"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := ParsePorts(text)
		if err != nil {
			return
		}
		again, err := ParsePorts(ports.String())
		if err != nil || !slices.Equal(again, ports) {
			t.Fatalf("%q reads %v, whose String reads %v, %v", text, ports, again, err)
		}
		var last uint16
		for port := range ports.All {
			if port <= last || !ports.Has(port) {
				t.Fatalf("%q: port %d after %d", text, port, last)
			}
			last = port
		}
	})
}

func TestPortsLen(t *testing.T) {
	for text, want := range map[string]int{"41213": 1, "41213,41223-41226": 5, "1-65535": 65535} {
		if p, err := ParsePorts(text); err != nil || p.Len() != want {
			t.Errorf("%s is %d ports, %v; want %d", text, p.Len(), err, want)
		}
	}
}
