package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/filter"
	"keyhole/internal/sandbox/landlock"
	"keyhole/internal/sandbox/launch"
	"keyhole/internal/sandbox/stage"
)

func inspect() Report {
	r := Report{Kernel: release(), Yama: yama(), Errata: landlock.Errata()}
	abi, err := landlock.ABI()
	r.LandlockABI, r.LandlockWhy = abi, landlockWhy(abi, err)
	memory := false
	if r.LandlockWhy == "" {
		r.Lacks = landlock.Lacks(abi)
		memory, err = tryListener(&r, abi)
		if err != nil {
			r.ListenerWhy = err.Error()
		}
	} else {
		r.ListenerWhy = "not tried without Landlock"
		r.Missing = append(r.Missing, r.LandlockWhy)
	}
	hidden := r.Listener && !r.ReadMemory && !memory
	switch {
	case r.Nested:
		r.Static = whyNested
	case hidden:
		r.Static = whyHidden()
	case !r.Listener:
		r.Missing = append(r.Missing, "connect mediation: "+r.ListenerWhy)
		return r
	}
	r.inspectStart(abi)
	if r.Static == "" && !r.FetchFD {
		r.Lacks = append(r.Lacks, "a child's sockets cannot be duplicated here; they are replaced when they connect, "+
			"and lose options set before")
	}
	if r.Static == "" && !r.ReadMemory {
		r.Lacks = append(r.Lacks, "process_vm_readv is refused here; /proc/PID/mem is used instead")
	}
	r.Confined = len(r.Missing) == 0
	if r.Confined {
		r.Layer = tryLayer()
		r.Layer.Static = r.Static
		if r.Layer.Hardened && hidden && r.Yama == yamaCapable {
			r.Layer.Static = ""
		}
	}
	return r
}

// inspectStart tries how a command would be started.
func (r *Report) inspectStart(abi int) {
	if r.Static != "" {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := tryLaunch(abi, true); err != nil {
			r.Missing = append(r.Missing, r.Static+"; and a start without connections fails: "+explainLaunch(err, "").Error())
		}
		r.InProcess = true
		return
	}
	r.StageWhy = stageWhy(r.Yama, abi)
	r.InProcess = r.StageWhy == ""
}

// stageWhy tries a start in this process, up to where the command would begin,
// and says why commands are started by the stage; empty when they are not.
func stageWhy(scope, abi int) string {
	switch {
	case !inProcess:
		return "this keyhole was built so"
	case scope > yamaAncestors:
		return "kernel.yama.ptrace_scope is " + strconv.Itoa(scope)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := tryLaunch(abi, false); err != nil {
		return explainLaunch(err, "").Error()
	}
	return ""
}

func tryLaunch(abi int, static bool) error {
	rules, err := landlock.New(abi)
	if err != nil {
		return err
	}
	l := &launch.Spec{Files: [3]int{0, 1, 2}, Ruleset: rules.FD(), Filter: filter.Table(false)}
	if static {
		l.Static, l.Filter = true, filter.Static(false, false)
	}
	c, err := launch.Start(l)
	if err == nil {
		err = c.Wait()
	}
	if err == nil && !static {
		err = unix.Close(c.Listener)
	}
	if err == nil {
		err = child{pid: c.PID}.end()
	}
	return errors.Join(err, rules.Close())
}

// tryLayer does what a run does up to its first mounts.
func tryLayer() Layer {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return Layer{Why: err.Error()}
	}
	c, err := bringWalled([3]uintptr{null.Fd(), null.Fd(), null.Fd()})
	if err == nil {
		err = errors.Join(unix.Close(c.socket), unix.Close(c.root), c.end())
	}
	if err = errors.Join(err, null.Close()); err != nil {
		return reason(err)
	}
	return Layer{Hardened: true}
}

// tryListener confines a throw-away child and looks at it as mediation would.
// memory reports whether its memory can be read by file.
func tryListener(r *Report, abi int) (memory bool, err error) {
	// The child dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	rules, err := landlock.New(abi)
	if err != nil {
		return false, errors.Join(err, null.Close())
	}
	c, err := spawn([3]uintptr{null.Fd(), null.Fd(), null.Fd()})
	if err == nil {
		memory, err = c.look(r, rules.FD())
		err = errors.Join(err, unix.Close(c.socket), c.end())
	}
	return memory, errors.Join(err, rules.Close(), null.Close())
}

// look needs c to be a trial that has just been started.
func (c child) look(r *Report, ruleset int) (memory bool, err error) {
	if err := c.send(&stage.Spec{Flags: stage.Trial}, ruleset); err != nil {
		return false, err
	}
	m, listener, err := c.receive()
	switch {
	case err != nil:
		return false, err
	case m.Kind == stage.Failed:
		errno := syscall.Errno(m.Errno)
		r.Nested = m.Step == stage.Filter && errno == unix.EBUSY
		if m.Step == stage.Filter {
			return false, errors.New(listenerWhy(errno))
		}
		return false, explain(m, "", Layer{})
	case m.Kind != stage.Listener || listener < 0:
		return false, errors.New("internal error: the stage is out of step")
	}
	r.Listener = true
	r.FetchFD = c.fetch()
	r.ReadMemory, memory = c.read(m.Word)
	return memory, unix.Close(listener)
}

// fetch tries to duplicate the child's end of the socket.
func (c child) fetch() bool {
	pidfd, err := unix.PidfdOpen(c.pid, 0)
	if err != nil {
		return false
	}
	fd, err := unix.PidfdGetfd(pidfd, stage.Socket, 0)
	if err == nil {
		err = unix.Close(fd)
	}
	return errors.Join(err, unix.Close(pidfd)) == nil
}

// read looks for the known word by both ways there are.
func (c child) read(at uint64) (call, file bool) {
	var b [8]byte
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	n, err := unix.ProcessVMReadv(c.pid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(b)}}, 0)
	call = err == nil && n == len(b) && binary.NativeEndian.Uint64(b[:]) == stage.KnownWord
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.pid))
	if err != nil {
		return call, false
	}
	b = [8]byte{}
	_, err = f.ReadAt(b[:], int64(at))
	file = errors.Join(err, f.Close()) == nil && binary.NativeEndian.Uint64(b[:]) == stage.KnownWord
	return call, file
}

// end takes the child away; its socket is closed already.
func (c child) end() error {
	err := unix.Kill(c.pid, unix.SIGKILL)
	for {
		if _, werr := unix.Wait4(c.pid, nil, 0, nil); !errors.Is(werr, unix.EINTR) {
			return errors.Join(err, werr)
		}
	}
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func yama() int {
	b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	if err != nil {
		return -1
	}
	return n
}
