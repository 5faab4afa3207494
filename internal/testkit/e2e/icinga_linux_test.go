//go:build e2e

package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestIcinga runs one Icinga on the machine of the fronts, with the files of contrib/icinga2 where
// the README there puts them. It requires that Debian's rules send a mail when a front hangs.
func TestIcinga(t *testing.T) {
	if !machine(t) {
		return
	}
	install(t)
	catchMails(t)
	copyToUpperLayer(t, "/etc/icinga2")
	for _, name := range []string{"commands", "services", "hosts"} {
		place(t, "icinga2/frontsockets-"+name+".conf", "/etc/icinga2/conf.d/frontsockets-"+name+".conf")
	}
	run(t, "icinga2", "daemon", "-C")

	// Icinga rejects misspelled options.
	const typo = "/etc/icinga2/conf.d/typo.conf"
	for option, complaint := range map[string]string{
		`critcal = "@9:"`:        "front front8 has 'critcal', which is no option of the check",
		`"no-listener" = "ok"`:   "front front8 has 'no-listener', which is no option of the check",
		`format = "hostmonitor"`: "front front8 has a format",
	} {
		write(t, typo, `object Host "typo" {
	check_command = "dummy"
	vars.fronts["front8"] = { kind = "front", `+option+` }
}`)
		if out, code := try(t, "icinga2", "daemon", "-C"); code == 0 || !strings.Contains(out, complaint) {
			t.Fatalf("daemon -C, exit code %d\n%s", code, out)
		}
	}
	if err := os.Remove(typo); err != nil {
		t.Fatal(err)
	}

	// The test adds the API, a service for each state, and a service with all kinds of options.
	run(t, "icinga2", "api", "setup", "--cn", "fronts")
	write(t, "/etc/icinga2/conf.d/api-users.conf", apiUser)
	write(t, "/etc/icinga2/conf.d/e2e.conf", `
object Host "e2e" {
	check_command = "dummy"
	vars.fronts["ok"] = { kind = "mdfront", port = 41273 }
	vars.fronts["warning"] = { kind = "mdfront", port = 41273, warning = "@0:" }
	vars.fronts["critical"] = { kind = "mdfront", port = 41273, critical = "@0:" }
	vars.fronts["unknown"] = { kind = "mdfront", source = "snapshot:/nonexistent" }
	vars.fronts["every kind"] = {
		kind = "front"
		port = [ 41265, "41273-41274" ]
		address = [ "127.0.0.0/8", "::1" ]
		no_listener = "ok"
		verbose = true
		sample = "100ms"
	}
}`)
	trade := newFront(t, "--port", "41265")
	market := newFront(t, "--port", "41273")
	i := &icinga{t: t, name: "fronts", address: "127.0.0.1", clock: newClock(t)}
	i.start()
	i.checkEverySecond()

	var critical, recovery time.Duration
	var perfdata string
	for _, f := range []struct {
		*front
		service, other, label string
	}{
		{market, "front-server!mdfront7", "front-server!front7", "MDFRONT"},
		{trade, "front-server!front7", "front-server!mdfront7", "FRONT"},
	} {
		i.await(f.service, 0, f.label+" OK: "+f.service[len("front-server!"):])
		i.await(f.other, 0, "")
		began := f.act("hang")
		s := i.await(f.service, 2, f.label+" CRITICAL: ")
		if !strings.Contains(s.Output, "the front does not ") { // accept, or read
			t.Errorf("%s: the output does not report the hang: %q", f.service, s.Output)
		}
		critical, perfdata = max(critical, s.at.Sub(began)), s.perfdata
		about := "] " + strings.Replace(f.service, "front-server!", "", 1) + " on front-server is "
		awaitMail(t, "[PROBLEM"+about+"CRITICAL! root@localhost", f.label+" CRITICAL: ", "the front does not ")
		i.await(f.other, 0, "")
		began = time.Now()
		f.act("healthy")
		recovery = max(recovery, i.await(f.service, 0, f.label+" OK: ").at.Sub(began))
		awaitMail(t, "[RECOVERY"+about+"OK! root@localhost")
	}

	i.await("e2e!ok", 0, "MDFRONT OK: ok ")
	i.await("e2e!warning", 1, "MDFRONT WARNING: abnormal is 0 (warning @0:); warning ")
	i.await("e2e!critical", 2, "MDFRONT CRITICAL: abnormal is 0 (critical @0:); critical ")
	i.await("e2e!unknown", 3, "MDFRONT UNKNOWN: unknown ")
	i.await("front-server!mdfront1", 2, "nothing listens on port 41213")
	all := i.await("e2e!every kind", 0, "FRONT OK: nothing listens on port 41274; every kind ")
	const want = "--address 127.0.0.0/8 --address ::1 --name every kind --no-listener ok" +
		" --port 41265 --port 41273-41274 --sample 100ms --verbose"
	words := strings.Join(all.Command, " ")
	for part := range strings.SplitSeq(want, " --") {
		if !strings.Contains(words, part) {
			t.Errorf("Icinga ran %q, without %q", words, part)
		}
	}
	if !strings.Contains(all.Output, "\nlistener 127.0.0.1:41273") {
		t.Errorf("--verbose gave %q", all.Output)
	}

	i.checkTradingHours()
	report(t, "Icinga 2", icingaVersion(t), critical, recovery, perfdata)
}

