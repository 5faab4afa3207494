package plugins

import (
	"strings"
	"testing"
)

// FuzzParseClients: a file gives names or a fault, never both; the names are fit for output, each
// belongs to its own prefix, and the same names come from a file that says them in another order
// and with the line ends and the byte order mark of Windows.
func FuzzParseClients(f *testing.F) {
	for _, text := range []string{
		"", "10.1.2.3 Client A", "10.1.0.0/16\tdesk 2 # comment\r\n\n# x\n2001:db8::/32 y", "10.1.2.3",
		"\ufeff::ffff:10.1.2.3 a\n10.1.2.3 a", "10.1.2.3 a\n10.1.2.3/32 b", "10.1.2.3 a<b", "10.1.2.3 \xff",
		"10.1.2.3 a #\v", "10.1.2.3 a\u3000# x", "0.0.0.0/0 all\n::/0 all", "fe80::1%eth0 a", "10.1.2.3/33 a",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseClients(strings.NewReader(text), "file")
		if err != nil {
			t.Fatalf("%q cannot be read: %v", text, err)
		}
		if list.fault != nil {
			if list.names != nil || !strings.HasSuffix(list.fault.Error(), ", in file") {
				t.Fatalf("%q gives %v and %v", text, list.names, list.fault)
			}
			return
		}
		again := "\ufeff"
		for prefix, name := range list.names {
			if !isName(name) || prefix != prefix.Masked() {
				t.Fatalf("%q names %s %q", text, prefix, name)
			}
			again += prefix.String() + "\t" + name + "\r\n"
			if prefix.IsSingleIP() && list.names.nameOf(prefix.Addr()) != name {
				t.Fatalf("%q names %s %q", text, prefix, list.names.nameOf(prefix.Addr()))
			}
		}
		other, err := parseClients(strings.NewReader(again), "file")
		if err != nil || other.fault != nil || len(other.names) != len(list.names) {
			t.Fatalf("%q gives %v, but %q %v, %v, %v", text, list.names, again, other.names, other.fault, err)
		}
		for prefix, name := range list.names {
			if other.names[prefix] != name {
				t.Fatalf("%q names %s %q, but %q %q", text, prefix, name, again, other.names[prefix])
			}
		}
	})
}
