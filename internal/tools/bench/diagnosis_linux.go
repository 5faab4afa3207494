package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"frontsockets/internal/testkit/population"
)

// diagnosisClients is the number of clients on each of two listeners. One drill cannot have more.
const diagnosisClients = 5000

// measureDiagnosis compares a bare count with the full diagnosis, on a front with 10,000
// clients.
func measureDiagnosis(dir string) {
	if why := population.Missing(); why != "" { // it also prepares the namespace
		must(errors.New(why), "namespace")
	}
	for _, address := range []string{"127.0.0.1", "::1"} {
		drill := exec.Command(filepath.Join(dir, "front_drill"), "healthy", "--port", strconv.Itoa(port),
			"--clients", strconv.Itoa(diagnosisClients), "--address", address, "--for", "10m")
		drill.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		drill.Stderr = os.Stderr
		out, err := drill.StdoutPipe()
		must(err, "drill")
		must(drill.Start(), "drill")
		defer drill.Wait() // we interrupt it, so its exit code has no meaning
		defer drill.Process.Signal(os.Interrupt)
		for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "ready"); {
		}
	}
	compareForms(filepath.Join(dir, "check_mdfront_sockets"))
}

// compareForms prints how much longer each form of output takes than a bare number.
func compareForms(check string) {
	took := map[string][]time.Duration{}
	forms := []string{"-f value", "-f nagios", "-f json", "-v"}
	const rounds = 21
	for range rounds {
		for _, form := range forms {
			start := time.Now()
			out, err := exec.Command(check, append(strings.Fields(form), "-t", "60")...).Output()
			took[form] = append(took[form], time.Since(start))
			must(err, check)
			if form != "-f value" && !strings.Contains(string(out), strconv.Itoa(2*diagnosisClients)) {
				must(fmt.Errorf("the output does not have %d clients: %.300s", 2*diagnosisClients, out), check)
			}
		}
	}
	median := func(form string) float64 {
		slices.Sort(took[form])
		return took[form][rounds/2].Seconds()
	}
	fmt.Printf("\nOn a front with %d established clients:\n\n", 2*diagnosisClients)
	for _, form := range forms[1:] {
		x := median(form) / median("-f value")
		printTarget(fmt.Sprintf("%s / a bare number < 2", form), x, x < 2)
	}
}
