package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/golden"
)

const zabbixTemplates = "../contrib/zabbix/frontsockets-"

// TestGeneratedZabbix: the template for the agent of Zabbix 6.0 is written by hand, but for
// its items, one for every metric. The others are made from it.
func TestGeneratedZabbix(t *testing.T) {
	var items strings.Builder
	for m := range tally.OneLook {
		name, units := strings.ReplaceAll(m.String(), "_", " "), ""
		if _, err := tcp.ParseState(m.String()); err == nil {
			name = strings.ToUpper(m.String())
		}
		if m.Unit() != "" {
			units = fmt.Sprintf("              units: '%s'\n", m.Unit())
		}
		fmt.Fprintf(&items, zabbixItem, zabbixUUID("metric "+m.String()), name, m, units, m.Help(), m, zabbixComponent(m))
	}
	golden.Part(t, zabbixTemplates+"agent-6.0.yaml", "            # metrics: made by make generate\n",
		"            # end of metrics\n", items.String())

	agent6 := readText(t, zabbixTemplates+"agent-6.0.yaml")
	seen := map[string]bool{}
	for _, id := range zabbixID.FindAllString(agent6, -1) {
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}

	requireSecondUnknown(t, agent6)
	requireNoStoredMaster(t, agent6)
	nrpe6, ports6 := overNRPE(agent6), onPorts(t, agent6)
	ports7 := inZabbix7(ports6)
	requireNoStoredMaster(t, ports6)
	requireLostKept(t, ports6, "")
	requireLostKept(t, ports7, "          enabled_lifetime_type: DISABLE_NEVER\n")
	for name, want := range map[string]string{"nrpe-6.0": nrpe6, "ports-6.0": ports6,
		"agent-7.0": inZabbix7(agent6), "nrpe-7.0": inZabbix7(nrpe6), "ports-7.0": ports7} {
		golden.File(t, zabbixTemplates+name+".yaml", want)
	}
}

// requireLostKept fails unless the template keeps a front that no longer listens, and goes on checking it.
// Without the line enabled, Zabbix 7.0 disables the items of such a front at once.
func requireLostKept(t *testing.T, template, enabled string) {
	t.Helper()
	want := "          lifetime: '{$FRONTSOCKETS.KEEP}'\n" + enabled + "          description: "
	if strings.Count(template, "lifetime") != strings.Count(want, "lifetime") || !strings.Contains(template, want) {
		t.Errorf("a template of listening ports has no %q, or has other lifetimes too", want)
	}
}

// requireNoStoredMaster fails unless the history of the items that others are taken from is 0, and every item
// has a tag component.
func requireNoStoredMaster(t *testing.T, template string) {
	t.Helper()
	items := regexp.MustCompile(`(?m)^ +- uuid: `).Split(template[:strings.Index(template, "trigger_prototypes:")], -1)
	masters := 0
	for _, item := range items {
		key := regexp.MustCompile(`(?m)^ +key: .*\n`).FindString(item)
		if key == "" || strings.Contains(item, "lifetime: ") {
			continue // a template, trigger or discovery rule
		}
		if regexp.MustCompile(`'(frontsockets|frontsockets\.ports|vfs\.file\.contents)\[`).MatchString(key) {
			masters++
			if !strings.Contains(item, "history: '0'\n") {
				t.Errorf("the master item%s is stored", key)
			}
		}
		if !strings.Contains(item, "- tag: component\n") {
			t.Errorf("the item%s has no tag component", key)
		}
	}
	if masters != 2 {
		t.Errorf("there are %d master items, want 2", masters)
	}
}

// requireSecondUnknown fails unless the UNKNOWN problem waits for a second UNKNOWN answer, also
// after a WARNING. A busy host may be late once.
func requireSecondUnknown(t *testing.T, template string) {
	t.Helper()
	form := regexp.MustCompile(` expression: '(.*)'\n.*\n.*\n *name: '{#NAME} is UNKNOWN'\n`)
	trigger := form.FindStringSubmatch(template)
	const twice = `min(/Frontsockets by Zabbix agent/frontsockets.status[{#CHECK},"{#PORTS}","{#NAME}"],#2)=3 and `
	if trigger == nil || !strings.HasPrefix(trigger[1], twice) {
		t.Errorf("the UNKNOWN problem has the expression %q, which does not begin with %s", trigger, twice)
	}
}

