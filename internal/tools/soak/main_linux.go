// Soak looks at a known population again and again, while other sessions come and go, and counts
// the looks that are wrong: each socket that stays must be in each look exactly once. It does so
// with sock_diag and with /proc, in small and larger hash tables of the kernel, in network
// namespaces of its own.
package main

import (
	"context"
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
	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/population"
)

// Each source looks in each table beside each churn, the same number of times.
var (
	tables = []int{4096, 65_536} // buckets
	churns = []int{500, 5000}    // connections a second
	kinds  = []struct {          // sources
		name   string // of the source that must answer
		source string // as for -s
		part   int    // it makes one look for so many of sock_diag
	}{{"sockdiag", "auto", 1}, {"procnet", "procnet", 10}}
)

// The modes in which the program starts itself.
const (
	tableMode = "table"
	churnMode = "churn"
)

// progressPeriod is how often a line on stderr tells how far the run is.
const progressPeriod = 10 * time.Second

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == tableMode:
		soakTable(args[1], args[2])
	case len(args) == 2 && args[0] == churnMode:
		churn(args[1])
	default:
		looks := flag.Int("looks", 1_000_000, "so many looks by sock_diag, and a tenth by /proc")
		flag.Parse()
		soak(*looks)
	}
}

// soak starts the program for each size of the table in a namespace of its own: the size is set in
// the parent of the namespace.
func soak(looks int) {
	code, entered := population.Enter()
	if !entered {
		os.Exit(code)
	}
	if why := population.Missing(); why != "" {
		must(errors.New(why), "namespace")
	}
	fmt.Println("| source | buckets | connections/s | looks | µs a look | retries | fallbacks | failed | missing | twice |")
	fmt.Println("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
	failed := false
	for _, buckets := range tables {
		size := strconv.Itoa(buckets)
		must(os.WriteFile("/proc/sys/net/ipv4/tcp_child_ehash_entries", []byte(size), 0), "size of the table")
		cmd := exec.Command("/proc/self/exe", tableMode, size, strconv.Itoa(looks/len(tables)/len(churns)))
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
func soakTable(size, number string) {
	if why := population.Missing(); why != "" { // it also brings up lo
		must(errors.New(why), "namespace")
	}
	for name, value := range map[string]string{
		"ip_local_port_range": "50000 60999", // no client has a port of a server
		"tcp_max_tw_buckets":  "4096",
	} {
		must(os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0), name)
	}
	entries, err := os.ReadFile("/proc/sys/net/ipv4/tcp_ehash_entries")
	must(err, "size of the table")
	if strings.TrimSpace(string(entries)) != size {
		must(fmt.Errorf("the kernel made %s of %s buckets", entries, size), "size of the table")
	}
	looks, err := strconv.Atoi(number)
	must(err, "looks")
	p := &plan{fronts: openFronts(), want: &expected{}}
	makeStatic(p.fronts, p.want)
	right := true
	for _, perSecond := range churns {
		for _, kind := range kinds {
			r := p.run(kind.name, kind.source, perSecond, looks/kind.part)
			fmt.Printf("| `%s` | %s | %d | %d | %.0f | %d | %d | %d | %d | %d |\n", kind.name, size, r.perSecond, r.looks,
				r.perLook.Seconds()*1e6, r.retries, r.fallbacks, r.failed, r.missing, r.twice)
			right = right && r.failed+r.missing+r.twice == 0
		}
	}
	if !right {
		os.Exit(1)
	}
}

// plan is the population that the looks must show.
type plan struct {
	fronts   []*front
	want     *expected
	timeWait time.Time // when TIME_WAIT was made last
}

// result counts the looks of one source beside one churn.
type result struct {
	looks, retries, fallbacks, failed int
	missing, twice                    int // looks with a socket that is missing, or there more than once
	perSecond                         int // connections of the churn
	perLook                           time.Duration
}

// run makes the looks of one source beside one churn.
func (p *plan) run(name, kind string, perSecond, looks int) (r result) {
	attempts := source.Live(kind, "")
	for i, s := range attempts {
		attempts[i] = countErrors(s, &r.retries)
	}
	query := tcp.Query{Ports: tcp.Ports{{Lo: frontPort, Hi: frontPort}}}
	begin := func() tcp.Visit {
		p.want.begin()
		return p.want.visit
	}
	look := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		answer, err := source.First(ctx, attempts, query, begin)
		missing, twice, example := p.want.verdict()
		switch {
		case err != nil:
			r.failed++
			example = err.Error()
		case answer.Source != name:
			r.fallbacks++
		}
		if err == nil && missing > 0 {
			r.missing++
		}
		if err == nil && twice > 0 {
			r.twice++
		}
		if example != "" {
			fmt.Fprintf(os.Stderr, "soak: %s beside %d connections/s, look %d: %s\n", name, perSecond, r.looks, example)
		}
	}
	p.settle(attempts, query, begin)
	r = result{}
	stop := startChurn(perSecond)
	time.Sleep(time.Second)
	start, told, spent := time.Now(), time.Now(), time.Duration(0)
	for ; r.looks < looks; r.looks++ {
		if time.Since(p.timeWait) > timeWaitPeriod {
			p.settle(attempts, query, begin)
		}
		before := time.Now()
		look()
		spent += time.Since(before)
		if time.Since(told) > progressPeriod {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "soak: %s %s beside %d connections/s: %d of %d looks, %+v\n", told.Format(time.TimeOnly),
				name, perSecond, r.looks, looks, r)
		}
	}
	r.perSecond = int(float64(stop()) / (time.Since(start) + time.Second).Seconds())
	r.perLook = spent / time.Duration(max(1, looks))
	return r
}

// settle makes new TIME_WAIT and waits until a look shows each socket once.
func (p *plan) settle(attempts []tcp.Source, query tcp.Query, begin func() tcp.Visit) {
	p.want.expire(time.Now())
	makeTimeWait(p.fronts, p.want)
	p.timeWait = time.Now()
	const maxWait, pause = 5 * time.Second, 10 * time.Millisecond
	example := ""
	for time.Since(p.timeWait) < maxWait {
		_, err := source.First(context.Background(), attempts, query, begin)
		must(err, "look")
		if _, _, example = p.want.verdict(); example == "" {
			return
		}
		time.Sleep(pause)
	}
	must(errors.New(example), "the population")
}

// countErrors counts the failed attempts of a source.
func countErrors(s tcp.Source, n *int) tcp.Source {
	return tcp.Source{Name: s.Name, Look: func(ctx context.Context, q tcp.Query, visit tcp.Visit) (tcp.Look, error) {
		look, err := s.Look(ctx, q, visit)
		if err != nil {
			*n++
		}
		return look, err
	}}
}