// checkTradingHours requires that the time period is open or closed as it should be: before and
// after holidays, at night and on a weekend.
func (i *icinga) checkTradingHours() {
	i.t.Helper()
	for _, c := range []struct {
		now  string
		open bool
	}{
		{"2026-11-24 01:00:00", true},  // Monday night
		{"2026-11-28 02:00:00", true},  // Friday night
		{"2026-11-28 09:00:00", false}, // Saturday
		{"2026-11-30 01:00:00", false}, // Monday, before the first night
		{"2026-12-31 14:00:00", true},
		{"2026-12-31 21:00:00", false}, // no night session before a holiday
		{"2027-01-01 10:00:00", false},
		{"2027-01-04 09:00:00", true}, // the day after the holidays
	} {
		at, err := time.ParseInLocation(time.DateTime, c.now, china)
		if err != nil {
			i.t.Fatal(err)
		}
		i.proc.stop()
		i.clock.set(time.Until(at))
		i.start()
		var found []struct{ Attrs struct{ Is_inside bool } }
		i.call("GET", "objects/timeperiods/front-hours", nil, &found)
		if len(found) != 1 || found[0].Attrs.Is_inside != c.open {
			i.t.Errorf("at %s the time period is %v, want open %v", c.now, found, c.open)
		}
	}
}

// icingaVersion returns the version of Icinga.
func icingaVersion(t *testing.T) string {
	t.Helper()
	_, version, _ := strings.Cut(run(t, "icinga2", "--version"), "version: r")
	version, _, _ = strings.Cut(version, "-")
	return version
}

// copyToUpperLayer copies the files of a folder to the writable layer of the overlay. Icinga's
// commands copy their configuration in a way that fails between two layers.
func copyToUpperLayer(t *testing.T, dir string) {
	t.Helper()
	run(t, "cp", "-a", dir, dir+".copy")
	run(t, "rm", "-r", dir)
	run(t, "mv", dir+".copy", dir)
}

// apiUser is the configuration of the API user of the test.
const apiUser = `object ApiUser "e2e" { password = "e2e"; permissions = [ "*" ] }`

// icinga is a running Icinga.
type icinga struct {
	t       *testing.T
	name    string // the name in its certificate
	address string
	root    string   // the folder that contains its folders; "" is the root of the file system
	via     []string // a command that runs other commands on its host, or nil
	clock   *clock   // nil: the real time
	proc    *process
	client  *http.Client
}

// start starts Icinga as its user: all its processes then have the clock of the test.
func (i *icinga) start() {
	i.t.Helper()
	run(i.t, "install", "-d", "-o", "nagios", "-g", "nagios", i.root+"/run/icinga2")
	run(i.t, "chown", "-R", "nagios:nagios", i.root+"/etc/icinga2", i.root+"/var/lib/icinga2")
	asNagios := []string{"setpriv", "--reuid=nagios", "--regid=nagios", "--init-groups", "env"}
	words := slices.Concat(i.via, asNagios, i.clock.env(), []string{"icinga2", "daemon"})
	i.proc = launch(i.t, words[0], words[1:]...)
	await(i.t, slow, "start of Icinga", func() (bool, string) {
		out := i.proc.output()
		return strings.Contains(out, "Activated all objects"), out
	})
}

// call calls the API and reads the results.
func (i *icinga) call(method, path string, body, results any) {
	i.t.Helper()
	if i.client == nil {
		ca, err := os.ReadFile(i.root + "/var/lib/icinga2/certs/ca.crt")
		if err != nil {
			i.t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca)
		i.client = &http.Client{Timeout: slow, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: i.name},
		}}
	}
	data, err := json.Marshal(body)
	if err != nil {
		i.t.Fatal(err)
	}
	address := "https://" + i.address + ":5665/v1/" + path
	request, err := http.NewRequestWithContext(i.t.Context(), method, address, bytes.NewReader(data))
	if err != nil {
		i.t.Fatal(err)
	}
	request.SetBasicAuth("e2e", "e2e")
	request.Header.Set("Accept", "application/json")
	response, err := i.client.Do(request)
	if err != nil {
		i.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		i.t.Fatalf("%s %s: %v, %s\n%s", method, path, err, response.Status, text)
	}
	if err := json.Unmarshal(text, &struct{ Results any }{results}); err != nil {
		i.t.Fatalf("%s %s: %v\n%s", method, path, err, text)
	}
}

