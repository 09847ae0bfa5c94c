package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/launch"
	"keyhole/internal/sandbox/stage"
)

// startTimeout is how long a stage may take; only a machine that is stuck needs
// longer.
const startTimeoutSeconds = 30

// child is a stage just started, our end of its socket, and what it is in.
type child struct {
	pid    int
	socket int
	layer  Layer
	root   int // the top of its file tree, when it has one of its own
}

// spawn starts the stage. The calling thread must outlive the child: its end is
// what kills the child (PR_SET_PDEATHSIG counts threads).
func spawn(stdio [3]uintptr) (child, error) {
	return spawnBy(func(socket int) (int, error) {
		return syscall.ForkExec(ownProgram, []string{stage.Name}, &syscall.ProcAttr{
			Env:   []string{stage.Environment + "=" + stage.Plain},
			Files: []uintptr{stdio[0], stdio[1], stdio[2], uintptr(socket)},
			Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
		})
	})
}

const ownProgram = "/proc/self/exe"

// spawnWalled starts it in namespaces of its own.
func spawnWalled(stdio [3]uintptr) (child, error) {
	ids := strconv.Itoa(unix.Geteuid()) + ":" + strconv.Itoa(unix.Getegid())
	return spawnBy(func(socket int) (int, error) {
		f := launch.Fresh{
			Path: ownProgram, Argv: []string{stage.Name}, Env: []string{stage.Environment + "=" + ids},
			Files:        []int{int(stdio[0]), int(stdio[1]), int(stdio[2]), socket},
			Namespaces:   unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC,
			Capabilities: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP},
		}
		return f.Begin()
	})
}

func spawnBy(start func(socket int) (int, error)) (child, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return child{}, fmt.Errorf("making the stage's socket: %w", err)
	}
	timeout := unix.Timeval{Sec: startTimeoutSeconds}
	err = unix.SetsockoptTimeval(pair[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	pid := 0
	if err == nil {
		pid, err = start(pair[1])
	}
	err = errors.Join(err, unix.Close(pair[1]))
	if err != nil {
		return child{}, errors.Join(fmt.Errorf("starting the stage: %w", err), unix.Close(pair[0]))
	}
	return child{pid: pid, socket: pair[0]}, nil
}

// closeRoot gives up what was only needed for the mediator.
func (c child) closeRoot() error {
	if !c.layer.Hardened {
		return nil
	}
	return unix.Close(c.root)
}

// send hands the stage its spec, the ruleset and, when it is static, its pair.
func (c child) send(s *stage.Spec, fds ...int) error {
	b, err := s.Encode()
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("keyhole", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("passing the command to the stage: %w", err)
	}
	for len(b) > 0 && err == nil {
		var n int
		n, err = unix.Write(fd, b)
		b = b[max(n, 0):]
	}
	if err == nil {
		err = unix.Sendmsg(c.socket, []byte{1}, unix.UnixRights(append([]int{fd}, fds...)...), nil, unix.MSG_NOSIGNAL)
	}
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return fmt.Errorf("passing the command to the stage: %w", err)
	}
	return nil
}

// errGone is the end of the stage's socket: it has become the command, or died.
var errGone = errors.New("the stage ended")

// receive takes one message, and the listener when it carries one.
func (c child) receive() (stage.Message, int, error) {
	var data [stage.MessageSize + 1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(c.socket, data[:], oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return stage.Message{}, -1, fmt.Errorf("waiting for the stage: %w", err)
		case n == 0:
			return stage.Message{}, -1, errGone
		}
		m, ok := stage.DecodeMessage(data[:n])
		if !ok {
			return m, -1, errors.New("internal error: the stage sent something else")
		}
		fd, err := rightsIn(oob[:oobn])
		return m, fd, err
	}
}

func rightsIn(oob []byte) (int, error) {
	if len(oob) == 0 {
		return -1, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return -1, errors.New("internal error: the stage sent other control data")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("internal error: the stage sent other descriptors")
	}
	return fds[0], nil
}

// release lets the stage become the command.
func (c child) release() error {
	return unix.Sendto(c.socket, []byte{1}, unix.MSG_NOSIGNAL, nil)
}

// stdio gives the child's three standard descriptors; null is opened for those
// that are nil and must be closed by the caller.
func stdio(s Streams) (fds [3]uintptr, null *os.File, err error) {
	for i, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
		if f == nil && null == nil {
			if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
				return fds, nil, err
			}
		}
		if f == nil {
			f = null
		}
		fds[i] = f.Fd()
		if datagram(int(fds[i])) {
			err = fmt.Errorf("descriptor %d is a Unix datagram socket, which can send to any path", i)
			break
		}
	}
	if err != nil && null != nil {
		err = errors.Join(err, null.Close())
	}
	return fds, null, err
}

func datagram(fd int) bool {
	domain, err1 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err1 == nil && err2 == nil && domain == unix.AF_UNIX &&
		kind != unix.SOCK_STREAM && kind != unix.SOCK_SEQPACKET
}
