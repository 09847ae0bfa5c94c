package signals_test

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	"keyhole/internal/signals"
)

// limit is only for what is broken.
const limit = time.Minute

func expect(t *testing.T, c <-chan os.Signal, want os.Signal) {
	t.Helper()
	select {
	case got := <-c:
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	case <-time.After(limit):
		t.Errorf("%v did not come", want)
	}
}

func send(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
}

func TestNotify(t *testing.T) {
	first, second := make(chan os.Signal, 9), make(chan os.Signal, 9)
	signals.Notify(first, syscall.SIGUSR1, syscall.SIGUSR2)
	signals.Notify(second, syscall.SIGUSR1)
	for range 100 {
		send(t, syscall.SIGUSR1)
		expect(t, first, syscall.SIGUSR1)
		expect(t, second, syscall.SIGUSR1)
		send(t, syscall.SIGUSR2)
		expect(t, first, syscall.SIGUSR2)
	}
	signals.Stop(second)
	send(t, syscall.SIGUSR1)
	expect(t, first, syscall.SIGUSR1)
	if len(second) != 0 {
		t.Errorf("%d signals for a channel that wants none", len(second))
	}
	signals.Stop(first)

	// Whoever catches them next has them, package os/signal too.
	later := make(chan os.Signal, 9)
	signal.Notify(later, syscall.SIGUSR1)
	defer signal.Stop(later)
	send(t, syscall.SIGUSR1)
	expect(t, later, syscall.SIGUSR1)
	if len(first) != 0 {
		t.Errorf("%d signals for a channel that wants none", len(first))
	}
}

// In the midst of everything a program does: signals come while goroutines run,
// grow their stacks, allocate and wait.
func TestNotifyUnderLoad(t *testing.T) {
	c := make(chan os.Signal, 1)
	signals.Notify(c, syscall.SIGUSR1)
	defer signals.Stop(c)
	stop := make(chan struct{})
	defer close(stop)
	for range 4 {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					if len(deep(100)) < 100 {
						t.Error("too short")
					}
					// With one processor who waits for a signal would else wait for
					// the turns of all, 2,000 times.
					runtime.Gosched()
				}
			}
		}()
	}
	for range 2000 {
		send(t, syscall.SIGUSR1)
		expect(t, c, syscall.SIGUSR1)
	}
}

//go:noinline
func deep(n int) []byte {
	var room [512]byte
	if n == 0 {
		return room[:]
	}
	return append(deep(n-1), room[n%len(room)])
}

const childVar = "KEYHOLE_TEST_SIGNALS"

// What the caller ignores stays ignored, and what was caught for a time ends the
// process again.
func TestIgnoredAndGivenBack(t *testing.T) {
	if os.Getenv(childVar) != "" {
		c := make(chan os.Signal, 1)
		signals.Notify(c, syscall.SIGHUP, syscall.SIGTERM)
		send(t, syscall.SIGHUP)
		send(t, syscall.SIGTERM)
		if s := <-c; s != syscall.SIGTERM {
			os.Exit(1) // the parent hears of nothing else
		}
		signals.Stop(c)
		send(t, syscall.SIGTERM)
		select {} // until it takes effect
	}
	cmd := exec.Command("/bin/sh", "-c", `trap "" HUP; exec "$0" -test.run '^TestIgnoredAndGivenBack$'`, os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=1")
	out, err := cmd.CombinedOutput()
	state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !state.Signaled() || state.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v\n%s", err, out)
	}
}
