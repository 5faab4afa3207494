//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nagiosObjects are objects that the test adds: both checks on the host of Nagios, every exit code
// with and without NRPE, and the longest answers.
const nagiosObjects = `
define host {
  use front-host
  host_name local
  address 127.0.0.1
}
define service {
  use front-service
  host_name local
  service_description local market-data
  check_command check_mdfront_sockets!41213!-w 20 -c @50:
}
define service {
  use front-service
  host_name local
  service_description local trade
  check_command check_front_sockets!41205!-w 20 -c @50:
}
define service {
  use front-service
  host_name local
  service_description local WARNING
  check_command check_mdfront_sockets!41213!-w established=0
}
define service {
  use front-service
  host_name local
  service_description local CRITICAL
  check_command check_mdfront_sockets!41214
}
define service {
  use front-service
  host_name local
  service_description local UNKNOWN
  check_command check_mdfront_sockets!41213!-s snapshot:/var/lib/nothing
}
define service {
  use front-service
  host_name local
  service_description local verbose
  check_command check_mdfront_sockets!41219!-v --top 5000 -w 20
}
define service {
  use front-service
  host_name local
  service_description nrpe WARNING
  check_command check_fronts_nrpe!test_warning
}
define service {
  use front-service
  host_name local
  service_description nrpe CRITICAL
  check_command check_fronts_nrpe!test_critical
}
define service {
  use front-service
  host_name local
  service_description nrpe UNKNOWN
  check_command check_fronts_nrpe!test_unknown
}
define service {
  use front-service
  host_name local
  service_description nrpe verbose
  check_command check_fronts_nrpe!test_verbose
}
`

// nrpeCommands are the commands of NRPE for nagiosObjects.
const nrpeCommands = `
command[test_warning]=/usr/lib/nagios/plugins/check_mdfront_sockets -w established=0
command[test_critical]=/usr/lib/nagios/plugins/check_mdfront_sockets -p 41214
command[test_unknown]=/usr/lib/nagios/plugins/check_mdfront_sockets -s snapshot:/var/lib/nothing
command[test_verbose]=/usr/lib/nagios/plugins/check_mdfront_sockets -n front7-of-the-second-room -p 41219` +
	` -v --top 5000 --policy strict -w 20 -c @10000:
allowed_hosts=127.0.0.1,192.0.2.0/24
`

// nagiosService is the state of a service or host in status.dat.
type nagiosService struct {
	state, hard               int
	output, details, perfdata string
	checked                   time.Time // the end of the check, up to a second too early
}

// readNagios reads status.dat and returns the states of services, by "host: service", and of hosts,
// by "host".
func readNagios() (map[string]nagiosService, error) {
	text, err := os.ReadFile("/var/lib/nagios4/status.dat")
	if err != nil {
		return nil, err
	}
	services := map[string]nagiosService{}
	for _, block := range strings.Split(string(text), "\n\n") {
		body, isService := strings.CutPrefix(strings.TrimSpace(block), "servicestatus {")
		body, isHost := strings.CutPrefix(body, "hoststatus {")
		if !isService && !isHost {
			continue
		}
		values := map[string]string{}
		for line := range strings.Lines(body) {
			if key, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
				values[key] = value
			}
		}
		if values["has_been_checked"] != "1" {
			continue
		}
		var s nagiosService
		var last int64
		for key, to := range map[string]*int{"current_state": &s.state, "state_type": &s.hard} {
			if *to, err = strconv.Atoi(values[key]); err != nil {
				return nil, err
			}
		}
		if last, err = strconv.ParseInt(values["last_check"], 10, 64); err != nil {
			return nil, err
		}
		// last_check is the whole second in which the check began.
		took, err := strconv.ParseFloat(values["check_execution_time"], 64)
		if err != nil {
			return nil, err
		}
		s.checked = time.Unix(last, 0).Add(time.Duration(took * float64(time.Second)))
		s.output, s.details, s.perfdata = values["plugin_output"], values["long_plugin_output"], values["performance_data"]
		name := values["host_name"]
		if isService {
			name += ": " + values["service_description"]
		}
		services[name] = s
	}
	return services, nil
}

// awaitNagios waits until the services have the hard states in want. It returns all states.
func awaitNagios(t *testing.T, want map[string]int) map[string]nagiosService {
	t.Helper()
	var all map[string]nagiosService
	await(t, time.Minute, "the expected states in Nagios", func() (bool, string) {
		var err error
		all, err = readNagios()
		if err != nil {
			return false, err.Error()
		}
		for name, state := range want {
			if s, known := all[name]; !known || s.state != state || s.hard != 1 {
				return false, fmt.Sprintf("%s is %+v, not %d", name, s, state)
			}
		}
		return true, ""
	})
	return all
}

