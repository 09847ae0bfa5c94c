package act

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// floodActs do something often and at once.
func floodActs() map[string]act {
	return map[string]act{"denials": denials}
}

// denials THREADS TIMES PATH connects where it may not, and says how many came
// through.
func denials(a []string) (string, error) {
	threads, err1 := strconv.Atoi(a[0])
	times, err2 := strconv.Atoi(a[1])
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	var reached, failed atomic.Int64
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			lockForever() // a thread of its own
			for range times {
				fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					failed.Add(1)
					continue
				}
				if rawConnect(fd, rawUnix(a[2])) == nil {
					reached.Add(1)
				}
				if unix.Close(fd) != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n > 0 {
		return "", errors.New(strconv.FormatInt(n, 10) + " had no socket")
	}
	return strconv.FormatInt(reached.Load(), 10), nil
}
