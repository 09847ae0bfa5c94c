package launch

import (
	"syscall"
	"unsafe"
)

const prCapAmbientRaise = 2

// Begin starts the program and returns its process id when it runs. It is killed
// when the calling thread, which must be locked, ends. Until it runs it shares
// our memory, which is what a start in namespaces by other means does not: that
// would have every page we touch copied.
func (f *Fresh) Begin() (pid int, err error) {
	c := &Child{Listener: -1}
	files, err := c.moveAll(f.Files)
	if err == nil {
		err = c.table.buildFresh(f, files)
	}
	if err != nil {
		c.release()
		return 0, &Failure{Step: Clone, Errno: errnoOf(err)}
	}
	state := c.table.state
	state.word, state.all = -1, ^uint64(0)
	c.PID = begin(cloneVM|cloneChildClearTID|uintptr(syscall.SIGCHLD)|f.Namespaces, state, &c.table.orders[0])
	if c.PID < 0 {
		c.release()
		return 0, &Failure{Step: Clone, Errno: syscall.Errno(-c.PID)}
	}
	return c.PID, c.Wait()
}

// moveAll copies descriptors that would be overwritten while others are put in
// place.
func (c *Child) moveAll(files []int) ([]int, error) {
	out := make([]int, len(files))
	for i, fd := range files {
		out[i] = fd
		if fd == i || fd >= len(files) {
			continue
		}
		n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, uintptr(len(files)))
		if errno != 0 {
			return nil, errno
		}
		out[i] = int(n)
		c.moved = append(c.moved, int(n))
	}
	return out, nil
}

func (t *table) buildFresh(f *Fresh, files []int) error {
	if err := t.start(&Spec{Path: f.Path, Argv: f.Argv, Env: f.Env}); err != nil {
		return err
	}
	t.next(Parent, syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0)
	if len(f.Capabilities) > 0 {
		t.keepCapabilities(f.Capabilities)
	}
	for i, fd := range files {
		t.place(fd, i)
	}
	t.signals()
	t.become(&Spec{Path: f.Path, Argv: f.Argv, Env: f.Env})
	return nil
}

// keepCapabilities has exec leave these and no others.
func (t *table) keepCapabilities(list []uintptr) {
	header := (*uint64)(t.take(8))
	*header = capabilityVersion3
	sets := (*[6]uint32)(t.take(24)) // effective, permitted, inheritable; then the upper halves
	for _, c := range list {
		for i := range 3 {
			sets[i] |= 1 << c
		}
	}
	t.next(Capabilities, syscall.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(sets)))
	for _, c := range list {
		t.next(Capabilities, syscall.SYS_PRCTL, prCapAmbient, prCapAmbientRaise, c, 0, 0)
	}
}
