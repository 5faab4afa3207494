package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"frontsockets/internal/diagnosis"
)

// The checks of the two kinds of front.
const (
	feedCheck  = "check_mdfront_sockets"
	tradeCheck = "check_front_sockets"
)

// look is one look at a situation, and the answer.
type look struct {
	Source, Check string
	Policy        string // "" for the default
	Sample        bool

	Status, Code, Text, Reason string
	Missing                    string // what an unclear diagnosis lacks
}

// String returns the look and its answer in one line.
func (l look) String() string {
	sample := map[bool]string{true: " --sample"}[l.Sample]
	return strings.TrimSpace(fmt.Sprintf("%s %s%s %s: %s %s (%s)",
		l.Check, l.Source, sample, l.Policy, l.Status, l.Code, l.Reason))
}

// result is what a performance prints.
type result struct {
	Looks    []look
	Repeated []look  // more looks at a healthy front
	Urgent   float64 // seconds from the stop to CRITICAL
}

// urgentLimit is the time after the stop in which --policy strict must be CRITICAL: the time
// that a connection must wait before it is called stuck, and three seconds.
const urgentLimit = 2*time.Second + 3*time.Second

// fullSources are the sources that tell all there is to know.
var fullSources = []string{"auto", "sockdiag"}

// isRight reports whether a code is one of the right diagnoses.
func (s situation) isRight(code string) bool { return code == s.acted || slices.Contains(s.also, code) }

// blamesFront reports whether a code blames the front.
func blamesFront(code string) bool { return diagnosis.Code(code).BlamesFront() }

// judge returns why the answer of a look is wrong, or "". Right is what was acted, and unclear.
// Right is also healthy, without an alarm, where the source or the check cannot know better.
func (s situation) judge(l look) string {
	switch {
	case l.Source == "procnet" && l.Status == "UNKNOWN" && l.Code == "unclear":
		return "" // it does not know the backlog, so a queue that does not empty may be full
	case l.Status == "UNKNOWN" && l.Policy == "strict" && s.fine(), l.Code == "":
		return "no answer"
	case l.Status == "OK" && blamesFront(l.Code) && l.Policy == "":
		return "OK, and the words blame the front"
	case s.acted == "healthy" && l.Status != "OK":
		return "a false alarm"
	case s.fine() && l.Policy == "strict" && l.Status != "OK":
		return "a false alarm"
	case s.isRight(l.Code) || l.Code == "unclear":
		return ""
	case l.Code != "healthy":
		return "another diagnosis"
	case l.Status != "OK":
		return "healthy with an alarm"
	case slices.Contains(fullSources, l.Source) && !s.hidden && !s.needsFeed(l):
		return "healthy, and the source can tell better"
	}
	return ""
}

// needsFeed reports whether the check cannot see the trouble because it expects no feed.
func (s situation) needsFeed(l look) bool {
	return s.acted == "feed_stalled" && l.Check == tradeCheck
}

// problems returns what is wrong with a result.
func (s situation) problems(r result) (wrong []string) {
	for _, l := range slices.Concat(r.Looks, r.Repeated) {
		if why := s.judge(l); why != "" {
			wrong = append(wrong, why+": "+l.String())
		}
	}
	if s.urgent && r.Urgent > urgentLimit.Seconds() {
		wrong = append(wrong, fmt.Sprintf("--policy strict is CRITICAL only after %.1f s", r.Urgent))
	}
	return wrong
}

// matrix returns the table of the diagnoses acted and said, over all looks.
func matrix(all []situation, results map[string][]result) string {
	counts := map[string]map[string]int{}
	looks := 0
	for _, s := range all {
		for _, r := range results[s.name] {
			for _, l := range r.Looks {
				if counts[s.acted] == nil {
					counts[s.acted] = map[string]int{}
				}
				counts[s.acted][l.Code]++
				looks++
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d looks at %d situations:\n\n| acted ↓ said → |", looks, len(all))
	var codes []string
	for _, k := range diagnosis.Kinds {
		codes = append(codes, string(k.Code))
	}
	for _, code := range codes {
		b.WriteString(" " + code + " |")
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --: |", len(codes)) + "\n")
	for _, acted := range codes {
		if counts[acted] == nil {
			continue
		}
		b.WriteString("| **" + acted + "** |")
		for _, said := range codes {
			if n := counts[acted][said]; n > 0 {
				fmt.Fprintf(&b, " %d", n)
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// unclearTable returns the table of the looks that were unclear, and of what was missing.
func unclearTable(all []situation, results map[string][]result) string {
	var b strings.Builder
	b.WriteString("| situation | acted | what was missing | sources |\n| --- | --- | --- | --- |\n")
	for _, s := range all {
		sources := map[string]map[string]bool{} // by what was missing
		for _, r := range results[s.name] {
			for _, l := range r.Looks {
				if l.Code != "unclear" || s.acted == "unclear" {
					continue
				}
				missing := l.Missing
				if missing == "" {
					missing = "a pattern that fits one diagnosis only"
				}
				if sources[missing] == nil {
					sources[missing] = map[string]bool{}
				}
				sources[missing][strings.TrimSpace("`"+l.Source+map[bool]string{true: " --sample"}[l.Sample]+"`")] = true
			}
		}
		for _, missing := range slices.Sorted(maps.Keys(sources)) {
			list := strings.Join(slices.Sorted(maps.Keys(sources[missing])), ", ")
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", s.name, s.acted, missing, list)
		}
	}
	return b.String()
}

// situationTable returns the table of how the situations are acted.
func situationTable() string {
	var b strings.Builder
	b.WriteString("| situation | acted | how it is acted |\n| --- | --- | --- |\n")
	for _, s := range situations {
		note := ""
		switch {
		case s.network == "mapped":
			note = " (IPv4 clients of an IPv6 listener)"
		case s.network != "":
			note = " (IPv6)"
		case s.outside:
			note = " (outside the trading session)"
		case s.address != "":
			note = " (looked at with `-a " + s.address + "`)"
		}
		acted := strings.Join(append([]string{s.acted}, s.also...), "` or `")
		fmt.Fprintf(&b, "| %s | `%s` | `%s`%s |\n", s.name, acted, s.script, note)
	}
	return b.String()
}

// countRepeated returns what came of the repeated looks at healthy fronts.
func countRepeated(results map[string][]result) string {
	looks, alarms := map[string]int{}, map[string]int{}
	for _, runs := range results {
		for _, r := range runs {
			for _, l := range r.Repeated {
				policy := map[bool]string{true: "strict", false: "standard"}[l.Policy == "strict"]
				looks[policy]++
				if l.Status != "OK" {
					alarms[policy]++
				}
			}
		}
	}
	var parts []string
	for _, policy := range slices.Sorted(maps.Keys(looks)) {
		parts = append(parts, fmt.Sprintf("%d looks at healthy fronts with `--policy %s`: %d not OK",
			looks[policy], policy, alarms[policy]))
	}
	return strings.Join(parts, "; ")
}

// notActed returns the codes of diagnoses that nothing in the lab acts.
func notActed() (missing []string) {
	for _, k := range diagnosis.Kinds {
		code := string(k.Code)
		acted := slices.ContainsFunc(scenarios, func(s scenario) bool { return s.truth == code }) ||
			slices.ContainsFunc(situations, func(s situation) bool { return s.acted == code })
		if !acted {
			missing = append(missing, code)
		}
	}
	return missing
}
