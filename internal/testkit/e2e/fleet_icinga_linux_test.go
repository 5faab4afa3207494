//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFleetIcinga gives a real Icinga the results of 1,008 fronts a minute, and then ten times as many.
// The services are those of contrib/icinga2, but Icinga does not run the checks: each result is one of
// four answers that the checks gave once.
func TestFleetIcinga(t *testing.T) {
	requireFleet(t)
	if !machine(t) {
		return
	}
	install(t)
	catchMails(t)
	answers := realAnswers(t)
	copyToUpperLayer(t, "/etc/icinga2")
	for _, name := range []string{"commands", "services"} {
		place(t, "icinga2/frontsockets-"+name+".conf", "/etc/icinga2/conf.d/frontsockets-"+name+".conf")
	}
	change(t, "/etc/icinga2/conf.d/frontsockets-services.conf", "check_interval = 1m", "enable_active_checks = false")
	var hosts strings.Builder
	var services []fleetService
	for n := range fleetHosts {
		host := fmt.Sprintf("fleet%02d", n+1)
		fmt.Fprintf(&hosts, "object Host %q {\n\tcheck_command = \"dummy\"\n"+
			"\tvars.notification[\"mail\"] = { groups = [ \"icingaadmins\" ] }\n", host)
		for _, f := range frontsOfHost() {
			fmt.Fprintf(&hosts, "\tvars.fronts[%q] = { kind = %q, port = %d }\n", f.name, f.kind, f.port)
			// One front in 50 is down all the time.
			services = append(services, fleetService{host + "!" + f.name, answers[f.kind][len(services)%50 == 0]})
		}
		hosts.WriteString("}\n")
	}
	write(t, "/etc/icinga2/conf.d/fleet.conf", hosts.String())
	run(t, "icinga2", "api", "setup", "--cn", "fronts")
	run(t, "icinga2", "feature", "enable", "perfdata")
	write(t, "/etc/icinga2/conf.d/api-users.conf", apiUser)
	i := &icinga{t: t, name: "fronts", address: "127.0.0.1"}
	i.start()

	f := &fleetIcinga{icinga: i, services: services, arrived: map[string]bool{}}
	f.listen()
	fast := f.measure(10, time.Minute) // of all fronts that are down, mails are sent
	f.measure(1, 3*time.Minute).report(t, false)
	fast.report(t, false)
}

// fleetService is a service and the answer that it gets each time.
type fleetService struct {
	name   string // HOST!SERVICE
	answer answer
}

// answer is what a check has answered.
type answer struct {
	code             int
	output, perfdata string
}

// realAnswers runs the checks at two healthy fronts and at two ports without a listener. It returns the
// answers by the kind of front and by whether the front is down.
func realAnswers(t *testing.T) map[string]map[bool]answer {
	t.Helper()
	newFront(t, "--port", "41205")
	newFront(t, "--port", "41213")
	answers := map[string]map[bool]answer{"front": {}, "mdfront": {}}
	for kind, ports := range map[string][2]string{"front": {"41205", "41206"}, "mdfront": {"41213", "41214"}} {
		for n, port := range ports {
			out, code := try(t, "/usr/lib/nagios/plugins/check_"+kind+"_sockets", "-n", kind+"7", "-p", port)
			text, perfdata, _ := strings.Cut(strings.TrimSpace(out), " | ")
			if want := []int{0, 2}[n]; code != want || checkPerfdata(perfdata) != "" {
				t.Fatalf("port %s: exit code %d, %s", port, code, out)
			}
			answers[kind][n == 1] = answer{code, text, perfdata}
		}
	}
	return answers
}

// fleetIcinga is an Icinga that is given results, and a listener to its events.
type fleetIcinga struct {
	*icinga
	services []fleetService
	sent     int // results

	mutex   sync.Mutex
	arrived map[string]bool // the check_source of a result that Icinga has processed
	delays  []time.Duration
}

// listen subscribes to the results that Icinga has processed. Icinga sends them every 5 s, so they show
// which results are lost, and not when Icinga had them.
func (f *fleetIcinga) listen() {
	f.t.Helper()
	var status any
	f.call("GET", "status", nil, &status) // makes the client
	request := f.request("events", map[string]any{"queue": "fleet", "types": []string{"CheckResult"}})
	response, err := (&http.Client{Transport: f.client.Transport}).Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { response.Body.Close() })
	go func() {
		for decoder := json.NewDecoder(response.Body); ; {
			var event struct {
				Result struct {
					Source string `json:"check_source"`
				} `json:"check_result"`
			}
			if decoder.Decode(&event) != nil {
				return
			}
			f.mutex.Lock()
			f.arrived[event.Result.Source] = true
			f.mutex.Unlock()
		}
	}()
}

