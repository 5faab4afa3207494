//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFleetZabbix: a real Zabbix 6.0 asks a real agent for the answers of 1,008 fronts a minute.
func TestFleetZabbix(t *testing.T) {
	requireFleet(t)
	if machine(t) {
		testFleetZabbix(t, "6.0", "poller")
	}
}

// TestFleetZabbix7 does the same with Zabbix 7.0.
func TestFleetZabbix7(t *testing.T) {
	requireFleet(t)
	if machineWith(t, debian("trixie")) {
		testFleetZabbix(t, "7.0", "agent poller")
	}
}

// fleetZabbix is a Zabbix with 72 hosts. They have the template of contrib, with all its items, and one
// agent with 14 fronts.
type fleetZabbix struct {
	*zabbix
	version string
	queue   zabbixItem            // how many items are over 10 s late
	busy    map[string]zabbixItem // how busy the processes of one kind are
	answers map[int]zabbixItem    // the id of the item of an answer to the item of its status
}

// testFleetZabbix runs the test with a version of Zabbix. poller is the kind of process that asks agents.
func testFleetZabbix(t *testing.T, version, poller string) {
	install(t)
	startFleetAgent(t)
	// The database has its defaults. The cache is for 34,272 items.
	z := &fleetZabbix{zabbix: startZabbixWith(t, "CacheUpdateFrequency=10\nCacheSize=256M\n")}
	z.version = z.login(t)
	z.importTemplate(t, "frontsockets-agent-"+version+".yaml")
	z.createFleet(t, poller)
	z.awaitFleet(t)
	z.measure(t, time.Minute, 3*time.Minute).report(t, false)
	const fast = 20 * time.Second
	z.setTemplateMacro(t, "INTERVAL", "20s")
	time.Sleep(90 * time.Second) // until all items have the new interval
	z.measure(t, fast, 2*time.Minute).report(t, true)
}