// runNRPE starts NRPE with the commands of contrib and of the test. If via is given, that command
// runs it in another namespace.
func runNRPE(t *testing.T, via ...string) {
	t.Helper()
	place(t, "nrpe/frontsockets.cfg", "/etc/nagios/nrpe.d/frontsockets.cfg")
	write(t, "/etc/nagios/nrpe_local.cfg", nrpeCommands)
	const script = `mkdir -p /run/nagios
mount -t tmpfs tmpfs /run/nagios
chown nagios: /run/nagios
exec nrpe -c /etc/nagios/nrpe.cfg -f`
	words := slices.Concat(via, []string{"sh", "-c", script})
	launch(t, words[0], words[1:]...)
}

// connectClients connects the number of clients, each with its own address, to a server that never
// reads. Every second client has closed.
func connectClients(t *testing.T, address string, clients int) {
	t.Helper()
	// The kernel removes the end of a client that has closed after a minute. A keepalive would then
	// close the server's end.
	config := net.ListenConfig{KeepAlive: -1}
	l, err := config.Listen(t.Context(), "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for i := range clients {
		from := &net.TCPAddr{IP: net.IPv4(127, 100, byte(i/200), byte(1+i%200))}
		d := net.Dialer{LocalAddr: from, Timeout: slow}
		client, err := d.Dial("tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close(); server.Close() })
		if i%2 == 0 {
			client.Close() // CLOSE_WAIT with bytes unread
		}
	}
}

// TestNagios runs Debian's Nagios with the files of contrib/nagios and contrib/nrpe. The first six
// of the seven groups are this machine. The seventh is a network namespace. Debian's contact gets a mail
// when a front hangs.
func TestNagios(t *testing.T) {
	if !machine(t) {
		return
	}
	install(t)
	catchMails(t)
	for n := range 6 {
		run(t, "ip", "addr", "add", fmt.Sprintf("192.0.2.%d/32", n+1), "dev", "lo")
	}
	for _, command := range []string{
		"ip netns add front7", "ip link add seven type veth peer name eth0 netns front7",
		"ip addr add 192.0.2.100/24 dev seven", "ip link set seven up",
		"ip -n front7 addr add 192.0.2.7/24 dev eth0", "ip -n front7 link set eth0 up", "ip -n front7 link set lo up",
	} {
		words := strings.Fields(command)
		run(t, words[0], words[1:]...)
	}
	seventh := []string{"ip", "netns", "exec", "front7"}
	mdfront := newFront(t)
	newFront(t, "--port", "41205")
	mdfront7 := &front{t: t, via: seventh}
	mdfront7.act("healthy")
	trade7 := &front{t: t, via: seventh, args: []string{"--port", "41205"}}
	trade7.act("healthy")
	connectClients(t, "127.0.0.1:41219", 5000)
	runNRPE(t)
	runNRPE(t, seventh...)

	// The files are placed as the README says. The test adds its own objects afterwards.
	for _, name := range []string{"commands", "timeperiods", "fronts"} {
		place(t, "nagios/"+name+".cfg", "/etc/nagios4/conf.d/front-"+name+".cfg")
	}
	out := run(t, "nagios4", "-v", "/etc/nagios4/nagios.cfg")
	if !strings.Contains(out, "Total Warnings: 0") || !strings.Contains(out, "Checked 24 services") {
		t.Errorf("nagios4 -v: %s", out)
	}
	write(t, "/etc/nagios4/conf.d/test.cfg", nagiosObjects)
	// The test runs at any hour of the week, so it has trading hours all the time.
	const always = `s/^  (mon|tues|wednes|thurs|fri|satur)day .*/  \1day 00:00-24:00/
s/^  exclude .*/  sunday 00:00-24:00/`
	run(t, "sed", "-i", "-E", always, "/etc/nagios4/conf.d/front-timeperiods.cfg")
	// A minute of the configuration lasts two seconds.
	options := "interval_length|status_update_interval|check_result_reaper_frequency|" +
		"service_inter_check_delay_method|host_inter_check_delay_method|" +
		"process_performance_data|use_syslog"
	run(t, "sed", "-i", "-E", "/^("+options+")=/d", "/etc/nagios4/nagios.cfg")
	run(t, "sh", "-c", `cat >>/etc/nagios4/nagios.cfg <<-'END'
	interval_length=2
	status_update_interval=1
	check_result_reaper_frequency=1
	service_inter_check_delay_method=n
	host_inter_check_delay_method=n
	use_syslog=0
	process_performance_data=1
	service_perfdata_file=/var/lib/nagios4/perfdata
	service_perfdata_file_template=$HOSTNAME$: $SERVICEDESC$\t$SERVICESTATEID$\t$SERVICEPERFDATA$
	service_perfdata_file_processing_interval=0
	END`)
	run(t, "sh", "-c", "mkdir -p /run/nagios4 && chown -R nagios: /run/nagios4 /var/lib/nagios4 /var/log/nagios4")
	launch(t, "nagios4", "/etc/nagios4/nagios.cfg")

	allOK := map[string]int{
		"local: local market-data": 0, "local: local trade": 0,
		"all-fronts: market-data fronts": 0, "all-fronts: trade fronts": 0,
	}
	for n := range 7 {
		allOK[fmt.Sprintf("front%d: market-data front", n+1)] = 0
		allOK[fmt.Sprintf("front%d: trade front", n+1)] = 0
		allOK[fmt.Sprintf("front%d", n+1)] = 0
	}
	for name, s := range awaitNagios(t, allOK) {
		if strings.HasSuffix(name, " front") || strings.HasSuffix(name, "local market-data") {
			requireNagios(t, name, s, " OK: ", " has 0 abnormal sockets, 60 established from 9 clients")
		}
	}

	// The market data of one group hangs. Its service is CRITICAL, the view of all fronts WARNING.
	began := mdfront7.act("hang")
	want := with(allOK, "front7: market-data front", 2, "all-fronts: market-data fronts", 1)
	s := awaitNagios(t, want)["front7: market-data front"]
	requireNagios(t, "front7", s, "MDFRONT CRITICAL: ", "CLOSE_WAIT", "the front does not ")
	awaitMail(t, "** PROBLEM Service Alert: front7/market-data front is CRITICAL ** nagios@localhost",
		"MDFRONT CRITICAL: ")
	awaitMail(t, "** PROBLEM Service Alert: All groups of fronts/market-data fronts is WARNING ** nagios@localhost")
	nrpeCritical, nrpePerfdata := s.checked.Sub(began), s.perfdata
	// Then the trade front hangs too, so that both kinds of front have trouble.
	trade7.act("hang")
	want = with(want, "front7: trade front", 2, "all-fronts: trade fronts", 1)
	s = awaitNagios(t, want)["front7: trade front"]
	requireNagios(t, "front7", s, "FRONT CRITICAL: ", "CLOSE_WAIT", "the front does not ")
	trade7.act("healthy")
	began = time.Now()
	mdfront7.act("healthy")
	nrpeRecovery := awaitNagios(t, allOK)["front7: market-data front"].checked.Sub(began)
	awaitMail(t, "** RECOVERY Service Alert: front7/market-data front is OK ** nagios@localhost")
	versions := nagiosVersion(t) + ", NRPE " + nrpeVersion(t)
	report(t, "Nagios over NRPE", versions, nrpeCritical, nrpeRecovery, nrpePerfdata)

	// The machine of a group is unreachable. Its host is DOWN after the second check.
	run(t, "ip", "link", "set", "seven", "down")
	awaitNagios(t, with(allOK, "front7", 1, "front7: market-data front", 3, "front7: trade front", 3,
		"all-fronts: market-data fronts", 1, "all-fronts: trade fronts", 1))
	awaitMail(t, "** PROBLEM Host Alert: front7 is DOWN ** nagios@localhost")
	run(t, "ip", "link", "set", "seven", "up")
	awaitNagios(t, allOK)

	// The check runs on the host of Nagios, without NRPE. The first six groups are this host too, so
	// they hang with it.
	began = mdfront.act("hang")
	want = with(allOK, "local: local market-data", 2, "all-fronts: market-data fronts", 2)
	for n := range 6 {
		want[fmt.Sprintf("front%d: market-data front", n+1)] = 2
	}
	s = awaitNagios(t, want)["local: local market-data"]
	requireNagios(t, "local", s, "MDFRONT CRITICAL: ", " local :41213 ", "CLOSE_WAIT", "the front does not ")
	critical, perfdata := s.checked.Sub(began), s.perfdata
	began = time.Now()
	mdfront.act("healthy")
	recovery := awaitNagios(t, allOK)["local: local market-data"].checked.Sub(began)
	report(t, "Nagios", nagiosVersion(t), critical, recovery, perfdata)

	t.Run("ExitCodes", nagiosExitCodes)
	t.Run("Verbose", nagiosVerbose)
}

// with returns a copy of the states with changes: a name, its state, and so on.
func with(states map[string]int, changes ...any) map[string]int {
	changed := maps.Clone(states)
	for i := 0; i < len(changes); i += 2 {
		changed[changes[i].(string)] = changes[i+1].(int)
	}
	return changed
}

// requireNagios requires that Nagios has stored the texts and the complete perfdata of a service.
func requireNagios(t *testing.T, name string, s nagiosService, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(s.output, text) {
			t.Errorf("%s: no %q in %q", name, text, s.output)
		}
	}
	if why := checkPerfdata(s.perfdata); why != "" {
		t.Errorf("%s: perfdata: %s", name, why)
	}
}

