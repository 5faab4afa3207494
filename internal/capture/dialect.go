package capture

import (
	"bytes"
	"errors"
	"fmt"

	"frontsockets/internal/tcp"
)

// This file is what differs between systems and languages. A new one should need no more
// than a line here, and a capture in testdata/captures.

// anyState is every state; sessions is every one but LISTEN.
const (
	anyState tcp.StateSet = 1<<tcp.NumStates - 2
	sessions              = anyState &^ (1 << tcp.Listen)
	listen   tcp.StateSet = 1 << tcp.Listen
)

// titles is what the parentheses in the title of a table say was left out. A phrase that is
// not here leaves out what the table does not show: see netstat.end.
var titles = map[string]tcp.StateSet{
	"servers and established": 0, "including servers": 0,
	"only servers": sessions, "w/o servers": listen,
	"服务器和已建立连接的": 0, "仅服务器": sessions, "w/o 服务器": listen,
	"Server und stehende Verbindungen": 0, "Nur Server": sessions, "ohne Server": listen,
	"serveurs et établies": 0, "seulement serveurs": sessions, "sans serveurs": listen,
}

// headerWords is what other words in a header stand for, in the words of orders. One that stands for
// nothing is a part of the name of a column. No netstat is known to write Source and Destination, but
// a table with these swapped must not be read as one in another language.
var headerWords = map[string]string{
	"Remote": "Foreign", "(state)": "State", "TCP-State": "State", "Address": "",
	"Source": "Local", "Destination": "Foreign",
}

// repeatedHeaders is words of headers that may repeat. OpenBSD, which writes "(state)", repeats them;
// net-tools and Windows, which write "State", do not.
var repeatedHeaders = map[string]bool{"(state)": true, "TCP-State": true}

// orders is the orders of columns that netstat knows how to read, in the words of a header up to the last
// column that counts: Local, Foreign, State, and if there are such, Proto, Recv-Q and Send-Q. A table in
// another order is refused.
var orders = []string{orderWithQueues, orderWithoutQueues, orderOfSolaris}

// Rows without a header, or with one in another language, are in one of these orders.
const (
	orderWithQueues    = "Proto Recv-Q Send-Q Local Foreign State"
	orderWithoutQueues = "Proto Local Foreign State"
	orderOfSolaris     = "Local Foreign Swind Send-Q Rwind Recv-Q State"
)

// otherTables is words in the headers of tables that do not hold sockets of TCP.
var otherTables = map[string]bool{"RefCnt": true, "unit": true, "vendor": true, "Type": true, "Listen": true}

// Widths to which an address is cut, for captures without a header. net-tools cuts the address, but not
// the port: together with ':' they have 23 characters, or 27 on CentOS and RHEL 5 and 6. Some busyboxes
// cut at 23, ports too. The BSDs cut an IPv6 address to 16 and write the port after it. With -A they cut
// both together to 18.
var (
	colonWidths = []int{23, 27}
	dotWidths   = []int{22}
	blockWidths = []int{18}
)

const hostWidth = 16 // of the BSDs

// stateWords is states that tcp.ParseState does not know: those of Windows in German, in
// UTF-8 and in code pages 850 and 1252.
var stateWords = map[string]tcp.State{
	"ABHÖREN": tcp.Listen, "ABH\x99REN": tcp.Listen, "ABH\xd6REN": tcp.Listen,
	"HERGESTELLT": tcp.Established, "WARTEND": tcp.TimeWait, "SCHLIESSEN_WARTEN": tcp.CloseWait,
	"FIN_WARTEN_1": tcp.FinWait1, "FIN_WARTEN_2": tcp.FinWait2, "SYN_GESENDET": tcp.SynSent,
	"SYN_EMPFANGEN": tcp.SynRecv, "LETZTE_ACK": tcp.LastAck, "SCHLIESSEND": tcp.Closing,
}

// timers is the names of the timers of net-tools: in English, and in Chinese in UTF-8 and GBK.
var timers = map[string]string{
	"on": "on", "off": "off", "keepalive": "keepalive", "timewait": "timewait", "probe": "probe",
	"打开": "on", "关闭": "off", "保持连接": "keepalive", "等待": "timewait",
	"\xb4\xf2\xbf\xaa": "on", "\xb9\xd8\xb1\xd5": "off", "\xb1\xa3\xb3\xd6\xc1\xac\xbd\xd3": "keepalive",
}

// isOther reports whether a word is the name of another protocol in netstat.
func isOther(word []byte) bool {
	switch string(word) {
	case "unix", "udp", "udp4", "udp6", "udp46", "UDP", "udplite", "udpl", "udpl6", "sctp", "sctp4", "sctp6",
		"raw", "raw6", "icmp", "icmp4", "icmp6", "icm4", "icm6", "ip", "ip4", "ip6", "igmp", "divert", "kctl", "kevt":
		return true
	}
	return false
}

// isTCP reports whether a word is the name of the protocol: tcp, TCP, tcp4, tcp6, tcp46. FreeBSD writes
// toe4 and so on for a session that its network card handles.
func isTCP(b []byte) bool {
	if len(b) < 3 || len(b) > 5 || b[0]|0x20 != 't' ||
		(b[1]|0x20 != 'c' || b[2]|0x20 != 'p') && (b[1] != 'o' || b[2] != 'e') {
		return false
	}
	for _, c := range b[3:] {
		if c != '4' && c != '6' {
			return false
		}
	}
	return true
}

// isPointer reports whether a word is an address in memory or a hash: 4 to 16 hex digits,
// perhaps after 0x. With -A one or two are before the protocol.
func isPointer(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("0x"))
	return len(b) >= 4 && len(b) <= 16 && len(bytes.Trim(b, "0123456789abcdefABCDEF")) == 0
}

// isStateOfSS reports whether a word is a state as ss writes it.
func isStateOfSS(word []byte) bool {
	switch string(word) {
	case "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
		"UNCONN", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING":
		return true
	}
	return false
}

// state reads a state word. It remembers the few spellings there are.
func (t *table) state(word []byte) (tcp.State, error) {
	if s, ok := t.stateOf[string(word)]; ok {
		return s, nil
	}
	if len(word) == 0 {
		return 0, errors.New("the state is missing: the row is cut or broken in two")
	}
	if word[0] < 'A' || word[len(word)-1] == '_' { // CLOSE_ is the beginning of CLOSE_WAIT
		return 0, fmt.Errorf("'%s' is not a whole TCP state in English", word)
	}
	s, ok := stateWords[string(word)]
	var err error
	if !ok {
		s, err = tcp.ParseState(string(word))
	}
	switch {
	case err != nil && (bytes.HasSuffix(word, []byte("tcp")) || bytes.HasSuffix(word, []byte("TCP"))):
		return 0, errTwoRows
	case err != nil && !isASCII(word):
		return 0, fmt.Errorf("'%s' is not a whole TCP state in English", word)
	}
	const longest = 17 // of all true spellings
	if err == nil && len(word) <= longest {
		t.stateOf[string(word)] = s
	}
	return s, err
}
