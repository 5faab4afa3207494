#include "textflag.h"

// From asm/unistd_32.h, linux/sched.h, linux/wait.h, linux/prctl.h, asm/errno.h.
#define SYS_write 4
#define SYS_wait4 114
#define SYS_clone 120
#define SYS_prctl 172
#define SYS_exit_group 252
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
	MOVL	$CLONE_VM, BX
	XORL	CX, CX
	XORL	DX, DX
	XORL	SI, SI
	XORL	DI, DI
	INT	$0x80
	TESTL	AX, AX
	JEQ	child
	JGT	wait
	CMPL	AX, $-EAGAIN	// the limit of processes
	JEQ	unknown
	CMPL	AX, $-ENOMEM
	JEQ	unknown
	JMP	_rt0_386_linux(SB)	// a system without such a clone: no guard

child:
	// Whoever kills the guard ends the check.
	MOVL	$SYS_prctl, AX
	MOVL	$PR_SET_PDEATHSIG, BX
	MOVL	$SIGKILL, CX
	INT	$0x80
	JMP	_rt0_386_linux(SB)

wait:
	MOVL	AX, BP
again:
	MOVL	$SYS_wait4, AX
	MOVL	BP, BX
	XORL	CX, CX
	MOVL	$WALL, DX
	XORL	SI, SI
	INT	$0x80
	CMPL	AX, $-EINTR
	JEQ	again
	MOVL	·exitCode(SB), BX
	SUBL	$1, BX
	JCC	exit

unknown:
	MOVL	$SYS_write, AX
	MOVL	$1, BX
	MOVL	·message+0(SB), CX
	MOVL	·message+4(SB), DX
	INT	$0x80
	MOVL	$EXIT_UNKNOWN, BX
exit:
	MOVL	$SYS_exit_group, AX
	INT	$0x80
	INT	$3
