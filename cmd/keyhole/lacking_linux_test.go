package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refusal is a system call that a lacking system answers with an error. With a
// mask, only when the second argument has one of its bits.
type refusal struct {
	call  uint32
	mask  uint32
	errno unix.Errno
}

// lackings are imitations of systems that lack something, by a filter around
// the whole process: what it lacks is really refused, by the kernel.
var lackings = map[string][]refusal{
	// A container under Docker's default filter: no descriptors of others, no
	// namespaces, no mounts.
	"docker": {
		{unix.SYS_PIDFD_GETFD, 0, unix.EPERM}, {unix.SYS_KEYCTL, 0, unix.EPERM},
		{unix.SYS_ADD_KEY, 0, unix.EPERM}, {unix.SYS_REQUEST_KEY, 0, unix.EPERM},
		{unix.SYS_UNSHARE, 0, unix.EPERM}, {unix.SYS_MOUNT, 0, unix.EPERM},
		{unix.SYS_UMOUNT2, 0, unix.EPERM}, {unix.SYS_SETNS, 0, unix.EPERM},
		{unix.SYS_PIVOT_ROOT, 0, unix.EPERM}, {unix.SYS_BPF, 0, unix.EPERM},
		{unix.SYS_PERF_EVENT_OPEN, 0, unix.EPERM}, {unix.SYS_OPEN_BY_HANDLE_AT, 0, unix.EPERM},
		{unix.SYS_KCMP, 0, unix.EPERM}, {unix.SYS_IO_URING_SETUP, 0, unix.EPERM},
		{unix.SYS_USERFAULTFD, 0, unix.EPERM},
	},
	"podman":      {{unix.SYS_PROCESS_VM_READV, 0, unix.EPERM}, {unix.SYS_PROCESS_VM_WRITEV, 0, unix.EPERM}, {unix.SYS_KCMP, 0, unix.EPERM}},
	"landlock":    {{unix.SYS_LANDLOCK_CREATE_RULESET, 0, unix.EOPNOTSUPP}},
	"newkernel":   {{unix.SYS_LANDLOCK_CREATE_RULESET, 0, unix.ENOSYS}},
	"mlock":       {{unix.SYS_MLOCK, 0, unix.ENOMEM}},
	"listener":    {{unix.SYS_SECCOMP, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, unix.EINVAL}},
	"secondguest": {{unix.SYS_SECCOMP, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, unix.EBUSY}},
}

// lacking runs a program on an imitation: lacking WHAT PROGRAM ARG...
func lacking() {
	if len(os.Args) < 3 {
		fatal("usage: lacking WHAT PROGRAM ARG...")
	}
	refusals, ok := lackings[os.Args[1]]
	if !ok {
		fatal("no such imitation: " + os.Args[1])
	}
	path, err := exec.LookPath(os.Args[2])
	if err != nil {
		fatal(err.Error())
	}
	runtime.LockOSThread()
	if err := refuse(refusals); err != nil {
		fatal(err.Error())
	}
	fatal(unix.Exec(path, os.Args[2:], os.Environ()).Error())
}

func fatal(text string) {
	fmt.Fprintln(os.Stderr, "lacking:", text)
	os.Exit(99)
}

// refuse puts the filter on this thread, which then executes the program.
func refuse(refusals []refusal) error {
	const ret, load = unix.BPF_RET | unix.BPF_K, unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	const number, secondArg = 0, 24
	var code []unix.SockFilter
	for _, r := range refusals {
		skip := uint8(1)
		if r.mask != 0 {
			skip = 3
		}
		code = append(code, unix.SockFilter{Code: load, K: number},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: skip, K: r.call})
		if r.mask != 0 {
			code = append(code, unix.SockFilter{Code: load, K: secondArg},
				unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jf: 1, K: r.mask})
		}
		code = append(code, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(r.errno)})
	}
	code = append(code, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}
