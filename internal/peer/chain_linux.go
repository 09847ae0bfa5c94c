package peer

import (
	"bytes"
	"io"
	"os"
	"strconv"
)

// inspect reads one process from /proc, see proc(5). The start time is read
// before and after, so that what is returned belongs to one process and not to
// two that had the same number one after the other.
func inspect(pid int) (p Process, parent int, ok bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	parent, start, ok := readStat(dir)
	if !ok {
		return Process{}, 0, false
	}
	p = Process{PID: pid, StartTime: start}
	// Neither is readable for a process that is not dumpable: the fields stay
	// empty, the process is still listed.
	if exe, err := os.Readlink(dir + "/exe"); err == nil {
		p.Exe = exe
	}
	p.Args = joinArgs(readStart(dir+"/cmdline", maxArgs+1))
	_, again, ok := readStat(dir)
	if !ok || again != start {
		return Process{}, 0, false
	}
	return p, parent, true
}

// readStat returns fields 4 and 22 of /proc/PID/stat. Field 2, the name, is
// chosen by the process and may hold spaces and parentheses: the fields are
// counted from the last closing one.
func readStat(dir string) (parent int, start uint64, ok bool) {
	b := readStart(dir+"/stat", 4096)
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, 0, false
	}
	f := bytes.Fields(b[i+1:])
	if len(f) < 20 {
		return 0, 0, false
	}
	parent, err := strconv.Atoi(string(f[1]))
	if err != nil {
		return 0, 0, false
	}
	start, err = strconv.ParseUint(string(f[19]), 10, 64)
	return parent, start, err == nil
}

// readStart returns at most n bytes from the start of a file, none when it
// cannot be read.
func readStart(path string, n int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(f, n))
	if cerr := f.Close(); err != nil || cerr != nil {
		return nil
	}
	return b
}

func workDir(pid int) (string, bool) {
	dir, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd")
	return dir, err == nil
}
