//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestZabbix runs a Zabbix 6.0 server with three hosts that have the templates of contrib: an agent,
// an agent 2, and NRPE by the external check.
func TestZabbix(t *testing.T) {
	if machine(t) {
		testZabbix(t, "6.0")
	}
}

// TestZabbix7 does the same with Zabbix 7.0.
func TestZabbix7(t *testing.T) {
	if machineWith(t, debian("trixie")) {
		testZabbix(t, "7.0")
	}
}

// zabbixHosts are three hosts that check the same two fronts.
var zabbixHosts = []struct{ name, template, port string }{
	{"Zabbix agent", "Frontsockets by Zabbix agent", "10050"},
	{"Zabbix agent 2", "Frontsockets by Zabbix agent", "10052"},
	{"Zabbix external check over NRPE", "Frontsockets by NRPE", "10050"},
}

// testZabbix runs the test with a version of Zabbix.
func testZabbix(t *testing.T, version string) {
	install(t)
	catchMails(t)
	md, _ := newFront(t, "--port", "41213"), newFront(t, "--port", "41205")
	agent, nrpe := startZabbixAgents(t)
	z := startZabbix(t)
	full := z.login(t)
	if !strings.HasPrefix(full, version) {
		t.Fatalf("the version of Zabbix is %s, want %s", full, version)
	}

	for _, way := range []string{"agent", "nrpe"} {
		z.importTemplate(t, fmt.Sprintf("frontsockets-%s-%s.yaml", way, version))
	}
	z.storeAnswers(t, "Frontsockets by Zabbix agent")
	z.storeAnswers(t, "Frontsockets by NRPE")
	z.notify(t, version)
	hosts := map[string]string{} // names to ids
	for _, h := range zabbixHosts {
		hosts[h.name] = z.createHost(t, "fronts of "+h.name, h.template, h.port, nil)
	}
	for _, h := range zabbixHosts {
		z.awaitAnswer(t, hosts[h.name], "md7", "OK", "healthy")
		z.awaitAnswer(t, hosts[h.name], "trade7", "OK", "healthy")
		z.awaitNoProblem(t, hosts[h.name])
	}

	if os.Getenv(pictureVar) != "" {
		z.takePicture(t, md, hosts[zabbixHosts[0].name])
		return
	}

	began := md.act("hang")
	critical, perfdata := map[string]time.Duration{}, map[string]string{}
	for _, h := range zabbixHosts {
		critical[h.name] = z.awaitProblem(t, hosts[h.name], "md7", "md7 is CRITICAL: ").Sub(began)
		perfdata[h.name] = z.awaitAnswer(t, hosts[h.name], "md7", "CRITICAL", "hung")
		awaitMail(t, "-s Problem: md7 is CRITICAL: ", " duty@example.net\n", "Host: fronts of "+h.name+".")
		z.awaitAnswer(t, hosts[h.name], "trade7", "OK", "healthy")
	}

	began = time.Now()
	md.act("healthy")
	for _, h := range zabbixHosts {
		z.awaitNoProblem(t, hosts[h.name])
		recovery := z.lastRecovery(t, hosts[h.name]).Sub(began)
		awaitMail(t, "-s Resolved: md7 is CRITICAL: ", " duty@example.net\n", "Host: fronts of "+h.name+".")
		report(t, h.name, full, critical[h.name], recovery, perfdata[h.name])
		z.awaitAnswer(t, hosts[h.name], "md7", "OK", "healthy")
	}

	z.requireOtherProblems(t, hosts, nrpe)
	z.requirePorts(t, version, md)
	z.requireListProblems(t, hosts, agent)
}

