//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFleetPlaybook runs the playbook of docs/FLEET.md with each kind of monitoring, on a machine that is
// the host of group 7 and Icinga's master at once. It requires that a second run changes nothing.
func TestFleetPlaybook(t *testing.T) {
	requireFleet(t)
	if !machine(t) {
		return
	}
	const dir = "/srv/fleet"
	for _, name := range []string{"inventory.yml", "fronts.yml"} {
		write(t, filepath.Join(dir, name), blockOfFleet(t, name))
	}
	run(t, "install", "-D", "-t", dir+"/packages", builtDeb(t))
	for _, name := range strings.Fields("cn-futures/holidays" +
		" icinga2/frontsockets-commands.conf icinga2/frontsockets-services.conf") {
		place(t, name, filepath.Join(dir, "files", filepath.Base(name)))
	}
	write(t, dir+"/files/clients", "198.51.100.0/24 branch1\n")
	run(t, "rm", "-f", "/sbin/init") // systemd does not run here
	for _, folder := range []string{"/etc/icinga2", "/etc/zabbix", "/etc/nagios"} {
		copyToUpperLayer(t, folder)
	}
	run(t, "install", "-d", "-o", "zabbix", "/run/zabbix", "/var/log/zabbix", "/var/log/zabbix-agent")
	run(t, "install", "-d", "-o", "nagios", "/run/nagios")

	play := func(args ...string) (second string) {
		t.Helper()
		words := slices.Concat([]string{"-C", dir, "ansible-playbook", "-i", "inventory.yml", "-c", "local"}, args)
		run(t, "env", append(words, "fronts.yml")...)
		second = run(t, "env", append(words, "fronts.yml")...)
		if strings.Contains(second, "changed: ") {
			t.Errorf("the second run changes something:\n%s", second)
		}
		return second
	}
	run(t, "env", "-C", dir, "ansible-playbook", "-i", "inventory.yml", "--syntax-check", "fronts.yml")

	install(t) // the simulated fronts
	newFront(t, "--port", "41205")
	newFront(t, "--port", "41213")
	run(t, "dpkg", "-P", "frontsockets")

	play("-e", "monitoring=nrpe", "--limit", "group7.example.net")
	for _, name := range []string{"front7", "mdfront7"} {
		await(t, slow, "NRPE", func() (bool, string) {
			out, code := try(t, "/usr/lib/nagios/plugins/check_nrpe", "-H", "127.0.0.1", "-c", "check_"+name)
			return code == 0 && strings.Contains(out, name), out
		})
	}

	play("-e", "monitoring=zabbix", "--limit", "group7.example.net")
	for key, want := range map[string]string{
		"frontsockets[mdfront,41213,mdfront7]":             `"status":"OK"`,
		"vfs.file.contents[/etc/frontsockets/fronts.json]": `"mdfront7"`,
	} {
		await(t, slow, key, func() (bool, string) {
			out, _ := try(t, "zabbix_get", "-s", "127.0.0.1", "-k", key)
			return strings.Contains(out, want), out
		})
	}

	run(t, "icinga2", "node", "setup", "--master", "--cn", icingaMaster, "--disable-confd")
	run(t, "sh", "-c", "mkdir -p /etc/icinga2/zones.d/master && cd /etc/icinga2/conf.d &&"+
		" cp commands.conf notifications.conf templates.conf timeperiods.conf users.conf ../zones.d/master/")
	write(t, "/etc/icinga2/conf.d/api-users.conf", apiUser)
	i := &icinga{t: t, name: icingaMaster, address: "127.0.0.1"}
	i.start()
	second := play("--limit", "group7.example.net,"+icingaMaster)
	_, recap, _ := strings.Cut(second, "PLAY RECAP")
	for line := range strings.Lines(textOfFleet(t)) {
		if strings.Contains(line, " ok=") && !strings.Contains(recap, strings.TrimSpace(line)) {
			t.Errorf("docs/FLEET.md shows %q, the second run says\n%s", line, recap)
		}
	}
	await(t, slow, "the services of all fronts", func() (bool, string) {
		var found []struct{ Name string }
		i.call("GET", "objects/services?attrs=name", nil, &found)
		return len(found) == 2*fleetGroups, i.proc.output()
	})
}

// blockOfFleet returns the block of code in docs/FLEET.md that begins with the name as a comment.
func blockOfFleet(t *testing.T, name string) string {
	t.Helper()
	_, block, found := strings.Cut(textOfFleet(t), "```yaml\n# "+name+"\n")
	block, _, closed := strings.Cut(block, "\n```\n")
	if !found || !closed {
		t.Fatalf("docs/FLEET.md has no block that begins with # %s", name)
	}
	return block + "\n"
}

func textOfFleet(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repo, "docs/FLEET.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
