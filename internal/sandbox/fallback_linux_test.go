package sandbox_test

import "keyhole/internal/sandbox/stage"

// What old kernels lack. Without the second the stage has to do what the launch
// in this process cannot.
const (
	noKillable   = stage.NoKillable
	noCloseRange = stage.NoCloseRange
)

// without makes a run do without.
func (s *scene) without(flags uint32) {
	s.Force.Stage = flags
	if flags&noCloseRange != 0 {
		s.Force.Way = 0
	}
}