// nagiosExitCodes requires that every exit code becomes the state of its name, also over NRPE.
func nagiosExitCodes(t *testing.T) {
	all := awaitNagios(t, map[string]int{
		"local: local market-data": 0, "local: local WARNING": 1,
		"local: local CRITICAL": 2, "local: local UNKNOWN": 3,
		"front1: market-data front": 0, "local: nrpe WARNING": 1,
		"local: nrpe CRITICAL": 2, "local: nrpe UNKNOWN": 3,
	})
	codes := map[string]int{"check_mdfront": 0, "test_warning": 1, "test_critical": 2, "test_unknown": 3}
	for command, code := range codes {
		if out, got := try(t, "/usr/lib/nagios/plugins/check_nrpe", "-H", "127.0.0.1", "-c", command); got != code {
			t.Errorf("check_nrpe -c %s: exit code %d, %s", command, got, out)
		}
	}
	for _, how := range []string{"local", "nrpe"} {
		requireNagios(t, how, all["local: "+how+" WARNING"], "MDFRONT WARNING: established is ")
		requireNagios(t, how, all["local: "+how+" CRITICAL"], "MDFRONT CRITICAL: nothing listens on port 41214")
		unknown := all["local: "+how+" UNKNOWN"]
		if unknown.perfdata != "" || !strings.HasPrefix(unknown.output, "MDFRONT UNKNOWN: ") ||
			!strings.Contains(unknown.output, "no such file or directory") {
			t.Errorf("%s: %q, perfdata %q", how, unknown.output, unknown.perfdata)
		}
	}
}

