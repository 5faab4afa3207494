package population

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// FullPipe returns the ends of a full pipe: a write to w waits until r is read.
func FullPipe() (r, w *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, nil, err
	}
	for err == nil {
		_, err = unix.Write(ends[1], make([]byte, 4096))
	}
	if !errors.Is(err, unix.EAGAIN) {
		return nil, nil, err
	}
	if err := unix.SetNonblock(ends[1], false); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(ends[0]), "full pipe"), os.NewFile(uintptr(ends[1]), "full pipe"), nil
}

// Peak runs a program and returns its peak of resident memory, in KiB, when it writes its
// output. The kernel's ru_maxrss is not usable: a program inherits the peak of the process that
// starts it.
func Peak(program string, args ...string) (kib int, err error) {
	r, w, err := FullPipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	defer w.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer cmd.Wait() // the exit code does not matter
	defer cmd.Process.Kill()
	writing := fmt.Sprintf("%d 0x1 ", unix.SYS_WRITE)
	for range 500 {
		time.Sleep(10 * time.Millisecond)
		calls, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", cmd.Process.Pid))
		if err != nil {
			return 0, err
		}
		for _, name := range calls {
			if call, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(call), writing) {
				return highWater(cmd.Process.Pid)
			}
		}
	}
	return 0, fmt.Errorf("%s did not write its output within 5 s", program)
}

// highWater returns the peak of resident memory of a process, in KiB.
func highWater(pid int) (kib int, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(after, &kib)
	return kib, err
}
