#include "textflag.h"

#define SYS_rt_sigprocmask 135
#define SYS_clone 220
#define SYS_exit_group 94
#define SIG_SETMASK 2

// Offsets in order and state.
#define order_call 0
#define order_args 8
#define order_any 56
#define order_right 64
#define order_keep 80
#define order_again 96
#define order_count 104
#define order_size 112
#define state_at 8
#define state_result 16
#define state_failed 24
#define state_all 32
#define state_before 40

// func begin(flags uintptr, s *state, first *order) int
TEXT ·begin(SB), NOSPLIT|NOFRAME, $0-32
	MOVD s+8(FP), R20
	MOVD first+16(FP), R19

	MOVD $SYS_rt_sigprocmask, R8
	MOVD $SIG_SETMASK, R0
	ADD  $state_all, R20, R1
	ADD  $state_before, R20, R2
	MOVD $8, R3
	SVC

	MOVD $SYS_clone, R8
	MOVD flags+0(FP), R0
	MOVD $0, R1       // the stack, which the child leaves alone
	MOVD $0, R2
	MOVD $0, R3
	MOVD R20, R4      // state.word, cleared by the kernel in the end
	SVC
	CBZ  R0, child
	MOVD R0, ret+24(FP)

	MOVD $SYS_rt_sigprocmask, R8
	MOVD $SIG_SETMASK, R0
	ADD  $state_before, R20, R1
	MOVD $0, R2
	MOVD $8, R3
	SVC
	RET

child:
	MOVD R19, state_at(R20)
	MOVD order_call(R19), R8
	MOVD (order_args+0)(R19), R0
	MOVD (order_args+8)(R19), R1
	MOVD (order_args+16)(R19), R2
	MOVD (order_args+24)(R19), R3
	MOVD (order_args+32)(R19), R4
	MOVD (order_args+40)(R19), R5
	SVC

	MOVD order_any(R19), R9
	CBZ  R9, exactly
	CMN  $4095, R0
	BCC  right

exactly:
	MOVD (order_right+0)(R19), R9
	CMP  R9, R0
	BEQ  right
	MOVD (order_right+8)(R19), R9
	CMP  R9, R0
	BEQ  right
	MOVD R0, state_result(R20)
	MOVD $1, R9
	MOVD R9, state_failed(R20)

end:
	MOVD $SYS_exit_group, R8
	MOVD $125, R0
	SVC
	B    end

right:
	MOVD (order_keep+0)(R19), R9
	CBZ  R9, more
	MOVD R0, (R9)
	MOVD (order_keep+8)(R19), R9
	CBZ  R9, more
	MOVD R0, (R9)

more:
	MOVD order_again(R19), R9
	CBZ  R9, next
	SUB  $1, R9
	MOVD R9, order_again(R19)
	MOVD order_count(R19), R10
	MOVD (R10), R9
	ADD  $1, R9
	MOVD R9, (R10)
	B    child

next:
	ADD $order_size, R19
	B   child
