package peer

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

func inspect(pid int) (p Process, parent int, ok bool) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return Process{}, 0, false
	}
	t := k.Proc.P_starttime
	p = Process{PID: pid, StartTime: uint64(t.Sec)*1e6 + uint64(t.Usec)}
	p.Exe, p.Args = readArgs(pid)
	if p.Exe == "" {
		p.Exe = unix.ByteSliceToString(k.Proc.P_comm[:])
	}
	return p, int(k.Eproc.Ppid), true
}

// readArgs reads kern.procargs2: the number of arguments, the executable's path
// padded with NULs, the arguments, and then the environment, which must not be
// looked at: it may hold credentials.
func readArgs(pid int) (exe, args string) {
	b, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil || len(b) < 4 {
		return "", ""
	}
	n := int(binary.NativeEndian.Uint32(b))
	path, rest, ok := bytes.Cut(b[4:], []byte{0})
	if !ok {
		return "", ""
	}
	rest = bytes.TrimLeft(rest, "\x00")
	end := 0
	for i := 0; i < n && end < len(rest) && end <= maxArgs; i++ {
		j := bytes.IndexByte(rest[end:], 0)
		if j < 0 {
			end = len(rest)
			break
		}
		end += j + 1
	}
	return string(path), joinArgs(rest[:end])
}

func workDir(int) (string, bool) { return "", false }
