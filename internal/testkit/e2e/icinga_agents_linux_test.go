//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const icingaMaster = "master.example.net"

// TestIcingaAgents runs a master and two of the seven agents of contrib/icinga2/cluster. Each has
// its own network namespace and its own folders.
func TestIcingaAgents(t *testing.T) {
	if !machine(t) {
		return
	}
	install(t)
	catchMails(t)
	run(t, "ip", "link", "add", "lan", "type", "bridge")
	run(t, "ip", "address", "add", "10.60.0.100/24", "dev", "lan") // the test asks the master from here
	run(t, "ip", "link", "set", "lan", "up")
	write(t, "/etc/hosts", "127.0.0.1 localhost\n10.60.0.1 master.example.net\n")

	// The master, as the README says. It has the clock of the test.
	clock := newClock(t)
	master := newHost(t, icingaMaster, 1, clock)
	master.run("icinga2", "node", "setup", "--master", "--cn", icingaMaster, "--disable-confd")
	master.place("cluster/master-zones.conf", "zones.conf")
	master.place("frontsockets-commands.conf", "zones.d/global-templates/frontsockets-commands.conf")
	master.place("frontsockets-services.conf", "zones.d/master/frontsockets-services.conf")
	master.place("cluster/hosts.conf", "zones.d/master/hosts.conf")
	master.run("sh", "-c", "cd /etc/icinga2/conf.d && install -m 644 -t /etc/icinga2/zones.d/master"+
		" commands.conf notifications.conf templates.conf timeperiods.conf users.conf")
	write(t, master.root+"/etc/icinga2/conf.d/api-users.conf", apiUser)
	master.run("icinga2", "daemon", "-C")
	master.start()
	// In its first five minutes a master does not report agents that are not connected.
	clock.set(clock.ahead + 301*time.Second)

	agents := map[string]*icinga{}
	fronts := map[string]*front{}
	var services []string
	for n, name := range []string{"group1.example.net", "group7.example.net"} {
		ticket := strings.TrimSpace(master.run("icinga2", "pki", "ticket", "--cn", name))
		agent := newHost(t, name, n+2, clock)
		const parent = "/var/lib/icinga2/certs/master.crt"
		agent.run("install", "-d", "-m", "700", "-o", "nagios", "-g", "nagios", "/var/lib/icinga2/certs")
		agent.run("icinga2", "pki", "save-cert", "--host", icingaMaster, "--trustedcert", parent)
		agent.run("icinga2", "node", "setup", "--cn", name, "--zone", name, "--parent_zone", "master",
			"--parent_host", icingaMaster, "--endpoint", icingaMaster+","+icingaMaster, "--trustedcert", parent,
			"--ticket", ticket, "--accept-config", "--accept-commands", "--disable-confd")
		agent.place("cluster/agent-zones.conf", "zones.conf")
		agent.run("icinga2", "daemon", "-C")
		agent.start()
		agents[name] = agent
		for service, port := range map[string]string{"front": "41205", "mdfront": "41213"} {
			f := &front{t: t, via: agent.via, args: []string{"--port", port}}
			f.act("healthy")
			fronts[name+"!"+service] = f
			services = append(services, name+"!"+service)
		}
	}
	// The agents get the check commands from the master and should reload their configuration.
	// With the clock of the test that sometimes fails, so the test restarts them.
	for _, agent := range agents {
		await(t, slow, "check commands on "+agent.name, func() (bool, string) {
			const file = "/var/lib/icinga2/api/zones/global-templates/_etc/frontsockets-commands.conf"
			_, err := os.Stat(agent.root + file)
			return err == nil, agent.proc.output()
		})
		agent.proc.stop()
		agent.start()
	}
	awaitAllOK := func(except ...string) {
		t.Helper()
		texts := map[string]string{"front": "FRONT OK: front ", "mdfront": "MDFRONT OK: mdfront "}
		for _, name := range services {
			host, service, _ := strings.Cut(name, "!")
			if slices.Contains(except, name) {
				continue
			}
			if r := master.await(name, 0, texts[service]); r.Check_source != host {
				t.Errorf("%s was checked by %s", name, r.Check_source)
			}
		}
	}
	master.checkEverySecond()
	awaitAllOK()

	const victim = "group7.example.net"
	began := fronts[victim+"!mdfront"].act("hang")
	s := master.await(victim+"!mdfront", 2, "MDFRONT CRITICAL: ")                       // the queue may come first
	if !strings.Contains(s.Output, "the front does not ") || s.Check_source != victim { // accept, or read
		t.Errorf("result of the front that hangs: %+v", s)
	}
	critical := s.at.Sub(began)
	awaitMail(t, "[PROBLEM] mdfront on "+victim+" is CRITICAL! root@localhost", "MDFRONT CRITICAL: ")
	awaitAllOK(victim + "!mdfront")
	began = time.Now()
	fronts[victim+"!mdfront"].act("healthy")
	recovery := master.await(victim+"!mdfront", 0, "MDFRONT OK: ").at.Sub(began)

	agents[victim].proc.stop()
	const notConnected = "Remote Icinga instance '" + victim + "' is not connected to '" + icingaMaster + "'"
	// Checks that the agent was running at its end are otherwise not repeated for 90 seconds.
	master.checkEverySecond()
	master.await(victim+"!front", 3, notConnected)
	master.await(victim+"!mdfront", 3, notConnected)
	const down = 1
	master.await(victim, down, "Zone '"+victim+"' is not connected.")
	awaitMail(t, "[PROBLEM] Host "+victim+" is DOWN! root@localhost")
	awaitAllOK(victim+"!front", victim+"!mdfront")
	agents[victim].start()
	awaitAllOK()
	master.await(victim, 0, "Zone '"+victim+"' is connected.")

	report(t, "Icinga 2 master and agents", icingaVersion(t), critical, recovery, s.perfdata)
}

