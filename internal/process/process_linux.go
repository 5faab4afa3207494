package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/process"

	"frontsockets/internal/tcp"
)

// Owner is the process that owns a listener.
type Owner struct {
	p        *process.Process
	measured bool // StartCPU was called, so Describe has something to compare with
}

// Find finds the first process that has one of the sockets open, by their inodes. It
// cannot read the descriptors of other users' processes without CAP_SYS_PTRACE.
func Find(ctx context.Context, inodes []uint64) (*Owner, error) {
	var links []string
	for _, inode := range inodes {
		if inode > 0 {
			links = append(links, fmt.Sprintf("socket:[%d]", inode))
		}
	}
	if len(links) == 0 {
		return nil, errors.New("this source does not provide inodes")
	}
	all, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	refused := false
	for _, entry := range all {
		pid, err := strconv.ParseInt(entry.Name(), 10, 32)
		if err != nil {
			continue // not a process
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		found, err := hasOpen("/proc/"+entry.Name()+"/fd", links)
		if found {
			p, err := process.NewProcessWithContext(fixedProc(ctx), int32(pid))
			return &Owner{p: p}, err
		}
		refused = refused || errors.Is(err, os.ErrPermission)
	}
	if refused {
		return nil, errors.New("its process is another user's, and this needs CAP_SYS_PTRACE")
	}
	return nil, errors.New("the process is not visible from here (hidepid, or another PID namespace);" +
		" run as root on the host")
}

// hasOpen reports whether one of the links is in a folder of descriptors. It reads the
// folder bit by bit: a listener is usually among the first.
func hasOpen(dir string, links []string) (bool, error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(64)
		for _, name := range names {
			var b [32]byte
			n, err := syscall.Readlink(dir+"/"+name, b[:])
			if err == nil && slices.Contains(links, string(b[:n])) {
				return true, nil
			}
		}
		if err != nil {
			return false, nil // the end of the folder, or of the process
		}
	}
}

// fixedProc keeps a variable HOST_PROC in the environment from naming another folder.
func fixedProc(ctx context.Context) context.Context {
	return context.WithValue(ctx, common.EnvKey, common.EnvMap{common.HostProcEnvKey: "/proc"})
}

// StartCPU notes the processor time used so far. Describe then returns the share used
// since; without it, the average since the process started.
func (o *Owner) StartCPU(ctx context.Context) {
	_, err := o.p.PercentWithContext(fixedProc(ctx), 0)
	o.measured = err == nil
}

// Describe returns what can be read of the process.
func (o *Owner) Describe(ctx context.Context) tcp.Process {
	ctx = fixedProc(ctx)
	d := tcp.Process{PID: o.p.Pid}
	d.Name, _ = o.p.NameWithContext(ctx)
	if words, err := o.p.StatusWithContext(ctx); err == nil && len(words) > 0 {
		d.State = words[0]
	}
	if o.measured {
		d.CPU, _ = o.p.PercentWithContext(ctx, 0)
	} else {
		d.CPU, _ = o.p.CPUPercentWithContext(ctx)
	}
	d.Threads, _ = o.p.NumThreadsWithContext(ctx)
	if n, err := o.p.NumFDsWithContext(ctx); err == nil {
		d.Descriptors = uint64(n)
	}
	if limits, err := o.p.RlimitWithContext(ctx); err == nil {
		for _, l := range limits {
			if l.Resource == process.RLIMIT_NOFILE {
				d.DescriptorLimit = l.Soft
			}
		}
	}
	if ms, err := o.p.CreateTimeWithContext(ctx); err == nil {
		d.Started = time.UnixMilli(ms)
	}
	return d
}
