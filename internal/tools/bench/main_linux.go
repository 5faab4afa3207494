// Bench measures the check beside the programs that could do its work: whole
// processes, taking turns, on a host with few and on one with many other sockets.
// The sockets are real and live in a network namespace of the benchmark's own. The
// times of one machine say little, so it reports ratios.
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/shirou/gopsutil/v3/net"
	"golang.org/x/sys/unix"

	"frontsockets/internal/testkit/population"
)

// The front that is asked about, and the sockets of everybody else.
const (
	port        = 41213
	established = 200
	timeWait    = 60
	closeWait   = 13
	abnormal    = timeWait + closeWait
	sockets     = established + abnormal + 1 // the listener

)

// hosts are measured one after the other, each in a namespace of its own. Every dump
// walks the kernel's whole table of established sockets, empty buckets too, and the
// kernel sizes that by the memory of the machine: a bucket for 128 KiB (tcp_init in
// tcp.c). The small host has the table of a machine of 1 GiB, the large one this
// machine's.
var hosts = []struct{ others, buckets int }{{1_000, 8192}, {100_000, 0}}

// The program starts itself in these modes too. dirVar tells it where the programs
// are that it built before it entered its namespace, which has no network.
const (
	hostMode     = "host"
	holdMode     = "hold"
	gopsutilMode = "gopsutil"
	captureMode  = "capture"

	diagnosisMode = "diagnosis"
	dirVar        = "FRONTSOCKETS_BENCH"
)

//go:embed minimal.c
var minimalC []byte

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 2 && args[0] == hostMode:
		measure(os.Getenv(dirVar), args[1])
	case len(args) == 3 && args[0] == holdMode:
		hold(args[1], args[2])
	case len(args) == 1 && args[0] == gopsutilMode:
		countByGopsutil()
	case len(args) == 1 && args[0] == diagnosisMode:
		diagnosis(os.Getenv(dirVar))
	case len(args) == 1 && args[0] == captureMode:
		capture(os.Getenv(dirVar))
	case os.Getenv(dirVar) != "":
		enter()
	default:
		os.Exit(prepare())
	}
}

// must ends a process that cannot go on. Its children do not outlive it, and the
// folder is removed by the first start of the program.
func must(err error, doing string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s: %v\n", doing, err)
		os.Exit(1)
	}
}

// prepare builds the check as it is shipped, and the C program if there is a
// compiler, and starts the program again to measure them.
func prepare() int {
	signal.Notify(make(chan os.Signal, 1), os.Interrupt) // ends the others; this one cleans up
	dir, err := os.MkdirTemp("", "frontsockets-bench-")
	must(err, "temporary folder")
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "minimal.c")
	must(os.WriteFile(source, minimalC, 0o600), "temporary folder")

	steps := []*exec.Cmd{exec.Command("go", "build", "-trimpath", "-tags", "forceposix", "-o", dir, "frontsockets/cmd/check_mdfront_sockets", "frontsockets/cmd/front_drill")}
	if _, err := exec.LookPath("cc"); err == nil {
		steps = append(steps, exec.Command("cc", "-O2", "-o", filepath.Join(dir, "minimal"), source))
	}
	self, err := os.Executable()
	must(err, "the program itself")
	steps = append(steps, exec.Command(self), exec.Command(self, captureMode))
	for _, cmd := range steps {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", dirVar+"="+dir)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", filepath.Base(cmd.Path), err)
			return 1
		}
	}
	return 0
}

// enter enters a namespace, and from there each host's: the size of a namespace's
// table is set in the one that it is made from.
func enter() {
	code, entered := population.Enter()
	if !entered {
		os.Exit(code)
	}
	if why := population.Missing(); why != "" {
		must(errors.New(why), "namespace")
	}
	self, err := os.Executable()
	must(err, "the program itself")
	for i, h := range hosts {
		must(os.WriteFile("/proc/sys/net/ipv4/tcp_child_ehash_entries", []byte(strconv.Itoa(h.buckets)), 0), "size of the socket table")
		cmd := exec.Command(self, hostMode, strconv.Itoa(i))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		must(cmd.Run(), "host")
	}
	cmd := exec.Command(self, diagnosisMode)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	must(cmd.Run(), "diagnosis")
}

// measure lets the contenders race on one of the hosts.
func measure(dir, number string) {
	index, err := strconv.Atoi(number)
	must(err, "host")
	others := hosts[index].others
	if why := population.Missing(); why != "" { // and set lo up
		must(errors.New(why), "namespace")
	}
	self, err := os.Executable()
	must(err, "the program itself")
	f := openFront()
	var c crowd
	defer c.end()
	c.grow(self, others)
	h := newHost(dir, self)
	h.race(f)

	// A namespace that shares its parent's table shows a negative size.
	buckets, err := os.ReadFile("/proc/sys/net/ipv4/tcp_ehash_entries")
	must(err, "size of the socket table")
	fmt.Printf("\nOn a host with %d,%03d other sockets, a socket table of %s buckets, and a front with %d established clients, %d TIME_WAIT and %d CLOSE_WAIT:\n\n",
		others/1000, others%1000, strings.Trim(string(buckets), "-\n"), established, timeWait, closeWait)
	h.table()
	fmt.Println()
	if index == 0 {
		h.startUpContract()
	} else {
		h.ratioContract()
	}
	for _, line := range h.leftOut {
		fmt.Println("left out:", line)
	}
}

func countByGopsutil() {
	rows, err := net.Connections("tcp")
	must(err, "gopsutil")
	n := 0
	for _, row := range rows {
		if row.Laddr.Port == port {
			n++
		}
	}
	fmt.Println(n)
}
