package main

import "slices"

// machine is a virtual machine and the programs that run in it.
type machine struct {
	name   string   // on the command line
	suite  string   // Debian's, which decides the kernel
	image  string   // the package whose dependency is the newest kernel
	arch   string   // Debian's word for the processor of the kernel
	goarch string   // Go's word for the processor of the programs
	qemu   []string // the emulator and what it needs to be told

	withoutDiag bool   // the kernel has no tcp_diag module
	skip        string // a pattern of the tests that this machine cannot run
}

var (
	pc   = []string{"qemu-system-x86_64", "-append", "console=ttyS0 " + kernelArguments}
	arm  = []string{"qemu-system-aarch64", "-M", "virt", "-append", "console=ttyAMA0 " + kernelArguments}
	s390 = []string{"qemu-system-s390x", "-append", "console=ttysclp0 " + kernelArguments}
)

// kernelArguments keep the kernel's messages out of the tests' output, and end the machine when the
// kernel panics.
const kernelArguments = "quiet loglevel=1 panic=-1"

const (
	// socketcall is a test that forbids socket(2) by its arguments. On these processors Go
	// calls socketcall(2), whose arguments are in memory, which seccomp does not read.
	socketcall = "TestWithoutNetlink"
	// smallTable is a test that needs the limit tcp_child_ehash_entries, of Linux 6.1.
	smallTable = "TestSmallTable"
)

var machines = []machine{
	{name: "newest", suite: "sid", image: "linux-image-amd64", arch: "amd64", goarch: "amd64", qemu: pc},
	{name: "s390x", suite: "sid", image: "linux-image-s390x", arch: "s390x", goarch: "s390x", qemu: s390,
		skip: socketcall},
}

// program is a test program. It is compiled from a package and runs in the folder of that package.
type program struct {
	folder string
	run    string // a pattern of its tests
}

var programs = []program{
	{"internal/source", "."},
	{"internal/process", "."},
	{"cmd/front_drill", "^(TestHang|TestLoop|TestIPv6)$"},
	{"plugins", "^(TestKnownPopulation|TestFullAcceptQueue|TestOneTruth|TestNetns|TestScripts|TestWithoutNetlink|" +
		"TestTimeWaitFull|TestLoopingClient|TestSilentClient|TestEverySourceAndUser|TestDrill)$"},
}

// tooSlow is a pattern of the tests that want the process that listens. The check searches for it
// for 250 ms, in which an emulated processor may not find it. TestFind has no such limit.
const tooSlow = "TestScripts/value"

// programsWithoutDiag run where the kernel has no tcp_diag module.
var programsWithoutDiag = []program{{"plugins", "^TestEverySourceAndUser$"}}

// programs returns what runs in the machine.
func (m machine) programs() []program {
	if m.withoutDiag {
		return programsWithoutDiag
	}
	return programs
}

// find returns the machine of that name.
func find(name string) (machine, bool) {
	i := slices.IndexFunc(machines, func(m machine) bool { return m.name == name })
	if i < 0 {
		return machine{}, false
	}
	return machines[i], true
}
