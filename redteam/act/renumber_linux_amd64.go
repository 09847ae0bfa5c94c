package act

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// renumber lets the child begin a harmless call and makes another one of it
// before it is carried out. What it answers says whether the filter saw the
// first or the second.
func renumber(pid int) (string, error) {
	var ws unix.WaitStatus
	var regs unix.PtraceRegs
	for range 1000 {
		if err := unix.PtraceSyscall(pid, 0); err != nil {
			return "", err
		}
		if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil {
			return "", err
		}
		if err := unix.PtraceGetRegs(pid, &regs); err != nil {
			return "", err
		}
		if regs.Orig_rax != unix.SYS_UMASK {
			continue
		}
		regs.Orig_rax, regs.Rdi, regs.Rsi, regs.Rdx = unix.SYS_KEYCTL, 0, uint64(uint32(0xfffffffd)), 1
		if err := unix.PtraceSetRegs(pid, &regs); err != nil {
			return "", err
		}
		if err := unix.PtraceSyscall(pid, 0); err != nil {
			return "", err
		}
		if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil {
			return "", err
		}
		if err := unix.PtraceGetRegs(pid, &regs); err != nil {
			return "", err
		}
		if n := int64(regs.Rax); n < 0 {
			return "", syscall.Errno(-n)
		}
		return "", nil
	}
	return "", fmt.Errorf("the child makes no such call")
}
