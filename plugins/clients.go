package plugins

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"frontsockets/internal/textfile"
)

// readRegular hands a regular file to read: the time limit does not cover a FIFO.
func readRegular[T any](name string, read func(io.Reader, string) (T, error)) (v T, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return v, err
	}
	if !info.Mode().IsRegular() {
		return v, fmt.Errorf("%s is not a regular file: %s", name, info.Mode())
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

// parseClients reads a file of "PREFIX NAME" lines, called name in errors.
func parseClients(r io.Reader, name string) (clientNames, error) {
	names := clientNames{}
	err := textfile.Each(r, name, func(line string) error {
		word, client, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		client = strings.TrimSpace(client)
		prefix, err := parseRemote(word)
		if err != nil {
			return fmt.Errorf("%w: '%s'", err, line)
		}
		if client == "" {
			return fmt.Errorf("no name after the prefix: '%s'", line)
		}
		if err := checkName(client); err != nil {
			return fmt.Errorf("%w: '%s'", err, line)
		}
		if other, twice := names[prefix]; twice && other != client {
			return fmt.Errorf("%s is '%s' already: '%s'", prefix, other, line)
		}
		names[prefix] = client
		return nil
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

// nameOf returns the name of a client by the longest prefix that holds it, or "".
func (names clientNames) nameOf(client netip.Addr) string {
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
