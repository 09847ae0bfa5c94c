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

// Static returns the filter for where nobody can decide on connects: without Unix
// sockets but connected pairs, and with internet sockets as said. There is none
// with TCP alone.
func Static(udp, tcp bool) string {
	switch {
	case udp && tcp:
		return staticOpen
	case udp:
		return staticUDP
	default:
		return staticShut
	}
}
