// Package peer says who is at the other end of a socket, and what a process is,
// by asking the kernel. What it tells of a process beyond its ids and its descent
// (executable, arguments) is for people to read: code inside one sandbox can
// inject into its siblings, so nothing may be decided by it.
package peer

import "net"

// Cred is the kernel's word about the process that connected a socket. The ids
// are those at connect time; a socket handed on keeps them.
type Cred struct {
	PID int
	UID uint32
	GID uint32

	Version uint32 // macOS: with PID it names one program being executed; elsewhere 0
}

// Of asks the kernel who connected c.
func Of(c *net.UnixConn) (Cred, error) { return of(c) }

// Process is one process as it is now, for display only.
type Process struct {
	PID       int
	StartTime uint64 // the kernel's own unit; with PID it names one process
	Exe       string
	Args      string // arguments joined by spaces, cut to 256 bytes
}

// StageName is the command line of the process in which this program starts a
// command, where it takes one.
const StageName = "keyhole-stage"

// Chain lists pid and its ancestors up to, and without, the process stop and the
// stage that it has started; at most 16. A process that is gone ends the chain.
func Chain(pid, stop int) []Process { return chain(pid, stop) }

// Descends tells whether pid is root or one of its descendants. What cannot be
// told, because a process on the way is gone, counts as yes. Unlike Chain it is
// for decisions: whose child a process is, it cannot choose.
func Descends(pid, root int) bool { return descends(pid, root) }

// Dir is the folder a process works in, for display only. Where the system does
// not tell, ok is false.
func Dir(pid int) (dir string, ok bool) { return workDir(pid) }
