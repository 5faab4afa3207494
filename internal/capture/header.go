package capture

import (
	"bytes"
	"slices"
	"strings"
)

// layout is what a header says of the columns of its table.
type layout struct {
	known  bool // the order of the columns
	queues bool // there are columns for Recv-Q and Send-Q
	// repeats says that headers may repeat. OpenBSD, which writes "(state)", repeats them;
	// net-tools and Windows, which write "State", do not.
	repeats bool
	broken  bool // the end of the header is missing
	// listenQueues says that this is the table of netstat -L.
	listenQueues bool
	// width is that of an address, 0 if the header does not tell.
	width int
}

// readHeader reads the header of a table. ok is false if the line is not a header.
func readHeader(line []byte) (l layout, ok bool) {
	words := strings.Fields(string(line))
	proto := 0 // -A has one or two columns before the protocol
	for proto < len(words) && proto <= 2 && words[proto] != "Proto" {
		proto++
	}
	var names []string
	other, english := false, false
	for _, word := range words {
		if strings.HasPrefix("Address", word) {
			continue
		}
		switch word {
		case "Remote":
			word = "Foreign"
		case "(state)", "TCP-State":
			word, l.repeats = "State", true
		}
		other = other || otherTables[word]
		english = english || word == "Local" || word == "Foreign"
		names = append(names, word)
		if word == "State" {
			break
		}
	}
	switch {
	case proto < len(words) && proto <= 2:
		names = names[proto:]
	case !english || !strings.Contains(string(line), "Address"):
		return l, false
	}
	if other {
		l.listenQueues = slices.Contains(names, "Listen")
		return l, true
	}
	repeats := l.repeats
	order := strings.Join(names, " ")
	l = orders[order]
	for whole := range orders {
		l.broken = l.broken || english && len(order) < len(whole) && strings.HasPrefix(whole, order)
	}
	if !english && len(names) > 2 { // in another language the order shows in the rows
		l = layout{known: true, queues: names[1] == "Recv-Q"}
	}
	l.repeats = repeats
	if l.queues {
		l.width = addressWidth(line)
	}
	return l, true
}

// addressWidth returns the width of the first column of addresses, up to the blank before the second.
// The column begins after "Send-Q" or at the start. The width is 0 if blanks do not tell it.
func addressWidth(line []byte) int {
	start := bytes.Index(line, []byte("Local"))
	if after := bytes.Index(line, []byte("Send-Q")); start < 0 && after >= 0 {
		start = after + len("Send-Q")
		start += len(line[start:]) - len(bytes.TrimLeft(line[start:], " "))
	}
	if start < 0 || bytes.IndexByte(line, '\t') >= 0 || !isASCII(line) {
		return 0
	}
	gap := bytes.Index(line[start:], []byte("  "))
	if gap < 0 {
		return 0
	}
	next := line[start+gap:]
	return gap + len(next) - len(bytes.TrimLeft(next, " ")) - 1
}

// phrase returns what the title of a table says in its last parentheses.
func phrase(title string) string {
	title = strings.NewReplacer("（", "(", "）", ")").Replace(strings.TrimSpace(title))
	if !strings.HasSuffix(title, ")") {
		return ""
	}
	_, inside, _ := strings.Cut(title[max(strings.LastIndexByte(title, '('), 0):], "(")
	return strings.TrimSuffix(inside, ")")
}
