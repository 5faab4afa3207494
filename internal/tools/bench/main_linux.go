// Bench compares the check with other programs that could do its work. It runs whole
// processes in turn, on a host with few and on a host with many other sockets. The sockets
// are real, in a new network namespace. It reports ratios, because the times of one machine
// say little about another.
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

// The port of the front, and the numbers of its sockets by state.
const (
	port        = 41213
	established = 200
	timeWait    = 60
	closeWait   = 13
	abnormal    = timeWait + closeWait
	sockets     = established + abnormal + 1 // one is the listener
)

// hosts are measured one after the other, each in its own namespace. Every dump walks the
// kernel's whole table of established sockets, including empty buckets. The kernel sets the
// size of the table by the memory of the machine: one bucket for 128 KiB (tcp_init in
// tcp.c). The small host has the table of a machine with 1 GiB. The large host has the table
// of this machine (buckets 0).
var hosts = []struct{ others, buckets int }{{1_000, 8192}, {100_000, 0}}

// The modes in which the program starts itself. dirVar holds the folder of the programs,
// which are built before the program enters its namespace: there it has no network.
const (
	hostMode      = "host"
	holdMode      = "hold"
	gopsutilMode  = "gopsutil"
	captureMode   = "capture"
	diagnosisMode = "diagnosis"
	reportMode    = "report"

	dirVar = "FRONTSOCKETS_BENCH"
)

//go:embed minimal.c
var minimalC []byte

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 2 && args[0] == hostMode:
		measureHost(os.Getenv(dirVar), args[1])
	case len(args) == 3 && args[0] == holdMode:
		hold(args[1], args[2])
	case len(args) == 1 && args[0] == gopsutilMode:
		countByGopsutil()
	case len(args) == 1 && args[0] == diagnosisMode:
		measureDiagnosis(os.Getenv(dirVar))
	case len(args) == 1 && args[0] == reportMode:
		measureReport(os.Getenv(dirVar))
	case len(args) == 1 && args[0] == captureMode:
		measureCapture(os.Getenv(dirVar))
	case os.Getenv(dirVar) != "":
		enterNamespaces()
	default:
		os.Exit(runAll())
	}
}

// must ends the process if there is an error. Its children end with it, and the first
// process of the program removes the folder.
func must(err error, doing string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s: %v\n", doing, err)
		os.Exit(1)
	}
}

// runAll builds the check as it is shipped, and the C program if there is a compiler. It
// then starts the program again to measure them, and returns the exit code.
func runAll() int {
	signal.Notify(make(chan os.Signal, 1), os.Interrupt) // the children end, and this process cleans up
	dir, err := os.MkdirTemp("", "frontsockets-bench-")
	must(err, "temporary folder")
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "minimal.c")
	must(os.WriteFile(source, minimalC, 0o600), "temporary folder")

	steps := []*exec.Cmd{exec.Command("go", "build", "-trimpath", "-tags", "forceposix", "-o", dir,
		"frontsockets/cmd/check_mdfront_sockets", "frontsockets/cmd/front_drill", "frontsockets/cmd/front_report")}
	if _, err := exec.LookPath("cc"); err == nil {
		steps = append(steps, exec.Command("cc", "-O2", "-o", filepath.Join(dir, "minimal"), source))
	}
	self, err := os.Executable()
	must(err, "the program itself")
	steps = append(steps, exec.Command(self), exec.Command(self, captureMode), exec.Command(self, reportMode))
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

// enterNamespaces enters a namespace, and starts each host in a namespace inside it: the size
// of a namespace's table is set in its parent.
func enterNamespaces() {
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
		size := []byte(strconv.Itoa(h.buckets))
		must(os.WriteFile("/proc/sys/net/ipv4/tcp_child_ehash_entries", size, 0), "size of the socket table")
		runInNamespace(self, hostMode, strconv.Itoa(i))
	}
	runInNamespace(self, diagnosisMode)
}

// runInNamespace runs the program in the mode, in a new network namespace.
func runInNamespace(self, mode string, args ...string) {
	cmd := exec.Command(self, append([]string{mode}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	must(cmd.Run(), mode)
}

// measureHost measures the contenders on one of the hosts, and prints the results.
func measureHost(dir, number string) {
	index, err := strconv.Atoi(number)
	must(err, "host")
	others := hosts[index].others
	if why := population.Missing(); why != "" { // it also prepares the namespace
		must(errors.New(why), "namespace")
	}
	self, err := os.Executable()
	must(err, "the program itself")
	f := openFront()
	var c crowd
	defer c.end()
	c.grow(self, others)
	h := newHost(dir, self)
	h.measure(f)

	// A namespace that shares its parent's table shows a negative size.
	buckets, err := os.ReadFile("/proc/sys/net/ipv4/tcp_ehash_entries")
	must(err, "size of the socket table")
	fmt.Printf("\nOn a host with %d,%03d other sockets, a socket table of %s buckets, and a front with"+
		" %d established clients, %d TIME_WAIT and %d CLOSE_WAIT:\n\n",
		others/1000, others%1000, strings.Trim(string(buckets), "-\n"), established, timeWait, closeWait)
	h.printTable()
	fmt.Println()
	if index == 0 {
		h.printStartUpTarget()
	} else {
		h.printRatioTargets()
	}
	for _, line := range h.skipped {
		fmt.Println("skipped:", line)
	}
}

// countByGopsutil prints the number of the front's sockets that gopsutil finds.
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
