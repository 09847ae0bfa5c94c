//go:build mutant_nolandlock

package stage

// LandlockOn is false: this build exists to show that the tests notice.
const LandlockOn = false
