package mediate

import (
	"bytes"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// readSmall reads the start of a file in /proc, enough for its fixed fields.
func readSmall(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// field is the number after a name at the start of a line.
func field(b []byte, name string) (int, bool) { return parse(b, name, 10) }

func octal(b []byte, name string) (int, bool) { return parse(b, name, 8) }

func parse(b []byte, name string, base int) (int, bool) {
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(rest)), base, 64)
			return int(n), err == nil
		}
	}
	return 0, false
}

// readlink fails for a link that does not fit: half a name must not be judged.
func readlink(path string) (string, error) {
	var buf [unix.PathMax]byte
	n, err := unix.Readlink(path, buf[:])
	if err != nil {
		return "", err
	}
	if n == len(buf) {
		return "", unix.ENAMETOOLONG
	}
	return string(buf[:n]), nil
}