// zabbixItem is the item of a metric. Without a value it is null, and the item gets none.
const zabbixItem = `            - uuid: %s
              name: '{#NAME}: %s'
              type: DEPENDENT
              key: 'frontsockets.%s[{#CHECK},"{#PORTS}","{#NAME}"]'
              delay: '0'
              history: 30d
              value_type: FLOAT
%s              description: '%s'
              preprocessing:
                - type: JSONPATH
                  parameters:
                    - '$.metrics.%s'
                  error_handler: DISCARD_VALUE
                - type: NOT_MATCHES_REGEX
                  parameters:
                    - '^(null)?$'
                  error_handler: DISCARD_VALUE
              master_item:
                key: 'frontsockets[{#CHECK},"{#PORTS}","{#NAME}"]'
              tags:
                - tag: component
                  value: %s
                - tag: front
                  value: '{#NAME}'
`

// zabbixComponent returns the tag component of a metric, by which Latest data can be filtered.
func zabbixComponent(m tally.Metric) string {
	switch m {
	case tally.Clients, tally.AbnormalClients, tally.TopClient, tally.TopClientPct:
		return "clients"
	case tally.Listeners, tally.AcceptQueue, tally.AcceptQueuePct, tally.Unaccepted:
		return "accept-queue"
	}
	if _, err := tcp.ParseState(m.String()); err == nil || m == tally.Abnormal {
		return "states"
	}
	return "sessions"
}

// zabbixUUID returns a UUID that is always the same for the same seed. It looks random, as
// RFC 9562 wants of version 4.
func zabbixUUID(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	id := []byte(hex.EncodeToString(sum[:16]))
	id[12], id[16] = '4', '8'
	return string(id)
}

var zabbixID = regexp.MustCompile(`uuid: [0-9a-f]{32}`)

// withNewUUIDs returns the template with other UUIDs, which the seed decides.
func withNewUUIDs(template, seed string) string {
	const group = "uuid: a571c0d144b14fd4a87a9d9b2aa9fcd6" // of Zabbix itself
	return zabbixID.ReplaceAllStringFunc(template, func(id string) string {
		if id == group {
			return id
		}
		return "uuid: " + zabbixUUID(seed+id)
	})
}

// overNRPE is a template that asks the external check instead of the agent.
func overNRPE(template string) string {
	template = withNewUUIDs(template, "")
	external := func(key string) string { return "type: EXTERNAL\n${1}key: '" + key + "'\n${1}delay:" }
	for _, change := range [][2]string{
		{`by Zabbix agent`, `by NRPE`},
		{`key: 'vfs.file.contents\[[^']*'\n( *)delay:`, external(`frontsockets_nrpe["{HOST.CONN}",zabbix_fronts]`)},
		{`key: 'frontsockets\[[^']*'\n( *)delay:`, external(`frontsockets_nrpe["{HOST.CONN}","zabbix_{#NAME}"]`)},
		{`key: 'vfs.file.contents\[[^']*'`, `key: 'frontsockets_nrpe["{HOST.CONN}",zabbix_fronts]'`},
		{`key: 'frontsockets\[[^']*'`, `key: 'frontsockets_nrpe["{HOST.CONN}","zabbix_{#NAME}"]'`},
		{` *- macro: '{\$FRONTSOCKETS.FILE}'\n.*\n.*\n`, ``},
		{`The file {\$FRONTSOCKETS.FILE}`, `The list of fronts`},
		{`(frontsockets\.[a-z_0-9]+)\[{#CHECK},"{#PORTS}",`, `$1[`},
		{` *- lld_macro: '{#(?:CHECK|PORTS)}'\n.*\n`, ``},
	} {
		template = regexp.MustCompile(change[0]).ReplaceAllString(template, change[1])
	}
	return template
}

