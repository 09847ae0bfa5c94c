// Package filter is the system call filter as constant bytes, one table per
// architecture, ready for the kernel. It imports nothing, so that the stage
// inside the child stays small; package program says what the tables do and a
// test compares the two.
package filter

//go:generate go run ./gen

// InstructionSize is the size of one instruction in a table.
const InstructionSize = 8

// Table returns the filter, or "" on an architecture that has none. Without udp,
// internet datagram sockets cannot be made.
func Table(udp bool) string {
	if udp {
		return withUDP
	}
	return withoutUDP
}
