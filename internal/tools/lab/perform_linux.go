package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// The two ends of the cable know each other's address from the start: the search for
	// neighbours does not begin before a link is a second old.
	frontMAC, clientsMAC = "02:00:00:00:41:01", "02:00:00:00:41:02"
	// looksAtOnce is the number of looks at a situation at a time.
	looksAtOnce = 3
	// sampleTime is the time between the two looks of --sample.
	sampleTime = "500ms"
	// stepLimit is the time for a part to take a step.
	stepLimit = 90 * time.Second
)

// player is the process that plays the front or the clients.
type player struct {
	cmd *exec.Cmd
	in  *os.File
	out *bufio.Reader
}

// startPlayer starts this program as the front or the clients of a situation.
func startPlayer(mode, network string, flags uintptr) *player {
	cmd := exec.Command(os.Getenv(selfVar), mode, network)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	r, w, err := os.Pipe()
	must(err, "pipe")
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	must(err, "pipe")
	must(cmd.Start(), mode)
	r.Close()
	p := &player{cmd: cmd, in: w, out: bufio.NewReader(out)}
	p.await("start")
	return p
}

// take makes the player take a step and waits until it has.
func (p *player) take(step string) {
	_, err := fmt.Fprintln(p.in, step)
	must(err, step)
	p.await(step)
}

func (p *player) await(step string) {
	timeout := time.AfterFunc(stepLimit, func() { must(errors.New("it takes too long"), step) })
	defer timeout.Stop()
	line, err := p.out.ReadString('\n')
	if err == nil && strings.TrimSpace(line) != taken {
		err = errors.New(strings.TrimSpace(line))
	}
	must(err, step)
}

// performance is a situation while it is acted.
type performance struct {
	situation
	front, clients *player
	stopped        time.Time // when the front was stopped
	dir            string    // for captures and snapshots
}

// perform acts a situation in this network namespace and prints its looks as JSON. Extra is the
// number of looks at a healthy front with each policy, besides those of every situation.
func perform(name, extra string) {
	s, found := findSituation(name)
	if !found {
		must(fmt.Errorf("%q is not a situation", name), "situation")
	}
	dir, err := os.MkdirTemp("", "frontsockets-situation-")
	must(err, "temporary folder")
	defer os.RemoveAll(dir)
	runtime.LockOSThread() // the kernel kills the parts when the thread that started them ends
	p := &performance{situation: s, dir: dir}
	p.setUp()
	script, err := parseScript(s.script)
	must(err, s.name)
	for _, words := range script {
		p.take(words)
	}
	var r result
	if p.urgent {
		r.Urgent = p.awaitAlarm()
	}
	r.Looks = p.lookAround()
	n, err := strconv.Atoi(extra)
	must(err, "looks")
	if p.acted == "healthy" {
		r.Repeated = p.repeat(n)
	}
	must(json.NewEncoder(os.Stdout).Encode(r), "result")
	runtime.KeepAlive(p) // a part ends when the garbage collector closes its stdin
}

// setUp joins the front's host and the clients' with a virtual cable, and starts both parts.
func (p *performance) setUp() {
	run("ip", "link", "set", "lo", "up")
	p.clients = startPlayer(clientsMode, p.network, unix.CLONE_NEWNET)
	run("ip", "link", "add", "front", "address", frontMAC, "type", "veth",
		"peer", "name", "clients", "address", clientsMAC, "netns", strconv.Itoa(p.clients.cmd.Process.Pid))
	run("ip", "addr", "add", frontAddress+"/24", "dev", "front")
	run("ip", "addr", "add", secondAddress+"/24", "dev", "front")
	run("ip", "-6", "addr", "add", frontAddress6+"/64", "dev", "front", "nodad")
	run("ip", "link", "set", "front", "up")
	run("ip", "route", "add", "default", "via", "10.41.0.2")
	run("ip", "-6", "neigh", "add", "fd41::2", "lladdr", clientsMAC, "dev", "front", "nud", "permanent")
	run("ip", "-6", "route", "add", "default", "via", "fd41::2")
	p.clients.take("set-up")
	p.front = startPlayer(frontMode, p.network, 0)
}

// take takes one step of the script.
func (p *performance) take(words []string) {
	step := strings.Join(words, " ")
	switch {
	case steps[words[0]] == theFront:
		p.front.take(step)
	case steps[words[0]] == clients:
		p.clients.take(step)
	case words[0] == "wait":
		d, err := time.ParseDuration(words[1])
		must(err, step)
		time.Sleep(d)
	case words[0] == "stop":
		must(p.front.cmd.Process.Signal(unix.SIGSTOP), step)
		// On a busy host its threads may go on for a moment, accept clients and read what these send.
		var status unix.WaitStatus
		_, err := unix.Wait4(p.front.cmd.Process.Pid, &status, unix.WUNTRACED, nil)
		must(err, step)
		p.stopped = time.Now()
	case words[0] == "end":
		must(p.front.cmd.Process.Kill(), step)
		_ = p.front.cmd.Wait()
	case words[0] == "cut":
		p.cut(words[1])
	}
}

