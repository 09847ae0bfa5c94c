package mediate

import (
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/proctree"
)

// owner says whose a listening socket is. The zero owner is somebody else.
type owner uint8

const (
	foreign owner = iota
	nobody
	ours
)

// remembered is how long it holds that a socket is held inside: looking costs
// milliseconds, and a program that polls a server connects often.
const remembered = time.Second

// ownership answers whose listening sockets are.
type ownership struct {
	mu   sync.Mutex // guards the rest
	held map[uint64]bool
	at   time.Time
}

// States of sockets in /proc/net/tcp and /proc/net/udp (TCP_LISTEN, TCP_CLOSE).
// A UDP socket that takes datagrams from anybody is in the second.
const (
	stateListening   = "0A"
	stateUnconnected = "07"
)

// port reports who listens on a TCP port. Somebody else among several is enough
// to call it foreign, because we cannot tell who would get the connection.
func (o *ownership) port(port int, below func() []proctree.Process) owner {
	return o.on("/proc/net/tcp", stateListening, port, below)
}

// udpPort reports who takes datagrams on a UDP port.
func (o *ownership) udpPort(port int, below func() []proctree.Process) owner {
	return o.on("/proc/net/udp", stateUnconnected, port, below)
}

func (o *ownership) on(table, state string, port int, below func() []proctree.Process) owner {
	var inodes []uint64
	for _, file := range []string{table, table + "6"} {
		b, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			return foreign
		}
		inodes = append(inodes, inState(b, state, port)...)
	}
	return o.whose(inodes, below)
}

func (o *ownership) whose(inodes []uint64, below func() []proctree.Process) owner {
	if len(inodes) == 0 {
		return nobody
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.allLocked(inodes) && time.Since(o.at) < remembered {
		return ours
	}
	o.held, o.at = proctree.Sockets(below()), time.Now()
	if o.allLocked(inodes) {
		return ours
	}
	return foreign
}

func (o *ownership) allLocked(inodes []uint64) bool {
	for _, i := range inodes {
		if !o.held[i] {
			return false
		}
	}
	return true
}

// inState finds the inodes of sockets in one state on a port in the text of
// /proc/net/tcp, which that of /proc/net/udp resembles.
func inState(b []byte, state string, port int) []uint64 {
	var found []uint64
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) < 10 || string(f[3]) != state {
			continue
		}
		i := bytes.LastIndexByte(f[1], ':')
		p, err := strconv.ParseUint(string(f[1][i+1:]), 16, 16)
		if err != nil || int(p) != port {
			continue
		}
		inode, err := strconv.ParseUint(string(f[9]), 10, 64)
		if err != nil {
			inode = 0 // held by nobody, hence foreign
		}
		found = append(found, inode)
	}
	return found
}

// abstract decides on an abstract name. Landlock's scope does not help, because
// the supervisor connects and stands outside of it.
func (m *Mediator) abstract(c *call, name string) syscall.Errno {
	if m.policy.AbstractOwn {
		b, err := os.ReadFile("/proc/net/unix")
		if err == nil && m.own.whose(listeningAs(b, name), m.descendants) == ours {
			return m.perform(c, c.address)
		}
	}
	return m.refuse(c.n, "@"+printable(name), unix.EPERM)
}

// listeningAs finds the inodes of listening sockets with an abstract name in the
// text of /proc/net/unix, where NUL is shown as @. A name may hold line ends and
// so add lines, but can hide none: since all that are found must be ours, more
// lines never allow more.
func listeningAs(b []byte, name string) []uint64 {
	const accepts = 0x10000 // __SO_ACCEPTCON
	want := "@" + strings.ReplaceAll(name, "\x00", "@")
	var found []uint64
	for line := range strings.Lines(string(b)) {
		head, shown, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " @")
		f := strings.Fields(head)
		if !ok || len(f) < 7 || "@"+shown != want {
			continue
		}
		flags, err := strconv.ParseUint(f[3], 16, 32)
		if err != nil || flags&accepts == 0 {
			continue
		}
		inode, err := strconv.ParseUint(f[6], 10, 64)
		if err != nil {
			inode = 0
		}
		found = append(found, inode)
	}
	return found
}

// printable keeps a name that is not text readable in a record.
func printable(name string) string {
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' {
			return "0x" + hex.EncodeToString([]byte(name))
		}
	}
	return name
}
