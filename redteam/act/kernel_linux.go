package act

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

func kernelActs() map[string]act {
	return map[string]act{
		"io_uring": func([]string) (string, error) {
			var p [120]byte
			return "", call(unix.SYS_IO_URING_SETUP, 1, at(&p[0]))
		},
		"keyctl":      func([]string) (string, error) { _, err := unix.KeyctlGetKeyringID(-3, true); return "", err },
		"add_key":     func([]string) (string, error) { _, err := unix.AddKey("user", "kh", []byte("x"), -2); return "", err },
		"request_key": func([]string) (string, error) { _, err := unix.RequestKey("user", "kh", "", 0); return "", err },
		"clone3":      func([]string) (string, error) { return "", call(unix.SYS_CLONE3, 0, 0) },
		"bpf":         func([]string) (string, error) { return "", call(unix.SYS_BPF, 99) },
		"userfaultfd": func([]string) (string, error) { return "", call(unix.SYS_USERFAULTFD, 1) },
		"perf": func([]string) (string, error) {
			a := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unix.PERF_ATTR_SIZE_VER1), Bits: unix.PerfBitExcludeKernel}
			_, err := unix.PerfEventOpen(&a, 0, -1, -1, 0)
			return "", err
		},
		// These two change nothing even where they are allowed: unconfined and as
		// root they would change the machine the tests run on.
		"mount":  func([]string) (string, error) { return "", unix.Mount("none", ".", "keyhole-no-such", 0, "") },
		"chroot": func([]string) (string, error) { return "", unix.Chroot("keyhole-no-such") },
		"userns": func([]string) (string, error) {
			return "", child(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}, nil, "/bin/true")
		},
		"listener": ownListener,
		"int80":    int80Getpid,
		"tiocsti":  typeInto,
		"nnp": func([]string) (string, error) {
			v, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
			return fmt.Sprint(v), err
		},
	}
}
