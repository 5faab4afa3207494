#include "textflag.h"

// From asm/unistd_64.h, linux/sched.h, linux/wait.h, linux/prctl.h, asm/errno.h.
#define SYS_write 1
#define SYS_clone 56
#define SYS_wait4 61
#define SYS_prctl 157
#define SYS_exit_group 231
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
	MOVL	$SYS_clone, AX
	MOVL	$CLONE_VM, DI
	XORL	SI, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	JGT	wait
	CMPQ	AX, $-EAGAIN	// the limit of processes
	JEQ	unknown
	CMPQ	AX, $-ENOMEM
	JEQ	unknown
	JMP	_rt0_amd64_linux(SB)	// a system without such a clone: no guard

child:
	// Whoever kills the guard ends the check.
	MOVL	$SYS_prctl, AX
	MOVL	$PR_SET_PDEATHSIG, DI
	MOVL	$SIGKILL, SI
	SYSCALL
	JMP	_rt0_amd64_linux(SB)

wait:
	MOVQ	AX, R12
again:
	MOVL	$SYS_wait4, AX
	MOVQ	R12, DI
	XORL	SI, SI
	MOVL	$WALL, DX
	XORL	R10, R10
	SYSCALL
	CMPQ	AX, $-EINTR
	JEQ	again
	MOVL	·exitCode(SB), DI
	SUBL	$1, DI
	JCC	exit

unknown:
	MOVL	$SYS_write, AX
	MOVL	$1, DI
	MOVQ	·message+0(SB), SI
	MOVQ	·message+8(SB), DX
	SYSCALL
	MOVL	$EXIT_UNKNOWN, DI
exit:
	MOVL	$SYS_exit_group, AX
	SYSCALL
	INT	$3