// checkEverySecond makes Icinga check the fronts and their hosts once a second. The files of
// contrib have one minute.
func (i *icinga) checkEverySecond() {
	i.t.Helper()
	var done any
	everySecond := map[string]any{"check_interval": 1, "retry_interval": 1}
	for kind, which := range map[string]string{
		"Service": `match("*front_sockets", service.check_command)`, "Host": "host.vars.fronts",
	} {
		objects := "objects/" + strings.ToLower(kind) + "s"
		i.call("POST", objects, map[string]any{"filter": which, "attrs": everySecond}, &done)
		await(i.t, slow, "checks every second", func() (bool, string) {
			var found []struct {
				Name  string
				Attrs struct{ Next_check float64 }
			}
			i.call("GET", objects+"?attrs=next_check&filter="+url.QueryEscape(which), nil, &found)
			for _, f := range found {
				// A running check sets the time of the next one when it ends: reschedule it then.
				if f.Attrs.Next_check > float64(i.clock.now().Unix()+2) {
					i.call("POST", "actions/reschedule-check", map[string]any{"type": kind, "filter": which}, &done)
					return false, f.Name
				}
			}
			return true, ""
		})
	}
}

// result is the last result of a check.
type result struct {
	Output, Check_source string
	Command              []string
	perfdata             string
	at                   time.Time // when it got this hard state
}

// await waits until a check that began after this call gives the hard state, with the words in its
// output. If the check has counted sockets, its perfdata must be complete.
func (i *icinga) await(object string, want int, words string) result {
	i.t.Helper()
	kind := "services"
	if !strings.Contains(object, "!") {
		kind = "hosts"
	}
	called := float64(i.clock.now().UnixMilli()) / 1000
	var r result
	await(i.t, time.Minute, fmt.Sprintf("state %d of %s", want, object), func() (bool, string) {
		var found []struct {
			Attrs struct {
				State, State_type, Last_hard_state_change float64
				Last_check_result                         struct {
					Output, Check_source string
					Command              any
					Performance_data     []any
					Execution_start      float64
				}
			}
		}
		i.call("GET", "objects/"+kind+"/"+url.PathEscape(object), nil, &found)
		if len(found) != 1 {
			return false, fmt.Sprint(found)
		}
		a := found[0].Attrs
		last := a.Last_check_result
		changed := time.UnixMicro(int64(a.Last_hard_state_change * 1e6)).Add(-i.clock.ahead)
		r = result{Output: last.Output, Check_source: last.Check_source, at: changed}
		r.perfdata = strings.Trim(fmt.Sprint(last.Performance_data), "[]")
		if list, is := last.Command.([]any); is {
			for _, word := range list {
				r.Command = append(r.Command, fmt.Sprint(word))
			}
		}
		const hard = 1
		if int(a.State) != want || a.State_type != hard ||
			last.Execution_start < called || !strings.Contains(last.Output, words) {
			return false, fmt.Sprintf("%+v", a)
		}
		if strings.Contains(last.Output, " abnormal sockets") && !slices.Contains(r.Command, "--sample") {
			if why := checkPerfdata(r.perfdata); why != "" {
				i.t.Errorf("%s: %s", object, why)
			}
		}
		return true, ""
	})
	return r
}

var china = time.FixedZone("China", 8*60*60)

// clock is the time that Icinga sees. It is in trading hours, whenever the test runs.
type clock struct {
	t     *testing.T
	file  string
	ahead time.Duration // of the real time
}

// newClock returns a clock that shows 10:00 in China on the next Wednesday.
func newClock(t *testing.T) *clock {
	t.Helper()
	now := time.Now().In(china)
	at := time.Date(now.Year(), now.Month(), now.Day()+1, 10, 0, 0, 0, china)
	for at.Weekday() != time.Wednesday {
		at = at.AddDate(0, 0, 1)
	}
	c := &clock{t: t, file: "/var/tmp/clock"}
	c.set(time.Until(at))
	return c
}

// set sets the difference to the real time.
func (c *clock) set(ahead time.Duration) {
	c.t.Helper()
	c.ahead = ahead.Truncate(time.Second)
	write(c.t, c.file+".new", fmt.Sprintf("%+d\n", int64(c.ahead.Seconds())))
	if err := os.Rename(c.file+".new", c.file); err != nil {
		c.t.Fatal(err)
	}
}

// now returns the time of the clock.
func (c *clock) now() time.Time { return time.Now().Add(c.ahead) }

// env returns the variables of a process that is to have this clock. Without a clock it has the real time.
func (c *clock) env() []string {
	if c == nil {
		return nil
	}
	c.t.Helper()
	library, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err != nil || len(library) != 1 {
		c.t.Fatalf("libfaketime: %v, %v", library, err)
	}
	// The library reads the file once a second. If it reads it for every call, Icinga loses checks.
	return []string{"TZ=Asia/Shanghai", "LD_PRELOAD=" + library[0], "FAKETIME_TIMESTAMP_FILE=" + c.file,
		"FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"}
}
