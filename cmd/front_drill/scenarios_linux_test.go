package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"frontsockets/internal/testkit/population"
)

func TestHealthy(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "healthy --clients 40 --for 2s")
	r.awaitLine(t, "front_drill: ready")
	wantText := []string{
		fmt.Sprintf("front_drill: front (pid %d) listens on 127.0.0.1:%d", r.front, r.port),
		fmt.Sprintf("front_drill: 40 clients connected from 9 addresses (pid %d)", r.clients),
		"front_drill: ready: all clients get ticks (ESTABLISHED); for 2s",
	}
	if !slices.Equal(r.text, wantText) {
		t.Errorf("output %q, want %q", r.text, wantText)
	}
	for until := time.Now().Add(1200 * time.Millisecond); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		rows := sockets(t, r.port)
		n := countStates(rows)
		if n[established] != 40 || n[listening] != 1 || len(rows) != 41 {
			t.Fatalf("sockets %v, want 40 established and nothing else", n)
		}
		from := map[string]bool{}
		for _, row := range rows {
			if row.state == established {
				from[row.remote] = true
			}
		}
		if len(from) != 9 || !from["127.0.0.11"] || !from["127.0.0.19"] {
			t.Fatalf("clients come from %v", from)
		}
	}
	if code := r.wait(t); code != 0 || r.text[len(r.text)-1] != "front_drill: done" || r.stderr.Len() > 0 {
		t.Errorf("code %d, output %q, stderr %q", code, r.text, &r.stderr)
	}
	r.requireGone(t, 0)
	if n := countStates(sockets(t, r.port)); len(n) > 0 {
		t.Errorf("sockets left: %v", n)
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "::1", "leak --clients 7 --for 1m")
	r.awaitLine(t, "front_drill: ready")
	if n := countStates(sockets(t, r.port)); n[closeWait] != 7 || n[established] != 1 {
		t.Errorf("sockets %v", n)
	}
	for _, row := range sockets(t, r.port) {
		if row.state != listening && (row.local != "::1" || row.remote != "::1") {
			t.Errorf("%+v", row)
		}
	}
	r.interrupt(t, syscall.SIGHUP)
}

func TestHang(t *testing.T) {
	t.Parallel()
	const clients = 80
	r := startDrill(t, "127.0.0.1", fmt.Sprintf("hang --clients %d --for 5m", clients))
	r.awaitLine(t, "front_drill: front stopped (SIGSTOP)")
	r.awaitLine(t, "front_drill: ready")
	if state, _ := stat(r.front); state != "T" {
		t.Errorf("the front's state is %q, not T", state)
	}
	if n := countStates(sockets(t, r.port)); n[closeWait] < clients {
		t.Errorf("sockets %v when ready, want %d in CLOSE_WAIT", n, clients)
	}
	eventually(t, timeLimit, "accept queue 129 of 128, all in CLOSE_WAIT", func() (bool, any) {
		rows := sockets(t, r.port)
		queue, n := acceptQueue(rows), countStates(rows)
		return queue > hangBacklog && n[closeWait] == clients+int(queue), fmt.Sprint(queue, n)
	})
	r.interrupt(t, syscall.SIGINT)
	// The kernel keeps a half-open connection of a closed listener until its next timer expires.
	eventually(t, timeLimit, "no sockets left", func() (bool, any) {
		n := countStates(sockets(t, r.port))
		return len(n) == 0, n
	})
}

func TestLeak(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "leak --clients 50 --for 3s")
	r.awaitLine(t, "front_drill: ready")
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		rows := sockets(t, r.port)
		if n := countStates(rows); n[closeWait] != 50 || n[established] != 1 || len(rows) != 52 {
			t.Fatalf("sockets %v", n)
		}
	}
	if code := r.wait(t); code != 0 {
		t.Errorf("code %d, stderr %q", code, &r.stderr)
	}
	r.requireGone(t, 0)
	if n := countStates(sockets(t, r.port)); len(n) > 0 {
		t.Errorf("sockets left: %v", n)
	}
}

func TestLoop(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "loop --clients 100 --for 5m")
	r.awaitLine(t, "front_drill: ready")
	ready := time.Now()
	// On a busy machine the kernel may deliver the last FIN later than the drill expects.
	eventually(t, timeLimit, "100 TIME_WAIT", func() (bool, any) {
		n := countStates(sockets(t, r.port))
		return n[timeWait] >= 100, n
	})
	check := func() int {
		rows := sockets(t, r.port)
		n := countStates(rows)
		others := len(rows) - n[timeWait] - n[established] - n[listening]
		if n[timeWait] < 100 || n[timeWait] > 200 || n[established] < 5 || others > 1 {
			t.Fatalf("sockets %v", n)
		}
		for _, row := range rows {
			if row.state == timeWait && row.remote != "127.0.0.66" {
				t.Fatalf("TIME_WAIT of another client: %+v", row)
			}
		}
		return n[timeWait]
	}
	check()
	// It then continues slowly: 100 a minute are 5 in 3 seconds.
	eventually(t, timeLimit, "more disconnections", func() (bool, any) { n := check(); return n >= 105, n })
	if took := time.Since(ready); took < 2*time.Second {
		t.Errorf("5 more disconnections took only %v", took)
	}
	r.interrupt(t, syscall.SIGTERM)
}