// request returns a request to the API.
func (f *fleetIcinga) request(path string, body any) *http.Request {
	data, err := json.Marshal(body)
	if err != nil {
		f.t.Error(err)
	}
	request, err := http.NewRequestWithContext(f.t.Context(), "POST", "https://127.0.0.1:5665/v1/"+path,
		bytes.NewReader(data))
	if err != nil {
		f.t.Error(err)
	}
	request.SetBasicAuth("e2e", "e2e")
	request.Header.Set("Accept", "application/json")
	return request
}

// send gives Icinga a result of the service. The check source identifies the result.
func (f *fleetIcinga) send(s fleetService, source string) error {
	response, err := f.client.Do(f.request("actions/process-check-result", map[string]any{
		"type": "Service", "service": s.name, "exit_status": s.answer.code, "plugin_output": s.answer.output,
		"performance_data": strings.Fields(s.answer.perfdata), "check_source": source,
	}))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(string(text))
	}
	return err
}

// awaitResult asks the API for the service until it shows the result, and keeps the time since it was sent.
func (f *fleetIcinga) awaitResult(service, source string, sent time.Time) {
	for time.Since(sent) < slow {
		request := f.request("objects/services/"+url.PathEscape(service)+"?attrs=last_check_result", nil)
		request.Header.Set("X-HTTP-Method-Override", "GET")
		response, err := f.client.Do(request)
		if err != nil {
			f.t.Error(err)
			return
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err == nil && bytes.Contains(text, []byte(`"check_source":"`+source+`"`)) {
			f.mutex.Lock()
			defer f.mutex.Unlock()
			f.delays = append(f.delays, time.Since(sent))
			return
		}
	}
	f.t.Errorf("the API does not show %s of %s", source, service)
}

// measure sends a result of each service, so many times a minute, evenly spread, and returns what it
// took. It asks the API for one result in five, or fewer.
func (f *fleetIcinga) measure(timesAMinute int, wall time.Duration) load {
	f.t.Helper()
	total := int(wall.Minutes()) * timesAMinute * len(f.services)
	gap := wall / time.Duration(total)
	first := f.sent
	source := func(n int) string { return fmt.Sprint("result ", first+n) }
	f.sent, f.delays = f.sent+total, nil

	before, began := usageOf(f.t, "icinga2"), time.Now()
	const senders = 4 // so that one slow answer delays no other result
	var running sync.WaitGroup
	for sender := range senders {
		running.Add(1)
		go func() {
			defer running.Done()
			for n := sender; n < total; n += senders {
				time.Sleep(time.Until(began.Add(time.Duration(n) * gap)))
				service := f.services[n%len(f.services)]
				at := time.Now()
				if err := f.send(service, source(n)); err != nil {
					f.t.Error(err)
				}
				if n/senders%(5*timesAMinute) == 0 {
					f.awaitResult(service.name, source(n), at)
				}
			}
		}()
	}
	running.Wait()
	took := time.Since(began)
	after := usageOf(f.t, "icinga2")
	time.Sleep(5 * time.Second) // for the last events

	l := load{system: "Icinga " + icingaVersion(f.t), wall: wall, results: total, others: "–",
		server: after.since(before, took), memory: mebibytes(after.memory)}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	l.delays = f.delays
	for n := range total {
		if !f.arrived[source(n)] {
			l.lost++
		}
	}
	f.requireLastResults(func(service int) string { return source(total - len(f.services) + service) })
	return l
}

// requireLastResults requires that the API shows the last result of each service, with its state, its
// output and its perfdata.
func (f *fleetIcinga) requireLastResults(source func(service int) string) {
	f.t.Helper()
	var found []struct {
		Name  string
		Attrs struct {
			State  float64
			Result struct {
				Source   string `json:"check_source"`
				Output   string
				Perfdata []any `json:"performance_data"`
			} `json:"last_check_result"`
		}
	}
	f.call("GET", "objects/services?attrs=state&attrs=last_check_result", nil, &found)
	numbers := map[string]int{}
	for n, s := range f.services {
		numbers[s.name] = n
	}
	right := 0
	for _, got := range found {
		n, ours := numbers[got.Name]
		if !ours {
			continue
		}
		want, last := f.services[n].answer, got.Attrs.Result
		if int(got.Attrs.State) != want.code || last.Source != source(n) || last.Output != want.output ||
			len(last.Perfdata) != len(strings.Fields(want.perfdata)) {
			f.t.Errorf("%s is %+v, want %q of %q", got.Name, got.Attrs, want.output, source(n))
			continue
		}
		right++
	}
	if right != len(f.services) {
		f.t.Errorf("the last result of %d services is right, want %d", right, len(f.services))
	}
}
