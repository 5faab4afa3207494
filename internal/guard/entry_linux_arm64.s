#include "textflag.h"

// From asm-generic/unistd.h, linux/sched.h, linux/wait.h, linux/prctl.h, asm-generic/errno.h.
#define SYS_write 64
#define SYS_exit_group 94
#define SYS_prctl 167
#define SYS_clone 220
#define SYS_wait4 260
#define CLONE_VM 0x100
#define WALL 0x40000000
#define PR_SET_PDEATHSIG 1
#define SIGKILL 9
#define EINTR 4
#define EAGAIN 11
#define ENOMEM 12
#define EXIT_UNKNOWN 3

// The guard and its child have one stack, so the guard puts nothing on it.
TEXT frontsockets_entry(SB),NOSPLIT|NOFRAME,$0
	MOVD	$CLONE_VM, R0
	MOVD	$0, R1
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$0, R4
	MOVD	$SYS_clone, R8
	SVC
	CMP	$0, R0
	BEQ	child
	BGT	wait
	CMN	$EAGAIN, R0	// the limit of processes
	BEQ	unknown
	CMN	$ENOMEM, R0
	BEQ	unknown
	B	_rt0_arm64_linux(SB)	// a system without such a clone: no guard

child:
	// Whoever kills the guard ends the check.
	MOVD	$PR_SET_PDEATHSIG, R0
	MOVD	$SIGKILL, R1
	MOVD	$SYS_prctl, R8
	SVC
	B	_rt0_arm64_linux(SB)

wait:
	MOVD	R0, R19
again:
	MOVD	R19, R0
	MOVD	$0, R1
	MOVD	$WALL, R2
	MOVD	$0, R3
	MOVD	$SYS_wait4, R8
	SVC
	CMN	$EINTR, R0
	BEQ	again
	MOVWU	·exitCode(SB), R0
	CBZW	R0, unknown
	SUB	$1, R0
	B	exit

unknown:
	MOVD	$1, R0
	MOVD	·message+0(SB), R1
	MOVD	·message+8(SB), R2
	MOVD	$SYS_write, R8
	SVC
	MOVD	$EXIT_UNKNOWN, R0
exit:
	MOVD	$SYS_exit_group, R8
	SVC
	BRK	$1
