package act

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func raceActs() map[string]act {
	return map[string]act{
		"flipaddress": flipAddress, "flipfd": flipDescriptor, "fliplink": flipLink,
		"hang": hang, "signals": signals, "threadtable": threadTable, "threadtablerace": threadTableRace, "storm": storm,
		"nonblockdial": func(a []string) (string, error) { // Go's own way: nonblocking, epoll
			c, err := net.Dial("unix", a[0])
			if err != nil {
				return "", err
			}
			b := make([]byte, 1)
			_, err = c.Read(b)
			return string(b), errors.Join(err, c.Close())
		},
	}
}

// tally counts connects by what answered: E or A may be reached, B is the bus.
type tally struct {
	endpoint, bus, refused, other int

	hidden bool // there is no forbidden side to be seen
	open   bool // the forbidden side answers whoever asks it plainly
}

// contestants are the two sides of a race. What the forbidden side does when it
// is asked plainly tells what the race must come to: a refusal of something in
// between, half one path and half the other, is not the forbidden side.
func contestants(forbidden string) (tally, error) {
	t := tally{hidden: hidden(forbidden)}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return t, err
	}
	var plain tally
	plain.add(fd, rawConnect(fd, rawUnix(forbidden)))
	t.open = plain.bus > 0
	return t, unix.Close(fd)
}

func (t *tally) add(fd int, err error) {
	var b [1]byte
	if err == nil {
		_, err = unix.Read(fd, b[:])
	}
	switch {
	case b[0] == 'E' || b[0] == 'A':
		t.endpoint++
	case b[0] == 'B':
		t.bus++
	case errors.Is(err, unix.EACCES):
		t.refused++
	default:
		t.other++
	}
}

func hidden(path string) bool { return unix.Access(path, unix.F_OK) != nil }

// both reports whether the race has gone both ways, or cannot: what is hidden
// refuses nothing.
func (t *tally) both() bool {
	return t.endpoint > 0 && (t.bus > 0 || t.refused > 0 && !t.open || t.hidden)
}

// raceLimit is how long a race may take to go both ways: on a busy machine the
// other side may not be run for many rounds.
const raceLimit = 20 * time.Second

// race says whether to go on: at least rounds, and until it has gone both ways.
type race struct {
	rounds int
	begun  time.Time
}

func newRace(rounds int) race { return race{rounds, time.Now()} }

func (r race) more(i int, both bool) bool {
	return i < r.rounds || !both && time.Since(r.begun) < raceLimit
}

func (t *tally) String() string {
	return fmt.Sprintf("%d %d %d %d", t.endpoint, t.bus, t.refused, t.other)
}

// flipAddress: one thread rewrites the path while another connects.
func flipAddress(a []string) (string, error) {
	rounds, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	good, bad := rawUnix(a[1]), rawUnix(a[2])
	t, err := contestants(a[2])
	if err != nil {
		return "", err
	}
	buf := make([]byte, max(len(good), len(bad)))
	stop := atomic.Bool{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; !stop.Load(); i++ {
			flip(buf, good, i)
			flip(buf, bad, i)
		}
	})
	for i, r := 0, newRace(rounds); r.more(i, t.both()); i++ {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return "", err
		}
		t.add(fd, rawConnect(fd, buf))
		if err := unix.Close(fd); err != nil {
			return "", err
		}
	}
	stop.Store(true)
	wg.Wait()
	return t.String(), nil
}

// flip overwrites without the care the race detector asks for: that is the point.
// The last byte is written over and over, now for long and now for short: else
// the address is never whole for as long as one call takes to read it.
//
//go:norace
func flip(buf, with []byte, i int) {
	for n := range len(buf) + i*37%1024 {
		j := min(n, len(buf)-1)
		buf[j] = 0
		if j < len(with) {
			buf[j] = with[j]
		}
	}
}

// flipDescriptor: another thread puts a TCP socket and a Unix socket in turn at
// the number that connects.
func flipDescriptor(a []string) (string, error) {
	rounds, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	tcp, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return "", err
	}
	const number = 50
	if err := unix.Dup2(tcp, number); err != nil {
		return "", err
	}
	stop := atomic.Bool{}
	var wg sync.WaitGroup
	failed := atomic.Bool{}
	wg.Go(func() {
		for !stop.Load() {
			u, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
			if err != nil || unix.Dup2(u, number) != nil || unix.Dup2(tcp, number) != nil || unix.Close(u) != nil {
				failed.Store(true)
				return
			}
		}
	})
	counts := map[string]int{}
	for i, r := 0, newRace(rounds); r.more(i, counts["other"] > 0 && (counts["refused"]+counts["reached"] > 0 || hidden(a[1]))); i++ {
		switch err := rawConnect(number, rawUnix(a[1])); {
		case err == nil:
			counts["reached"]++
		case errors.Is(err, unix.EACCES):
			counts["refused"]++
		default:
			counts["other"]++
		}
	}
	stop.Store(true)
	wg.Wait()
	if failed.Load() {
		return "", errors.New("flipping failed")
	}
	return fmt.Sprintf("%d %d %d", counts["reached"], counts["refused"], counts["other"]), nil
}

