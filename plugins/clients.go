package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"frontsockets/internal/textfile"
)

// readList hands a regular file to read. It returns when ctx ends, even if the file system does not answer.
// Errors say the reason first, then the file.
func readList[T any](ctx context.Context, name string, read func(io.Reader, string) (T, error)) (T, error) {
	return await(ctx, func() (v T, err error) {
		// Opening a FIFO would wait for a writer, and a device must not be opened.
		if name == "-" {
			return v, errors.New("'-' is not a file: stdin is not read here")
		}
		info, err := statList(name)
		if err == nil {
			if err := textfile.CheckRegular(info.Mode()); err != nil {
				return v, fmt.Errorf("%w: %s", err, name)
			}
		}
		var f *os.File
		if err == nil {
			f, err = os.Open(name)
		}
		var path *fs.PathError
		if errors.As(err, &path) {
			err = fmt.Errorf("%w: %s", path.Err, name)
		}
		if err != nil {
			return v, err
		}
		defer f.Close()
		return read(f, name)
	})
}

// statList is os.Stat. A test replaces it by a disk that does not answer.
var statList = os.Stat

// clientNames are names for address prefixes.
type clientNames map[netip.Prefix]string

// clientList has the names of a file, or why it gives none.
type clientList struct {
	names clientNames
	// fault is what is wrong with the text, or nil.
	fault error
}

// parseClients reads a file of "PREFIX NAME" lines, called name in errors. After a fault in the text no
// client is named: without the wrong line, a client could get the name of a wider prefix. parseClients
// returns an error only if the file cannot be read. Neither the fault nor the error quotes the lines:
// whoever runs the check may not be allowed to read the file.
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
			return errors.New("the first word is not an address or prefix; write 10.1.2.3 NAME or 10.1.2.0/24 NAME")
		}
		if client == "" {
			return errors.New("no name; write 10.1.2.3 NAME")
		}
		if !isName(client) {
			return errors.New("not a name; " + nameRule)
		}
		if other, twice := names[prefix]; twice && other != client {
			return errors.New("a second name for a prefix of a line above")
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

// nameOf returns the name of a client by the longest prefix that holds it, or "". As everywhere, an
// IPv6 prefix such as ::/0 holds IPv4 addresses too.
func (names clientNames) nameOf(client netip.Addr) string {
	if name := names.byPrefix(client, client.BitLen()); name != "" || !client.Is4() {
		return name
	}
	const beforeIPv4 = 95 // longer prefixes of mapped addresses are read as those of IPv4
	return names.byPrefix(netip.AddrFrom16(client.As16()), beforeIPv4)
}

// byPrefix returns the name by the longest prefix of at most so many bits.
func (names clientNames) byPrefix(client netip.Addr, bits int) string {
	for ; bits >= 0; bits-- {
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