// acceptQueue returns the length of the accept queue of the listener.
func acceptQueue(rows []socket) uint64 {
	i := slices.IndexFunc(rows, func(row socket) bool { return row.state == listening })
	if i < 0 {
		return 0
	}
	return rows[i].queued
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "quiet --clients 20 --for 2s")
	r.awaitLine(t, "front_drill: ready: all clients are connected (ESTABLISHED); for 2s")
	conn := r.dial(t)
	if n, err := conn.Read(make([]byte, 100)); n > 0 || err == nil {
		t.Errorf("read %d bytes, %v; want a time-out", n, err)
	}
	if n := countStates(sockets(t, r.port)); n[established] != 21 || len(n) != 2 {
		t.Errorf("sockets %v", n)
	}
	if code := r.wait(t); code != 0 {
		t.Errorf("code %d, stderr %q", code, &r.stderr)
	}
}

// dial logs in as one more client and reads the first tick. Reads from the returned connection
// time out after two ticks.
func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte(loginStay)); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(timeLimit))
	if _, err := io.ReadFull(conn, make([]byte, len(tick))); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(2*tickEvery + 200*time.Millisecond))
	return conn
}

func TestBurst(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "burst --clients 200 --others 30 --for 5m --after 1s --over 1s")
	r.awaitLine(t, "front_drill: 30 clients")
	for until := time.Now().Add(500 * time.Millisecond); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if n := countStates(sockets(t, r.port)); n[established] != 30 || len(n) != 2 {
			t.Fatalf("sockets %v before the burst", n)
		}
	}
	r.awaitLine(t, "front_drill: trouble: more clients log in")
	began := time.Now()
	r.awaitLine(t, "front_drill: ready: logged in, all clients get ticks (ESTABLISHED): 200 clients; for 5m")
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("200 logins over 1 s took %v", took)
	}
	if n := countStates(sockets(t, r.port)); n[established] != 230 || len(n) != 2 {
		t.Errorf("sockets %v", n)
	}
	r.interrupt(t, syscall.SIGTERM)
}

func TestLogoff(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "logoff --clients 50 --for 5m")
	r.awaitLine(t, "front_drill: ready: logged off normally (TIME_WAIT): 50 clients")
	eventually(t, timeLimit, "50 TIME_WAIT and the listener", func() (bool, any) {
		n := countStates(sockets(t, r.port))
		return n[timeWait] == 50 && n[listening] == 1 && len(n) == 2, n
	})
	from := map[string]bool{}
	for _, row := range sockets(t, r.port) {
		from[row.remote] = from[row.remote] || row.state == timeWait
	}
	if len(from) != 10 { // 9 clients, and 0.0.0.0 of the listener
		t.Errorf("clients came from %v", from)
	}
	r.interrupt(t, syscall.SIGTERM)
}

func TestStuck(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "stuck --clients 40 --for 5m")
	r.awaitLine(t, "front_drill: ready: not accepted, closed by clients (CLOSE_WAIT): 40 connections")
	eventually(t, timeLimit, "accept queue 129 of 128, all in CLOSE_WAIT, 40 served", func() (bool, any) {
		rows := sockets(t, r.port)
		n := countStates(rows)
		queue := acceptQueue(rows) // several handshakes that end together can exceed the limit
		// On a busy host one more may be accepted before the front stops.
		served := n[established] == 40 || n[established] == 41
		return queue > hangBacklog && n[closeWait] == int(queue) && served, fmt.Sprint(queue, n)
	})
	r.interrupt(t, syscall.SIGTERM)
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "nofile --clients 40 --for 5m")
	r.awaitLine(t, "front_drill: ready: not accepted, closed by clients (CLOSE_WAIT): 40 connections")
	eventually(t, timeLimit, "accept queue 129 of 128, all in CLOSE_WAIT, 40 served", func() (bool, any) {
		rows := sockets(t, r.port)
		n := countStates(rows)
		queue := acceptQueue(rows) // several handshakes that end together can exceed the limit
		// On a busy host one more may be accepted before the front stops.
		served := n[established] == 40 || n[established] == 41
		return queue > hangBacklog && n[closeWait] == int(queue) && served, fmt.Sprint(queue, n)
	})
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", r.front))
	if err != nil {
		t.Fatal(err)
	}
	limit := 0
	if m := regexp.MustCompile(`Max open files +(\d+) `).FindSubmatch(limits); m != nil {
		limit, _ = strconv.Atoi(string(m[1]))
	}
	for fd := range limit { // a descriptor above the limit may be open too: the test inherits some
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", r.front, fd)); err != nil {
			t.Errorf("the limit is %d, and descriptor %d is free: %v", limit, fd, err)
		}
	}
	r.interrupt(t, syscall.SIGTERM)
}

