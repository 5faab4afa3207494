package plugins

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// clientList is what a file of client names gives.
type clientList struct {
	names clientNames
	// fault is why the file gives no names, or nil.
	fault error
}

// parseClients reads a file of "PREFIX NAME" lines, called name in errors. A fault in the text
// costs all names, since a client could get the name of a wider prefix. The error is that the
// file cannot be read. Neither quotes the lines: whoever runs the check may not be allowed to read
// the file.
func parseClients(r io.Reader, name string) (clientList, error) {
	names := clientNames{}
	err := textfile.Each(r, name, func(line string) error {
		if err := textfile.CheckUTF8(line); err != nil {
			return err
		}
		word, client, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		client = strings.TrimSpace(client)
		prefix, err := parseRemote(word)
		if err != nil {
			return errors.New("the first word is no address or CIDR prefix of a client")
		}
		if client == "" {
			return errors.New("no name after the prefix")
		}
		if checkName(client) != nil {
			return errors.New("no name of up to 64 printable characters, without a pipe, after the prefix")
		}
		if other, twice := names[prefix]; twice && other != client {
			return errors.New("the prefix has another name on a line above")
		}
		names[prefix] = client
		return nil
	})
	var unreadable *fs.PathError
	switch {
	case errors.As(err, &unreadable):
		return clientList{}, err
	case err != nil:
		return clientList{fault: err}, nil
	}
	return clientList{names: names}, nil
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
