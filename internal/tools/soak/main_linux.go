// Soak looks at a known population again and again, while other sessions come and go, and counts
// the looks that are wrong: each socket that stays must be in each look exactly once. It does so
// with sock_diag and with /proc, in small and larger hash tables of the kernel, in network
// namespaces of its own.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/source"
	"frontsockets/internal/testkit/population"
)

// The tables, in buckets, and the churns, in connections a second. Each source looks in each table
// beside each churn, the same number of times.
var (
	tables = []int{4096, 65_536}
	churns = []int{500, 5000}
)

// kinds are the sources.
var kinds = []struct {
	name   string // of the source that must answer
	source string // the option -s of the checks
	part   int    // it makes one look for so many of sock_diag
}{{"sockdiag", "auto", 1}, {"procnet", "procnet", 10}}

// The modes in which the program starts itself.
const (
	tableMode = "table"
	churnMode = "churn"
)

// progressPeriod is how often a line on stderr tells how far the run is.
const progressPeriod = 10 * time.Second

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 4 && args[0] == tableMode:
		soakTable(args[1], number(args[2]), number(args[3]))
	case len(args) == 2 && args[0] == churnMode:
		churn(number(args[1]))
	default:
		looks := flag.Int("looks", 1_000_000, "so many looks by sock_diag, and a tenth by /proc")
		sessions := flag.Int("established", 20, "so many static ESTABLISHED on each of the three listeners")
		flag.Parse()
		soak(*looks, *sessions)
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	must(err, "argument")
	return n
}

// soak starts the program for each size of the table in a namespace of its own: the size is set in
// the parent of the namespace.
func soak(looks, sessions int) {
	code, entered := population.Enter()
	if !entered {
		os.Exit(code)
	}
	if why := population.Missing(); why != "" {
		must(errors.New(why), "namespace")
	}
	fmt.Println("| source | buckets | static | connections/s | looks | µs a look " +
		"| retries | fallbacks | failed | missing | twice |")
	fmt.Println("| --- " + strings.Repeat("| --: ", 10) + "|")
	each := strconv.Itoa(looks / len(tables) / len(churns))
	failed := false
	for _, buckets := range tables {
		size := strconv.Itoa(buckets)
		must(os.WriteFile("/proc/sys/net/ipv4/tcp_child_ehash_entries", []byte(size), 0), "size of the table")
		cmd := exec.Command("/proc/self/exe", tableMode, size, each, strconv.Itoa(sessions))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Run(); err != nil {
			fmt.Fprintf(os.Stderr, "soak: %s buckets: %v\n", size, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// soakTable measures one size of the table, with so many looks by sock_diag beside each churn.
func soakTable(size string, looks, sessions int) {
	if why := population.Missing(); why != "" { // it also prepares the namespace
		must(errors.New(why), "namespace")
	}
	must(os.WriteFile("/proc/sys/net/ipv4/tcp_max_tw_buckets", []byte("4096"), 0), "tcp_max_tw_buckets")
	entries, err := os.ReadFile("/proc/sys/net/ipv4/tcp_ehash_entries")
	must(err, "size of the table")
	if strings.TrimSpace(string(entries)) != size {
		must(fmt.Errorf("the kernel made %s of %s buckets", entries, size), "size of the table")
	}
	fronts, want := openFronts(), &expected{}
	makeStatic(fronts, sessions, want)
	static, right := len(want.sockets), true
	for _, perSecond := range churns {
		for _, kind := range kinds {
			s := soaking{name: kind.name, attempts: source.Live(kind.source, ""), fronts: fronts, want: want}
			s.run(perSecond, looks/kind.part)
			fmt.Printf("| `%s` | %s | %d | %d | %d | %d | %d | %d | %d | %d | %d |\n", s.name, size, static, s.perSecond,
				s.looks, s.perLook().Microseconds(), s.retries, s.fallbacks, s.failed, s.missing, s.twice)
			right = right && s.wrong() == 0
		}
	}
	if !right {
		os.Exit(1)
	}
}
