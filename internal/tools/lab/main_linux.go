// Lab acts the ways in which a front can be in trouble, and some in which it only
// looks so, and asks the check and the old script's rule once a second. It prints how
// soon each was right, and how often each was wrong. The processes are real, and the
// hosts are network namespaces: a scenario has two, the front's and its clients'.
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

// What the other modes find in the environment.
const (
	selfVar    = "LAB"         // this program
	dirVar     = "LAB_DIR"     // where the programs are that it built
	flagsVar   = "LAB_FLAGS"   // of the check
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
	}
}

// must ends a process that cannot go on; what it has started ends with it.
func must(err error, doing string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: %s: %v\n", doing, err)
		os.Exit(1)
	}
}

func find(name string) scenario {
	for _, s := range scenarios {
		if s.name == name {
			return s
		}
	}
	must(fmt.Errorf("%q is not a scenario", name), "scenario")
	panic("unreachable")
}

func program(name string) string { return filepath.Join(os.Getenv(dirVar), name) }

// lab is the whole run; it gives the exit code.
func lab() int {
	repeat := flag.Int("runs", 1, "act each scenario `N` times")
	parallel := flag.Int("parallel", 4, "act `N` scenarios at a time")
	file := flag.String("o", "", "write the table of all scenarios to this `FILE` too")
	flags := flag.String("check", "--policy strict --sample 500ms", "`OPTIONS` of the check")
	answers := flag.String("answers", "", "keep the check's last answer of each scenario in this `FOLDER`")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: lab [options] [SCENARIO...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	selected := scenarios
	if names := flag.Args(); len(names) > 0 {
		selected = nil
		for _, name := range names {
			selected = append(selected, find(name))
		}
	}
	if *repeat < 1 || *parallel < 1 || *file != "" && len(flag.Args()) > 0 {
		flag.Usage()
		return 2
	}

	limit := 10 * time.Minute * time.Duration(*repeat)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp("", "frontsockets-lab-")
	must(err, "temporary folder")
	defer os.RemoveAll(dir)
	if err := prepare(ctx, dir, *flags, *answers); err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\n", err)
		return 1
	}

	findings := make([][]finding, len(selected))
	problems := 0
	var lock sync.Mutex
	var all sync.WaitGroup
	turns := make(chan struct{}, *parallel)
	for range *repeat {
		for i, s := range selected {
			turns <- struct{}{}
			all.Add(1)
			go func() {
				defer func() { <-turns; all.Done() }()
				said, err := actIn(ctx, s)
				lock.Lock()
				defer lock.Unlock()
				f := judge(s, said)
				findings[i] = append(findings[i], f)
				switch {
				case err != nil:
					fmt.Fprintf(os.Stderr, "lab: %s: %v\n", s.name, err)
				case f.wrong != "" || f.falseOurs > 0:
					fmt.Fprintf(os.Stderr, "%s: diagnosis: %s; false alarms: %d\n    %s\n", s.name, cmp.Or(f.wrong, "right"), f.falseOurs, story(said))
				default:
					fmt.Fprintf(os.Stderr, "%s: right\n", s.name)
					return
				}
				problems++
			}()
		}
	}
	all.Wait()
	if ctx.Err() != nil {
		fmt.Fprintf(os.Stderr, "lab: broken off: %v\n", context.Cause(ctx))
		return 1
	}
	table := write(selected, findings, *repeat, *flags)
	fmt.Print(table)
	if *file != "" {
		err := os.MkdirAll(filepath.Dir(*file), 0o755)
		if err == nil {
			err = os.WriteFile(*file, []byte(head+table+foot()), 0o644)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "lab: %v\n", err)
			return 1
		}
	}
	if problems > 0 {
		return 1
	}
	return 0
}

// prepare builds the programs and sets the environment of the scenarios.
func prepare(ctx context.Context, dir, flags, answers string) error {
	if os.Geteuid() != 0 {
		return errors.New("it makes network namespaces and raw packets: run it as root")
	}
	for _, tool := range []string{"ip", "netstat", "awk", "grep"} {
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

// actIn acts a scenario in a network namespace of its own.
func actIn(ctx context.Context, s scenario) (said []answer, err error) {
	cmd := exec.CommandContext(ctx, os.Getenv(selfVar), actMode, s.name)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	// Its own process group: at a Ctrl-C this program decides.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return said, json.Unmarshal(out.Bytes(), &said)
}

const head = `# The lab

<!-- Written by make lab. -->

` + "`make lab`" + ` acts each scenario with real processes on two hosts, the front's and its
clients' (network namespaces, joined by a virtual cable). It is healthy at first; then
the trouble begins, and is watched for 20 seconds. Once a second, at the same moments,
it asks the check and the seed's rule, which counts the lines of ` + "`netstat -an | grep PORT`" + `
that are not ESTABLISHED and alarms from 50 (market data) or 100 (trade).

How to read it: the *truth* is what was acted; *ours* is the last diagnosis, and it is
*right* if no other but ` + "`healthy` and `unclear`" + ` came before. The seconds run from the begin
of the trouble to the question that got the first CRITICAL or the right diagnosis, to
the first that was not OK, and to the one at which the seed's rule alarms. The check takes
half a second longer for its two looks. (Cron asked the seed once a minute, so it was up to
a minute later than here.) An alarm that comes later than the seed's, or not at all where
there is trouble, is as wrong as a wrong diagnosis; but for a cut-off subnet, for which the
policy has no threshold. A *false alarm* is an answer other than OK before
the trouble, or in a scenario without any: ` + "quiet, healthy, burst, rush, logoff and night" + `.

`

// write is the table.
func write(selected []scenario, findings [][]finding, repeat int, flags string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d × each scenario; the check with `%s`.\n\n", repeat, flags)
	b.WriteString("| scenario | truth | ours | right? | s until ours | s until strict alarms | s until the seed does | false alarms: ours | the seed's |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --: | --: |\n")
	for i, s := range selected {
		fmt.Fprintln(&b, row(s, findings[i]))
	}
	return b.String()
}

// foot is how the scenarios are acted.
func foot() string {
	var b strings.Builder
	b.WriteString("\n| scenario | front | how it is acted |\n| --- | --- | --- |\n")
	for _, s := range scenarios {
		front := map[bool]string{true: "trade", false: "market data"}[s.trade]
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.name, front, s.means)
	}
	return b.String()
}
