package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"unicode"
	"unicode/utf8"

	utf "golang.org/x/text/encoding/unicode"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// asUTF8 drops a byte order mark and reads UTF-16, which PowerShell writes. Without a mark
// it knows UTF-16 by the zero in each of the first characters, which are ASCII.
func asUTF8(r io.Reader) io.Reader {
	b := bufio.NewReaderSize(r, textfile.MaxLine)
	head, _ := b.Peek(4) // an error comes again with the first line
	endian, mark := utf.LittleEndian, utf.UseBOM
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = b.Discard(3) // they are in the buffer
		return b
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
	case len(head) == 4 && head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0:
		mark = utf.IgnoreBOM
	case len(head) == 4 && head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		endian, mark = utf.BigEndian, utf.IgnoreBOM
	default:
		return b
	}
	return utf.UTF16(endian, mark).NewDecoder().Reader(b)
}

// isASCII reports whether every byte is below 0x80.
func isASCII(line []byte) bool {
	for len(line) >= 8 {
		if binary.LittleEndian.Uint64(line)&0x8080808080808080 != 0 {
			return false
		}
		line = line[8:]
	}
	for _, c := range line {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// plainBlanks appends the line to buf with a plain blank for every Unicode blank. Web pages,
// word processors and chat programs change blanks, and add some that have no width.
func plainBlanks(buf, line []byte) []byte {
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		switch {
		case r != utf8.RuneError && r > unicode.MaxASCII && (unicode.IsSpace(r) || !unicode.IsGraphic(r)):
			buf = append(buf, ' ')
		default:
			buf = append(buf, line[:size]...)
		}
		line = line[size:]
	}
	return buf
}

// isPrompt reports whether a line is the prompt of a shell, perhaps with a command, and whether
// that is netstat or ss. These may have an address to look for among their arguments.
func isPrompt(line []byte) (prompt, command bool) {
	protocol, addresses := false, 0
	for w := (textfile.Words{Line: line}); ; {
		word := w.Next()
		if word == nil {
			return prompt, prompt && command
		}
		var e endpoint
		if e.parse(word) == nil && bytes.IndexByte(word, '@') < 0 {
			addresses++
		}
		protocol = protocol || isTCP(word)
		command = command || prompt && isTool(word)
		const ofFilter = 1
		switch {
		case isState(word), addresses > ofFilter, protocol && addresses > 0, !command && (protocol || addresses > 0):
			return false, false
		case !prompt && (word[0]-'0' <= 9 && len(bytes.Trim(word, "0123456789./%")) == 0 || bytes.IndexByte(word, '<') >= 0):
			return false, false // "45%", or "<1200 rows left out>"
		}
		prompt = prompt || string(word) == "➜" ||
			string(word) != ">" && bytes.IndexByte([]byte("#$%>"), word[len(word)-1]) >= 0
	}
}

// endsWithPrompt reports whether a last line without an end is a prompt.
func endsWithPrompt(line []byte) bool {
	prompt, _ := isPrompt(line)
	return prompt
}

// isTool reports whether a word of a command is netstat or ss, perhaps with a path.
func isTool(word []byte) bool {
	name := string(word[bytes.LastIndexByte(word, '/')+1:])
	return name == "netstat" || name == "ss"
}

// endsTable finds text that follows a whole table: a line that is drawn, the title of another table, a
// tag of HTML, the time, or the end of a session of ssh.
var endsTable = textfile.Lazy("^\\s*([-=#`]{3,}\\s*$|Active |</|Connection to \\S+ closed\\.$)|" +
	`(^|[ T])\d\d:\d\d:\d\d( [A-Z0-9+-]{2,6})*$`)

// rowsLeftOut finds text after a table which says that rows are missing: of a pager, of whoever
// copied it, or of the end of the command. Text in brackets or after dots may say so in any language.
var rowsLeftOut = textfile.Lazy(`^\s*(\.\.|…|--|[(（<\[【])|省略|^lines \d|(?i)omitted|truncated|` +
	`^(killed|terminated)|broken pipe|write error|closed by|timed out`)

// isProse reports whether a line begins with a word that cannot be a piece of a row. Such a word has a
// small letter or a letter beyond ASCII, and is neither an address nor a part of one.
func isProse(first []byte) bool {
	var e endpoint
	return bytes.ContainsFunc(first, func(r rune) bool { return r >= 'a' && r <= 'z' || r > unicode.MaxASCII }) &&
		(e.parse(first) != nil || !e.looksLikeAddress()) && !isPointer(first) && first[0] != '['
}

// addressOrState finds an address, whole or cut, or a state, alone or glued to other text.
var addressOrState = textfile.Lazy(`\d\.\d+\.\d|[0-9a-f]:[0-9a-f]*:|::|\*[.:]|` +
	`ESTAB|[A-Z][_-]WAIT|SYN[_-]|LISTEN|CLOS(E|ING)|LAST[_-]ACK|UNCONN`)

// mentions reports whether a port of the front stands in the line, alone or after ':', '.' or a colour.
func (t *table) mentions(line []byte) bool {
	coloured := bytes.IndexByte(line, '\x1b') >= 0
	for i := 0; i < len(line); i++ {
		start, n := i, 0
		for ; i < len(line) && line[i]-'0' <= 9; i++ {
			n = min(n*10+int(line[i]-'0'), 1<<16)
		}
		if i == start || n >= 1<<16 || !t.query.Ports.Has(uint16(n)) {
			continue
		}
		if start == 0 || coloured || bytes.IndexByte([]byte(":. \t"), line[start-1]) >= 0 {
			return true
		}
	}
	return false
}

// rejectHiddenRow returns an error if a line that is not a row holds a row or a part of one. That is a
// port of the front beside an address or a state, or an address beside a state.
func (t *table) rejectHiddenRow(line []byte) error {
	if t.mentions(line) && addressOrState().Match(line) {
		return errHiddenRow
	}
	address, state := false, false
	for w := (textfile.Words{Line: line}); ; {
		word := w.Next()
		if word == nil {
			break
		}
		var e endpoint
		address = address || e.parse(word) == nil && e.looksLikeAddress()
		state = state || isState(word)
	}
	if address && state {
		return errHiddenRow
	}
	return nil
}

// rowInText finds a row of netstat or ss in a line.
var rowInText = textfile.Lazy(`((tcp|TCP)[46]*\s+\d+\s+\d+|TCP)\s+\S+[.:][0-9*]+\s+\S+[.:]|` +
	`(ESTAB|LISTEN|CLOSE-WAIT|TIME-WAIT|FIN-WAIT-[12]|LAST-ACK|SYN-[A-Z]+)\s+\d+\s+\d+\s+\S+:\d+\s`)

// hasForeignBlanks reports whether a line has bytes beyond ASCII in the name of the protocol or
// beside an address or a state. In another code than UTF-8 the blanks of a web page are such bytes.
func hasForeignBlanks(line []byte) bool {
	for w := (textfile.Words{Line: line}); ; {
		word := w.Next()
		if word == nil {
			return false
		}
		if !isASCII(word) && (isTCP(word[:min(len("tcp"), len(word))]) || addressOrState().Match(word)) {
			return true
		}
	}
}

// brokenAddress returns the two parts of the first address that a blank breaks in two: neither
// is an address with its port, and both together are one.
func brokenAddress(line []byte) (before, after []byte) {
	w := textfile.Words{Line: line}
	for before = w.Next(); before != nil; before = after {
		after = w.Next()
		if after != nil && !isSocketAddress(before) && !isSocketAddress(after) &&
			isSocketAddress(bytes.Join([][]byte{before, after}, nil)) {
			return before, after
		}
	}
	return nil, nil
}

// isSocketAddress reports whether a word is an IP address with a port in digits.
func isSocketAddress(word []byte) bool {
	var e endpoint
	isPart := bytes.HasPrefix(word, []byte("[")) != (bytes.IndexByte(word, ']') >= 0)
	if isPart || e.parse(word) != nil || e.star || len(e.host) == 0 {
		return false
	}
	_, err := e.addr()
	return err == nil
}

// isState reports whether a word is a state in capitals.
func isState(word []byte) bool {
	if len(word) < len("IDLE") || word[0] < 'A' || word[0] > 'Z' || bytes.ContainsFunc(word, unicode.IsLower) {
		return false
	}
	if _, known := stateWords[string(word)]; known {
		return true
	}
	_, err := tcp.ParseState(string(word))
	return err == nil
}

// rejectSecondRow returns an error if another row begins in the rest of a row, or dots in the
// place of rows.
func rejectSecondRow(rest []byte) error {
	for w := (textfile.Words{Line: rest}); ; {
		word := w.Next()
		if word == nil {
			return nil
		}
		var e endpoint
		dots := bytes.HasSuffix(word, []byte("...")) || bytes.HasSuffix(word, []byte("…"))
		if dots {
			return errDots
		}
		if isTCP(word) || isState(word) || e.parse(word) == nil && e.looksLikeAddress() {
			return errTwoRows
		}
	}
}
