#include "textflag.h"

#define SYS_write 1
#define SYS_rt_sigreturn 15

// The kernel has saved every register, and its return address leads to restore.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL DI, CX
	MOVL $1, AX
	SHLQ CX, AX
	LOCK
	ORQ  AX, ·caught(SB)
	MOVL ·wake(SB), DI
	LEAQ ·one(SB), SI
	MOVL $8, DX
	MOVL $SYS_write, AX
	SYSCALL
	RET

TEXT restore<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL $SYS_rt_sigreturn, AX
	SYSCALL
	INT  $3

// func handlerAddress() uintptr
TEXT ·handlerAddress(SB), NOSPLIT, $0-8
	LEAQ handler<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// func restoreAddress() uintptr
TEXT ·restoreAddress(SB), NOSPLIT, $0-8
	LEAQ restore<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET
