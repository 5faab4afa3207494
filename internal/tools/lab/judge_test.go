package main

import (
	"slices"
	"strings"
	"testing"

	"frontsockets/internal/diagnosis"
)

// parseAnswers makes answers, one a second, from words such as "OK:healthy" and
// "CRITICAL:hung:seed". The trouble begins before the word that starts with "!".
func parseAnswers(words string) (answers []answer) {
	fields := strings.Fields(words)
	began := slices.IndexFunc(fields, func(w string) bool { return w[0] == '!' })
	for i, w := range fields {
		parts := strings.Split(strings.TrimPrefix(w, "!"), ":")
		asked := float64(i-began) + 0.5
		if began < 0 {
			asked = float64(i - len(fields))
		}
		answers = append(answers, answer{
			Asked: asked, Answered: asked + 0.1,
			Status: parts[0], Code: parts[1], Seed: len(parts) > 2,
		})
	}
	return answers
}

func TestJudge(t *testing.T) {
	hang := scenario{name: "hang", truth: "hung", drill: "hang --clients 1"}
	calm := scenario{name: "healthy", truth: "healthy", drill: "healthy --clients 1"}
	burst := scenario{name: "burst", truth: "healthy", drill: "burst --clients 1"}
	logoff := scenario{name: "logoff", truth: "mass_logoff", drill: "logoff --clients 1"}
	for _, c := range []struct {
		name    string
		of      scenario
		answers string
		want    string // row without the scenario's name and truth
	}{
		{"immediate", hang, "OK:healthy !CRITICAL:hung CRITICAL:hung:seed",
			"`hung` | right | 0.5 CRITICAL | 0.5 | 1.5 | 0 | 0"},
		{"late", hang, "OK:healthy !OK:healthy OK:unclear:seed WARNING:hung",
			"`hung` | right | 2.5 diagnosis | 2.5 | 1.5 | 0 | 0"},
		{"too late", hang, "OK:healthy !OK:unclear:seed OK:unclear OK:unclear OK:unclear WARNING:hung",
			"`hung` | **wrong** | 4.5 diagnosis | 4.5 | 0.5 | 0 | 0"},
		{"alarm before the diagnosis", hang, "OK:healthy !CRITICAL:unclear CRITICAL:hung",
			"`hung` | right | 0.5 CRITICAL | 0.5 | never | 0 | 0"},
		{"no alarm", hang, "OK:healthy !OK:healthy OK:healthy",
			"`healthy` | **wrong** | never | never | never | 0 | 0"},
		{"wrong diagnosis first", hang, "OK:healthy !OK:network CRITICAL:hung",
			"`hung` | **wrong** | 1.5 CRITICAL | 1.5 | never | 0 | 0"},
		{"wrong diagnosis later", hang, "OK:healthy !OK:hung OK:network OK:hung",
			"`hung` | **wrong** | 0.5 diagnosis | never | never | 0 | 0"},
		{"right diagnosis is not the last", hang, "OK:healthy !OK:hung OK:unclear",
			"`unclear` | **wrong** | 0.5 diagnosis | never | never | 0 | 0"},
		{"diagnosis before the trouble", hang, "OK:hung !OK:hung",
			"`hung` | **wrong** | 0.5 diagnosis | never | never | 0 | 0"},
		{"false alarms before", hang, "UNKNOWN:healthy OK:healthy:seed !CRITICAL:hung:seed",
			"`hung` | right | 0.5 CRITICAL | 0.5 | 0.5 | 1 | 1"},
		{"healthy", calm, "OK:healthy OK:healthy",
			"`healthy` | right | – | – | – | 0 | 0"},
		{"false alarms", calm, "OK:healthy WARNING:healthy:seed CRITICAL:unclear:seed OK:healthy",
			"`healthy` | right | – | – | – | 2 | 2"},
		{"wrong diagnosis of a healthy front", calm, "OK:healthy OK:hung OK:healthy",
			"`healthy` | **wrong** | – | – | – | 0 | 0"},
		{"healthy burst", burst, "OK:healthy !OK:healthy CRITICAL:healthy:seed OK:healthy",
			"`healthy` | right | – | – | – | 1 | 1"},
		{"logoff is not an alarm", logoff, "OK:healthy !OK:unclear:seed OK:mass_logoff:seed",
			"`mass_logoff` | right | 1.5 diagnosis | – | – | 0 | 2"},
		{"alarm about a logoff", logoff, "OK:healthy !CRITICAL:unclear OK:mass_logoff",
			"`mass_logoff` | right | 1.5 diagnosis | – | – | 1 | 0"},
		{"no answers", hang, "", "`` | **wrong** | never | never | never | 0 | 0"},
	} {
		got := row(c.of, []finding{judge(c.of, parseAnswers(c.answers))})
		if want := "| " + c.of.name + " | `" + c.of.truth + "` | " + c.want + " |"; got != want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
		}
	}
}

func TestRowOfSeveralRuns(t *testing.T) {
	hang := scenario{name: "hang", truth: "hung", drill: "hang --clients 1"}
	got := row(hang, []finding{
		judge(hang, parseAnswers("OK:healthy !OK:healthy CRITICAL:hung OK:hung")),
		judge(hang, parseAnswers("OK:healthy !OK:hung OK:healthy:seed OK:network")),
		judge(hang, parseAnswers("OK:healthy !OK:unclear OK:hung:seed OK:hung")),
	})
	want := "| hang | `hung` | `hung`, `network` | **wrong** in 2 of 3 | 0.5 to 1.5 CRITICAL or diagnosis |" +
		" 1.5 to never | 1.5 to never | 0 | 0 |"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestScenarios(t *testing.T) {
	names := map[string]bool{}
	codes := map[string]bool{}
	for _, s := range scenarios {
		if names[s.name] || s.drill == "" || s.means == "" {
			t.Errorf("%+v", s)
		}
		names[s.name], codes[s.truth] = true, true
	}
	for _, s := range situations {
		if names[s.name] {
			t.Errorf("the name %s is not unique", s.name)
		}
		names[s.name], codes[s.acted] = true, true
	}
	delete(codes, string(diagnosis.Unclear))
	for _, kind := range diagnosis.Kinds {
		delete(codes, string(kind.Code))
	}
	if len(codes) > 0 {
		t.Errorf("unknown codes %v", codes)
	}
}
