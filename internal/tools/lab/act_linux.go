package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	mdPort     = 41213
	tradePort  = 41205
	setUpLimit = 30 * time.Second // for front_drill to print an expected line
	stopLimit  = 5 * time.Second  // for front_drill to end
)

// host is a new network namespace with a shell in it.
type host struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

// newHost makes a host that lasts as long as this process.
func newHost() *host {
	cmd := exec.Command("sh", "-e")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	must(err, "shell")
	out, err := cmd.StdoutPipe()
	must(err, "shell")
	must(cmd.Start(), "shell")
	return &host{cmd: cmd, in: in, out: bufio.NewReader(out)}
}

// do runs commands on the host and waits until they have ended.
func (h *host) do(commands string) {
	_, err := io.WriteString(h.in, commands+"\necho done\n")
	must(err, commands)
	_, err = h.out.ReadString('\n')
	must(err, commands)
}

// act acts a scenario on two hosts, this process's and the clients', and prints the answers
// as JSON.
func act(name string) {
	s := find(name)
	clients := newHost()
	connect(clients)
	stage := &stage{scenario: s, port: mdPort, check: "check_mdfront_sockets", seedAlarm: 50}
	if s.trade {
		stage.port, stage.check, stage.seedAlarm = tradePort, "check_front_sockets", 100
	}
	drill, lines := stage.startDrill(clients)
	stage.awaitLine(lines, " connected from ")
	if s.crowd {
		clients.do(`"$LAB" ` + crowdMode + ` &`)
		time.Sleep(time.Second)
	}

	ended := make(chan struct{})
	began := make(chan time.Time, 1)
	go func() {
		defer close(ended)
		switch {
		case s.strike != "":
			time.Sleep(calm)
			began <- time.Now()
			clients.do(s.strike)
		case s.begins():
			stage.awaitLine(lines, "front_drill: trouble")
			began <- time.Now()
		default:
			time.Sleep(calm)
			began <- time.Now()
		}
		time.Sleep(trouble)
	}()
	stage.ask(ended)
	t0 := <-began
	for i := range stage.answers {
		stage.answers[i].Asked = stage.asked[i][0].Sub(t0).Seconds()
		stage.answers[i].Answered = stage.asked[i][1].Sub(t0).Seconds()
	}
	must(drill.Process.Signal(unix.SIGTERM), "front_drill")
	kill := time.AfterFunc(stopLimit, func() { drill.Process.Kill() })
	_, _ = io.Copy(io.Discard, lines)
	_ = drill.Wait()
	kill.Stop()
	must(json.NewEncoder(os.Stdout).Encode(stage.answers), "answers")
}

// connect joins the hosts with a virtual cable. The front's host routes everything to the
// clients' host, which has the addresses of all clients and drops packets to others.
func connect(clients *host) {
	run("ip", "link", "set", "lo", "up")
	run("ip", "link", "add", "front", "type", "veth",
		"peer", "name", "clients", "netns", strconv.Itoa(clients.cmd.Process.Pid))
	commands := []string{"ip link set lo up", "ip addr add 10.41.0.2/24 dev clients"}
	for _, last := range []int{11, 12, 13, 14, 15, 16, 17, 18, 19, 66} {
		commands = append(commands, fmt.Sprintf("ip addr add 10.41.0.%d/24 dev clients", last))
	}
	for _, subnet := range crowdSubnets {
		commands = append(commands, "ip route add local "+subnet+".0/24 dev lo")
	}
	commands = append(commands, "ip link set clients up", "ip route add blackhole "+floodSubnet)
	clients.do(strings.Join(commands, "\n"))
	run("ip", "addr", "add", frontAddress+"/24", "dev", "front")
	run("ip", "link", "set", "front", "up")
	run("ip", "route", "add", "default", "via", "10.41.0.2")
}

// run runs a command, and ends the process if the command fails.
func run(name string, args ...string) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		must(fmt.Errorf("%w: %s", err, out), name+" "+strings.Join(args, " "))
	}
}

// stage has the state of a scenario while it is acted.
type stage struct {
	scenario
	port      int
	check     string
	seedAlarm int
	answers   []answer
	asked     [][2]time.Time // for each answer, when it was asked for and when it came
}

// startDrill starts front_drill, with the front on this host and the clients on theirs. It
// returns the process and the lines that it prints.
func (s *stage) startDrill(clients *host) (*exec.Cmd, *bufio.Reader) {
	args := append(strings.Fields(s.drill),
		"--port", strconv.Itoa(s.port), "--address", frontAddress, "--for", "5m",
		"--clients-netns", fmt.Sprintf("/proc/%d/ns/net", clients.cmd.Process.Pid))
	if s.begins() && s.strike == "" {
		args = append(args, "--after", calm.String())
	}
	cmd := exec.Command(program("front_drill"), args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(err, "front_drill")
	must(cmd.Start(), "front_drill")
	return cmd, bufio.NewReader(out)
}

// awaitLine reads lines of front_drill up to one that contains the text.
func (s *stage) awaitLine(lines *bufio.Reader, text string) {
	timeout := time.AfterFunc(setUpLimit, func() {
		must(fmt.Errorf("front_drill did not print %q within %v", text, setUpLimit), s.name)
	})
	defer timeout.Stop()
	for line := ""; !strings.Contains(line, text); {
		var err error
		line, err = lines.ReadString('\n')
		must(err, s.name+": front_drill")
	}
}

// ask asks the check and the old rule once a second until the scenario has ended.
func (s *stage) ask(ended <-chan struct{}) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		asked := time.Now()
		seed := make(chan bool)
		go func() { seed <- s.askSeed() }()
		a := s.askOurs()
		answered := time.Now()
		a.Seed = <-seed
		s.answers = append(s.answers, a)
		s.asked = append(s.asked, [2]time.Time{asked, answered})
		select {
		case <-ended:
			return
		case <-second.C:
		}
	}
}

// askOurs runs the check and returns its answer.
func (s *stage) askOurs() (a answer) {
	args := append(strings.Fields(os.Getenv(flagsVar)), "-f", "json")
	if s.outside {
		args = append(args, outsideSession()...)
	}
	out, err := exec.Command(program(s.check), args...).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		must(err, s.check)
	}
	var said struct {
		Status, Reason string
		Diagnosis      struct{ Code string }
	}
	if err := json.Unmarshal(out, &said); err != nil || said.Status == "" {
		must(fmt.Errorf("output without a status: %q", out), s.check)
	}
	if dir := os.Getenv(answersVar); dir != "" {
		must(os.WriteFile(filepath.Join(dir, s.name+".json"), out, 0o644), "answers")
	}
	return answer{Status: strings.ToUpper(said.Status), Code: said.Diagnosis.Code, Reason: said.Reason}
}

// outsideSession returns options with a session that begins in three hours and lasts one.
func outsideSession() []string {
	opens := time.Now().UTC().Add(3 * time.Hour)
	return []string{"--session-tz", "UTC", "--session",
		"Mon-Sun " + opens.Format("15:04") + "-" + opens.Add(time.Hour).Format("15:04")}
}

// askSeed runs the old script's pipeline and reports whether the old script would alarm.
func (s *stage) askSeed() bool {
	pipeline := fmt.Sprintf("netstat -an | grep %d | awk '$6!~/ESTABLISHED/{print $6}' | wc -l", s.port)
	out, err := exec.Command("sh", "-c", pipeline).Output()
	must(err, "netstat")
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	must(err, "netstat")
	return n >= s.seedAlarm
}
