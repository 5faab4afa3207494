package plugins

import (
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// ignoreEnvironment undoes what variables of the environment do to the program. The runtime reads some
// of them before main; docs/REFERENCE.md has those that cannot be undone.
func ignoreEnvironment() {
	// With GO_FLAGS_COMPLETION go-flags would print words and exit 0 instead of checking. ZONEINFO
	// could give any zone the hours of another. GODEBUG changes the behaviour of packages.
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

// ignoreSignals keeps signals from ending the check with the wrong status. Without SIGPIPE, a write to a
// reader that has gone fails, and the check exits with UNKNOWN. On the other signals Go's runtime would
// print all stacks and exit with 2, which is CRITICAL. The time limit still ends the check, and so do
// SIGTERM, SIGINT and SIGKILL.
func ignoreSignals() {
	signal.Ignore(syscall.SIGPIPE, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGTRAP)
}