// requireListProblems removes and empties the list of fronts, and requires the problems and that no
// item is deleted. It also stops the agent.
func (z *zabbix) requireListProblems(t *testing.T, hosts map[string]string, agent *process) {
	t.Helper()
	// There is no list, and the agent does not run.
	const list = "/etc/frontsockets/fronts.json"
	run(t, "mv", list, list+".kept")
	agent.stop()
	z.awaitProblem(t, hosts[zabbixHosts[0].name], "", "trade7 is not watched")
	for _, h := range zabbixHosts {
		z.awaitProblem(t, hosts[h.name], "", "No list of fronts")
	}
	run(t, "cp", list+".kept", list)
	for _, h := range zabbixHosts[1:] {
		z.awaitNoProblem(t, hosts[h.name])
	}

	// An empty list deletes no items.
	before := z.items(t, hosts[zabbixHosts[1].name], "md7")
	write(t, list, "[ ]\n")
	for _, h := range zabbixHosts[1:] {
		z.awaitProblem(t, hosts[h.name], "No list of fronts", "No list of fronts")
	}
	run(t, "mv", list+".kept", list)
	for _, h := range zabbixHosts[1:] {
		z.awaitNoProblem(t, hosts[h.name])
	}
	if after := z.items(t, hosts[zabbixHosts[1].name], "md7"); !maps.Equal(before, after) || len(after) == 0 {
		t.Errorf("the items were %v and are now %v", before, after)
	}
}

// requireOtherProblems causes each problem of the templates except those of a hang, and requires that
// it begins and ends.
func (z *zabbix) requireOtherProblems(t *testing.T, hosts map[string]string, nrpe *process) {
	t.Helper()
	const (
		check    = "/usr/lib/nagios/plugins/check_mdfront_sockets"
		list     = "/etc/frontsockets/fronts.json"
		commands = "/etc/nagios/nrpe.d/nrpe-zabbix.cfg"
	)
	byAgent, byNRPE := zabbixHosts[:2], zabbixHosts[2]

	// The answer is not JSON.
	run(t, "mv", check, check+".away")
	for _, h := range zabbixHosts {
		z.awaitProblem(t, hosts[h.name], "md7", "md7 is UNKNOWN: The answer is not JSON: ")
	}
	run(t, "mv", check+".away", check)
	for _, h := range zabbixHosts {
		z.awaitNoProblem(t, hosts[h.name])
	}

	// NRPE accepts connections and does not answer.
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := nrpe.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	z.awaitProblem(t, hosts[byNRPE.name], "", "md7 is UNKNOWN: The answer is not JSON")
	signal(syscall.SIGCONT)
	z.awaitNoProblem(t, hosts[byNRPE.name])

	// A threshold of the check is exceeded.
	change(t, commands, "-n md7", "-n md7 -w established=0")
	signal(syscall.SIGHUP)
	z.awaitProblem(t, hosts[byNRPE.name], "md7", "md7 is in WARNING: established is 60 (warning 0)")
	change(t, commands, " -w established=0", "")
	signal(syscall.SIGHUP)
	z.awaitNoProblem(t, hosts[byNRPE.name])

	// A threshold of the template is exceeded, for one front.
	for macro, problem := range map[string]string{
		`{$FRONTSOCKETS.ABNORMAL.WARN:"trade7"}`: "trade7 has abnormal sockets",
		`{$FRONTSOCKETS.QUEUE.WARN:"trade7"}`:    "trade7 does not accept",
	} {
		z.setMacro(t, hosts[byNRPE.name], macro, "0")
		z.awaitProblem(t, hosts[byNRPE.name], "trade7", problem)
		z.setMacro(t, hosts[byNRPE.name], macro, "")
		z.awaitNoProblem(t, hosts[byNRPE.name])
	}

	// A front gets a second port in the list.
	change(t, list, `"41205"`, `"41205,41206"`)
	for _, h := range byAgent {
		z.awaitProblem(t, hosts[h.name], "trade7", "trade7 is CRITICAL: nothing listens on port 41206")
	}
	change(t, list, `"41205,41206"`, `"41205"`)
	for _, h := range zabbixHosts {
		z.awaitNoProblem(t, hosts[h.name])
	}
	requireSafeKeys(t)
}

