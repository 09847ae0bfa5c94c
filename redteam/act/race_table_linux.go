package act

import (
	"errors"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// threadTableRace connects from a thread with a descriptor table of its own while
// the rest of the process has the same number mean that socket, and another one of
// another family, in turn. It says B when the thread got through to what answers
// so, "other" when the socket of the rest was connected, and else "shut".
func threadTableRace(a []string) (string, error) {
	const number = 60
	rounds, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	other, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(other)
	var said string
	for range rounds {
		if said, err = threadTableRound(number, other, rawUnix(a[1])); err != nil || said != "shut" {
			return said, err
		}
	}
	return said, nil
}

func threadTableRound(number, other int, address []byte) (string, error) {
	mine, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(mine)
	if err := unix.Dup2(mine, number); err != nil { // what the thread's table begins with
		return "", err
	}
	defer unix.Close(number)
	var over atomic.Bool
	type result struct {
		said string
		err  error
	}
	done := make(chan result)
	var try func()
	try = func() {
		lockForever()
		if unix.Gettid() == unix.Getpid() {
			go try()
			return
		}
		err := unix.Unshare(unix.CLONE_FILES)
		said := "shut"
		if err == nil && rawConnect(number, address) == nil {
			var b [1]byte
			_, err = unix.Read(number, b[:])
			said = string(b[:])
		}
		over.Store(true)
		done <- result{said, err}
	}
	go try()
	for i := 0; !over.Load(); i++ {
		if err := unix.Dup2([]int{other, mine}[i%2], number); err != nil {
			return "", errors.Join(err, (<-done).err)
		}
	}
	got := <-done
	if _, err := unix.Getpeername(other); got.err == nil && err == nil {
		return "other", nil
	}
	return got.said, got.err
}
