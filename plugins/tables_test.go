package plugins

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/output"
	"frontsockets/internal/tally"
	"frontsockets/internal/testkit/golden"
)

// TestGeneratedReference: the reference's tables of metrics and diagnoses are those of the code.
func TestGeneratedReference(t *testing.T) {
	var metrics strings.Builder
	metrics.WriteString("| metric | unit | meaning | Prometheus |\n| --- | --- | --- | --- |\n")
	for m := range tally.NumMetrics {
		note := ""
		if m >= tally.OneLook {
			note = " Needs `--sample`."
		}
		fmt.Fprintf(&metrics, "| `%s` | %s | %s%s | `%s` |\n", m, m.Unit(), m.Help(), note, output.PrometheusName(m))
	}
	const file = "../docs/REFERENCE.md"
	golden.Part(t, file, "<!-- metrics: made by make generate -->\n", "<!-- end of metrics -->\n", metrics.String())

	var kinds strings.Builder
	kinds.WriteString("| diagnosis | to blame | what the sockets show |\n| --- | --- | --- |\n")
	for _, k := range diagnosis.Kinds {
		fmt.Fprintf(&kinds, "| `%s` | %s | %s |\n", k.Code, k.Blame, strings.ReplaceAll(k.Means, "--stalled-after",
			"`--stalled-after`"))
	}
	golden.Part(t, file, "<!-- diagnoses: made by make generate -->\n", "<!-- end of diagnoses -->\n", kinds.String())
}

// alarm is what the first line can say besides a diagnosis. In a phrase N stands for a
// number, and a word in capitals for a text.
type alarm struct{ phrase, code, blame, restart, section string }

var alarms = []alarm{
	{"accept queue of port N is full, N of N", "`hung`", "the front",
		"yes, if the process is not just stopped; save the evidence first",
		"[hung](#hung-the-front-does-not-accept-or-does-not-read)"},
	{"accept queue of port N is full, N of at most N (somaxconn)", "`hung`", "the front",
		"yes, if the process is not just stopped; save the evidence first",
		"[hung](#hung-the-front-does-not-accept-or-does-not-read)"},
	{"accept queue of port N does not empty (N, then N) and may be full: its backlog is not known", "none",
		"the front, if `ss -ltn` shows it full", "see the section",
		"[hung](#hung-the-front-does-not-accept-or-does-not-read)"},
	{"accept queue not judged", "none", "a full one would go unseen; `-v` says why, and what to run", "no",
		"[Where the sockets come from](SOURCES.md)"},
	{"accept queue not judged: no backlog, see ss -ltn", "none",
		"the front, if `ss -ltn` shows Recv-Q over Send-Q", "no", "[Where the sockets come from](SOURCES.md)"},
	{"accept queue not judged: not shown by this source", "none",
		"a full one would go unseen; on Linux `sockdiag` shows it", "no", "[Where the sockets come from](SOURCES.md)"},
	{"METRIC is at least N: REASON", "none", "the check cannot see all of them", "no", "[Limits](REFERENCE.md#limits)"},
	{"METRIC is N (critical RANGE)", "see the words after the dash", "see the code", "see the code",
		"[Check again](#2-check-again-on-the-host)"},
	{"METRIC is N (warning RANGE)", "see the words after the dash", "see the code", "see the code",
		"[Check again](#2-check-again-on-the-host)"},
	{"N socket disconnect", "see the diagnosis by step 2", "HostMonitor's short text: the count only", "see the code",
		"[Check again](#2-check-again-on-the-host)"},
	{":PORTS has COUNTS", "none", "a summary", "no", "[Read the alarm](#1-read-the-alarm)"},
	{"process N (NAME) is in state STATE", "`hung`", "the front", "see the section",
		"[hung](#hung-the-front-does-not-accept-or-does-not-read)"},
	{"process N (NAME) uses the port; if not the front, end it and set ip_local_reserved_ports", "`down`",
		"another program", "end that program first", "[down](#down)"},
	{"cannot judge METRIC: no client is established", "none", "nobody, if no client should be logged in yet", "no",
		"[Limits](REFERENCE.md#limits)"},
	{"cannot judge METRIC: REASON", "none", "the check could not see it", "no",
		"[Where the sockets come from](SOURCES.md)"},
	{"cannot tell if the front listens: REASON", "none", "the capture leaves out listeners: capture again", "no",
		"[Where the sockets come from](SOURCES.md)"},
	{":PORTS cannot be judged: REASON", "none", "the check could not look", "no",
		"[Where the sockets come from](SOURCES.md)"},
	{"seen by SOURCE", "none", "a source of second choice", "no", "[Where the sockets come from](SOURCES.md)"},
	{"seen at TIME by SOURCE", "none", "not seen just now: a snapshot or a capture of TIME", "no",
		"[Where the sockets come from](SOURCES.md)"},
	{"snapshot not written: REASON", "none", "the check's host", "no", "[Where the sockets come from](SOURCES.md)"},
	{"log not written: REASON", "none", "the check's host: the owner of the folder, or the disk", "no",
		"[Switch on the log](REPORT.md#switch-on-the-log)"},
	{"no second look: REASON", "none", "the check's host is busy, or `-t` is short", "no",
		"[Diagnosis](REFERENCE.md#diagnosis)"},
	{"names not read within TIME (--clients)", "none", "the check's host: a slow disk", "no",
		"[Details](REFERENCE.md#details)"},
	{"N sessions excluded", "none", "sessions that `--exclude` left out", "no", "[Options](../README.md#options)"},
	{"clients not named: REASON", "none", "the file of `--clients` has a fault", "no", "[Details](REFERENCE.md#details)"},
	{"no holidays known after TIME (--holidays)", "none", "the file of holidays is out of date", "no",
		"[Sessions and holidays](REFERENCE.md#sessions-and-holidays)"},
	{"no holidays known (--holidays)", "none", "the file of holidays is empty", "no",
		"[Sessions and holidays](REFERENCE.md#sessions-and-holidays)"},
	{"looked only at ADDRESS (-a)", "none", "nobody, if the front listens at another address: see `ss -ltn`",
		"no, correct `-a`", "[down](#down)"},
	{"sessions judged as of TIME (--at)", "none", "a try: not the present time", "no",
		"[Sessions and holidays](REFERENCE.md#sessions-and-holidays)"},
	{"outside of all sessions, the next opens TIME", "none", "nobody: nobody trades now", "no",
		"[Sessions and holidays](REFERENCE.md#sessions-and-holidays)"},
	{"this check has a bug: REASON", "none", "the check", "no",
		"[If an answer is wrong](../README.md#if-an-answer-is-wrong)"},
}

