package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/filter"
	"keyhole/internal/sandbox/landlock"
	"keyhole/internal/sandbox/launch"
	"keyhole/internal/sandbox/stage"
)

// Static mode is for where nobody can decide on a command's connects: its memory
// may not be read, or another supervisor has the only listener there can be. What
// cannot be decided on must not exist: under the filter there are no Unix sockets
// but connected pairs, and Landlock lets TCP through by port alone. The command
// has one end of a pair; who asks there gets a connection to keyhole.

// webPort is what TCP may reach where addresses are not looked at: no metadata
// service answers there without a certificate, and a user's own services may not
// listen there.
const webPort = 443

// unmediated is a start that failed since connects cannot be decided on.
type unmediated struct {
	why string
	err error
}

func (u *unmediated) Error() string { return u.err.Error() }

func (u *unmediated) Unwrap() error { return u.err }

// whyNested and whyHidden are what a person is told.
const whyNested = "this is already inside a keyhole, or another supervisor of system calls"

func whyHidden() string {
	if n := yama(); n > yamaAncestors {
		return "kernel.yama.ptrace_scope is " + strconv.Itoa(n)
	}
	return "a child's memory may not be read"
}

// startAnyhow starts a command as usual and, if its connects cannot be decided
// on, once more in static mode. Of the first one nothing has run.
func startAnyhow(s *Spec, start func(*Spec, string) (*Process, error)) (*Process, error) {
	p, err := start(s, "")
	var u *unmediated
	if s.Pair == nil || !errors.As(err, &u) {
		return p, err
	}
	again := *s
	if s.Boot != nil {
		again.Boot, again.Streams, again.Hardening = nil, s.Boot.impl.streams, s.Boot.impl.hardening
	}
	return start(&again, u.why)
}

// makeStatic prepares a run for static mode: what the ruleset lets through, and
// the pair.
func (r *run) makeStatic(s *Spec, p *plan, abi int) (*Spec, error) {
	for i, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
		if f != nil && loose(int(f.Fd())) {
			return nil, fmt.Errorf("descriptor %d is a Unix socket without a peer, which could be connected to any path", i)
		}
	}
	static := *s
	static.Network.UDP = s.Network.UDP && s.Network.Outbound
	static.Network.Outbound = s.Network.Outbound && static.Network.UDP && abi >= landlock.PortABI
	if static.Network.Outbound {
		for _, port := range append([]int{webPort}, s.Network.Loopback...) {
			if err := p.rules.AllowPort(port); err != nil {
				return nil, err
			}
		}
	}
	pair, err := newPair(s.Pair.Answer)
	if err != nil {
		return nil, fmt.Errorf("making the command's way to keyhole: %w", err)
	}
	r.pair = pair
	// One that was there before would be the one that some programs see.
	static.Env = slices.DeleteFunc(slices.Clone(s.Env), func(v string) bool { return strings.HasPrefix(v, s.Pair.Var+"=") })
	static.Env = append(static.Env, s.Pair.Var+"="+s.Pair.Prefix+strconv.Itoa(launch.PairFD))
	return &static, nil
}

// loose tells whether a descriptor is a Unix socket that is not connected.
func loose(fd int) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_UNIX {
		return false
	}
	_, err = unix.Getpeername(fd)
	return err != nil
}

// staticFilter is the filter of a static run.
func staticFilter(n Network) string { return filter.Static(n.UDP, n.Outbound) }

// staticFlags are what its stage is told.
func staticFlags(n Network) uint32 {
	flags := stage.Static
	if n.UDP {
		flags |= stage.UDP
	}
	if n.Outbound {
		flags |= stage.TCP
	}
	return flags
}

// maxAnswered is how many connections a static command has at once.
const maxAnswered = 64

// handOver is how long a connection that was asked for waits to be taken, when
// many are not.
const handOver = time.Second

// pair is how a static command gets connections.
type pair struct {
	ours    *net.UnixConn
	theirs  int // -1 once the command has it
	slots   chan struct{}
	serving sync.WaitGroup
}

func newPair(answer func(*net.UnixConn)) (*pair, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, err := connOf(fds[0])
	if err != nil {
		return nil, errors.Join(err, unix.Close(fds[1]))
	}
	p := &pair{ours: ours, theirs: fds[1], slots: make(chan struct{}, maxAnswered)}
	p.serving.Go(func() { p.serve(answer) })
	return p, nil
}

// connOf takes over a descriptor.
func connOf(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "pair")
	c, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// serve makes a connection for each message of one byte. Nothing else is read, and
// no descriptor is taken: there is no room for one.
func (p *pair) serve(answer func(*net.UnixConn)) {
	var b [4]byte
	for {
		n, err := p.ours.Read(b[:])
		if err != nil {
			return
		}
		if n != 1 {
			continue
		}
		p.slots <- struct{}{}
		c, err := p.connect()
		if err != nil { // not taken, or no descriptors left: who asked asks again
			<-p.slots
			continue
		}
		p.serving.Go(func() {
			defer func() { <-p.slots }()
			answer(c)
		})
	}
}

// connect hands over one end of a new connection and returns the other. The kernel
// adds to what is read there who wrote it.
func (p *pair) connect() (*net.UnixConn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	if err == nil {
		err = p.ours.SetWriteDeadline(time.Now().Add(handOver))
	}
	if err == nil {
		_, _, err = p.ours.WriteMsgUnix([]byte{1}, unix.UnixRights(fds[1]), nil)
	}
	if err = errors.Join(err, unix.Close(fds[1])); err != nil {
		return nil, errors.Join(err, unix.Close(fds[0]))
	}
	return connOf(fds[0])
}

// taken closes what the command has a copy of by now.
func (p *pair) taken() {
	if p != nil && p.theirs >= 0 {
		unix.Close(p.theirs) // a number of ours: it cannot fail
		p.theirs = -1
	}
}

// close ends it. Connections that are being answered end with who answers them.
func (p *pair) close() {
	if p == nil {
		return
	}
	p.taken()
	_ = p.ours.Close() // nothing was left to write
}
