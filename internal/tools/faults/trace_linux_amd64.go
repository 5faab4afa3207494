package main

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fault is what happens to a system call instead of what should.
type fault struct {
	name string
	// errno is what the call returns without being made; 0 if it is made short, or the process
	// is killed when it enters the call.
	errno unix.Errno
	short bool
}

// faults are all of them. A short call reads or writes one byte.
var faults = []fault{
	{"EINTR", unix.EINTR, false}, {"EAGAIN", unix.EAGAIN, false}, {"ENOMEM", unix.ENOMEM, false},
	{"ENOBUFS", unix.ENOBUFS, false}, {"EPERM", unix.EPERM, false}, {"EACCES", unix.EACCES, false},
	{"ENOENT", unix.ENOENT, false}, {"EIO", unix.EIO, false}, {"ENOSPC", unix.ENOSPC, false},
	{"EMFILE", unix.EMFILE, false}, {"short", 0, true}, {"SIGKILL", 0, false},
}

// injection is one fault in one run.
type injection struct {
	fault
	call uint64 // number of the system call
	// nth says which of these calls, from 1. With all, every later one has the fault too.
	nth int
	all bool
}

// applies reports whether the fault hits the nth of the calls.
func (i injection) applies(call uint64, n int) bool {
	return call == i.call && (n == i.nth || i.all && n > i.nth)
}

// ending is how a run ended.
type ending struct {
	exit   int // exit code, -1 if a signal ended it
	stdout string
	// killed says that the process was killed by the fault, late that it was killed because
	// it took too long.
	killed, late bool
	calls        map[uint64]int // how many times it made each call
}

// limit is how long a run may take: -t, the 3 s that the check has to write its answer, and
// some time for the tracing.
const limit = 6 * time.Second

// run runs a program under ptrace and injects the fault. Stdout is a file for its output.
func run(args []string, stdout *os.File, inject injection) (ending, error) {
	end := ending{calls: map[uint64]int{}}
	if err := errors.Join(stdout.Truncate(0), seekStart(stdout)); err != nil {
		return end, err
	}
	runtime.LockOSThread() // the kernel knows the tracer by its thread
	defer runtime.UnlockOSThread()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return end, err
	}
	pid := cmd.Process.Pid
	late := time.AfterFunc(limit, func() { _ = unix.Kill(pid, unix.SIGKILL) })
	status, err := trace(pid, inject, &end)
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		return end, err
	}
	end.late = !late.Stop()
	end.exit = status.ExitStatus() // -1 after a signal
	out, err := os.ReadFile(stdout.Name())
	end.stdout = string(out)
	return end, err
}

func seekStart(f *os.File) error {
	_, err := f.Seek(0, 0)
	return err
}

// trace follows the process and its threads until it ends.
func trace(pid int, inject injection, end *ending) (unix.WaitStatus, error) {
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return status, err
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return status, err
	}
	inCall := map[int]bool{}         // threads between the two stops of a system call
	results := map[int]unix.Errno{}  // what their call is to return
	known := map[int]bool{pid: true} // threads whose first stop was seen
	for thread, signal := pid, 0; ; {
		if err := unix.PtraceSyscall(thread, signal); err != nil && err != unix.ESRCH {
			return status, err
		}
		var err error
		if thread, err = unix.Wait4(-1, &status, unix.WALL, nil); err != nil {
			return status, err
		}
		signal = 0
		switch {
		case status.Exited() || status.Signaled():
			if thread == pid {
				return status, nil
			}
		case status.StopSignal() == unix.SIGTRAP|0x80:
			if inCall[thread] = !inCall[thread]; inCall[thread] {
				err = enter(thread, pid, inject, results, end)
			} else {
				err = leave(thread, results)
			}
			if err != nil && err != unix.ESRCH {
				return status, err
			}
		case !known[thread] && status.StopSignal() == unix.SIGSTOP:
			known[thread] = true
		case status.StopSignal() != unix.SIGTRAP: // which is an event, such as a new thread
			signal = int(status.StopSignal())
		}
	}
}

