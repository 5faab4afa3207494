package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"frontsockets/internal/tcp"
)

// Owner is the process that owns a socket.
type Owner struct {
	pid int32
	// before is what StartCPU has read, at that time since the start of the host; nil if it was not called.
	before   *stat
	beforeAt time.Duration
}

// Numbers of the search. A descriptor costs about 3 µs of system time, so 300,000 of them cost
// a second.
const (
	// firstRead is how many descriptors of every process are read first: servers open their
	// listeners early, before the files and sessions of their work.
	firstRead = 8
	// moreRead is how many times more are read in each further round.
	moreRead = 8
	// direntLen is the length in bytes of one entry of /proc/PID/fd (struct linux_dirent64)
	// with a name of up to 4 digits; a longer name takes 8 bytes more.
	direntLen = 24
	// maxBuffer is the most bytes of entries to read at once.
	maxBuffer = 8 << 10
)

// Find finds the first process that has one of the sockets open, by their inodes. It searches the
// processes of the users who made the sockets first, then the others. It reads some descriptors of every
// process before all of one. Without CAP_SYS_PTRACE it cannot read those of other users' processes.
func Find(ctx context.Context, sockets []tcp.Socket) (*Owner, error) {
	s := finder{buf: make([]byte, maxBuffer)}
	for i := range sockets {
		if socket := &sockets[i]; socket.Inode > 0 {
			s.links = append(s.links, fmt.Sprintf("socket:[%d]", socket.Inode))
			if socket.Facts.Has(tcp.FactUID) {
				s.uids = append(s.uids, socket.UID)
			}
		}
	}
	if len(s.links) == 0 {
		return nil, errors.New("this source does not show who owns a socket")
	}
	likely, others, err := s.processes(ctx)
	if err != nil {
		return nil, err
	}
	for i, pids := range [][]int32{likely, others} {
		s.ofOthers = i > 0
		pid, err := s.search(ctx, pids)
		if err != nil {
			return nil, err
		}
		if pid > 0 {
			return &Owner{pid: pid}, nil
		}
	}
	return nil, s.notFound()
}

// finder searches for the process that has one of several sockets open.
type finder struct {
	links []string // what the descriptors of the sockets point to
	uids  []uint32 // who made the sockets, where that is known
	buf   []byte   // for entries of folders

	ofOthers      bool // the search is at the processes of other users than uids
	refused       bool // a process of one of uids could not be read
	refusedOthers bool // a process of another user could not be read
}

// processes returns the processes of the users who made the sockets, and all others.
func (s *finder) processes(ctx context.Context) (likely, others []int32, err error) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range all {
		pid, err := strconv.ParseInt(entry.Name(), 10, 32)
		if err != nil {
			continue // not a process
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		var stat unix.Stat_t
		if len(s.uids) > 0 && unix.Stat("/proc/"+entry.Name(), &stat) == nil && slices.Contains(s.uids, stat.Uid) {
			likely = append(likely, int32(pid))
		} else {
			others = append(others, int32(pid))
		}
	}
	return likely, others, nil
}

// search reads more and more descriptors of the processes until one has a socket open. It
// returns 0 if none has.
func (s *finder) search(ctx context.Context, pids []int32) (int32, error) {
	for done, limit := 0, firstRead; len(pids) > 0; done, limit = limit, limit*moreRead {
		var longer []int32 // processes with more descriptors than that
		for _, pid := range pids {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			found, more := s.has(ctx, fmt.Sprintf("/proc/%d/fd", pid), done, limit)
			if found {
				return pid, nil
			}
			if more {
				longer = append(longer, pid)
			}
		}
		pids = longer
	}
	return 0, nil
}

// has reports whether one of the links is in a folder of descriptors among the entries from
// done to limit, and whether there are more. A process that ends has no more.
func (s *finder) has(ctx context.Context, dir string, done, limit int) (found, more bool) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			s.refused, s.refusedOthers = s.refused || !s.ofOthers, s.refusedOthers || s.ofOthers
		}
		return false, false
	}
	defer unix.Close(fd)
	// The kernel prepares as many entries as the buffer holds, so it is no larger than needed.
	buf := s.buf[:min(len(s.buf), limit*direntLen)]
	for n := 0; n < limit && ctx.Err() == nil; {
		size, err := unix.ReadDirent(fd, buf)
		if err != nil || size <= 0 {
			return false, false
		}
		_, _, names := unix.ParseDirent(buf[:size], -1, nil)
		for _, name := range names {
			if n++; n <= done {
				continue // an earlier round has read it
			}
			var link [32]byte
			size, err := unix.Readlinkat(fd, name, link[:])
			if err == nil && slices.Contains(s.links, string(link[:size])) {
				return true, false
			}
		}
	}
	return false, true
}

