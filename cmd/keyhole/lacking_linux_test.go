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
// mask, only when the argument arg has one of its bits.
type refusal struct {
	call  uint32
	mask  uint32
	errno unix.Errno
	arg   uint32
}

// lackings are imitations of systems that lack something, by a filter around
// the whole process: what it lacks is really refused, by the kernel.
var lackings = map[string][]refusal{
	// A container under Docker's default filter: no descriptors of others, no
	// namespaces, no mounts.
	"docker": {
		{call: unix.SYS_PIDFD_GETFD, errno: unix.EPERM}, {call: unix.SYS_KEYCTL, errno: unix.EPERM},
		{call: unix.SYS_ADD_KEY, errno: unix.EPERM}, {call: unix.SYS_REQUEST_KEY, errno: unix.EPERM},
		{call: unix.SYS_UNSHARE, errno: unix.EPERM}, {call: unix.SYS_MOUNT, errno: unix.EPERM},
		{call: unix.SYS_UMOUNT2, errno: unix.EPERM}, {call: unix.SYS_SETNS, errno: unix.EPERM},
		{call: unix.SYS_PIVOT_ROOT, errno: unix.EPERM}, {call: unix.SYS_BPF, errno: unix.EPERM},
		{call: unix.SYS_PERF_EVENT_OPEN, errno: unix.EPERM}, {call: unix.SYS_OPEN_BY_HANDLE_AT, errno: unix.EPERM},
		{call: unix.SYS_KCMP, errno: unix.EPERM}, {call: unix.SYS_IO_URING_SETUP, errno: unix.EPERM},
		{call: unix.SYS_USERFAULTFD, errno: unix.EPERM},
	},
	"podman":      {{call: unix.SYS_PROCESS_VM_READV, errno: unix.EPERM}, {call: unix.SYS_PROCESS_VM_WRITEV, errno: unix.EPERM}, {call: unix.SYS_KCMP, errno: unix.EPERM}},
	"landlock":    {{call: unix.SYS_LANDLOCK_CREATE_RULESET, errno: unix.EOPNOTSUPP}},
	"newkernel":   {{call: unix.SYS_LANDLOCK_CREATE_RULESET, errno: unix.ENOSYS}},
	"mlock":       {{call: unix.SYS_MLOCK, errno: unix.ENOMEM}},
	"namespaces":  {{unix.SYS_CLONE, unix.CLONE_NEWUSER, unix.EPERM, 0}},
	"listener":    {{unix.SYS_SECCOMP, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, unix.EINVAL, 1}},
	"secondguest": {{unix.SYS_SECCOMP, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, unix.EBUSY, 1}},
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
	const number, args = 0, 16 // in struct seccomp_data
	var code []unix.SockFilter
	for _, r := range refusals {
		skip := uint8(1)
		if r.mask != 0 {
			skip = 3
		}
		code = append(code, unix.SockFilter{Code: load, K: number},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: skip, K: r.call})
		if r.mask != 0 {
			code = append(code, unix.SockFilter{Code: load, K: args + 8*r.arg},
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
