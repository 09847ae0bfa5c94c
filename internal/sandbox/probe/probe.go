// Package probe tries whether a sandbox of macOS holds: it runs in one, before the
// command does, under the same profile. What it says is read by the supervisor,
// which starts nothing unless all went as it must.
package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Exit statuses. None is one of sandbox-exec's own.
const (
	Fine   = 40
	Open   = 41 // a forbidden act works
	Shut   = 42 // a needed act does not
	Misuse = 43
	Absent = 44 // what a forbidden act would be tried with is not there
)

// actTime bounds one act of the probe.
const actTime = 2 * time.Second

// Run tries, confined, what must fail and what must work: args are the folder
// of keychains, a program that must not run, a socket that must not be reached,
// and one that must be. It says which act went wrong.
func Run(args []string, say func(string)) int {
	if len(args) != 4 {
		return Misuse
	}
	keychains, program, shut, open := args[0], args[1], args[2], args[3]
	for _, act := range []struct {
		what string
		err  error
	}{
		{"the keychain folder can be listed", readFolder(keychains)},
		{program + " can be run", execute(program)},
		{"a socket that is not granted can be connected to", connect(shut)},
	} {
		// Only a refusal is one: what is not there has not been kept shut.
		if errors.Is(act.err, fs.ErrNotExist) {
			say(fmt.Sprintf("nothing shows whether %s: %v", act.what, act.err))
			return Absent
		}
		if !errors.Is(act.err, fs.ErrPermission) {
			say(fmt.Sprintf("%s (%v)", act.what, act.err))
			return Open
		}
	}
	if err := connect(open); err != nil {
		say(fmt.Sprintf("keyhole's own socket cannot be reached (%v)", err))
		return Shut
	}
	return Fine
}

// Folder picks the folder that the probe is to be refused, of several that the
// profile shuts: one that can be listed without it, since what is refused to
// everybody shows nothing. A home folder need not have keychains.
func Folder(candidates []string) (string, error) {
	for _, dir := range candidates {
		if readFolder(dir) == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("nothing shows whether keychains are shut: there is no folder %s", strings.Join(candidates, ", "))
}

func readFolder(dir string) error {
	_, err := os.ReadDir(dir)
	return err
}

func execute(program string) error {
	cmd := exec.Command(program, "help")
	cmd.Env = []string{}
	return cmd.Run()
}

func connect(socket string) error {
	c, err := net.DialTimeout("unix", socket, actTime)
	if err == nil {
		return c.Close()
	}
	return err
}

// Meaning is what the end of a probe means.
func Meaning(code, signal int, said string) error {
	said = strings.TrimSpace(said)
	switch {
	case signal != 0:
		return fmt.Errorf("the probe was ended by %v: the profile is wrong, or too tight for any program", syscall.Signal(signal))
	case code == Fine:
		return nil
	case code == Absent:
		return fmt.Errorf("the sandbox cannot be tried: %s", said)
	case code == Open || code == Shut:
		return fmt.Errorf("the sandbox does not hold: %s", said)
	default:
		return fmt.Errorf("sandbox-exec ended with %d: %s", code, said)
	}
}
