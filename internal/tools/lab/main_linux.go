// Lab acts the troubles of a front, and healthy scenarios that look like trouble, and asks the
// check and the old script's rule once a second. It prints how soon each was right, and how
// often each was wrong. The processes are real. The hosts are network namespaces, two for
// each scenario: the front's and its clients'.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Variables that the first process sets for the processes in other modes.
const (
	selfVar    = "LAB"         // this program
	dirVar     = "LAB_DIR"     // the folder of the programs that it built
	flagsVar   = "LAB_FLAGS"   // options of the check
	answersVar = "LAB_ANSWERS" // folder for the check's last answers
)

func main() {
	switch args := os.Args[1:]; {
	case os.Getenv(dirVar) == "":
		os.Exit(lab())
	case args[0] == actMode:
		act(args[1])
	case args[0] == crowdMode:
		crowd()
	case args[0] == floodMode:
		flood()
	case args[0] == performMode:
		perform(args[1], args[2])
	case args[0] == frontMode:
		playFront(args[1])
	case args[0] == clientsMode:
		playClients(args[1])
	}
}

// must ends the process if there is an error. Its children end with it.
func must(err error, doing string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: %s: %v\n", doing, err)
		os.Exit(1)
	}
}

// find returns the scenario with the name.
func find(name string) scenario {
	for _, s := range scenarios {
		if s.name == name {
			return s
		}
	}
	must(fmt.Errorf("%q is not a scenario", name), "scenario")
	panic("unreachable")
}

// program returns the path of a program that this one built.
func program(name string) string { return filepath.Join(os.Getenv(dirVar), name) }

// settings is what the command line asks for.
type settings struct {
	scenarios  []scenario
	situations []situation
	runs       int    // of each
	parallel   int    // scenarios or situations at a time
	looks      int    // more looks at each healthy situation, with each policy
	file       string // for the tables, or ""
	flags      string // options of the check in scenarios
	answers    string // folder for the check's answers in scenarios, or ""
}

// parseFlags reads the command line and reports whether it is right.
func parseFlags() (s settings, ok bool) {
	flag.IntVar(&s.runs, "runs", 1, "act everything `N` times")
	flag.IntVar(&s.parallel, "parallel", 4, "act `N` scenarios or situations at a time")
	flag.IntVar(&s.looks, "looks", 0, "look `N` times more at each healthy situation, with both policies")
	flag.StringVar(&s.file, "o", "", "also write all tables to this `FILE`")
	flag.StringVar(&s.flags, "check", "--policy strict --sample 500ms", "`OPTIONS` of the check in scenarios")
	flag.StringVar(&s.answers, "answers", "", "keep the check's last answer of each scenario in this `FOLDER`")
	onlyScenarios := flag.Bool("scenarios", false, "act the scenarios only")
	onlySituations := flag.Bool("situations", false, "act the situations only")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: lab [options] [SCENARIO|SITUATION...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	part := *onlyScenarios || *onlySituations || flag.NArg() > 0
	switch {
	case flag.NArg() > 0:
		s.choose(flag.Args())
	case *onlyScenarios:
		s.scenarios = scenarios
	case *onlySituations:
		s.situations = situations
	default:
		s.scenarios, s.situations = scenarios, situations
	}
	if missing := notActed(); !part && len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "lab: no scenario and no situation has the diagnosis %s\n", strings.Join(missing, ", "))
		return s, false
	}
	if s.runs < 1 || s.parallel < 1 || s.looks < 0 || s.file != "" && part {
		flag.Usage()
		return s, false
	}
	return s, true
}

// choose selects scenarios and situations by their names.
func (s *settings) choose(names []string) {
	for _, name := range names {
		if situation, found := findSituation(name); found {
			s.situations = append(s.situations, situation)
			continue
		}
		s.scenarios = append(s.scenarios, find(name))
	}
}

