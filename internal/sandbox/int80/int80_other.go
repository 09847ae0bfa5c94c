//go:build !amd64

// Package int80 makes 32-bit system calls, for tests that show they are shut.
package int80

// Here says whether there is such a way in.
const Here = false

// Call has nothing to call.
func Call(number, a, b, c uintptr) int32 { return -38 }
