// Package int80 makes 32-bit system calls, for tests that show they are shut.
package int80

// Here says whether there is such a way in.
const Here = true

// Call enters the kernel by int $0x80. Pointers must lie below 4 GiB.
func Call(number, a, b, c uintptr) int32
