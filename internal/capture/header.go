package capture

import (
	"bytes"
	"slices"
	"strings"
)

// layout is what a header says of the columns of its table.
type layout struct {
	known bool // the order of the columns is
	// columns are their names, in the words of orders. There are none for the two usual orders, which a row
	// shows by itself.
	columns []string
	queues  bool // there are columns for Recv-Q and Send-Q
	repeats bool // the header may repeat
	broken  bool // the end of the header is missing
	// listenQueues says that this is the table of netstat -L.
	listenQueues bool
	// width is that of a column of addresses, 0 if the header does not tell.
	width int
}

// inOrder returns the layout of an order. With -A other columns are before it.
func inOrder(before []string, order string) layout {
	l := layout{known: true, queues: strings.Contains(order, "Recv-Q") && strings.Contains(order, "Send-Q")}
	if order != orderWithQueues && order != orderWithoutQueues {
		l.columns = slices.Concat(before, strings.Fields(order))
	}
	return l
}

// readHeader reads the header of a table. ok is false if the line is not a header.
func readHeader(line []byte) (l layout, ok bool) {
	var names []string
	addresses := "" // the word where the columns of addresses begin
	other, repeats := false, false
	for _, word := range strings.Fields(string(line)) {
		name, known := headerWords[word]
		if !known {
			name = word
		}
		if name == "" || strings.HasPrefix("Address", word) { // or its beginning, in a line that is cut
			continue
		}
		if addresses == "" && (name == "Local" || name == "Foreign") {
			addresses = word
		}
		other = other || otherTables[word]
		repeats = repeats || repeatedHeaders[word]
		names = append(names, name)
	}
	proto := slices.Index(names, "Proto")
	if proto > 2 { // -A has one or two columns before it
		proto = -1
	}
	longest, broken := "", false
	for _, start := range []int{0, max(proto, 0)} {
		header := strings.Join(names[start:], " ")
		for _, order := range orders {
			broken = broken || addresses != "" && strings.HasPrefix(order, header)
			if len(order) > len(longest) && strings.HasPrefix(header+" ", order+" ") {
				l, longest = inOrder(names[:start], order), order
			}
		}
	}
	switch {
	case l.known:
	case proto < 0 && (addresses == "" || !strings.Contains(string(line), "Address")):
		return l, false
	case other:
		return layout{listenQueues: slices.Contains(names, "Listen")}, true
	case addresses == "" && len(names) > proto+2: // in another language the order shows in the rows
		l = layout{known: true, queues: names[proto+1] == "Recv-Q"}
	default:
		l.broken = broken
	}
	l.repeats = repeats
	if l.queues {
		l.width = addressWidth(line, addresses)
	}
	return l, true
}

// addressWidth returns the width of the first column of addresses, up to the blank before the next column.
// word begins the column; if it is empty, the column begins after "Send-Q". The width is 0 if blanks do not
// tell it.
func addressWidth(line []byte, word string) int {
	start := bytes.Index(line, []byte(word))
	if word == "" {
		_, after, _ := bytes.Cut(line, []byte("Send-Q"))
		start = len(line) - len(bytes.TrimLeft(after, " "))
	}
	if bytes.IndexByte(line, '\t') >= 0 || !isASCII(line) {
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
