package launch

import "syscall"

// Hold has the child read a byte from a descriptor before it becomes the command.
func (s *Spec) Hold(fd int) { s.hold = fd }

// Fork starts a child that has its own copy of everything and carries out the
// same orders: emulators know no child that shares memory and is no thread.
func Fork(s *Spec) (pid int, err error) {
	var t table
	if err := t.build(s, s.Files); err != nil {
		return 0, err
	}
	t.state.word, t.state.all = -1, ^uint64(0)
	if pid = begin(uintptr(syscall.SIGCHLD), t.state, &t.orders[0]); pid < 0 {
		err = syscall.Errno(-pid)
	}
	return pid, err
}
