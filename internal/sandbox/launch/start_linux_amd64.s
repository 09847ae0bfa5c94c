#include "textflag.h"

#define SYS_rt_sigprocmask 14
#define SYS_clone 56
#define SYS_exit_group 231
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
	MOVQ s+8(FP), R13
	MOVQ first+16(FP), R12

	MOVQ $SYS_rt_sigprocmask, AX
	MOVQ $SIG_SETMASK, DI
	LEAQ state_all(R13), SI
	LEAQ state_before(R13), DX
	MOVQ $8, R10
	SYSCALL

	MOVQ $SYS_clone, AX
	MOVQ flags+0(FP), DI
	XORL SI, SI       // the stack, which the child leaves alone
	XORL DX, DX
	MOVQ R13, R10     // state.word, cleared by the kernel in the end
	XORL R8, R8
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, ret+24(FP)

	MOVQ $SYS_rt_sigprocmask, AX
	MOVQ $SIG_SETMASK, DI
	LEAQ state_before(R13), SI
	XORL DX, DX
	MOVQ $8, R10
	SYSCALL
	RET

child:
	MOVQ R12, state_at(R13)
	MOVQ order_call(R12), AX
	MOVQ (order_args+0)(R12), DI
	MOVQ (order_args+8)(R12), SI
	MOVQ (order_args+16)(R12), DX
	MOVQ (order_args+24)(R12), R10
	MOVQ (order_args+32)(R12), R8
	MOVQ (order_args+40)(R12), R9
	SYSCALL

	CMPQ order_any(R12), $0
	JEQ  exactly
	CMPQ AX, $0xfffffffffffff001
	JCS  right

exactly:
	CMPQ AX, (order_right+0)(R12)
	JEQ  right
	CMPQ AX, (order_right+8)(R12)
	JEQ  right
	MOVQ AX, state_result(R13)
	MOVQ $1, state_failed(R13)

end:
	MOVQ $SYS_exit_group, AX
	MOVQ $125, DI
	SYSCALL
	JMP  end

right:
	MOVQ  (order_keep+0)(R12), BX
	TESTQ BX, BX
	JZ    more
	MOVQ  AX, (BX)
	MOVQ  (order_keep+8)(R12), BX
	TESTQ BX, BX
	JZ    more
	MOVQ  AX, (BX)

more:
	CMPQ order_again(R12), $0
	JEQ  next
	DECQ order_again(R12)
	MOVQ order_count(R12), BX
	INCQ (BX)
	JMP  child

next:
	ADDQ $order_size, R12
	JMP  child
