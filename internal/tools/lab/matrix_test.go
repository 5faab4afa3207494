package main

import (
	"strings"
	"testing"
)

func TestScripts(t *testing.T) {
	for _, s := range situations {
		script, err := parseScript(s.script)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		for i, words := range script {
			if words[0] == "stop" && i < len(script)-1 && steps[script[i+1][0]] == theFront {
				t.Errorf("%s: a front that is stopped takes no step", s.name)
			}
		}
	}
	for _, script := range []string{"", "dance", "feed 1s; ; wait 1s"} {
		if _, err := parseScript(script); err == nil {
			t.Errorf("%q is no script", script)
		}
	}
}

func TestJudgeLook(t *testing.T) {
	hung := situation{name: "stopped", acted: "hung", also: []string{"out_of_descriptors"}}
	well := situation{name: "well", acted: "healthy"}
	left := situation{name: "left", acted: "mass_logoff"}
	frozen := situation{name: "frozen", acted: "feed_stalled"}
	for _, test := range []struct {
		s    situation
		look string // source, check, policy, status, code
		want string
	}{
		{hung, "auto trade standard CRITICAL hung", ""},
		{hung, "auto trade standard CRITICAL out_of_descriptors", ""},
		{hung, "auto trade standard OK unclear", ""},
		{hung, "procnet trade standard OK healthy", ""},
		{hung, "auto trade standard OK healthy", "healthy, and the source can tell better"},
		{hung, "procnet trade standard CRITICAL healthy", "healthy with an alarm"},
		{hung, "procnet trade standard OK network", "another diagnosis"},
		{hung, "auto trade standard OK hung", "OK, and the words blame the front"},
		{hung, "auto trade standard UNKNOWN", "no answer"},
		{well, "auto trade standard OK healthy", ""},
		{well, "netstat trade standard OK unclear", ""},
		{well, "auto trade strict WARNING unclear", "a false alarm"},
		{well, "procnet trade standard UNKNOWN unclear", ""},
		{well, "auto trade standard UNKNOWN unclear", "a false alarm"},
		{well, "auto trade standard CRITICAL hung", "a false alarm"},
		{well, "auto trade standard OK client_loop", "another diagnosis"},
		{left, "auto feed standard CRITICAL mass_logoff", ""},
		{left, "auto feed strict CRITICAL mass_logoff", "a false alarm"},
		{frozen, "auto trade standard OK healthy", ""},
		{frozen, "auto feed standard OK healthy", "healthy, and the source can tell better"},
	} {
		words := append(strings.Fields(test.look), "")
		l := look{Source: words[0], Check: feedCheck, Status: words[3], Code: words[4]}
		if words[1] == "trade" {
			l.Check = tradeCheck
		}
		if words[2] == "strict" {
			l.Policy = "strict"
		}
		if got := test.s.judge(l); got != test.want {
			t.Errorf("%s: %s: got %q, want %q", test.s.name, test.look, got, test.want)
		}
	}
}

func TestMatrix(t *testing.T) {
	well, hung := situation{name: "well", acted: "healthy"}, situation{name: "stopped", acted: "hung"}
	results := map[string][]result{
		"well": {{Looks: []look{{Code: "healthy"}, {Code: "healthy"}}, Repeated: []look{
			{Status: "OK"}, {Status: "OK", Policy: "strict"}, {Status: "WARNING", Policy: "strict"}}}},
		"stopped": {{Looks: []look{{Code: "hung"},
			{Code: "unclear", Source: "procnet", Sample: true, Missing: "a time: no source"}}}},
	}
	got := matrix([]situation{well, hung}, results)
	for _, want := range []string{
		"4 looks at 2 situations:\n\n| acted ↓ said → | healthy | down | hung |",
		"\n| **healthy** | 2 | | | ", "\n| **hung** | | | 1 | ", " | | 1 |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	want := "| stopped | `hung` | a time: no source | `procnet --sample` |\n"
	if got := unclearTable([]situation{well, hung}, results); !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want the end %q", got, want)
	}
	want = "1 looks at healthy fronts with `--policy standard`: 0 not OK;" +
		" 2 looks at healthy fronts with `--policy strict`: 1 not OK"
	if got := countRepeated(results); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	slow := situation{name: "stopped", acted: "hung", urgent: true}
	if got := slow.problems(result{Urgent: 7}); len(got) != 1 {
		t.Errorf("%v", got)
	}
}