// flipLink: a symlink is replaced by rename while its path is connected to.
func flipLink(a []string) (string, error) {
	rounds, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	if err := os.Symlink(a[1], "link"); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	stop := atomic.Bool{}
	errs := make(chan error, 1)
	go func() {
		for i := 0; !stop.Load(); i++ {
			next := "link." + strconv.Itoa(i%2)
			if err := errors.Join(os.Symlink(a[1+i%2], next), os.Rename(next, "link")); err != nil {
				errs <- err
				return
			}
		}
		errs <- nil
	}()
	var t tally
	for i, r := 0, newRace(rounds); r.more(i, t.both()); i++ {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return "", err
		}
		err = rawConnect(fd, rawUnix("link"))
		if errors.Is(err, unix.ENOENT) { // hidden
			err = unix.EACCES
		}
		t.add(fd, err)
		if err := unix.Close(fd); err != nil {
			return "", err
		}
	}
	stop.Store(true)
	return t.String(), <-errs
}

// Both are for a busy machine: a connect that hangs does so for ever.
const (
	hangLimit  = time.Minute      // for the connects that hang to be there
	otherLimit = 20 * time.Second // for another process meanwhile
)

// hang makes connects that never end, and then times one that must.
func hang(a []string) (string, error) {
	n, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return "", err
	}
	if err := errors.Join(unix.Bind(l, &unix.SockaddrUnix{Name: "full"}), unix.Listen(l, 0)); err != nil {
		return "", err
	}
	var refused atomic.Int32
	for range n {
		go func() {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err == nil && errors.Is(rawConnect(fd, rawUnix("full")), unix.EAGAIN) {
				refused.Add(1)
			}
		}()
	}
	// The cap is what shows that all of them are there.
	for deadline := time.Now().Add(hangLimit); refused.Load() == 0 && time.Now().Before(deadline); {
		if err := unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return "", err
		}
	}
	start := time.Now()
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	out, err := actOnce(exe, "unix "+a[1])
	if took := time.Since(start); took > otherLimit {
		return "", fmt.Errorf("another process waited %v", took)
	}
	return fmt.Sprint(out, " ", refused.Load() > 0), err
}

// signals connects under a timer whose handler does not restart calls.
func signals(a []string) (string, error) {
	rounds, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGALRM)
	defer signal.Stop(c)
	tick := unix.Itimerval{Interval: unix.Timeval{Usec: 200}, Value: unix.Timeval{Usec: 200}}
	if _, err := unix.Setitimer(unix.ItimerReal, tick); err != nil {
		return "", err
	}
	bad := map[string]int{}
	for range rounds {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return "", err
		}
		if err := rawConnect(fd, rawUnix(a[1])); err != nil {
			bad[name(err)]++
		}
		if err := unix.Close(fd); err != nil {
			return "", err
		}
	}
	_, err = unix.Setitimer(unix.ItimerReal, unix.Itimerval{})
	if len(bad) > 0 {
		return fmt.Sprint(bad), err
	}
	return "", err
}

// threadTable connects from a thread with a descriptor table of its own, where
// the number means another socket than for the rest of the process.
func threadTable(a []string) (string, error) {
	const number = 60
	if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err != nil || unix.Dup2(fd, number) != nil {
		return "", err
	}
	said, done := "", make(chan error)
	var try func()
	try = func() {
		lockForever()
		if unix.Gettid() == unix.Getpid() { // the first thread's table is the process's
			go try()
			return
		}
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_FILES); err != nil {
				return err
			}
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			if err := unix.Dup2(fd, number); err != nil {
				return err
			}
			if err := rawConnect(number, rawUnix(a[0])); err != nil {
				return err
			}
			var b [1]byte
			_, err = unix.Read(number, b[:])
			said = string(b[:])
			return err
		}()
	}
	go try()
	err := <-done
	return said, err
}

// storm forks processes that fork on, in sessions of their own.
func storm(a []string) (string, error) {
	const script = `i=0; while [ $i -lt 60 ]; do i=$((i+1)); setsid sh -c 'sleep 1000 & sleep 1000 & while :; do sleep 0.01; done' & done`
	return "", child(nil, nil, "/bin/sh", "-c", script)
}
