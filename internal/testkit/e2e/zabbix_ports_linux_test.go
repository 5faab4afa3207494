//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"
)

// requirePorts discovers the fronts by their listening ports. It requires that a front that stops is checked
// on, that it goes when nobody wants to keep it, and that no discovery fails in silence.
func (z *zabbix) requirePorts(t *testing.T, version string, md *front) {
	t.Helper()
	const (
		template = "Frontsockets by listening ports"
		port     = "10050"
		trade7   = "port 41205"
		md7      = "port 41213"
	)
	z.importTemplate(t, "frontsockets-ports-"+version+".yaml")
	z.storeAnswers(t, template)
	host := z.createHost(t, "fronts by ports", template, port, map[string]string{"PORTS": "41299"})
	unknown := z.createHost(t, "no answer", template, port, map[string]string{"PORTS": "none"})
	z.awaitProblem(t, host, "No fronts listen", "No fronts listen")
	z.awaitProblem(t, unknown, "No list of fronts", "No list of fronts")
	z.call(t, "host.delete", []string{unknown}, nil)

	// The default of the macro are the ports of both fronts.
	z.setMacro(t, host, "{$FRONTSOCKETS.PORTS}", "")
	for front, key := range map[string]string{
		trade7: `frontsockets[front,"41205","port 41205"]`,
		md7:    `frontsockets[mdfront,"41213","port 41213"]`,
	} {
		z.awaitAnswer(t, host, front, "OK", "healthy")
		if got := z.items(t, host, front)["answer"].Key; got != key {
			t.Errorf("the key of %s is %s, want %s", front, got, key)
		}
	}
	z.awaitNoProblem(t, host)
	z.refuseSecondTemplate(t, host)

	// The front stops.
	before := z.items(t, host, md7)
	md.now.stop()
	z.awaitProblem(t, host, md7, md7+" is CRITICAL: nothing listens on port 41213")
	z.awaitLost(t, host, md7)
	lost := time.Now()
	z.awaitAnswerAfter(t, host, md7, lost)
	if after := z.items(t, host, md7); !maps.Equal(before, after) {
		t.Errorf("the items were %v and are now %v", before, after)
	}
	z.awaitProblem(t, host, md7, md7+" is CRITICAL: nothing listens on port 41213")

	// It is out of service. On a busy machine discoveries wait in a queue.
	z.setMacro(t, host, "{$FRONTSOCKETS.KEEP}", "0")
	await(t, 2*time.Minute, "the end of the items", func() (bool, string) {
		left := z.items(t, host, md7)
		return len(left) == 0, fmt.Sprintf("%v", left)
	})
	z.awaitNoProblem(t, host)
	z.awaitAnswer(t, host, trade7, "OK", "healthy")

	z.call(t, "host.delete", []string{host}, nil)
	md.act("healthy")
}

// refuseSecondTemplate requires that no host can have both templates: their items have the same keys.
func (z *zabbix) refuseSecondTemplate(t *testing.T, host string) {
	t.Helper()
	var templates []struct{ TemplateID string }
	z.call(t, "template.get", object{"filter": object{"host": "Frontsockets by Zabbix agent"}}, &templates)
	if len(templates) != 1 {
		t.Fatal(templates)
	}
	params := object{
		"hosts":     []object{{"hostid": host}},
		"templates": []object{{"templateid": templates[0].TemplateID}},
	}
	if err := z.ask("host.massadd", params, nil); err == nil {
		t.Error("a host has the templates for a list and for listening ports")
	}
}

// awaitLost waits until Zabbix has noticed that a front is no longer discovered, and requires that it keeps the
// items for 30 days.
func (z *zabbix) awaitLost(t *testing.T, host, front string) {
	t.Helper()
	await(t, time.Minute, "the loss of "+front, func() (bool, string) {
		var items []struct {
			Status        string
			ItemDiscovery struct {
				TsDelete string `json:"ts_delete"`
			}
		}
		z.call(t, "item.get", object{
			"hostids": host, "output": []string{"status"}, "selectItemDiscovery": []string{"ts_delete"},
			"tags": []object{{"tag": "front", "value": front, "operator": 1}},
		}, &items)
		for _, item := range items {
			if item.ItemDiscovery.TsDelete == "0" {
				return false, fmt.Sprintf("%+v", items)
			}
			if days := time.Until(zabbixTime(item.ItemDiscovery.TsDelete, "0")).Hours() / 24; days < 29 || days > 30 {
				t.Fatalf("an item will be deleted in %.1f days, want 30: %+v", days, item)
			}
		}
		return len(items) > 0, "no items"
	})
}

// awaitAnswerAfter waits for an answer of a front that came after the time, in a later second.
func (z *zabbix) awaitAnswerAfter(t *testing.T, host, front string, when time.Time) {
	t.Helper()
	await(t, slow, "an answer of "+front, func() (bool, string) {
		values := z.history(t, z.items(t, host, front)["status"], 1)
		if len(values) == 0 {
			return false, "no value"
		}
		clock, err := strconv.ParseInt(values[0].Clock, 10, 64)
		return err == nil && clock > when.Unix(), values[0].Clock
	})
}
