package sandbox_test

import "keyhole/internal/sandbox/stage"

// stageFallbacks makes the stage do without what old kernels lack.
const stageFallbacks = stage.NoKillable | stage.NoCloseRange
