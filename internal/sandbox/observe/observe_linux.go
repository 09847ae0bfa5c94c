package observe

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ptrace(2): PTRACE_GET_SYSCALL_INFO and its answer's kinds.
const (
	getSyscallInfo = 0x420e
	infoEntry      = 1
	infoExit       = 2

	sysgood = 0x80 // marks stops at system calls
)

// syscallInfo is struct ptrace_syscall_info.
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	_    [2]uint64 // instruction and stack pointer
	// At entry the number and six arguments; at exit the result and whether it
	// is an error.
	data [8]uint64
}

// Observer traces the processes of one run. All its methods but Refusals are
// for the thread that forked the command, which is its tracer.
type Observer struct {
	table  map[uint64][]call
	inside map[int]entered  // tracees, by thread id
	seen   map[Refusal]bool // in the order of list
	list   []Refusal
}

// entered is the system call that a thread is in.
type entered struct {
	nr   uint64
	args [6]uint64
}

// New returns an observer of nobody yet.
func New() *Observer {
	return &Observer{table: calls(), inside: map[int]entered{}, seen: map[Refusal]bool{}}
}

// Refusals is what was refused, in the order in which it first was. It must not
// be called before the last process has ended.
func (o *Observer) Refusals() []Refusal { return o.list }

// Ended forgets a thread that was reaped.
func (o *Observer) Ended(tid int) { delete(o.inside, tid) }

// Stopped handles a stop of a traced thread and lets it go on.
func (o *Observer) Stopped(tid int, ws unix.WaitStatus) error {
	_, known := o.inside[tid]
	if !known {
		o.inside[tid] = entered{}
		// Fails for a thread that is traced because its parent was, and has the
		// options from there.
		_ = unix.PtraceSetOptions(tid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACEFORK|unix.PTRACE_O_TRACEVFORK|
			unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_EXITKILL)
	}
	return o.resume(tid, o.signal(tid, ws, known))
}

// signal notes what the stop tells, and says which signal the thread is to get.
func (o *Observer) signal(tid int, ws unix.WaitStatus, known bool) unix.Signal {
	switch sig := ws.StopSignal(); {
	case sig == unix.SIGTRAP|sysgood:
		o.atCall(tid)
		return 0
	case sig == unix.SIGTRAP: // an event, or the first exec
		return 0
	case sig == unix.SIGSTOP && !known: // how a new thread begins
		return 0
	case sig == unix.SIGSTOP, sig == unix.SIGTSTP, sig == unix.SIGTTIN, sig == unix.SIGTTOU:
		return 0 // there is no job control while observing
	default:
		return sig
	}
}

func (o *Observer) resume(tid int, sig unix.Signal) error {
	err := unix.PtraceSyscall(tid, int(sig))
	if errors.Is(err, unix.ESRCH) {
		return nil // killed meanwhile
	}
	return err
}

// atCall is the beginning or the end of a system call.
func (o *Observer) atCall(tid int) {
	var info syscallInfo
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return
	}
	switch info.op {
	case infoEntry:
		e := entered{nr: info.data[0]}
		copy(e.args[:], info.data[1:7])
		o.inside[tid] = e
	case infoExit:
		if err := -int64(info.data[0]); info.data[1]&0xff != 0 && (err == int64(unix.EACCES) || err == int64(unix.EXDEV)) {
			o.refused(tid, o.inside[tid])
		}
	}
}

func (o *Observer) refused(tid int, e entered) {
	by, _ := os.Readlink("/proc/" + strconv.Itoa(tid) + "/exe") // empty when it cannot be told
	for _, c := range o.table[e.nr] {
		path, ok := pathOf(tid, e, c)
		if !ok {
			continue
		}
		r := Refusal{Path: path, By: by}
		r.describe(tid, e, c)
		if !o.seen[r] && len(o.list) < maxRefusals && wouldWork(r) {
			o.seen[r] = true
			o.list = append(o.list, r)
		}
	}
}

// describe says what the call wanted of the path.
func (r *Refusal) describe(tid int, e entered, c call) {
	fi, err := os.Lstat(r.Path)
	there := err == nil
	r.Folder = there && fi.IsDir()
	flags := uint64(0)
	switch c.how {
	case opens:
		flags = e.args[c.flags]
	case opensStruct:
		flags = word(tid, e.args[c.flags])
	case executes:
		return
	case makesFolder:
		r.Folder = true
		r.Write = true
	case makes, changes, removes:
		r.Write = true
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY || flags&(unix.O_CREAT|unix.O_TRUNC) != 0 {
		r.Write = true
	}
	r.Create = r.Write && !there
}

// wouldWork leaves out what the user could not do outside either.
func wouldWork(r Refusal) bool {
	mode := uint32(unix.R_OK)
	path := r.Path
	if r.Write {
		mode = unix.W_OK
	}
	if r.Create {
		path = filepath.Dir(path)
	}
	return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS) == nil
}

// pathOf is the absolute path that a call named.
func pathOf(tid int, e entered, c call) (string, bool) {
	path, ok := text(tid, e.args[c.path])
	if !ok || path == "" {
		return "", false
	}
	if !filepath.IsAbs(path) {
		base := "/proc/" + strconv.Itoa(tid) + "/cwd"
		if c.dir >= 0 && int32(e.args[c.dir]) != unix.AT_FDCWD {
			base = "/proc/" + strconv.Itoa(tid) + "/fd/" + strconv.Itoa(int(int32(e.args[c.dir])))
		}
		dir, err := os.Readlink(base)
		if err != nil || !filepath.IsAbs(dir) {
			return "", false
		}
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path), true
}

// text reads a string of a tracee, at most PATH_MAX bytes, a page at a time so
// that a string near the end of its mapping is read as well.
func text(tid int, at uint64) (string, bool) {
	const page = 4096
	var all []byte
	for len(all) < unix.PathMax {
		buf := make([]byte, page-int(at%page))
		n, err := read(tid, at, buf)
		if err != nil || n == 0 {
			return "", false
		}
		if i := bytes.IndexByte(buf[:n], 0); i >= 0 {
			return string(append(all, buf[:i]...)), true
		}
		all = append(all, buf[:n]...)
		at += uint64(n)
	}
	return "", false
}

func word(tid int, at uint64) uint64 {
	var b [8]byte
	if n, err := read(tid, at, b[:]); err != nil || n != len(b) {
		return 0
	}
	return *(*uint64)(unsafe.Pointer(&b))
}

func read(tid int, at uint64, buf []byte) (int, error) {
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(len(buf))
	return unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(buf)}}, 0)
}