// notFound returns why the search found no process.
func (s *finder) notFound() error {
	switch {
	case s.refused:
		return fmt.Errorf("the process belongs to uid %d: run the check as that user or with CAP_SYS_PTRACE,"+
			" or run ss -ltnp as root", s.uids[0])
	case s.refusedOthers && len(s.uids) == 0:
		return errors.New("the process belongs to another user: run the check with CAP_SYS_PTRACE, or run ss -ltnp" +
			" as root")
	case s.refusedOthers:
		return errors.New("the process is not visible from here (hidepid, or another PID namespace), or is no longer" +
			" of the user who opened the port; run ss -ltnp as root on the host")
	}
	return errors.New("the process is not visible from here (hidepid, or another PID namespace);" +
		" run ss -ltnp as root on the host")
}

// StartCPU notes the processor time used so far. Describe then returns the share used
// since; without it, the average since the process started.
func (o *Owner) StartCPU() {
	if now, err := readStat(o.pid); err == nil {
		o.before, o.beforeAt = &now, uptime()
	}
}

// Describe returns what can be read of the process. It never reads /proc/PID/cmdline, which waits for a
// lock of the process's memory that a process in state D may hold.
func (o *Owner) Describe() tcp.Process {
	d := tcp.Process{PID: o.pid, Descriptors: o.descriptors(), DescriptorLimit: descriptorLimit(o.pid)}
	now, err := readStat(o.pid)
	if err != nil {
		return d
	}
	d.Name, d.State, d.Threads = now.name, now.state, now.threads
	used, since := now.used, now.start
	if o.before != nil && o.before.start == now.start {
		used, since = now.used-o.before.used, o.beforeAt
	}
	if wall := uptime() - since; wall > 0 {
		d.CPU = 100 * used.Seconds() / wall.Seconds()
	}
	if boot, err := bootTime(); err == nil {
		d.Started = boot.Add(now.start)
	}
	return d
}

// stat is what /proc/PID/stat says, see proc_pid_stat(5).
type stat struct {
	name    string // comm: at most 15 bytes
	state   string // as in tcp.Process
	threads int32
	used    time.Duration // processor time, of user and system
	start   time.Duration // since the start of the host
}

// states are the words for the kernel's letters. A debugger stops a process too.
var states = map[string]string{
	"R": "running", "S": "sleep", "D": "blocked", "T": "stop", "t": "stop", "Z": "zombie", "I": "idle"}

// tick is the unit of times in /proc: USER_HZ is 100 on every processor that Go knows.
const tick = time.Second / 100

func readStat(pid int32) (s stat, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	// The name stands in parentheses, and may contain blanks and parentheses.
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	const state, utime, stime, threads, start = 3, 14, 15, 20, 22 // numbers of the fields in the manual
	fields := strings.Fields(string(text[end+1:]))                // from state on
	if open < 0 || end < open || len(fields) <= start-state {
		return s, errors.New("not as proc_pid_stat(5) says")
	}
	number := func(field int) (n int64) {
		n, wrong := strconv.ParseInt(fields[field-state], 10, 64)
		err = errors.Join(err, wrong)
		return n
	}
	s.name, s.state = string(text[open+1:end]), states[fields[0]]
	s.threads = int32(number(threads))
	s.used = time.Duration(number(utime)+number(stime)) * tick
	s.start = time.Duration(number(start)) * tick
	return s, err
}

// uptime is the time since the start of the host, as the kernel counts it for the start of a process.
func uptime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// bootTime is when the host started: btime in /proc/stat, in whole seconds. It stays the same from check to
// check, as now less uptime would not.
func bootTime() (time.Time, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	_, rest, _ := strings.Cut(string(text), "\nbtime ")
	word, _, _ := strings.Cut(rest, "\n")
	seconds, err := strconv.ParseInt(word, 10, 64)
	return time.Unix(seconds, 0), err
}

// descriptorLimit is the soft limit of open descriptors, or 0 if it is not known.
func descriptorLimit(pid int32) uint64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\nMax open files ")
	if fields := strings.Fields(rest); len(fields) > 0 {
		soft, _ := strconv.ParseUint(fields[0], 10, 64)
		return soft
	}
	return 0
}

// descriptors counts the open descriptors. Since Linux 6.2 that is the size of their folder
// (proc_readfd_count in fs/proc/fd.c); before, the size is 0 and they have to be listed.
func (o *Owner) descriptors() uint64 {
	folder := fmt.Sprintf("/proc/%d/fd", o.pid)
	info, err := os.Stat(folder)
	if err == nil && info.Size() > 0 {
		return uint64(info.Size())
	}
	all, err := os.ReadDir(folder)
	if err != nil {
		return 0
	}
	return uint64(len(all))
}