// onPorts is a template that discovers the ports that listen, instead of the fronts of a list. A front that is
// down does not listen, and must stay.
func onPorts(t *testing.T, template string) string {
	t.Helper()
	template = withNewUUIDs(template, "ports ")
	for _, change := range [][2]string{
		{`by Zabbix agent`, `by listening ports`},
		{`each front that a file on its host lists`, `each port of {$$FRONTSOCKETS.PORTS} on which something listens`},
		{`'vfs\.file\.contents\[[^']*'`, `'frontsockets.ports["{$$FRONTSOCKETS.PORTS}"]'`},
		{`(description: ')The fronts on this host, in JSON\. It is not stored\.'\n`, `${1}` + zabbixPorts},
		{`How many fronts the list has; 0 also if it cannot be understood`, `On how many ports something listens`},
		{` +- uuid: (.*)\n +expression: 'max.* or nodata(.|\n)*?value: notice\n`,
			fmt.Sprintf(zabbixNoFronts, "$1", zabbixUUID("no list of listening ports"))},
		{`lifetime: '0'`, `lifetime: '{$$FRONTSOCKETS.KEEP}'`},
		{`Fronts come and go with the list\. An empty one`,
			`A front that no longer listens stays for {$$FRONTSOCKETS.KEEP}, and is checked. An empty list`},
		{`How often the list of fronts is read`, `How often the listening ports are looked up`},
		{` *- macro: '{\$FRONTSOCKETS.FILE}'\n.*\n.*\n`, ``},
		{` *- macro: '{\$FRONTSOCKETS.NODATA}'\n`, zabbixMacro("KEEP", "30d",
			"How long a front that no longer listens is kept and checked: 0, or from 1h on.") + `$0`},
		{` *- macro: '{\$FRONTSOCKETS.QUEUE.WARN}'\n`, zabbixMacro("PORTS", "41205,41213",
			"The ports that may be fronts: ports and ranges, as 41205,41213-41220.") + zabbixMacro("PORTS.TRADE", "41205",
			"Which of them are trade fronts: a regular expression. The others are market-data fronts.") + `$0`},
	} {
		pattern := regexp.MustCompile(change[0])
		if !pattern.MatchString(template) {
			t.Fatalf("the template for the agent has no %s", pattern)
		}
		template = pattern.ReplaceAllString(template, change[1])
	}
	return template
}

// zabbixMacro is a macro of a template, as a replacement.
func zabbixMacro(name, value, description string) string {
	return fmt.Sprintf("        - macro: '{$$FRONTSOCKETS.%s}'\n          value: '%s'\n          description: '%s'\n",
		name, value, description)
}

// zabbixPorts makes a list of fronts, as fronts.json is one, from the answer of a check. Without an answer
// the item is not supported, and has the reason. A port has two listeners if the front listens for IPv4 and IPv6.
const zabbixPorts = `The ports on which something listens, as a list of fronts in JSON. It is not stored.'
          preprocessing:
            - type: JAVASCRIPT
              parameters:
                - |
                  var answer = JSON.parse(value);
                  if (answer.exit_code === 3) {
                    throw answer.reason;
                  }
                  var ports = answer.listeners.map(function (listener) {
                    return String(listener.port);
                  }).filter(function (port, i, all) {
                    return all.indexOf(port) === i;
                  });
                  return JSON.stringify(ports.map(function (port) {
                    var trade = /^(?:{$$FRONTSOCKETS.PORTS.TRADE})$$/.test(port);
                    return {name: "port " + port, check: trade ? "front" : "mdfront", ports: port};
                  }));
`

// zabbixNoFronts are the problems of the discovery by ports: nothing listens, or nobody knows what does.
const zabbixNoFronts = `            - uuid: %s
              expression: 'max(/Frontsockets by listening ports/frontsockets.fronts,#2)=0'
              name: 'No fronts listen'
              priority: AVERAGE
              description: 'Nothing listens on {$$FRONTSOCKETS.PORTS}. Fronts found earlier are still checked.'
              tags:
                - tag: scope
                  value: notice
            - uuid: %s
              expression: 'nodata(/Frontsockets by listening ports/frontsockets.fronts,{$$FRONTSOCKETS.NODATA.LIST})=1'
              name: 'No list of fronts'
              priority: AVERAGE
              description: 'No answer, or one that is UNKNOWN or no JSON. The item "Fronts: the list" has the reason.'
              tags:
                - tag: scope
                  value: notice
`

// inZabbix7 is a template of Zabbix 6.0 in the format of 7.0: a dashboard has three times
// the columns there, widgets count what they show, and items that are no longer discovered are
// disabled at once if the template does not say otherwise.
func inZabbix7(template string) string {
	for _, change := range [][2]string{
		{`version: '6.0'`, `version: '7.0'`},
		{`(?m)^  groups:`, `  template_groups:`},
		{`type: GRAPH_PROTOTYPE\n( *)(x|'y'|width):`, "type: graphprototype\n$1$2:"},
		{`name: graphid`, `name: graphid.0`},
		{`( *)(lifetime: '{\$FRONTSOCKETS.KEEP}'\n)`, `$1$2${1}enabled_lifetime_type: DISABLE_NEVER` + "\n"},
	} {
		template = regexp.MustCompile(change[0]).ReplaceAllString(template, change[1])
	}
	return regexp.MustCompile(`(\n {18}(?:x|width): )'(\d+)'`).ReplaceAllStringFunc(template, func(line string) string {
		name, value, _ := strings.Cut(line, "'")
		n, err := strconv.Atoi(strings.Trim(value, "'"))
		if err != nil {
			panic(err)
		}
		return fmt.Sprintf("%s'%d'", name, 3*n)
	})
}
