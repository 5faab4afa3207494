package plugins

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
)

// readFile hands a regular file to read: the time limit does not hold for a FIFO yet.
func readFile[T any](name string, read func(io.Reader, string) (T, error)) (v T, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return v, err
	}
	if !info.Mode().IsRegular() {
		return v, fmt.Errorf("%s is not a regular file but %s", name, info.Mode())
	}
	f, err := os.Open(name)
	if err != nil {
		return v, err
	}
	defer f.Close()
	return read(f, name)
}

// clientNames are names for address prefixes.
type clientNames map[netip.Prefix]string

// parseClients reads a file of "PREFIX NAME" lines, called name in errors; a line that
// starts with '#' is a comment.
func parseClients(r io.Reader, name string) (clientNames, error) {
	names := clientNames{}
	lines, n := bufio.NewScanner(r), 1
	for ; lines.Scan(); n++ {
		text := strings.TrimPrefix(lines.Text(), "\ufeff")
		word, client, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(text, "\t", " ")), " ")
		client = strings.TrimSpace(client)
		wrong := func(cause error) error { return fmt.Errorf("%s:%d: %w: '%s'", name, n, cause, strings.TrimSpace(text)) }
		if word == "" || word[0] == '#' {
			continue
		}
		prefix, err := parsePrefix(word)
		if err != nil {
			return nil, wrong(err)
		}
		if client == "" {
			return nil, wrong(fmt.Errorf("no name behind the prefix"))
		}
		if err := checkName(client); err != nil {
			return nil, wrong(err)
		}
		if other, twice := names[prefix]; twice && other != client {
			return nil, wrong(fmt.Errorf("%s is '%s' already", prefix, other))
		}
		names[prefix] = client
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, n, err)
	}
	return names, nil
}

// of is the name of a client by the longest of his prefixes, or "".
func (names clientNames) of(client netip.Addr) string {
	for bits := client.BitLen(); bits >= 0; bits-- {
		prefix, err := client.Prefix(bits)
		if err != nil {
			return ""
		}
		if name, known := names[prefix]; known {
			return name
		}
	}
	return ""
}