// lab runs the whole program and returns the exit code.
func lab() int {
	s, ok := parseFlags()
	if !ok {
		return 2
	}
	limit := 20 * time.Minute * time.Duration(s.runs+s.looks/100)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp("", "frontsockets-lab-")
	must(err, "temporary folder")
	defer os.RemoveAll(dir)
	if err := prepare(ctx, dir, s.flags, s.answers); err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\n", err)
		return 1
	}
	findings, problems := s.actAll(ctx)
	results, more := s.performAll(ctx)
	if ctx.Err() != nil {
		fmt.Fprintf(os.Stderr, "lab: stopped early: %v\n", context.Cause(ctx))
		return 1
	}
	text := s.tables(findings, results)
	fmt.Print(text)
	if s.file != "" {
		if err := writeFile(s.file, head+text+foot()); err != nil {
			fmt.Fprintf(os.Stderr, "lab: %v\n", err)
			return 1
		}
	}
	if problems+more > 0 {
		return 1
	}
	return 0
}

// inTurns calls do for 0 to n-1 as often as there are runs, some calls at a time.
func (s settings) inTurns(n int, do func(i int)) {
	var all sync.WaitGroup
	turns := make(chan struct{}, s.parallel)
	for range s.runs {
		for i := range n {
			turns <- struct{}{}
			all.Add(1)
			go func() {
				defer func() { <-turns; all.Done() }()
				do(i)
			}()
		}
	}
	all.Wait()
}

// actAll acts every selected scenario. It returns the findings of each scenario, and the
// number of runs that failed or were not right.
func (s settings) actAll(ctx context.Context) (findings [][]finding, problems int) {
	findings = make([][]finding, len(s.scenarios))
	var lock sync.Mutex
	s.inTurns(len(s.scenarios), func(i int) {
		var answers []answer
		err := inNamespace(ctx, &answers, actMode, s.scenarios[i].name)
		lock.Lock()
		defer lock.Unlock()
		f := judge(s.scenarios[i], answers)
		findings[i] = append(findings[i], f)
		if !printProgress(s.scenarios[i], f, answers, err) {
			problems++
		}
	})
	return findings, problems
}

// performAll acts every selected situation. It returns the results by name, and the number of
// runs that failed or got a wrong answer.
func (s settings) performAll(ctx context.Context) (results map[string][]result, problems int) {
	results = map[string][]result{}
	var lock sync.Mutex
	s.inTurns(len(s.situations), func(i int) {
		var r result
		situation := s.situations[i]
		err := inNamespace(ctx, &r, performMode, situation.name, fmt.Sprint(s.looks))
		lock.Lock()
		defer lock.Unlock()
		results[situation.name] = append(results[situation.name], r)
		wrong := situation.problems(r)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		if len(wrong) > 0 {
			problems++
			fmt.Fprintf(os.Stderr, "%s: wrong\n    %s\n", situation.name, strings.Join(wrong, "\n    "))
			return
		}
		urgent := ""
		if situation.urgent {
			urgent = fmt.Sprintf(", CRITICAL %.1f s after the stop", r.Urgent)
		}
		fmt.Fprintf(os.Stderr, "%s: right%s\n", situation.name, urgent)
	})
	return results, problems
}

// printProgress prints the result of one run and reports whether it was right.
func printProgress(s scenario, f finding, answers []answer, err error) (right bool) {
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "lab: %s: %v\n", s.name, err)
	case f.wrong != "" || f.falseOurs > 0:
		fmt.Fprintf(os.Stderr, "%s: diagnosis: %s; false alarms: %d\n    %s\n",
			s.name, cmp.Or(f.wrong, "right"), f.falseOurs, summary(answers))
	default:
		fmt.Fprintf(os.Stderr, "%s: right\n", s.name)
		return true
	}
	return false
}

