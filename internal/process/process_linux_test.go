package process

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/tcp"
)

// TestFind: the owner is found whether the listener is the first or the last of many
// descriptors, and whether or not the source provides the uid.
func TestFind(t *testing.T) {
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, before := range []int{0, firstRead, 3 * firstRead * moreRead} {
		var copies []int
		for range before {
			fd, err := unix.Dup(int(null.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			copies = append(copies, fd)
		}
		socket := listener(t)
		for _, facts := range []tcp.Facts{tcp.FactInode, tcp.FactInode | tcp.FactUID} {
			socket.Facts = facts
			owner, err := Find(t.Context(), []tcp.Socket{{}, socket})
			if err != nil {
				t.Fatalf("behind %d descriptors: %v", before, err)
			}
			if d := owner.Describe(); int(d.PID) != os.Getpid() || d.Descriptors < uint64(before) {
				t.Errorf("behind %d descriptors: %+v", before, d)
			}
		}
		for _, fd := range copies {
			unix.Close(fd)
		}
	}
}

// listener returns a socket that this process has open, as a source shows it.
func listener(t *testing.T) tcp.Socket {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return tcp.Socket{Inode: stat.Ino, UID: stat.Uid}
}

// TestNotFound: the reason says what to run.
func TestNotFound(t *testing.T) {
	const hidden = "the process is not visible from here (hidepid, or another PID namespace)"
	inode := tcp.Socket{Inode: 1 << 40, Facts: tcp.FactInode} // larger than any
	if _, err := Find(t.Context(), []tcp.Socket{inode}); err == nil || !strings.HasPrefix(err.Error(), hidden) &&
		!strings.Contains(err.Error(), "CAP_SYS_PTRACE") { // where this user may not read all
		t.Error(err)
	}
	_, err := Find(t.Context(), []tcp.Socket{{}})
	if err == nil || err.Error() != "this source does not show who owns a socket" {
		t.Error(err)
	}
	for want, f := range map[string]finder{
		hidden + "; run ss -ltnp as root on the host": {uids: []uint32{7}},
		hidden + ", or is no longer of the user who opened the port; run ss -ltnp as root on the host": {
			uids: []uint32{7}, refusedOthers: true},
		"the process belongs to uid 7: run the check as that user or with CAP_SYS_PTRACE, or run ss -ltnp as root": {
			uids: []uint32{7}, refused: true, refusedOthers: true},
		"the process belongs to another user: run the check with CAP_SYS_PTRACE, or run ss -ltnp as root": {
			refusedOthers: true},
	} {
		if got := f.notFound().Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestFindTimeLimit: a search that has no time left ends with that.
func TestFindTimeLimit(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, err := Find(ctx, []tcp.Socket{{Inode: 1}}); err != context.DeadlineExceeded {
		t.Error(err)
	}
}

// TestFindEndedProcess: a process that is a zombie has no descriptors, and no error.
func TestFindEndedProcess(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	time.Sleep(50 * time.Millisecond)
	if _, err := Find(t.Context(), []tcp.Socket{listener(t)}); err != nil {
		t.Error(err)
	}
}

// TestDescribe describes real processes. The name of the first looks like further fields of /proc/PID/stat.
func TestDescribe(t *testing.T) {
	const name = "a) Z 1 (b"
	started := time.Now()
	idle := start(t, "sh", "-c", `printf "`+name+`" >/proc/$$/comm; read line`)
	limit := unix.Rlimit{Cur: 77, Max: 78}
	if err := unix.Prlimit(idle, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	owner := Owner{pid: int32(idle)}
	for range 500 { // until the shell has its name, and reads: its start takes long on a slow machine
		if d := owner.Describe(); d.Name == name && d.State == "sleep" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	owner.StartCPU()
	time.Sleep(500 * time.Millisecond)
	for state, signal := range map[string]syscall.Signal{"sleep": syscall.SIGCONT, "stop": syscall.SIGSTOP} {
		if err := syscall.Kill(idle, signal); err != nil {
			t.Fatal(err)
		}
		var d tcp.Process
		for range 100 { // until the signal has its effect
			if d = owner.Describe(); d.State == state {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if d.Name != name || d.State != state || d.Threads != 1 || d.DescriptorLimit != 77 ||
			d.Descriptors < 3 || d.CPU > 20 || d.Started.Sub(started).Abs() > 5*time.Second {
			t.Errorf("a process that sleeps: %+v, want state %s", d, state)
		}
	}

	const wait = 500 * time.Millisecond
	busy := Owner{pid: int32(start(t, "sh", "-c", "while :; do :; done"))}
	busy.StartCPU()
	time.Sleep(wait)
	if d := busy.Describe(); d.State != "running" || d.CPU < 5 || d.CPU > 110 { // it may get less than its share
		t.Errorf("a process that computes: %+v", d)
	}

	if d := (&Owner{pid: 1 << 30}).Describe(); d != (tcp.Process{PID: 1 << 30}) {
		t.Errorf("a process that is not there: %+v", d)
	}
}

// start starts a program that ends with the test, and returns its number.
func start(t *testing.T, name string, args ...string) int {
	t.Helper()
	cmd := exec.Command(name, args...)
	stdin, err := cmd.StdinPipe() // never written to
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}