// startFleetAgent starts 14 fronts, and an agent that checks them.
func startFleetAgent(t *testing.T) {
	t.Helper()
	type front struct {
		Name  string `json:"name"`
		Check string `json:"check"`
		Ports string `json:"ports"`
	}
	var list []front
	for _, f := range frontsOfHost() {
		list = append(list, front{f.name, f.kind, strconv.Itoa(f.port)})
		newFront(t, "--port", strconv.Itoa(f.port), "--clients", "20", "--for", "1h")
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	write(t, "/etc/frontsockets/fronts.json", string(text))
	place(t, "zabbix/frontsockets.conf", "/etc/zabbix/zabbix_agentd.conf.d/frontsockets.conf")
	run(t, "install", "-d", "-o", "zabbix",
		"/run/zabbix", "/var/log/zabbix", "/var/log/zabbix-agent", "/var/log/zabbix-server")
	launch(t, "runuser", "-u", "zabbix", "--", "zabbix_agentd", "-f")
}

// createFleet makes the hosts, and a host with what the server tells about itself.
func (z *fleetZabbix) createFleet(t *testing.T, poller string) {
	t.Helper()
	z.setTemplateMacro(t, "DISCOVERY", "1m")
	var templates []struct{ TemplateID string }
	z.call(t, "template.get", object{"filter": object{"host": "Frontsockets by Zabbix agent"}}, &templates)
	var groups []struct{ GroupID string }
	z.call(t, "hostgroup.get", object{"filter": object{"name": "Linux servers"}}, &groups)
	if len(templates) != 1 || len(groups) != 1 {
		t.Fatal(templates, groups)
	}
	group := []object{{"groupid": groups[0].GroupID}}
	hosts := []object{{"host": "this server", "groups": group}}
	for n := range fleetHosts {
		hosts = append(hosts, object{
			"host":       fmt.Sprintf("fleet%02d", n+1),
			"interfaces": []object{{"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": "10050"}},
			"groups":     group,
			"templates":  []object{{"templateid": templates[0].TemplateID}},
		})
	}
	var made struct{ HostIDs []string }
	z.call(t, "host.create", hosts, &made)

	internal := func(key string, valueType int) zabbixItem {
		t.Helper()
		const kind = 5
		var item struct{ ItemIDs []string }
		z.call(t, "item.create", object{"hostid": made.HostIDs[0], "name": key, "key_": key, "type": kind,
			"value_type": valueType, "delay": "10s"}, &item)
		return zabbixItem{ID: item.ItemIDs[0], ValueType: strconv.Itoa(valueType)}
	}
	const float, unsigned = 0, 3
	z.queue = internal("zabbix[queue,10s]", unsigned)
	z.busy = map[string]zabbixItem{}
	for _, kind := range []string{poller, "preprocessing worker", "history syncer"} {
		if kind == "preprocessing worker" && strings.HasPrefix(z.version, "7") {
			kind = "preprocessing manager" // its workers are threads
		}
		z.busy[kind] = internal("zabbix[process,"+kind+",avg,busy]", float)
	}
}

// setTemplateMacro sets a macro of the template.
func (z *fleetZabbix) setTemplateMacro(t *testing.T, name, value string) {
	t.Helper()
	var macros []struct{ HostMacroID, Macro string }
	z.call(t, "usermacro.get", object{"filter": object{"macro": "{$FRONTSOCKETS." + name + "}"}}, &macros)
	if len(macros) != 1 {
		t.Fatal(macros)
	}
	z.call(t, "usermacro.update", object{"hostmacroid": macros[0].HostMacroID, "value": value}, nil)
}

// awaitFleet waits until every host has discovered its fronts and every front has had an answer.
func (z *fleetZabbix) awaitFleet(t *testing.T) {
	t.Helper()
	began := time.Now()
	await(t, 15*time.Minute, "all items", func() (bool, string) {
		time.Sleep(2 * time.Second)
		items := z.sql(t, "SELECT count(*) FROM items WHERE flags = 4 AND key_ LIKE 'frontsockets%'")
		return items == fmt.Sprint(fleetFronts*(5-1+len(metrics))), items + " items"
	})
	fmt.Printf("Zabbix %s: discovery of all items: %.0f s\n", z.version, time.Since(began).Seconds())
	z.setTemplateMacro(t, "DISCOVERY", "5m")
	z.answers = map[int]zabbixItem{}
	for row := range strings.Lines(z.sql(t, "SELECT master_itemid, itemid FROM items"+
		" WHERE flags = 4 AND key_ LIKE 'frontsockets.status[%'")) {
		ids := strings.Fields(row)
		master, err := strconv.Atoi(ids[0])
		if err != nil {
			t.Fatal(row, err)
		}
		z.answers[master] = zabbixItem{ID: ids[1], ValueType: "3"}
	}
	await(t, 5*time.Minute, "an answer of every front", func() (bool, string) {
		time.Sleep(2 * time.Second)
		count := z.sql(t, "SELECT count(DISTINCT itemid) FROM history_uint JOIN items USING (itemid)"+
			" WHERE key_ LIKE 'frontsockets.status[%'")
		return count == strconv.Itoa(len(z.answers)) && len(z.answers) == fleetFronts, count
	})
	time.Sleep(2 * time.Minute) // the server has caught up, and knows the new interval of discovery
}

// sql asks the database and returns the rows, with a space between the columns.
func (z *fleetZabbix) sql(t *testing.T, query string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "psql", "-U", "zabbix", "-h", "127.0.0.1", "-AtF", " ", "-c", query, "zabbix"))
}

// measure measures for a time that begins with the next whole interval. The server asks for the answer of
// an item when the number of seconds since 1970, modulo the interval, is the id of the item modulo the interval.
func (z *fleetZabbix) measure(t *testing.T, interval, wall time.Duration) load {
	t.Helper()
	time.Sleep(time.Until(time.Now().Truncate(interval).Add(interval)))
	processes := []string{"zabbix_server", "postgres", "zabbix_agentd", "front_drill"}
	before := map[string]usage{}
	for _, name := range processes {
		before[name] = usageOf(t, name)
	}
	began := time.Now()
	seconds := int(interval.Seconds())
	l := load{system: "Zabbix " + z.version, results: len(z.answers) * int(wall/interval)}
	for time.Since(began) < wall-interval/2 {
		l.delays = append(l.delays, z.watchOne(t, seconds))
	}
	time.Sleep(time.Until(began.Add(wall)))
	l.wall = time.Since(began)
	share, memory := map[string]float64{}, map[string]string{}
	for _, name := range processes {
		after := usageOf(t, name)
		share[name], memory[name] = after.since(before[name], l.wall), mebibytes(after.memory)
	}
	l.server = share["zabbix_server"]
	l.others = fmt.Sprintf("database %.0f %%, agent with checks %.0f %%", share["postgres"], share["zabbix_agentd"])
	l.memory = "server " + memory["zabbix_server"] + ", database " + memory["postgres"]
	fmt.Printf("Zabbix %s: the simulated fronts: %.0f %%\n", z.version, share["front_drill"])

	time.Sleep(15 * time.Second) // for the last values
	z.tellLateness(t, began, l.wall, seconds)
	z.countValues(t, &l, began.Unix(), began.Add(wall).Unix(), seconds)
	return l
}

