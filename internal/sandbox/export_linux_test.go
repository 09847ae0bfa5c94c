package sandbox

import (
	"context"

	"keyhole/internal/sandbox/mediate"
)

// Force is what a test makes a run do without.
type Force struct {
	Stage   uint32
	Mediate mediate.Forced
	Way     uint8
	ABI     int
}

// The ways of Force.
const (
	ByStage   = uint8(byStageOnly)
	InProcess = uint8(inProcessOnly)

	UsuallyInProcess = inProcess
)

// StartForced is Start on a system that lacks what f names.
func StartForced(ctx context.Context, s *Spec, f Force) (*Process, error) {
	return startForced(ctx, s, forced{stage: f.Stage, mediate: f.Mediate, way: way(f.Way), abi: f.ABI})
}

// PIDOf is pidOf.
func PIDOf(pidfd int) (int, error) { return pidOf(pidfd) }
