//go:build !mutant_nolandlock

package stage

// LandlockOn is false only in a build made to show that the tests notice.
const LandlockOn = true
