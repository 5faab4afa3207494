package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// result is what a machine showed.
type result struct {
	machine   machine
	kernel    string
	processor string
	page      string // KiB
	tests     int    // that passed, without subtests
	time      time.Duration
	faults    []string // none if all is well
}

var (
	passLine    = regexp.MustCompile(`(?m)^--- PASS: `)
	faultLine   = regexp.MustCompile(`(?m)^ *--- (?:FAIL|SKIP): \S+`)
	exitLine    = regexp.MustCompile(`(?m)^kernels: exit (\d+) (\S+)$`)
	machineLine = regexp.MustCompile(`(?m)^kernels: machine (\S+) (\S+) (\d+)$`)
)

// judge reads the console of a machine. Each of its programs must have run tests and ended with 0.
func judge(m machine, console string) result {
	r := result{machine: m}
	if found := machineLine.FindStringSubmatch(console); found != nil {
		r.kernel, r.processor, r.page = found[1], found[2], found[3]
	} else {
		r.faults = append(r.faults, "the machine does not say what it is")
	}
	r.tests = len(passLine.FindAllString(console, -1))
	r.faults = append(r.faults, faultLine.FindAllString(console, -1)...)
	exits := exitLine.FindAllStringSubmatch(console, -1)
	for _, p := range m.programs() {
		i := slices.IndexFunc(exits, func(exit []string) bool { return exit[2] == p.folder })
		if i < 0 {
			r.faults = append(r.faults, "the tests of "+p.folder+" did not end")
		} else if exits[i][1] != "0" {
			r.faults = append(r.faults, "the tests of "+p.folder+" ended with "+exits[i][1])
		}
	}
	if strings.Contains(console, "testing: warning: no tests to run") {
		r.faults = append(r.faults, "a program has no tests to run")
	}
	return r
}

// tableHead is the head of the table in Markdown.
const tableHead = "| machine | kernel | processor | page size | programs for | tests | seconds | result |\n" +
	"| --- | --- | --- | --- | --- | --: | --: | --- |\n"

// rowStart returns how the row of the machine begins.
func rowStart(m machine) string { return "| `" + m.name + "` |" }

// row returns the row of the result.
func (r result) row() string {
	kernel, answer := r.kernel, "passed"
	if r.machine.withoutDiag {
		kernel += " without `tcp_diag`"
	}
	if len(r.faults) > 0 {
		answer = "**failed**"
	}
	return fmt.Sprintf("%s %s | %s | %s KiB | %s | %d | %.0f | %s |\n", rowStart(r.machine), kernel, r.processor, r.page,
		r.machine.goarch, r.tests, r.time.Seconds(), answer)
}

// table returns the table of all machines. The row of a machine that has no result is the one of
// the earlier table, if it has one.
func table(results []result, earlier string) string {
	text := tableHead
	for _, m := range machines {
		i := slices.IndexFunc(results, func(r result) bool { return r.machine.name == m.name })
		if i >= 0 {
			text += results[i].row()
			continue
		}
		for line := range strings.Lines(earlier) {
			if strings.HasPrefix(line, rowStart(m)) {
				text += line
			}
		}
	}
	return text
}
