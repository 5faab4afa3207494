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
	nrpe6 := overNRPE(agent6)
	for name, want := range map[string]string{"nrpe-6.0": nrpe6, "agent-7.0": inZabbix7(agent6),
		"nrpe-7.0": inZabbix7(nrpe6)} {
		golden.File(t, zabbixTemplates+name+".yaml", want)
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
		if strings.Contains(key, "frontsockets[") || strings.Contains(key, "vfs.file.contents[") {
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

// overNRPE is a template that asks the external check instead of the agent.
func overNRPE(template string) string {
	const group = "uuid: a571c0d144b14fd4a87a9d9b2aa9fcd6" // of Zabbix itself
	template = zabbixID.ReplaceAllStringFunc(template, func(id string) string {
		if id == group {
			return id
		}
		return "uuid: " + zabbixUUID(id)
	})
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

// inZabbix7 is a template of Zabbix 6.0 in the format of 7.0: a dashboard has three times
// the columns there, and widgets count what they show.
func inZabbix7(template string) string {
	for _, change := range [][2]string{
		{`version: '6.0'`, `version: '7.0'`},
		{`(?m)^  groups:`, `  template_groups:`},
		{`type: GRAPH_PROTOTYPE\n( *)(x|'y'|width):`, "type: graphprototype\n$1$2:"},
		{`name: graphid`, `name: graphid.0`},
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
