//go:build !mutant_nofilter

package stage

// FilterOn is false only in a build made to show that the tests notice.
const FilterOn = true
