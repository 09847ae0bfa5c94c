package sandbox

import "context"

// Stub until the real files are there.
type process interface {
	pid() int
	wait() (Status, error)
	kill()
}

func start(ctx context.Context, s *Spec) (*Process, error) { panic("not written") }
func harden() error                                       { return nil }
func inspect() Report                                     { return Report{} }
