// Package proctree finds, outside the sandbox, the processes a supervisor has
// below it and the sockets they hold. Process ids are reused, so what it finds is
// checked again against the start time before anything is done to it.
package proctree

// Process is one process, told from a later one with the same id by Start.
type Process struct {
	PID     int
	Parent  int
	Session int
	State   byte // as in /proc/PID/stat
	Start   uint64
}
