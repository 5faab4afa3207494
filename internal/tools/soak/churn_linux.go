package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// churnHeld is the number of sessions of the churn that are open at a time. For each new one a
// random one ends.
const churnHeld = 200

// finsPerSecond is the number of sessions of the churn that end with FIN and leave a TIME_WAIT for
// 60 s. All others end with RST.
const finsPerSecond = 5

// churnServers are the servers of the churn: two on the front's port and two on another one.
var churnServers = []struct {
	domain domain
	server netip.AddrPort
	client netip.Addr
}{
	{ipv4, netip.MustParseAddrPort("127.0.0.6:41213"), netip.MustParseAddr("127.6.0.1")},
	{ipv4, netip.MustParseAddrPort("127.0.0.6:41300"), netip.MustParseAddr("127.6.0.2")},
	{ipv6, netip.MustParseAddrPort("127.0.0.7:41213"), netip.MustParseAddr("127.6.0.3")},
	{ipv6, netip.MustParseAddrPort("[::1]:41300"), netip.IPv6Loopback()},
}

// churnSession is both ends of a session of the churn.
type churnSession struct{ near, far int }

// churn makes so many connections a second until its stdin ends, and prints how many it made.
func churn(perSecond int) {
	var listeners []int
	for _, s := range churnServers {
		listeners = append(listeners, listen(s.domain, s.server, 4096))
	}
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	var held []churnSession
	start := time.Now()
	for made := 0; ; made++ {
		select {
		case <-ended:
			fmt.Println(made)
			return
		default:
		}
		time.Sleep(time.Duration(made)*time.Second/time.Duration(perSecond) - time.Since(start))
		server := churnServers[made%len(churnServers)]
		far, err := dial(server.client, server.server)
		must(err, "churn")
		near, _, err := unix.Accept4(listeners[made%len(listeners)], unix.SOCK_CLOEXEC)
		must(err, "churn")
		if len(held) < churnHeld {
			held = append(held, churnSession{near, far})
			continue
		}
		i := rand.IntN(len(held))
		held[i].end(made%max(1, perSecond/finsPerSecond) == 0)
		held[i] = churnSession{near, far}
	}
}

// end closes both ends, one first: the front's by FIN, or either one by RST.
func (s churnSession) end(byFIN bool) {
	switch {
	case byFIN:
		unix.Close(s.near)
		unix.Close(s.far)
	case rand.IntN(2) == 0:
		reset(s.near)
		unix.Close(s.far)
	default:
		reset(s.far)
		unix.Close(s.near)
	}
}

// startChurn starts the program as the churn, in the same namespace. Stop ends it and returns how
// many connections it made.
func startChurn(perSecond int) (stop func() int) {
	cmd := exec.Command("/proc/self/exe", churnMode, strconv.Itoa(perSecond))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	must(err, "churn")
	out, err := cmd.StdoutPipe()
	must(err, "churn")
	must(cmd.Start(), "churn")
	return func() (made int) {
		in.Close()
		_, err := fmt.Fscan(out, &made)
		must(err, "churn")
		must(cmd.Wait(), "churn")
		return made
	}
}
