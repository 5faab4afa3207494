package source

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/population"
)

// init keeps the main thread for the main goroutine: Go does not end it with a test that has moved it
// into another namespace.
func init() { runtime.LockOSThread() }

// inNamespace runs a function on a thread of its own that is in the namespace, and ends the
// thread with it.
func inNamespace(netns int, do func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Setns(netns, unix.CLONE_NEWNET) == nil {
			do()
		}
	}()
}

// smallNamespace moves the thread of the test into a new network namespace whose table of
// sockets has so few buckets, and returns it. The thread ends with the test.
func smallNamespace(t *testing.T, entries string) int {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_child_ehash_entries", []byte(entries), 0); err != nil {
		population.Skip(t, err.Error())
	}
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNET)
	os.WriteFile("/proc/sys/net/ipv4/tcp_child_ehash_entries", []byte("0"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if why := population.Missing(); why != "" { // it also prepares the namespace
		t.Fatal(why)
	}
	netns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(netns) })
	return netns
}

// churn connects to the port, reads the end and closes, until told to stop.
func churn(netns int, third byte, stop *atomic.Bool) {
	inNamespace(netns, func() {
		for i := 0; !stop.Load(); i++ {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return
			}
			unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 1, third, byte(1 + i%200)}})
			if unix.Connect(fd, &unix.SockaddrInet4{Port: 41213, Addr: [4]byte{127, 0, 0, 1}}) == nil {
				unix.Read(fd, make([]byte, 1))
			}
			unix.Close(fd)
		}
	})
}

// TestSmallTable: in a table of few buckets the kernel passes over sockets while others come
// and go. Next to no look may have fewer than those that stay.
func TestSmallTable(t *testing.T) {
	population.Need(t)
	netns := smallNamespace(t, "64")
	listener := busyFront(t, netns)
	var stop atomic.Bool
	defer unix.Shutdown(listener, unix.SHUT_RDWR) // ends the accept
	defer stop.Store(true)
	churn(netns, 1, &stop)
	churn(netns, 2, &stop)
	time.Sleep(200 * time.Millisecond)

	for _, s := range []tcp.Source{sockDiagBoth(), sockDiagEach(), procNet("/proc/thread-self")} {
		looks, missed := 0, 0
		for start := time.Now(); time.Since(start) < 2*time.Second; looks++ {
			stay := 0
			for _, row := range collect(t, s, tcp.Query{Ports: tcp.Ports{{Lo: 41213, Hi: 41213}}}) {
				if a := row.Remote.Addr(); a.Is4() && a.As4()[1] == 2 && row.State == tcp.Established {
					stay++
				}
			}
			if stay != static {
				missed++
			}
		}
		t.Logf("%s: %d looks", s.Name, looks)
		// One look missed 15 in 100 of these looks, two miss one in thousands.
		if missed*100 > looks {
			t.Errorf("%s: %d of %d looks have fewer sockets than there are", s.Name, missed, looks)
		}
	}
}

// static is the number of sessions that stay.
const static = 500

// busyFront makes a front with sessions that stay, which closes all others at once.
func busyFront(t *testing.T, netns int) (listener int) {
	t.Helper()
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(listener) })
	if err := unix.Bind(listener, &unix.SockaddrInet4{Port: 41213, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(listener, 4096); err != nil {
		t.Fatal(err)
	}
	for i := range static {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 2, 0, byte(1 + i%200)}})
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 41213, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		front, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(front) })
	}
	inNamespace(netns, func() {
		for {
			fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
			if err != nil {
				return
			}
			unix.Close(fd)
		}
	})
	return listener
}
