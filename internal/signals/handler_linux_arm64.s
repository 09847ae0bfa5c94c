#include "textflag.h"

#define SYS_write 64
#define SYS_rt_sigreturn 139

// The kernel has saved every register, and its return address leads to restore.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD $1, R1
	LSL  R0, R1, R1
	MOVD $·caught(SB), R2

again:
	LDAXR (R2), R3
	ORR   R1, R3, R3
	STLXR R3, (R2), R4
	CBNZ  R4, again

	MOVD $·wake(SB), R0
	MOVW (R0), R0
	MOVD $·one(SB), R1
	MOVD $8, R2
	MOVD $SYS_write, R8
	SVC
	RET

TEXT restore<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD $SYS_rt_sigreturn, R8
	SVC
	BRK

// func handlerAddress() uintptr
TEXT ·handlerAddress(SB), NOSPLIT, $0-8
	MOVD $handler<>(SB), R0
	MOVD R0, ret+0(FP)
	RET

// func restoreAddress() uintptr
TEXT ·restoreAddress(SB), NOSPLIT, $0-8
	MOVD $restore<>(SB), R0
	MOVD R0, ret+0(FP)
	RET
