package proctree

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Below lists the descendants of root, zombies left out.
func Below(root int) ([]Process, error) {
	return below(root, func(Process) bool { return true })
}

// Confined is Below without the supervisor's own programs: a helper, which leads
// a session of its own, with all that comes of it, and whatever has no filter,
// as a daemon that a helper has left behind.
func Confined(root int) ([]Process, error) {
	filtered := map[int]bool{}
	ours, _ := filters(status(os.Getpid()))
	found, err := below(root, func(p Process) bool {
		filtered[p.PID] = hasFilter(p.PID, ours)
		return filtered[p.PID] || p.Parent != root || p.Session != p.PID
	})
	return slices.DeleteFunc(found, func(p Process) bool { return !filtered[p.PID] }), err
}

// hasFilter tells whether a process is under a filter, and can gain no rights. In a
// container everything may be: then it must be under more of them than we are.
func hasFilter(pid, ours int) bool {
	b := status(pid)
	if !bytes.Contains(b, []byte("\nSeccomp:\t2\n")) || !bytes.Contains(b, []byte("\nNoNewPrivs:\t1\n")) {
		return false
	}
	n, known := filters(b)
	return !known || n > ours
}

// filters is how many filters a process is under, which kernels before 5.10 do not
// tell.
func filters(status []byte) (n int, known bool) {
	_, rest, ok := bytes.Cut(status, []byte("\nSeccomp_filters:\t"))
	if !ok {
		return 0, false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.Atoi(string(line))
	return n, err == nil
}

// status is what /proc tells of a process; nothing when it is gone.
func status(pid int) []byte {
	var buf [4096]byte
	n, err := readFile("/proc/"+strconv.Itoa(pid)+"/status", buf[:])
	if err != nil {
		return nil
	}
	return buf[:n]
}

// below lists the descendants of root, without those that want refuses and what
// is below them.
func below(root int, want func(Process) bool) ([]Process, error) {
	all, err := list()
	if err != nil {
		return nil, err
	}
	children := make(map[int][]Process, len(all))
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p)
	}
	var found []Process
	queue := []int{root}
	for len(queue) > 0 {
		next := children[queue[0]]
		delete(children, queue[0])
		queue = queue[1:]
		for _, p := range next {
			if !want(p) {
				continue
			}
			queue = append(queue, p.PID)
			if p.State != 'Z' && p.State != 'X' {
				found = append(found, p)
			}
		}
	}
	return found, nil
}

func list() ([]Process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	all := make([]Process, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := Of(pid); err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}

// Of reads one process. The command name in the file is the process's own and
// may hold anything, so the fields are counted from its last parenthesis.
func Of(pid int) (Process, error) {
	var buf [1024]byte
	n, err := readFile("/proc/"+strconv.Itoa(pid)+"/stat", buf[:])
	if err != nil {
		return Process{}, err
	}
	end := bytes.LastIndexByte(buf[:n], ')')
	if end < 0 {
		return Process{}, fmt.Errorf("process %d: malformed stat", pid)
	}
	// From the state on: state, ppid, process group, session, 15 more, start time.
	f := bytes.Fields(buf[end+1 : n])
	if len(f) < 20 || len(f[0]) != 1 {
		return Process{}, fmt.Errorf("process %d: malformed stat", pid)
	}
	parent, err1 := strconv.Atoi(string(f[1]))
	session, err2 := strconv.Atoi(string(f[3]))
	start, err3 := strconv.ParseUint(string(f[19]), 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Process{}, err
	}
	return Process{PID: pid, Parent: parent, Session: session, State: f[0][0], Start: start}, nil
}

func readFile(path string, buf []byte) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	n, err := unix.Read(fd, buf)
	return n, errors.Join(err, unix.Close(fd))
}

// Kill sends SIGKILL to exactly the process that was found: its descriptor is
// taken first, and then its start time compared.
func (p Process) Kill() error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return unix.Kill(p.PID, unix.SIGKILL)
	}
	if now, err := Of(p.PID); err != nil || now.Start != p.Start {
		return unix.Close(fd)
	}
	err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		err = unix.Kill(p.PID, unix.SIGKILL)
	}
	return errors.Join(err, unix.Close(fd))
}

// Sockets is the set of socket inodes the processes hold. What cannot be read
// is left out: a socket not found is nobody's here.
func Sockets(processes []Process) map[uint64]bool {
	held := map[uint64]bool{}
	for _, p := range processes {
		path := "/proc/" + strconv.Itoa(p.PID) + "/fd"
		dir, err := os.Open(path)
		if err != nil {
			continue
		}
		names, err := dir.Readdirnames(-1)
		if errors.Join(err, dir.Close()) != nil {
			continue
		}
		for _, name := range names {
			target, err := os.Readlink(path + "/" + name)
			if err != nil {
				continue
			}
			if inode, ok := SocketInode(target); ok {
				held[inode] = true
			}
		}
	}
	return held
}

// SocketInode reads the inode out of "socket:[N]".
func SocketInode(link string) (uint64, bool) {
	s, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	s, ok = strings.CutSuffix(s, "]")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
