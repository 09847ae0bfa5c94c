//go:build mutant_nofilter

package stage

// FilterOn is false: this build exists to show that the tests notice.
const FilterOn = false
