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

// FullPipe is a pipe without room: a write to w waits until somebody reads r.
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

// Peak is the most memory, in KiB, that a program had resident when it came to
// write its answer. The kernel's own number, ru_maxrss, will not do: a program
// started from a larger one inherits the larger one's peak.
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
	defer cmd.Wait() // its exit code is not the question
	defer cmd.Process.Kill()
	writing := fmt.Sprintf("%d 0x1 ", unix.SYS_WRITE)
	for range 500 {
		time.Sleep(10 * time.Millisecond)
		for _, name := range calls(cmd.Process.Pid) {
			if call, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(call), writing) {
				return highWater(cmd.Process.Pid)
			}
		}
	}
	return 0, fmt.Errorf("%s did not write its answer in 5 s", program)
}

// calls returns the files that name the system calls of a process and of its child, which a
// check with a guard has; they share their memory.
func calls(pid int) []string {
	child, _ := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pid))
	var files []string
	for _, pid := range append(strings.Fields(string(child)), fmt.Sprint(pid)) {
		list, _ := filepath.Glob("/proc/" + pid + "/task/*/syscall") // only a pattern is ever wrong
		files = append(files, list...)
	}
	return files
}

func highWater(pid int) (kib int, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(after, &kib)
	return kib, err
}
