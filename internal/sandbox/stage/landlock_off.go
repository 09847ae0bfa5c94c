//go:build mutant_nolandlock

package stage

const landlockOn = false