// newHost makes host number n of the LAN: a network namespace, and copies of Icinga's folders.
func newHost(t *testing.T, name string, n int, clock *clock) *icinga {
	t.Helper()
	port := fmt.Sprint("lan", n)
	run(t, "ip", "netns", "add", name)
	run(t, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
	run(t, "ip", "link", "set", port, "master", "lan", "up")
	run(t, "ip", "-n", name, "address", "add", fmt.Sprintf("10.60.0.%d/24", n), "dev", "eth0")
	run(t, "ip", "-n", name, "link", "set", "eth0", "up")
	run(t, "ip", "-n", name, "link", "set", "lo", "up")

	address := fmt.Sprint("10.60.0.", n)
	i := &icinga{t: t, name: name, address: address, root: filepath.Join("/srv", name), clock: clock}
	script := "set -e\n"
	for _, parent := range strings.Fields("/etc /run /var/cache /var/lib /var/log /var/spool") {
		dir := parent + "/icinga2"
		run(t, "install", "-d", "-o", "nagios", "-g", "nagios", dir)
		run(t, "mkdir", "-p", filepath.Dir(i.root+dir))
		run(t, "cp", "-a", dir, i.root+dir)
		script += fmt.Sprintf("mount --bind %s %s\n", i.root+dir, dir)
	}
	// ip netns exec makes a new mount namespace.
	i.via = []string{"ip", "netns", "exec", name, "sh", "-c", script + `exec "$@"`, name}
	return i
}

// run runs a command on the host.
func (i *icinga) run(args ...string) string {
	i.t.Helper()
	words := slices.Concat(i.via, args)
	return run(i.t, words[0], words[1:]...)
}

// place copies a file of contrib to the host.
func (i *icinga) place(name, to string) {
	i.t.Helper()
	place(i.t, "icinga2/"+name, filepath.Join(i.root, "etc/icinga2", to))
}