func TestDeaf(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "deaf --clients 40 --for 5m")
	r.awaitLine(t, "front_drill: ready: not read by the front (Recv-Q): 40 connections")
	unread := func() (sum uint64) {
		rows := sockets(t, r.port)
		if n := countStates(rows); n[established] != 40 || len(rows) != 41 {
			t.Fatalf("sockets %v", n)
		}
		for _, row := range rows {
			if row.state == established && row.queued == 0 {
				t.Fatalf("the front reads: %+v", row)
			}
			sum += row.queued
		}
		return sum
	}
	// The unread bytes grow because the clients still get ticks and answer them.
	first := unread()
	eventually(t, timeLimit, "unread bytes grow", func() (bool, any) { return unread() > first+40, first })
	r.interrupt(t, syscall.SIGTERM)
}

func TestFrozen(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "frozen --clients 20 --for 5m")
	r.awaitLine(t, "front_drill: ready: logged in since, none gets ticks (ESTABLISHED): 1 client")
	conn := r.dial(t) // it gets the first tick
	if n, err := conn.Read(make([]byte, 100)); n > 0 || err == nil {
		t.Errorf("read %d bytes, %v; want a time-out", n, err)
	}
	eventually(t, timeLimit, "another client logs in and all stay", func() (bool, any) {
		n := countStates(sockets(t, r.port))
		if len(n) != 2 {
			t.Fatalf("sockets %v", n)
		}
		return n[established] > 22, n
	})
	r.interrupt(t, syscall.SIGTERM)
}

func TestSlow(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "slow --clients 20 --for 5m")
	r.awaitLine(t, "front_drill: ready: does not take what the front sends (Send-Q): 1 client")
	unsent := func() uint64 {
		rows := sockets(t, r.port)
		if n := countStates(rows); n[established] != 21 || len(rows) != 22 {
			t.Fatalf("sockets %v", n)
		}
		i := slices.IndexFunc(rows, func(row socket) bool { return row.remote == "127.0.0.66" })
		return rows[i].unsent
	}
	first := unsent()
	eventually(t, timeLimit, "its unsent bytes grow", func() (bool, any) {
		n := unsent()
		return first > 0 && n > first, n
	})
	eventually(t, timeLimit, "no other client has unsent bytes", func() (bool, any) {
		rows := sockets(t, r.port)
		rows = slices.DeleteFunc(rows, func(row socket) bool { return row.unsent == 0 })
		return len(rows) == 1, rows
	})
	r.interrupt(t, syscall.SIGTERM)
}

func TestDown(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "down --clients 20 --for 3s --after 1s")
	r.awaitLine(t, "front_drill: 20 clients")
	if n := countStates(sockets(t, r.port)); n[established] != 20 || len(n) != 2 {
		t.Errorf("sockets %v before the front ends", n)
	}
	r.awaitLine(t, "front_drill: ready: disconnected, cannot reconnect: 20 clients")
	if state, parent := stat(r.front); state != "" && parent == r.cmd.Process.Pid { // its number may be another's
		t.Errorf("the front's state is %q", state)
	}
	if rows := sockets(t, r.port); len(rows) > 0 {
		t.Errorf("sockets %v", rows)
	}
	if code := r.wait(t); code != 0 || r.stderr.Len() > 0 {
		t.Errorf("code %d, output %q, stderr %q", code, r.text, &r.stderr)
	}
	r.requireGone(t, 0)
}

func TestPaceAndOthers(t *testing.T) {
	t.Parallel()
	r := startDrill(t, "127.0.0.1", "leak --clients 20 --others 7 --for 5m --over 2s")
	r.awaitLine(t, "front_drill: trouble: the front stops closing")
	began := time.Now()
	r.awaitLine(t, "front_drill: ready")
	if took := time.Since(began); took < 1800*time.Millisecond {
		t.Errorf("20 leaks over 2 s took %v", took)
	}
	if n := countStates(sockets(t, r.port)); n[closeWait] != 20 || n[established] != 7 {
		t.Errorf("sockets %v", n)
	}
	r.interrupt(t, syscall.SIGTERM)
}

// TestClientsNetns runs the clients in the test's own namespace. The lab runs them in another.
func TestClientsNetns(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		population.Skip(t, "only root may enter a network namespace")
	}
	r := startDrill(t, "127.0.0.1", "healthy --clients 9 --for 5m --clients-netns /proc/self/ns/net")
	r.awaitLine(t, "front_drill: ready")
	r.interrupt(t, syscall.SIGTERM)

	var stdout, stderr bytes.Buffer
	port := strconv.Itoa(freePort(t, "127.0.0.1"))
	cmd := exec.Command(os.Args[0], "healthy", "--clients-netns", "/nowhere", "--port", port)
	cmd.Env = append(os.Environ(), asDrill)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	want := `front_drill: --clients-netns: "/nowhere": no such file or directory` + "\n"
	if code := cmd.ProcessState.ExitCode(); code != 1 || stderr.String() != want {
		t.Errorf("code %d, stderr %q", code, &stderr)
	}
}