// nagiosVerbose requires that the longest answers keep their status, first line and perfdata, also
// in packets of NRPE 2 and 3, which hold 1,024 bytes.
func nagiosVerbose(t *testing.T) {
	all := awaitNagios(t, map[string]int{"local: local verbose": 2, "local: nrpe verbose": 2})
	for _, name := range []string{"local: local verbose", "local: nrpe verbose"} {
		s := all[name]
		requireNagios(t, name, s, "MDFRONT CRITICAL: ",
			":41219 has 2500 abnormal sockets (2500 CLOSE_WAIT) from 2500 clients")
		n := strings.Count(s.details, "client 127.100.")
		if n < 50 || !strings.HasSuffix(s.details, " more lines") {
			t.Errorf("%s: %d clients in %q", name, n, s.details)
		}
		file, err := os.ReadFile("/var/lib/nagios4/perfdata")
		if err != nil {
			t.Fatal(err)
		}
		lines := regexp.MustCompile(`(?m)^`+name+`\t2\t(.*)$`).FindAllSubmatch(file, -1)
		if lines == nil {
			t.Errorf("%s is not in the perfdata file", name)
		} else if why := checkPerfdata(string(lines[len(lines)-1][1])); why != "" {
			t.Errorf("%s in the perfdata file: %s", name, why)
		}
	}
	for _, args := range [][]string{nil, {"-3"}, {"-2"}} {
		args = append([]string{"-H", "127.0.0.1", "-c", "test_verbose"}, args...)
		out, code := try(t, "/usr/lib/nagios/plugins/check_nrpe", args...)
		first, _, _ := strings.Cut(out, "\n")
		text, perfdata, _ := strings.Cut(first, " | ")
		if code != 2 || !strings.HasPrefix(text, "MDFRONT CRITICAL: ") {
			t.Errorf("check_nrpe %v: exit code %d, %q", args, code, text)
		}
		if why := checkPerfdata(perfdata); why != "" {
			t.Errorf("check_nrpe %v: %d bytes, the first line has %d: perfdata: %s", args, len(out), len(first), why)
		}
		t.Logf("check_nrpe %v: %d bytes, the first line has %d", args, len(out), len(first))
	}
}

// nagiosVersion returns the version of Nagios.
func nagiosVersion(t *testing.T) string {
	t.Helper()
	return version(t, `Nagios Core (\S+)`, "nagios4", "-V")
}

// nrpeVersion returns the version of NRPE.
func nrpeVersion(t *testing.T) string {
	t.Helper()
	return version(t, `Version: (\S+)`, "nrpe", "-V")
}

// version runs a program and returns the version that matches the pattern.
func version(t *testing.T, pattern, name string, args ...string) string {
	t.Helper()
	out, _ := try(t, name, args...)
	found := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("%s %v printed no version: %q", name, args, out)
	}
	return found[1]
}
