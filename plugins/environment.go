package plugins

import (
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// ignoreEnvironment takes back what the environment does to the program, as far as a program can:
// the runtime reads its variables before main. What it cannot take back is in docs/REFERENCE.md.
func ignoreEnvironment() {
	// Completion of go-flags would print words and exit 0 instead of checking, ZONEINFO could
	// give any zone the hours of another, and GODEBUG changes the behaviour of packages.
	for _, name := range []string{"GO_FLAGS_COMPLETION", "ZONEINFO", "GODEBUG"} {
		os.Unsetenv(name)
	}
	if os.Getenv("GOGC") != "" {
		debug.SetGCPercent(100) // the default
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		debug.SetMemoryLimit(math.MaxInt64) // the default; a low limit costs much time
	}
	if os.Getenv("GOMAXPROCS") != "" {
		runtime.GOMAXPROCS(runtime.NumCPU())
	}
}

// ignoreSignals keeps signals from ending the check with the wrong status. A reader that went away
// is a failed write, and not death by SIGPIPE. At the others Go's runtime prints all stacks and
// exits with 2, which is CRITICAL. The time limit ends the check, and SIGTERM, SIGINT and SIGKILL do.
func ignoreSignals() {
	signal.Ignore(syscall.SIGPIPE, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGTRAP)
}