// requireSafeKeys requires that no key of the agents can pass options to the checks.
func requireSafeKeys(t *testing.T) {
	t.Helper()
	for _, h := range zabbixHosts[:2] {
		for key, want := range map[string]string{
			"frontsockets[mdfront_sockets --save /tmp/saved -n x,41213,md7]": "not found",
			"frontsockets[mdfront,41213 --save /tmp/saved,md7]":              "is not a port or range of ports",
			"frontsockets[mdfront,--save=/tmp/saved,md7]":                    "is not a port or range of ports",
			"frontsockets[mdfront,41213,--save=/tmp/saved]":                  `{"name":"--save=/tmp/saved","ports":"41213",`,
			"frontsockets.ports[41213 --save /tmp/saved]":                    "is not a port or range of ports",
		} {
			out, _ := try(t, "zabbix_get", "-s", "127.0.0.1", "-p", h.port, "-k", key)
			if _, err := os.Stat("/tmp/saved"); err == nil || !strings.Contains(out, want) {
				t.Errorf("%s: %v, %s", key, err, out)
			}
		}
	}
}

// startZabbixAgents copies the files of contrib for the host of the fronts, as the README says, and
// starts both agents and NRPE.
func startZabbixAgents(t *testing.T) (agent, nrpe *process) {
	t.Helper()
	place(t, "zabbix/fronts.json", "/etc/frontsockets/fronts.json")
	place(t, "zabbix/frontsockets.conf", "/etc/zabbix/zabbix_agentd.conf.d/frontsockets.conf")
	place(t, "zabbix/frontsockets.conf", "/etc/zabbix/zabbix_agent2.d/frontsockets.conf")
	place(t, "zabbix/nrpe-zabbix.cfg", "/etc/nagios/nrpe.d/nrpe-zabbix.cfg")
	write(t, "/etc/zabbix/zabbix_agent2.d/port.conf", "ListenPort=10052\n")
	run(t, "install", "-d", "-o", "zabbix",
		"/run/zabbix", "/var/log/zabbix", "/var/log/zabbix-agent", "/var/log/zabbix-server")
	run(t, "install", "-d", "-o", "nagios", "/run/nagios")
	agent = launch(t, "runuser", "-u", "zabbix", "--", "zabbix_agentd", "-f")
	launch(t, "runuser", "-u", "zabbix", "--", "zabbix_agent2", "-f")
	nrpe = launch(t, "nrpe", "-c", "/etc/nagios/nrpe.cfg", "-f")
	for _, port := range []string{"10050", "10052"} {
		const want = `{"name":"md7","ports":"41213","status":"OK","exit_code":0,` +
			`"reason":"md7 :41213 has 0 abnormal sockets, 60 established from 9 clients",`
		await(t, slow, "an answer of the agent", func() (bool, string) {
			out, _ := try(t, "zabbix_get", "-s", "127.0.0.1", "-p", port, "-k", "frontsockets[mdfront,41213,md7]")
			return strings.HasPrefix(out, want), out
		})
	}
	return agent, nrpe
}

// startZabbix starts the database, the server and the frontend, all of them set for speed, and returns a
// client of the API.
func startZabbix(t *testing.T) *zabbix {
	t.Helper()
	return startZabbixWith(t, "CacheUpdateFrequency=1\nStartPollers=3\n",
		"-F", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "autovacuum=off")
}

