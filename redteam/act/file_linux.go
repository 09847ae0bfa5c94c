package act

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

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
		"content": func(a []string) (string, error) { // as read, but what is empty says so
			b, err := os.ReadFile(a[0])
			if len(b) == 0 && err == nil {
				return "empty", nil
			}
			return string(b), err
		},
		"onthread": func(a []string) (string, error) { // by another thread than the first
			said := ""
			err := onThread(func() error {
				b, err := os.ReadFile(a[0])
				said = string(b)
				return err
			})
			return said, err
		},
		"append": func(a []string) (string, error) {
			f, err := os.OpenFile(a[0], os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
			if err != nil {
				return "", err
			}
			_, err = f.WriteString(strings.Join(a[1:], " ") + "\n")
			return "", errors.Join(err, f.Close())
		},
		"exchange": func(a []string) (string, error) {
			return "", unix.Renameat2(unix.AT_FDCWD, a[0], unix.AT_FDCWD, a[1], unix.RENAME_EXCHANGE)
		},
		"tmplink": func(a []string) (string, error) { // a file without a name gets one elsewhere
			fd, err := unix.Open(".", unix.O_TMPFILE|unix.O_WRONLY, 0o600)
			if err != nil {
				return "", err
			}
			err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, a[0], unix.AT_SYMLINK_FOLLOW)
			return "", errors.Join(err, unix.Close(fd))
		},
		"device": func(a []string) (string, error) { return "", unix.Mknod(a[0], unix.S_IFBLK|0o600, 0x700) },
		"fd": func(a []string) (string, error) { // read what the caller had open
			n, err := strconv.Atoi(a[0])
			if err != nil {
				return "", err
			}
			var b [64]byte
			n, err = unix.Pread(n, b[:], 0)
			return string(b[:max(n, 0)]), err
		},
		"fd9": func([]string) (string, error) { _, err := unix.FcntlInt(9, unix.F_GETFD, 0); return "", err },
	}
}

// attributeActs change or look at what is known of a file without opening it.
func attributeActs() map[string]act {
	return map[string]act{
		"chmod": func(a []string) (string, error) { return "", unix.Chmod(a[0], 0o644) },
		"chmodpath": func(a []string) (string, error) { // by a descriptor that opens nothing
			fd, err := unix.Open(a[0], unix.O_PATH, 0)
			if err != nil {
				return "", err
			}
			err = unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), 0o644)
			return "", errors.Join(err, unix.Close(fd))
		},
		"chown": func(a []string) (string, error) { return "", unix.Chown(a[0], os.Getuid(), os.Getgid()) },
		"utimes": func(a []string) (string, error) {
			return "", unix.Utimes(a[0], []unix.Timeval{{Sec: 1}, {Sec: 1}})
		},
		"xattr": func(a []string) (string, error) { return "", unix.Setxattr(a[0], "user.keyhole", []byte("x"), 0) },
		"size": func(a []string) (string, error) {
			fi, err := os.Stat(a[0])
			if err != nil {
				return "", err
			}
			return strconv.FormatInt(fi.Size(), 10), nil
		},
		"access": func(a []string) (string, error) { return "", unix.Access(a[0], unix.F_OK) },
		"watch": func(a []string) (string, error) {
			fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
			if err != nil {
				return "", err
			}
			_, err = unix.InotifyAddWatch(fd, a[0], unix.IN_ALL_EVENTS)
			return "", errors.Join(err, unix.Close(fd))
		},
		// By the working directory, which a lookup alone can change.
		"contentfrom": func(a []string) (string, error) {
			return inFolder(a[0], func() (string, error) {
				b, err := os.ReadFile(a[1])
				return string(b), err
			})
		},
		"listfrom": func(a []string) (string, error) {
			return inFolder(a[0], func() (string, error) {
				_, err := os.ReadDir(".")
				return "", err
			})
		},
	}
}

// inFolder does something with another working directory.
func inFolder(folder string, do func() (string, error)) (string, error) {
	back, err := unix.Open(".", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	if err := unix.Chdir(folder); err != nil {
		return "", errors.Join(err, unix.Close(back))
	}
	said, err := do()
	return said, errors.Join(err, unix.Fchdir(back), unix.Close(back))
}
