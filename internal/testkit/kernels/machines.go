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

// socketcall is a test that forbids socket(2) by its arguments. On these processors Go calls
// socketcall(2), whose arguments are in memory, which seccomp does not read.
const socketcall = "TestWithoutNetlink"

var machines = []machine{
	{name: "5.10", suite: "bullseye", image: "linux-image-amd64", arch: "amd64", goarch: "amd64", qemu: pc,
		skip: "TestMPTCP"}, // CONFIG_MPTCP is not set
	{name: "6.1", suite: "bookworm", image: "linux-image-amd64", arch: "amd64", goarch: "amd64", qemu: pc},
	{name: "6.12", suite: "trixie", image: "linux-image-amd64", arch: "amd64", goarch: "amd64", qemu: pc},
	{name: "newest", suite: "sid", image: "linux-image-amd64", arch: "amd64", goarch: "amd64", qemu: pc},
	{name: "i386", suite: "sid", image: "linux-image-amd64", arch: "amd64", goarch: "386", qemu: pc, skip: socketcall},
	{name: "no-tcp_diag", suite: "sid", image: "linux-image-amd64", arch: "amd64", goarch: "amd64", qemu: pc,
		withoutDiag: true},
	{name: "arm64", suite: "sid", image: "linux-image-arm64", arch: "arm64", goarch: "arm64", qemu: arm},
	{name: "arm64-16k", suite: "sid", image: "linux-image-arm64-16k", arch: "arm64", goarch: "arm64", qemu: arm},
	{name: "s390x", suite: "sid", image: "linux-image-s390x", arch: "s390x", goarch: "s390x", qemu: s390,
		skip: socketcall},
}

// program is a test program. It is compiled from a package and runs in the folder of that package.
type program struct {
	folder string
	run    string // a pattern of its tests
}

// programs run in each machine. Not among them are the tests in which a session is stalled, or a client
// has given up, after some seconds: an emulated processor on a busy host is too slow for them.
// TestDrill and TestOneTruth have the same scenarios and captures, and allow more time.
var programs = []program{
	{"internal/source", "."},
	{"internal/process", "."},
	{"plugins", "^(TestKnownPopulation|TestEverySourceAndUser|TestOneTruth|TestFullAcceptQueue|TestTimeWaitFull|" +
		"TestSilentClient|TestWithoutNetlink|TestNetns|TestDrill)$"},
}

// tooSlow is a test of source that makes thousands of looks in 6 s where it shows something.
const tooSlow = "TestSmallTable"

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
