package peer

import (
	"os"
	"strings"
)

// maxChain bounds how many ancestors are listed, and maxArgs how much of a
// command line is: both are chosen by the process itself.
const (
	maxChain = 16
	maxArgs  = 256
)

func chain(pid, stop int) []Process {
	var out []Process
	for pid > 0 && pid != stop && len(out) < maxChain {
		p, parent, ok := inspect(pid)
		if !ok {
			break
		}
		// A parent that started after its child is another process that was
		// given the same number.
		if n := len(out); n > 0 && p.StartTime > out[n-1].StartTime {
			break
		}
		out = append(out, p)
		pid = parent
	}
	if n := len(out); n > 1 && pid == stop && isStage(out[n-1]) {
		out = out[:n-1]
	}
	return out
}

// isStage tells whether p is what this program started to start a command with,
// which says nothing to a person. Its name anybody can take; its program must be
// this one.
func isStage(p Process) bool {
	self, err := os.Executable()
	return err == nil && p.Args == StageName && p.Exe == self
}

// maxAncestors is more than any tree of processes is deep.
const maxAncestors = 4096

func descends(pid, root int) bool {
	start := uint64(1<<64 - 1)
	for range maxAncestors {
		if pid == root {
			return true
		}
		if pid <= 1 {
			return false
		}
		p, parent, ok := inspect(pid)
		if !ok || p.StartTime > start {
			return true // gone meanwhile: it cannot be told
		}
		pid, start = parent, p.StartTime
	}
	return true
}

// joinArgs turns NUL-separated arguments into one line of at most maxArgs
// bytes, without cutting a character in two.
func joinArgs(b []byte) string {
	s := strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " ")
	if len(s) > maxArgs {
		s = s[:maxArgs]
	}
	return strings.ToValidUTF8(s, "")
}