// startZabbixWith is like startZabbix, with settings of the server and options of the database.
func startZabbixWith(t *testing.T, settings string, options ...string) *zabbix {
	t.Helper()
	const data = "/var/lib/postgresql/e2e"
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) != 1 {
		t.Fatal(bins, err)
	}
	run(t, "install", "-d", "-o", "postgres", "/run/postgresql")
	run(t, "runuser", "-u", "postgres", "--", bins[0]+"/initdb", "-D", data,
		"-A", "trust", "-U", "zabbix", "--no-sync")
	words := append([]string{"-u", "postgres", "--", bins[0] + "/postgres", "-D", data}, options...)
	launch(t, "runuser", words...)
	await(t, slow, "PostgreSQL", func() (bool, string) {
		out, code := try(t, "psql", "-U", "zabbix", "-h", "127.0.0.1", "-c", "CREATE DATABASE zabbix", "postgres")
		return code == 0, out
	})
	run(t, "sh", "-c", `cd /usr/share/zabbix-server-pgsql && zcat schema.sql.gz images.sql.gz data.sql.gz |
	psql -q -1 -v ON_ERROR_STOP=1 -U zabbix -h 127.0.0.1 zabbix`)

	run(t, "install", "-D", "-m", "755", repo+"/contrib/zabbix/frontsockets_nrpe",
		"/etc/zabbix/externalscripts/frontsockets_nrpe")
	write(t, "/etc/zabbix/zabbix_server.conf.d/e2e.conf", `DBHost=127.0.0.1
StartVMwareCollectors=0
StartDiscoverers=1
SocketDir=/run/zabbix
AlertScriptsPath=`+alertScripts+"\n"+settings)
	launch(t, "runuser", "-u", "zabbix", "--", "zabbix_server", "-f")
	write(t, "/etc/zabbix/zabbix.conf.php", `<?php
$DB['TYPE'] = 'POSTGRESQL';
$DB['SERVER'] = '127.0.0.1';
$DB['PORT'] = '0';
$DB['DATABASE'] = 'zabbix';
$DB['USER'] = 'zabbix';
$DB['PASSWORD'] = '';
$DB['SCHEMA'] = '';
$DB['ENCRYPTION'] = false;
$DB['DOUBLE_IEEE754'] = true;
$ZBX_SERVER = '127.0.0.1';
$ZBX_SERVER_PORT = '10051';
$ZBX_SERVER_NAME = 'e2e';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
`)
	os.Setenv("PHP_CLI_SERVER_WORKERS", "3")
	launch(t, "php", "-d", "memory_limit=256M", "-d", "post_max_size=16M",
		"-S", zabbixFrontend, "-t", "/usr/share/zabbix")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &zabbix{client: http.Client{Jar: jar, Timeout: time.Minute}}
}

// awaitAnswer waits until the newest answer for a front has the status and the diagnosis. It requires
// that each value of the answer is in the history of its item, with the same time, and returns the
// metrics as perfdata.
func (z *zabbix) awaitAnswer(t *testing.T, host, front, status, diagnosis string) (perfdata string) {
	t.Helper()
	var items map[string]zabbixItem
	var answer zabbixValue
	var got struct {
		Status, Reason string
		ExitCode       int `json:"exit_code"`
		Diagnosis      struct{ Code string }
		Metrics        map[string]*float64
	}
	await(t, time.Minute, "an answer that is "+status, func() (bool, string) {
		items = z.items(t, host, front)
		stored, found := items["stored"]
		if !found || len(items) != 5+len(metrics) {
			return false, fmt.Sprintf("there are %d items: %v", len(items), slices.Sorted(maps.Keys(items)))
		}
		values := z.history(t, stored, 1)
		if len(values) == 0 {
			return false, "no answer: " + items["answer"].Error
		}
		answer = values[0]
		got.Metrics = nil
		if err := json.Unmarshal([]byte(answer.Value), &got); err != nil {
			return false, fmt.Sprintf("%v: %s", err, answer.Value)
		}
		return got.Status == status && got.Diagnosis.Code == diagnosis, answer.Value
	})

	// at returns the value of the item at the time of the answer.
	at := func(key string) string {
		t.Helper()
		value := ""
		await(t, slow, key+" of "+answer.Clock, func() (bool, string) {
			values := z.history(t, items[key], 20)
			for _, v := range values {
				if v.Clock == answer.Clock && v.Ns == answer.Ns {
					value = v.Value
					return true, ""
				}
			}
			return false, fmt.Sprintf("%v %s", values, items[key].Error)
		})
		return value
	}
	if values := z.history(t, items["answer"], 1); len(values) > 0 {
		t.Errorf("the master item has stored %v", values)
	}
	code, reason, kind := at("status"), at("reason"), at("diagnosis")
	if code != strconv.Itoa(got.ExitCode) || reason != got.Reason || kind != got.Diagnosis.Code {
		t.Errorf("the items have status %s, diagnosis %s and reason %q; the answer is %s", code, kind, reason, answer.Value)
	}
	for _, name := range metrics {
		want := got.Metrics[name]
		if want == nil {
			continue
		}
		value := at(name)
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || v != *want {
			t.Errorf("%s is %q in Zabbix and %v in the answer", name, value, *want)
		}
		// Zabbix writes a round-trip time of 6 µs as 6e-06.
		perfdata += name + "=" + strconv.FormatFloat(v, 'f', -1, 64) + " "
	}
	return perfdata
}