// writeFile writes the text, and makes the folder of the file if there is none.
func writeFile(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// prepare builds the programs and sets the environment of the scenarios.
func prepare(ctx context.Context, dir, flags, answers string) error {
	if os.Geteuid() != 0 {
		return errors.New("run it as root: it makes network namespaces and sends raw packets")
	}
	for _, tool := range []string{"ip", "netstat", "awk", "grep", "ss", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	if answers != "" {
		if err := os.MkdirAll(answers, 0o755); err != nil {
			return err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "forceposix", "-o", dir,
		"frontsockets/cmd/check_mdfront_sockets", "frontsockets/cmd/check_front_sockets", "frontsockets/cmd/front_drill")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for name, value := range map[string]string{selfVar: self, dirVar: dir, flagsVar: flags, answersVar: answers} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// inNamespace runs this program in a mode, in a new network namespace, and reads the JSON that
// it prints.
func inNamespace(ctx context.Context, into any, mode string, args ...string) error {
	cmd := exec.CommandContext(ctx, os.Getenv(selfVar), append([]string{mode}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	// The process group is new, so that Ctrl-C reaches this program alone, which then decides.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return err
	}
	return json.Unmarshal(out.Bytes(), into)
}

// head is the text of docs/LAB.md before the table.
const head = `# The lab

<!-- Written by make lab. -->

` + "`make lab`" + ` acts each scenario with real processes on two hosts, the front's and its
clients' (network namespaces that a virtual cable connects). Each scenario is healthy at
first. Then the trouble begins, and the lab watches it for 20 seconds. Once a second, at the
same moments, it asks the check and the seed's rule. The seed is the operators' old script: it
counts the lines of ` + "`netstat -an | grep PORT`" + ` that are not ESTABLISHED and alarms from 50 (market
data) or 100 (trade).

How to read the table: *truth* is what was acted. *Ours* is the last diagnosis. It is *right*
if all diagnoses before it were the same, ` + "`healthy` or `unclear`" + `. The seconds run from the
beginning of the trouble to the question that got the first CRITICAL or the right diagnosis,
to the first answer that was not OK, and to the first alarm of the seed's rule. The check
takes up to a second longer, because it looks twice or three times. (Cron asked the seed once a
minute, so it was up to a minute later than here.) If the check alarms more than 2.5 seconds
later than the seed, or does not alarm while there is trouble, the run is wrong too: the policy
strict counts nothing and waits for proof. A *false alarm* is an answer other than OK before
the trouble, or in a scenario without trouble: quiet, healthy, burst, rush, logoff and night.

`

// situationsHead is the text before the tables of the situations.
const situationsHead = `
## Situations

A *situation* is a state of a front that lasts for some seconds: front and clients are real
processes, again on two hosts. Both checks look at it from every source: ` + "`auto`, `sockdiag`," + `
` + "`procnet` and `gopsutil`" + `, each with and without ` + "`--sample`" + `, captures of ` + "`netstat`" + ` and of
` + "`ss`" + ` with and without details, and a snapshot. (The market-data front's check does not look at a
trade front that sends nothing for long.) The table counts the looks by the diagnosis that was
acted and the one that was said. A look is right if it says what was acted, ` + "`unclear`" + `, or,
where the source cannot know better, ` + "`healthy`" + ` without an alarm. It is wrong if it is OK while
its words blame the front. ` + "`make lab`" + ` fails if one look is wrong.

`

// tables returns the tables of all that was acted.
func (s settings) tables(findings [][]finding, results map[string][]result) string {
	var b strings.Builder
	if len(s.scenarios) > 0 {
		b.WriteString(table(s, findings))
		if s.file != "" {
			b.WriteString(scenarioTable())
		}
	}
	if len(s.situations) > 0 {
		b.WriteString(situationsHead + matrix(s.situations, results))
		if text := countRepeated(results); text != "" {
			b.WriteString("\n" + text + ".\n")
		}
		b.WriteString("\nThe looks that were `unclear`, and what was missing:\n\n")
		b.WriteString(unclearTable(s.situations, results))
	}
	return b.String()
}

// table returns the table of the findings.
func table(s settings, findings [][]finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d × each scenario; the check with `%s`.\n\n", s.runs, s.flags)
	b.WriteString("| scenario | truth | ours | right? | s until ours | s until strict alarms |" +
		" s until the seed does | false alarms: ours | the seed's |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --: | --: |\n")
	for i, scenario := range s.scenarios {
		fmt.Fprintln(&b, row(scenario, findings[i]))
	}
	return b.String()
}

// scenarioTable returns the table of how the scenarios are acted.
func scenarioTable() string {
	var b strings.Builder
	b.WriteString("\n| scenario | front | how it is acted |\n| --- | --- | --- |\n")
	for _, s := range scenarios {
		front := map[bool]string{true: "trade", false: "market data"}[s.trade]
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.name, front, s.means)
	}
	return b.String()
}

// foot returns the end of docs/LAB.md.
func foot() string {
	return "\nEach situation is a script. The letters are groups of clients, each of another subnet.\n\n" +
		situationTable()
}
