//go:build e2e

package e2e

import "testing"

func TestMachine(t *testing.T) {
	if !machine(t) {
		return
	}
	install(t)
	f := newFront(t)
	t.Log(try(t, "/usr/lib/nagios/plugins/check_mdfront_sockets"))
	t.Log(f.act("hang"))
	t.Log(try(t, "/usr/lib/nagios/plugins/check_mdfront_sockets"))
	f.act("healthy")
	t.Log(try(t, "/usr/lib/nagios/plugins/check_mdfront_sockets"))
	out := run(t, "ps", "ax")
	t.Log(out)
}