// cut drops all packets from and to a group of clients, on their host.
func (p *performance) cut(who string) {
	group, err := parseGroup(who)
	must(err, "cut")
	family := map[bool]string{true: "-6", false: "-4"}[p.network == "ipv6"]
	for _, way := range []string{"from", "to"} {
		run("nsenter", "--net="+fmt.Sprintf("/proc/%d/ns/net", p.clients.cmd.Process.Pid),
			"ip", family, "rule", "add", "pref", "10", way, groupPrefix(p.network, group), "blackhole")
	}
}

// awaitAlarm returns the seconds from the stop to the first CRITICAL of --policy strict.
func (p *performance) awaitAlarm() float64 {
	for time.Since(p.stopped) < 2*urgentLimit {
		if p.look(look{Source: "auto", Check: tradeCheck, Policy: "strict"}).Status == "CRITICAL" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(p.stopped).Seconds()
}

// lookAround looks at the situation from every source.
func (p *performance) lookAround() []look {
	var wanted []look
	checks := []string{tradeCheck, feedCheck}
	if p.trade {
		checks = checks[:1]
	}
	p.capture()
	for _, check := range checks {
		for _, source := range liveSources {
			wanted = append(wanted, look{Source: source, Check: check}, look{Source: source, Check: check, Sample: true})
		}
		wanted = append(wanted, look{Source: "auto", Check: check, Policy: "strict", Sample: true})
		for _, source := range recordings {
			wanted = append(wanted, look{Source: source, Check: check})
		}
	}
	return p.lookAll(wanted)
}

// liveSources are the sources that look at the kernel.
var liveSources = []string{"auto", "sockdiag", "procnet", "gopsutil"}

// recordings are the commands whose captures are made of each situation, and the check's own
// snapshot.
var recordings = []string{"netstat -Wan", "ss -tan", "ss -tanoie", snapshotName}

const snapshotName = "snapshot"

// file returns the file of a recording.
func (p *performance) file(recording string) string {
	return filepath.Join(p.dir, strings.ReplaceAll(recording, " ", ""))
}

// capture makes all recordings.
func (p *performance) capture() {
	for _, command := range recordings {
		if command == snapshotName {
			p.ask(tradeCheck, "--save", p.file(command))
			continue
		}
		words := strings.Fields(command)
		out, err := exec.Command(words[0], words[1:]...).Output()
		must(err, command)
		must(os.WriteFile(p.file(command), out, 0o644), command)
	}
}

// lookAll looks as wanted, some looks at a time.
func (p *performance) lookAll(wanted []look) []look {
	var all sync.WaitGroup
	turns := make(chan struct{}, looksAtOnce)
	looks := slices.Clone(wanted)
	for i := range looks {
		turns <- struct{}{}
		all.Add(1)
		go func() {
			defer func() { <-turns; all.Done() }()
			looks[i] = p.look(wanted[i])
		}()
	}
	all.Wait()
	return looks
}

// repeat looks n times with each policy and returns the looks.
func (p *performance) repeat(n int) []look {
	var wanted []look
	for i := range n {
		check := tradeCheck
		if !p.trade && i%2 == 0 {
			check = feedCheck
		}
		wanted = append(wanted, look{Source: "auto", Check: check},
			look{Source: "auto", Check: check, Policy: "strict", Sample: i%8 == 0})
	}
	return p.lookAll(wanted)
}

// look asks the check and returns the look with its answer.
func (p *performance) look(l look) look {
	source := l.Source
	if slices.Contains(recordings, source) {
		tool, _, _ := strings.Cut(source, " ")
		source = tool + ":" + p.file(source)
	}
	args := []string{"-s", source, "--policy", cmp.Or(l.Policy, "standard")}
	if l.Sample {
		args = append(args, "--sample", sampleTime)
	}
	said := p.ask(l.Check, args...)
	l.Status, l.Reason = strings.ToUpper(said.Status), said.Reason
	l.Code, l.Text = said.Diagnosis.Code, said.Diagnosis.Text
	var missing []string
	for _, e := range said.Diagnosis.Evidence {
		if e.Metric == "missing" {
			missing = append(missing, e.Value+": "+e.Why)
		}
	}
	l.Missing = strings.Join(missing, "; ")
	return l
}

// said is what we read of the check's answer.
type said struct {
	Status, Reason string
	Diagnosis      struct {
		Code, Text string
		Evidence   []struct{ Metric, Value, Why string }
	}
}

// ask runs a check and returns its answer.
func (p *performance) ask(check string, args ...string) (answer said) {
	args = append(args, "-f", "json", "-t", "30", "-p", strconv.Itoa(mdPort))
	if p.address != "" {
		args = append(args, "-a", p.address)
	}
	if p.outside {
		args = append(args, outsideSession()...)
	}
	out, err := exec.Command(program(check), args...).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		must(err, check)
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	if err := decoder.Decode(&answer); err != nil || answer.Status == "" {
		must(fmt.Errorf("output without a status: %q", out), check)
	}
	return answer
}
