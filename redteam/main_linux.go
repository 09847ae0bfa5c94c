package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"keyhole/redteam/act"
)

func main() {
	if os.Getenv(act.Environment) != "" || len(os.Args) < 2 {
		// Where signals reach the supervisor, it passes these on to us.
		signal.Ignore(syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
		os.Exit(act.Serve(os.Stdin, os.Stdout))
	}
	var err error
	switch os.Args[1] {
	case "victim":
		err = victim(os.Args[2:])
	case "table":
		_, err = fmt.Print(table())
	case "session":
		err = session(os.Args[2:])
	default:
		err = fmt.Errorf("no such part: %s", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "redteam:", err)
		os.Exit(1)
	}
}

// victim stands for another program of the user: it holds what its environment
// and its arguments say, tells where in memory a secret is, and waits until its
// input ends. With a second argument, the name of a file, it makes FILE when
// SIGUSR2 reaches it and FILE.seen at SIGWINCH, which is handled later.
func victim(args []string) error {
	secret := []byte("in-memory-" + os.Getenv("SECRET"))
	signal.Ignore(syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	if len(args) > 1 {
		signals := make(chan os.Signal, 8)
		signal.Notify(signals, syscall.SIGUSR2, syscall.SIGWINCH)
		go note(signals, args[1])
	}
	fmt.Printf("%x %d\n", uintptr(unsafe.Pointer(&secret[0])), len(secret))
	var b [1]byte
	if n, err := os.Stdin.Read(b[:]); n > 0 || err == nil {
		return fmt.Errorf("unexpected input: %v", err)
	}
	runtime.KeepAlive(secret)
	return nil
}

func note(signals <-chan os.Signal, file string) {
	for s := range signals {
		name := file
		if s == syscall.SIGWINCH {
			name += ".seen"
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			os.Exit(1)
		}
	}
}

// session becomes another program, in a session keyring of its own with a key.
func session(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: redteam session KEY VALUE PROGRAM [ARG...]")
	}
	runtime.LockOSThread()
	if err := act.Session(args[0], args[1]); err != nil {
		return fmt.Errorf("making a session keyring: %w", err)
	}
	return unix.Exec(args[2], args[2:], os.Environ())
}
