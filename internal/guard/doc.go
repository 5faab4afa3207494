// Package guard makes a check answer when Go's runtime cannot start, as with too few
// descriptors, processes or too little memory. The runtime exits with 2 then, which means
// CRITICAL, and prints nothing on stdout.
//
// The runtime dies before any Go code runs, so the guard is the program's entry point, in
// assembly (Linux on amd64, arm64 and 386, linked with -E frontsockets_entry). It starts a child
// that shares its memory, as vfork does. The child is the Go program; the guard waits for its
// end. If it has not called Exit by then, it has not answered: the guard prints a line and
// exits with 3, UNKNOWN. A program without the guard only exits.
package guard

import "os"

// These are read by entry_linux_*.s.
var (
	// exitCode is the exit code of the answer plus 1, and 0 while there is none.
	exitCode uint32
	message  = "UNKNOWN: this check ended without an answer: most likely it may have too few descriptors or processes," +
		" or too little memory (stderr has the reason)\n"
)

// Exit ends the program, which has written its answer.
func Exit(code int) {
	exitCode = uint32(code) + 1
	os.Exit(code)
}