// watchOne waits for the next answer that is due, and returns how much later the API shows its status.
func (z *fleetZabbix) watchOne(t *testing.T, interval int) time.Duration {
	t.Helper()
	from := int(time.Now().Unix()) + 1
	due, status := from+interval, zabbixItem{}
	for id, item := range z.answers {
		if next := nextDue(id, from, interval); next < due {
			due, status = next, item
		}
	}
	at := time.Unix(int64(due), 0)
	time.Sleep(time.Until(at))
	await(t, time.Minute, "a new value", func() (bool, string) {
		var values []zabbixValue
		z.call(t, "history.get", object{"itemids": status.ID, "history": status.ValueType, "time_from": due}, &values)
		return len(values) > 0, ""
	})
	return time.Since(at)
}

// nextDue returns the first second, not before from, at which the server asks for an item.
func nextDue(id, from, interval int) int { return from + ((id-from)%interval+interval)%interval }

// tellLateness prints how even the schedule was, the longest queue during the measurement, and how busy the
// processes were.
func (z *fleetZabbix) tellLateness(t *testing.T, began time.Time, wall time.Duration, interval int) {
	t.Helper()
	inSecond, crowd := map[int]int{}, 0
	for id := range z.answers {
		inSecond[id%interval]++
		crowd = max(crowd, inSecond[id%interval])
	}
	fmt.Printf("Zabbix %s: answers are due in %d of %d seconds, at most %d in one\n",
		z.version, len(inSecond), interval, crowd)
	most := func(item zabbixItem) (most float64) {
		t.Helper()
		for _, v := range z.history(t, item, int(wall.Seconds())/10) {
			if n, err := strconv.ParseFloat(v.Value, 64); err == nil && !zabbixTime(v.Clock, v.Ns).Before(began) {
				most = max(most, n)
			}
		}
		return most
	}
	fmt.Printf("Zabbix %s: at most %.0f items were over 10 s late; busy, at most:", z.version, most(z.queue))
	for kind, item := range z.busy {
		fmt.Printf(" %s %.0f %%", kind, most(item))
	}
	fmt.Println()
}

// countValues counts the values that were stored, and the answers that are missing: each item has one in
// each interval from when it is due.
func (z *fleetZabbix) countValues(t *testing.T, l *load, from, to int64, interval int) {
	t.Helper()
	for _, table := range strings.Fields("history history_uint history_str history_text history_log") {
		count, err := strconv.Atoi(z.sql(t, fmt.Sprintf("SELECT count(*) FROM %s WHERE clock >= %d AND clock < %d",
			table, from, to)))
		if err != nil {
			t.Fatal(err)
		}
		l.values += count
	}
	got := map[[2]int]bool{} // the item of an answer, and when it was due
	rows := z.sql(t, fmt.Sprintf("SELECT master_itemid, clock FROM history_uint JOIN items USING (itemid)"+
		" WHERE key_ LIKE 'frontsockets.status[%%' AND clock >= %d AND clock < %d", from, to+int64(interval)))
	for row := range strings.Lines(rows) {
		var id, clock int
		if _, err := fmt.Sscan(row, &id, &clock); err != nil {
			t.Fatal(row, err)
		}
		late := (clock - id) % interval
		got[[2]int{id, clock - late}] = true
	}
	for id := range z.answers {
		for due := nextDue(id, int(from), interval); due < int(to); due += interval {
			if !got[[2]int{id, due}] {
				l.lost++
			}
		}
	}
}
