//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// zabbixFrontend is the address of the web frontend.
const zabbixFrontend = "127.0.0.1:8080"

// alertScripts is the folder of the scripts that the server runs to notify somebody.
const alertScripts = "/etc/zabbix/alertscripts"

// zabbix is a client of the API of Zabbix.
type zabbix struct {
	client http.Client
	auth   string
}

// object is a JSON object.
type object = map[string]any

// call calls a method and reads its result. An error fails the test.
func (z *zabbix) call(t *testing.T, method string, params, result any) {
	t.Helper()
	if err := z.ask(method, params, result); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

// ask is like call and returns the error.
func (z *zabbix) ask(method string, params, result any) error {
	request := object{"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
	if z.auth != "" {
		request["auth"] = z.auth
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	r, err := z.client.Post("http://"+zabbixFrontend+"/api_jsonrpc.php", "application/json-rpc", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	answer := struct {
		Error  *struct{ Message, Data string }
		Result any
	}{Result: result}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return fmt.Errorf("%+v", *answer.Error)
	}
	return nil
}

// login waits for the frontend, logs in and returns its version. It disables the host of every new
// installation, the server itself.
func (z *zabbix) login(t *testing.T) (version string) {
	t.Helper()
	await(t, slow, "the API", func() (bool, string) {
		err := z.ask("apiinfo.version", object{}, &version)
		return err == nil, fmt.Sprint(err)
	})
	z.call(t, "user.login", object{"username": "Admin", "password": "zabbix"}, &z.auth)
	z.call(t, "host.update", object{"hostid": "10084", "status": 1}, nil)
	return version
}

// importTemplate imports a template of contrib, twice: the second import is an update.
func (z *zabbix) importTemplate(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repo, "contrib/zabbix", file))
	if err != nil {
		t.Fatal(err)
	}
	rules := object{}
	for _, kind := range strings.Fields("templates items triggers discoveryRules graphs valueMaps templateDashboards") {
		rules[kind] = object{"createMissing": true, "updateExisting": true}
	}
	groups := "groups"
	if strings.Contains(file, "-7.0") {
		groups = "template_groups"
	}
	rules[groups] = object{"createMissing": true}
	for range 2 {
		params := object{"format": "yaml", "source": string(text), "rules": rules}
		z.call(t, "configuration.import", params, nil)
	}
}

// storeAnswers adds an item to a template that stores the whole answers, with which the test compares the
// other items. The template itself does not store them.
func (z *zabbix) storeAnswers(t *testing.T, template string) {
	t.Helper()
	var rules []struct{ ItemID, HostID string }
	z.call(t, "discoveryrule.get", object{
		"output": []string{"itemid", "hostid"}, "filter": object{"host": template}, "templated": true,
	}, &rules)
	if len(rules) != 1 {
		t.Fatalf("%s has the discovery rules %v, want one", template, rules)
	}
	var prototypes []struct {
		ItemID, Name string
		Key          string `json:"key_"`
	}
	z.call(t, "itemprototype.get", object{
		"output": []string{"itemid", "name", "key_"}, "discoveryids": rules[0].ItemID,
	}, &prototypes)
	// The key has the same parameters as the other keys. With others the item would outlive its master
	// when a front gets another port, and the discovery would fail.
	master, key := "", ""
	for _, p := range prototypes {
		if p.Name == "{#NAME}: answer" {
			master = p.ItemID
		}
		if rest, found := strings.CutPrefix(p.Key, "frontsockets.status["); found {
			key = "frontsockets.stored[" + rest
		}
	}
	const dependent, text = 18, 4
	z.call(t, "itemprototype.create", object{
		"hostid": rules[0].HostID, "ruleid": rules[0].ItemID, "master_itemid": master,
		"name": "{#NAME}: stored answer", "key_": key,
		"type": dependent, "value_type": text, "trends": "0",
		"tags": []object{{"tag": "front", "value": "{#NAME}"}},
	}, nil)
}

// notify makes Zabbix send its notifications as mails, as the README says: a media type, a medium of Admin,
// and the action that is disabled after the installation.
func (z *zabbix) notify(t *testing.T, version string) {
	t.Helper()
	write(t, alertScripts+"/e2e", "#!/bin/sh\nprintf '%s\\n' \"$3\" | mail -s \"$2\" \"$1\"\n")
	if err := os.Chmod(alertScripts+"/e2e", 0o755); err != nil {
		t.Fatal(err)
	}
	const script, problem, recovery = 1, 0, 1
	const enabled = 0 // which 7.0 wants to be said
	media := object{"name": "e2e", "type": script, "exec_path": "e2e", "status": enabled, "message_templates": []object{
		{"eventsource": 0, "recovery": problem, "subject": "Problem: {EVENT.NAME}", "message": "Host: {HOST.NAME}."},
		{"eventsource": 0, "recovery": recovery, "subject": "Resolved: {EVENT.NAME}", "message": "Host: {HOST.NAME}."},
	}}
	arguments := []string{"{ALERT.SENDTO}", "{ALERT.SUBJECT}", "{ALERT.MESSAGE}"}
	if version == "6.0" {
		media["exec_params"] = strings.Join(arguments, "\n") + "\n"
	} else {
		var parameters []object
		for i, argument := range arguments {
			parameters = append(parameters, object{"sortorder": i, "value": argument})
		}
		media["parameters"] = parameters
	}
	var made struct{ MediaTypeIDs []string }
	z.call(t, "mediatype.create", media, &made)
	z.call(t, "user.update", object{"userid": "1", "medias": []object{
		{"mediatypeid": made.MediaTypeIDs[0], "sendto": "duty@example.net"}}}, nil)
	var actions []struct{ ActionID string }
	z.call(t, "action.get", object{"filter": object{"name": "Report problems to Zabbix administrators"}}, &actions)
	if len(actions) != 1 {
		t.Fatalf("there are %d actions, want 1", len(actions))
	}
	z.call(t, "action.update", object{"actionid": actions[0].ActionID, "status": 0}, nil)
}

// createHost makes a host with a template and macros and returns its id. Its fronts are checked every second, not
// every minute. The list is read every 5 s: the server needs over a second for each discovery on a busy
// machine, and would get later and later.
func (z *zabbix) createHost(t *testing.T, name, template, port string, own map[string]string) (id string) {
	t.Helper()
	var templates []struct{ TemplateID string }
	z.call(t, "template.get", object{"filter": object{"host": template}}, &templates)
	var groups []struct{ GroupID string }
	z.call(t, "hostgroup.get", object{"filter": object{"name": "Linux servers"}}, &groups)
	if len(templates) != 1 || len(groups) != 1 {
		t.Fatal(templates, groups)
	}
	macros := []object{}
	values := map[string]string{"INTERVAL": "1s", "DISCOVERY": "5s", "NODATA": "30s", "NODATA.LIST": "20s"}
	maps.Copy(values, own)
	for macro, value := range values {
		macros = append(macros, object{"macro": "{$FRONTSOCKETS." + macro + "}", "value": value})
	}
	var made struct{ HostIDs []string }
	z.call(t, "host.create", object{
		"host":       name,
		"interfaces": []object{{"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": port}},
		"groups":     []object{{"groupid": groups[0].GroupID}},
		"templates":  []object{{"templateid": templates[0].TemplateID}},
		"macros":     macros,
	}, &made)
	return made.HostIDs[0]
}

// setMacro sets a macro of the host, or removes it if the value is "".
func (z *zabbix) setMacro(t *testing.T, host, macro, value string) {
	t.Helper()
	if value != "" {
		z.call(t, "usermacro.create", object{"hostid": host, "macro": macro, "value": value}, nil)
		return
	}
	var macros []struct{ HostMacroID string }
	z.call(t, "usermacro.get", object{"hostids": host, "filter": object{"macro": macro}}, &macros)
	if len(macros) != 1 {
		t.Fatalf("the host has %d macros %s, want 1", len(macros), macro)
	}
	z.call(t, "usermacro.delete", []string{macros[0].HostMacroID}, nil)
}

// zabbixItem is an item of a host.
type zabbixItem struct {
	ID        string `json:"itemid"`
	Key       string `json:"key_"`
	ValueType string `json:"value_type"`
	Error     string
}

// itemKey matches the key of an item; the group is its name.
var itemKey = regexp.MustCompile(`^frontsockets\.([a-z_0-9]+)\[`)

// items returns the items of a front by their names; the item of the whole answer is "answer".
func (z *zabbix) items(t *testing.T, host, front string) map[string]zabbixItem {
	t.Helper()
	var all []zabbixItem
	z.call(t, "item.get", object{
		"hostids": host,
		"output":  []string{"itemid", "key_", "value_type", "error"},
		"tags":    []object{{"tag": "front", "value": front, "operator": 1}},
	}, &all)
	items := map[string]zabbixItem{}
	for _, item := range all {
		name := "answer"
		if m := itemKey.FindStringSubmatch(item.Key); m != nil {
			name = m[1]
		}
		items[name] = item
	}
	return items
}

// zabbixValue is a value in the history of an item.
type zabbixValue struct{ Clock, Ns, Value string }

// history returns the newest values of an item, the newest first.
func (z *zabbix) history(t *testing.T, item zabbixItem, limit int) (values []zabbixValue) {
	t.Helper()
	z.call(t, "history.get", object{
		"itemids": item.ID, "history": item.ValueType,
		"sortfield": "clock", "sortorder": "DESC", "limit": limit,
	}, &values)
	return values
}

// zabbixProblem is a problem of a host.
type zabbixProblem struct{ Name, Clock, Ns string }

// zabbixTime returns the time of the seconds and nanoseconds.
func zabbixTime(clock, ns string) time.Time {
	c, _ := strconv.ParseInt(clock, 10, 64)
	n, _ := strconv.ParseInt(ns, 10, 64)
	return time.Unix(c, n)
}

// awaitProblem waits until a host has a problem whose name begins with name, and returns when the
// problem began. The names of all its problems must begin with front.
func (z *zabbix) awaitProblem(t *testing.T, host, front, name string) (began time.Time) {
	t.Helper()
	await(t, time.Minute, name, func() (bool, string) {
		problems := z.problems(t, host)
		for _, p := range problems {
			if !strings.HasPrefix(p.Name, front) {
				t.Fatalf("a problem does not begin with %q: %+v", front, problems)
			}
			if strings.HasPrefix(p.Name, name) {
				began = zabbixTime(p.Clock, p.Ns)
			}
		}
		return !began.IsZero(), fmt.Sprintf("%+v", problems)
	})
	return began
}

// awaitNoProblem waits until a host has no problems.
func (z *zabbix) awaitNoProblem(t *testing.T, host string) {
	t.Helper()
	await(t, time.Minute, "the end of all problems", func() (bool, string) {
		problems := z.problems(t, host)
		return len(problems) == 0, fmt.Sprintf("%+v", problems)
	})
}

// problems returns the problems of a host.
func (z *zabbix) problems(t *testing.T, host string) (problems []zabbixProblem) {
	t.Helper()
	z.call(t, "problem.get", object{"hostids": host}, &problems)
	return problems
}

// lastRecovery returns the time when the last problem of a host ended.
func (z *zabbix) lastRecovery(t *testing.T, host string) (last time.Time) {
	t.Helper()
	var problems []struct {
		Clock string `json:"r_clock"`
		Ns    string `json:"r_ns"`
	}
	z.call(t, "problem.get", object{"hostids": host, "recent": true}, &problems)
	for _, p := range problems {
		if at := zabbixTime(p.Clock, p.Ns); at.After(last) {
			last = at
		}
	}
	return last
}
