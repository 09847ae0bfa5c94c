package act

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Environment, set to anything, is how a program that can act is asked to: it
// then calls Serve first thing.
const Environment = "KEYHOLE_ACTS"

// Serve does the acts named on in, one a line with arguments, and answers each
// with one line on out: ok, what it read, or the error's name. "exit N" ends it
// with that status, which it returns.
func Serve(in io.Reader, out io.Writer) int {
	known := acts()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if words[0] == "exit" {
			return int(words[1][0] - '0')
		}
		fmt.Fprintln(out, answer(known, words))
	}
	return 0
}

func answer(known map[string]act, words []string) string {
	act, ok := known[words[0]]
	if !ok {
		return "no such act"
	}
	said, err := act(words[1:])
	switch {
	case err != nil:
		return name(err)
	case said != "":
		return said
	default:
		return "ok"
	}
}

func name(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return unix.ErrnoName(e)
	}
	return err.Error()
}

type act func(args []string) (string, error)

func acts() map[string]act {
	all := map[string]act{}
	for _, m := range []map[string]act{fileActs(), socketActs(), inetActs(), udpActs(), kernelActs(), processActs(), raceActs()} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func call(nr uintptr, a ...uintptr) error {
	var v [6]uintptr
	copy(v[:], a)
	_, _, errno := unix.Syscall6(nr, v[0], v[1], v[2], v[3], v[4], v[5])
	if errno != 0 {
		return errno
	}
	return nil
}

func fileActs() map[string]act {
	return map[string]act{
		"read": func(a []string) (string, error) { b, err := os.ReadFile(a[0]); return string(b), err },
		"write": func(a []string) (string, error) {
			f, err := os.OpenFile(a[0], os.O_WRONLY, 0)
			if err != nil {
				return "", err
			}
			return "", f.Close()
		},
		"create":   func(a []string) (string, error) { return "", os.WriteFile(a[0], nil, 0o600) },
		"list":     func(a []string) (string, error) { _, err := os.ReadDir(a[0]); return "", err },
		"truncate": func(a []string) (string, error) { return "", unix.Truncate(a[0], 6) },
		"remove":   func(a []string) (string, error) { return "", unix.Unlink(a[0]) },
		"mkdir":    func(a []string) (string, error) { return "", unix.Mkdir(a[0], 0o700) },
		"symlink":  func(a []string) (string, error) { return "", os.Symlink(a[0], a[1]) },
		"link":     func(a []string) (string, error) { return "", os.Link(a[0], a[1]) },
		"rename":   func(a []string) (string, error) { return "", os.Rename(a[0], a[1]) },
		"chdir":    func(a []string) (string, error) { return "", os.Chdir(a[0]) },
		"reopen": func(a []string) (string, error) { // O_PATH, then open what it points to
			fd, err := unix.Open(a[0], unix.O_PATH, 0)
			if err != nil {
				return "", err
			}
			b, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", fd))
			return string(b), errors.Join(err, unix.Close(fd))
		},
		"handle": func(a []string) (string, error) {
			h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, a[0], 0)
			if err != nil {
				return "", err
			}
			mount, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
			if err != nil { // inside the root is not granted; any folder will do
				mount, err = unix.Open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
			}
			if err != nil {
				return "", err
			}
			fd, err := unix.OpenByHandleAt(mount, h, unix.O_RDONLY)
			if err == nil {
				err = unix.Close(fd)
			}
			return "", errors.Join(err, unix.Close(mount))
		},
		"fd9": func([]string) (string, error) { _, err := unix.FcntlInt(9, unix.F_GETFD, 0); return "", err },
	}
}

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
