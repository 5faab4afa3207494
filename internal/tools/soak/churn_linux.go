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

// churn makes so many connections a second until its stdin ends, and prints how many it made.
func churn(rate string) {
	perSecond, err := strconv.Atoi(rate)
	must(err, "churn")
	var listeners []int
	for _, s := range churnServers {
		listeners = append(listeners, listen(s.domain, s.server, 4096))
	}
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	type session struct{ near, far int }
	held := make([]session, 0, churnHeld)
	start, made := time.Now(), 0
	for ; ; made++ {
		select {
		case <-ended:
			fmt.Println(made)
			return
		default:
		}
		due := time.Duration(made) * time.Second / time.Duration(perSecond)
		time.Sleep(due - time.Since(start))
		s := churnServers[made%len(churnServers)]
		far, err := dial(s.client, s.server)
		must(err, "churn")
		near, _, err := unix.Accept4(listeners[made%len(listeners)], unix.SOCK_CLOEXEC)
		must(err, "churn")
		if len(held) < churnHeld {
			held = append(held, session{near, far})
			continue
		}
		i := rand.IntN(len(held))
		old := held[i]
		held[i] = session{near, far}
		if made%(perSecond/finsPerSecond) == 0 {
			unix.Close(old.near)
			unix.Close(old.far)
		} else if rand.IntN(2) == 0 {
			reset(old.near)
			unix.Close(old.far)
		} else {
			reset(old.far)
			unix.Close(old.near)
		}
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
