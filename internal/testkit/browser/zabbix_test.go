package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestZabbixPorts runs the script of the template of listening ports, which makes a list of fronts from an
// answer of the check. What is no answer must be an error: an empty list would say that nothing listens.
func TestZabbixPorts(t *testing.T) {
	template, err := os.ReadFile(filepath.Join(repository, "contrib/zabbix/frontsockets-ports-6.0.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	script := regexp.MustCompile(`- type: JAVASCRIPT\n +parameters:\n +- \|\n((?: {18}.*\n)+)`).FindSubmatch(template)
	if script == nil {
		t.Fatal("the template has no script of several lines")
	}
	body := strings.ReplaceAll(string(script[1]), "{$FRONTSOCKETS.PORTS.TRADE}", "41205|4122[0-9]")
	blank := filepath.Join(t.TempDir(), "blank.html")
	if err := os.WriteFile(blank, []byte("<!doctype html><link rel=icon href=data:,>"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, blank, light)

	const listed = `{"exit_code":%d,"reason":"why","listeners":[%s]}`
	for answer, want := range map[string]string{
		fmt.Sprintf(listed, 0, ``): `[]`,
		fmt.Sprintf(listed, 2, `{"address":"0.0.0.0","port":41213},{"address":"::","port":41213},{"port":41205}`): `[` +
			`{"name":"port 41213","check":"mdfront","ports":"41213"},{"name":"port 41205","check":"front","ports":"41205"}]`,
		fmt.Sprintf(listed, 1, `{"port":4122},{"port":41225}`): `[` +
			`{"name":"port 4122","check":"mdfront","ports":"4122"},{"name":"port 41225","check":"front","ports":"41225"}]`,
		fmt.Sprintf(listed, 3, ``):           `error: why`,
		fmt.Sprintf(listed, 3, `{"port":1}`): `error: why`,
		``:                                   `error: SyntaxError`,
		`sh: 1: check_mdfront_sockets: not found`: `error: SyntaxError`,
		`null`:            `error: TypeError`,
		`[]`:              `error: TypeError`,
		`{"exit_code":0}`: `error: TypeError`,
	} {
		value, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		const call = `try { (function (value) { %s })(%s) } catch (e) { "error: " + e }`
		got := ask[string](t, p, fmt.Sprintf(call, body, value))
		if got != want && !(strings.HasPrefix(want, "error: ") && strings.HasPrefix(got, want+":")) {
			t.Errorf("of %s the script makes %s, want %s", answer, got, want)
		}
	}
}
