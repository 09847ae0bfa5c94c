//go:build !linux && !darwin

package sandbox

import (
	"context"
	"fmt"
)

// process is empty where nothing can be started.
type process struct{}

func errHere() error {
	return fmt.Errorf("%w: this system has no sandbox that keyhole can set up yet", ErrUnsupported)
}

func (process) pid() int              { return 0 }
func (process) wait() (Status, error) { return Status{}, errHere() }
func (process) kill()                 {}

func (process) refused() []Refused { return nil }

func (process) help(context.Context, Helper) ([]byte, int, error) { return nil, 0, errHere() }

// booting is empty as well.
type booting struct{}

func boot(Streams, Hardening) booting { return booting{} }

func (booting) cancel() {}

func start(context.Context, *Spec) (*Process, error) { return nil, errHere() }

func harden() error { return nil }

func play([]string) (int, bool) { return 0, false }

func inspect() Report {
	return Report{
		LandlockWhy: "Landlock is part of Linux", ListenerWhy: "seccomp is part of Linux", Yama: -1,
		Missing: []string{"a sandbox for this system"},
	}
}