// TestGeneratedRunbook: the runbook's first table has every phrase of the first line. That of the
// Chinese runbook has the same phrases in its first column: see TestReadmeChinese.
func TestGeneratedRunbook(t *testing.T) {
	var table strings.Builder
	table.WriteString("| the alarm says | code | who is to blame? | restart the front? | section |\n| --- | --- |" +
		" --- | --- | --- |\n")
	row := func(a alarm) {
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s |\n", a.phrase, a.code, a.blame, a.restart, a.section)
	}
	kinds := map[diagnosis.Code]diagnosis.Kind{}
	for _, k := range diagnosis.Kinds {
		kinds[k.Code] = k
	}
	var phrases []string
	for _, p := range diagnosis.Phrases() {
		k := kinds[p.Code]
		restart := k.Restart
		if p.Code == diagnosis.ClientLoop { // a front can be to blame too, and another front tells
			restart += "; first see how it fares at another front"
		}
		row(alarm{p.Text, "`" + string(p.Code) + "`", string(k.Blame), restart,
			fmt.Sprintf("[%s](#%s)", p.Code, section(t, p.Code))})
		phrases = append(phrases, p.Text)
	}
	for _, a := range alarms {
		row(a)
		phrases = append(phrases, a.phrase)
	}
	golden.Part(t, "../docs/PLAYS-DEAD.md", "<!-- alarms: made by make generate -->\n", "<!-- end of alarms -->\n",
		table.String())
	requirePhrases(t, phrases)
}

// section returns the link target of a diagnosis' section in the runbook.
func section(t *testing.T, code diagnosis.Code) string {
	for _, h := range readMarkdown(t, "../docs/PLAYS-DEAD.md").headings {
		if h == "#"+string(code) || strings.HasPrefix(h, "#"+string(code)+"-") {
			return h[1:]
		}
	}
	t.Errorf("docs/PLAYS-DEAD.md has no section that begins with %s", code)
	return ""
}

// requirePhrases requires that every part of the first line of every golden is a phrase.
func requirePhrases(t *testing.T, phrases []string) {
	t.Helper()
	var patterns []string
	for _, p := range phrases {
		words := regexp.MustCompile(`\b(METRIC|RANGE|NAME|STATE|PORTS|COUNTS|REASON|SOURCE|FILE|TIME)\b`)
		p = words.ReplaceAllString(regexp.QuoteMeta(p), ".+")
		patterns = append(patterns, regexp.MustCompile(`\bN\b`).ReplaceAllString(p, `[0-9.]+[a-zA-Z%]*( and [0-9]+ more)?`))
	}
	known := regexp.MustCompile(`^(\S+ )?(` + strings.Join(patterns, "|") + `)$`)
	files, err := filepath.Glob("../testdata/output/*.nagios")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, _, _ := strings.Cut(strings.SplitN(readText(t, file), "\n", 2)[0], " | ")
		if strings.HasSuffix(file, "/usage.nagios") {
			continue // it says what is wrong with the command line
		}
		_, text, _ = strings.Cut(text, ": ")
		for _, part := range regexp.MustCompile(`; | - `).Split(text, -1) {
			if !known.MatchString(part) {
				t.Errorf("%s: the runbook has no phrase for %q", file, part)
			}
		}
	}
}
