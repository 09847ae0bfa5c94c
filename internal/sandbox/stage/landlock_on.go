//go:build !mutant_nolandlock

package stage

// landlockOn is false only in a build made to show that the tests notice.
const landlockOn = true