// enter counts a call that a thread is about to make, and injects the fault if it is due.
func enter(thread, pid int, inject injection, results map[int]unix.Errno, end *ending) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(thread, &regs); err != nil {
		return err
	}
	call := regs.Orig_rax
	end.calls[call]++
	if !inject.applies(call, end.calls[call]) {
		return nil
	}
	switch {
	case inject.errno != 0:
		regs.Orig_rax = ^uint64(0) // no call
		results[thread] = inject.errno
	case inject.short:
		regs.Rdx = min(regs.Rdx, 1)
	default:
		end.killed = true
		return unix.Kill(pid, unix.SIGKILL)
	}
	return unix.PtraceSetRegs(thread, &regs)
}

// leave lets a call that was not made return its error.
func leave(thread int, results map[int]unix.Errno) error {
	errno, due := results[thread]
	if !due {
		return nil
	}
	delete(results, thread)
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(thread, &regs); err != nil {
		return err
	}
	regs.Rax = uint64(-int64(errno))
	return unix.PtraceSetRegs(thread, &regs)
}

// callNames are the calls that the checks make.
var callNames = map[uint64]string{
	unix.SYS_READ: "read", unix.SYS_WRITE: "write", unix.SYS_OPEN: "open", unix.SYS_CLOSE: "close",
	unix.SYS_STAT: "stat", unix.SYS_FSTAT: "fstat", unix.SYS_LSTAT: "lstat", unix.SYS_LSEEK: "lseek",
	unix.SYS_MMAP: "mmap", unix.SYS_MUNMAP: "munmap", unix.SYS_RT_SIGACTION: "rt_sigaction",
	unix.SYS_RT_SIGPROCMASK: "rt_sigprocmask", unix.SYS_PREAD64: "pread64", unix.SYS_MADVISE: "madvise",
	unix.SYS_NANOSLEEP: "nanosleep", unix.SYS_GETPID: "getpid", unix.SYS_SOCKET: "socket",
	unix.SYS_SENDTO: "sendto", unix.SYS_RECVFROM: "recvfrom", unix.SYS_SENDMSG: "sendmsg",
	unix.SYS_RECVMSG: "recvmsg", unix.SYS_BIND: "bind", unix.SYS_GETSOCKNAME: "getsockname",
	unix.SYS_SETSOCKOPT: "setsockopt", unix.SYS_GETSOCKOPT: "getsockopt", unix.SYS_CLONE: "clone",
	unix.SYS_UNAME: "uname", unix.SYS_FCNTL: "fcntl", unix.SYS_FSYNC: "fsync", unix.SYS_FTRUNCATE: "ftruncate",
	unix.SYS_RENAME: "rename", unix.SYS_CHMOD: "chmod", unix.SYS_FCHMOD: "fchmod",
	unix.SYS_SIGALTSTACK: "sigaltstack", unix.SYS_ARCH_PRCTL: "arch_prctl", unix.SYS_GETTID: "gettid",
	unix.SYS_FUTEX: "futex", unix.SYS_SCHED_GETAFFINITY: "sched_getaffinity", unix.SYS_SCHED_YIELD: "sched_yield",
	unix.SYS_GETDENTS64: "getdents64", unix.SYS_EPOLL_CTL: "epoll_ctl", unix.SYS_EPOLL_PWAIT: "epoll_pwait",
	unix.SYS_OPENAT: "openat", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_RENAMEAT: "renameat",
	unix.SYS_READLINKAT: "readlinkat", unix.SYS_FCHMODAT: "fchmodat", unix.SYS_NEWFSTATAT: "newfstatat",
	unix.SYS_EVENTFD2: "eventfd2", unix.SYS_EPOLL_CREATE1: "epoll_create1", unix.SYS_PRLIMIT64: "prlimit64",
	unix.SYS_GETRANDOM: "getrandom", unix.SYS_TGKILL: "tgkill", unix.SYS_PRCTL: "prctl", unix.SYS_PPOLL: "ppoll",
	unix.SYS_CLOCK_GETTIME: "clock_gettime",
}
