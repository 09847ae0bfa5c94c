package mediate

import (
	"bytes"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUnixAddress is sizeof(struct sockaddr_un): a path of 108 bytes needs no NUL.
const maxUnixAddress = 110

// unix decides a connect of a Unix socket.
func (m *Mediator) unix(c *call) (syscall.Errno, bool) {
	if c.family() != unix.AF_UNIX || len(c.address) < 3 || len(c.address) > maxUnixAddress {
		return unix.EINVAL, true
	}
	if c.sock.kind != unix.SOCK_STREAM && c.sock.kind != unix.SOCK_SEQPACKET {
		return m.refuse(c.n, "datagram socket", unix.EACCES), true
	}
	name := c.address[2:]
	if name[0] == 0 {
		return m.abstract(c, string(name[1:])), true
	}
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	return m.pathname(c, string(name))
}

// pathname pins what the path names, judges the pin and connects to it.
func (m *Mediator) pathname(c *call, asked string) (syscall.Errno, bool) {
	pin, folder, errno := m.pin(c.thread(), asked)
	if !m.listener.valid(c.n.id) {
		if errno == 0 {
			closeFD(pin)
		}
		return 0, false
	}
	if errno != 0 {
		// No such socket: our own may still stand in for it.
		text := absolute(folder, asked)
		if to, ok := m.policy.Redirect[text]; ok && errno != unix.ELOOP {
			return m.perform(c, unixAddress(to)), true
		}
		if errno == unix.ELOOP {
			return m.refuse(c.n, asked, unix.EACCES), true
		}
		if m.inside >= 0 && m.policy.judge(text) >= ifMeant {
			return m.unseen(c, text, errno), true
		}
		return errno, true
	}
	defer closeFD(pin)
	return m.judge(c, pin), true
}

// unseen connects to a socket that is granted and that the sandbox's own tree
// does not show. It is judged once more by what is there.
func (m *Mediator) unseen(c *call, text string, otherwise syscall.Errno) syscall.Errno {
	pin, err := unix.Openat2(unix.AT_FDCWD, text, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return otherwise
	}
	defer closeFD(pin)
	if name, err := readlink(ownFD(pin)); err != nil || m.policy.judge(name) < ifMeant {
		return otherwise
	}
	return m.judge(c, pin)
}

// pin opens what the path names, from the caller's folder. Magic links are
// refused: /proc/self in the caller's text would lead through our descriptors.
func (m *Mediator) pin(thread int, asked string) (fd int, folder string, errno syscall.Errno) {
	base, resolve := unix.AT_FDCWD, uint64(unix.RESOLVE_NO_MAGICLINKS)
	if !strings.HasPrefix(asked, "/") {
		cwd, err := unix.Open(proc(thread)+"/cwd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, "", unix.EACCES
		}
		defer closeFD(cwd)
		base = cwd
		if folder, err = readlink(ownFD(cwd)); err != nil {
			return -1, "", unix.EACCES
		}
		if m.inside >= 0 {
			// Links on the way start at the sandbox's top, which a base alone
			// does not say.
			asked = folder + "/" + asked
		}
	}
	if m.inside >= 0 {
		base, resolve = m.inside, resolve|unix.RESOLVE_IN_ROOT
	}
	fd, err := unix.Openat2(base, asked, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve})
	if err != nil {
		if e, ok := err.(syscall.Errno); ok {
			return -1, folder, e
		}
		return -1, folder, unix.EACCES
	}
	return fd, folder, 0
}

// judge decides on the pinned file by the kernel's name for it.
func (m *Mediator) judge(c *call, pin int) syscall.Errno {
	var st unix.Stat_t
	if unix.Fstat(pin, &st) != nil {
		return unix.EACCES
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return unix.ECONNREFUSED
	}
	name, err := readlink(ownFD(pin))
	if err != nil {
		return unix.EACCES
	}
	// A second name for the socket could lie in a folder that is granted.
	if st.Nlink != 1 {
		return m.refuse(c.n, name, unix.EACCES)
	}
	if to, ok := m.policy.Redirect[name]; ok {
		return m.perform(c, unixAddress(to))
	}
	switch m.policy.judge(name) {
	case granted:
		return m.perform(c, unixAddress(ownFD(pin)))
	case ifMeant:
		return m.meant(c, pin, &st, name)
	case ifOwn:
		return m.inner(c, pin, &st, name)
	default:
		return m.refuse(c.n, name, unix.EACCES)
	}
}

// inner connects to a socket in a folder that the sandbox may write. A daemon of
// the person may listen there too, an agent for keys in a cache or in /tmp, and
// was not named: only what the sandbox itself listens on is reached.
func (m *Mediator) inner(c *call, pin int, st *unix.Stat_t, name string) syscall.Errno {
	found, err := listeningAt(st)
	if err != nil {
		return m.refuse(c.n, name, unix.EACCES)
	}
	switch m.own.whose(inodes(found), m.descendants) {
	case ours:
		return m.perform(c, unixAddress(ownFD(pin)))
	case nobody:
		return unix.ECONNREFUSED
	default:
		return m.refuse(c.n, name, unix.EACCES)
	}
}

// meant connects to a socket that is named in a folder that the sandbox may write,
// where it can give that name to another one, as can the command of an earlier run.
// What was bound under the name is meant, and the sandbox's own. The name given to
// bind is taken as it is: links that lead there are the sandbox's to turn.
func (m *Mediator) meant(c *call, pin int, st *unix.Stat_t, name string) syscall.Errno {
	found, err := listeningAt(st)
	if err != nil {
		return m.refuse(c.n, name, unix.EACCES)
	}
	other := slices.DeleteFunc(slices.Clone(found), func(b bound) bool { return path.Clean(b.name) == name })
	if len(other) > 0 && m.own.whose(inodes(other), m.descendants) != ours {
		return m.refuse(c.n, name, unix.EACCES)
	}
	if len(found) == 0 {
		return unix.ECONNREFUSED
	}
	return m.perform(c, unixAddress(ownFD(pin)))
}

func inodes(found []bound) []uint64 {
	var all []uint64
	for _, b := range found {
		all = append(all, b.inode)
	}
	return all
}

// verdict is what a path alone decides. The zero verdict refuses.
type verdict uint8

const (
	refused verdict = iota
	ifOwn           // if only the sandbox listens there
	ifMeant         // if the one that is named listens there, or the sandbox
	granted
)

// judge decides on a canonical path.
func (p *Policy) judge(name string) verdict {
	if beneath(p.Endpoints, name) {
		return granted
	}
	// What may be written below a protected folder is the run's own.
	shut, own := longest(p.Protected, name), longest(p.Writable, name)
	switch {
	case shut != "" && (own == name || len(own) <= len(shut)):
		return refused
	case shut == "" && slices.Contains(p.Sockets, name):
		if own != "" {
			return ifMeant
		}
		return granted
	case own != "" && own != name:
		return ifOwn
	}
	return refused
}

// longest is the innermost of the folders that a path is or lies in, or "".
func longest(folders []string, name string) string {
	found := ""
	for _, f := range folders {
		if (name == f || beneath(f, name)) && len(f) > len(found) {
			found = f
		}
	}
	return found
}

// beneath reports whether name lies below folder.
func beneath(folder, name string) bool {
	if folder == "/" {
		return strings.HasPrefix(name, "/")
	}
	rest, ok := strings.CutPrefix(name, folder)
	return ok && folder != "" && strings.HasPrefix(rest, "/")
}

// absolute is the path asked for as text, for the redirect table alone.
func absolute(folder, asked string) string {
	if strings.HasPrefix(asked, "/") {
		return path.Clean(asked)
	}
	if folder == "" {
		return ""
	}
	return path.Join(folder, asked)
}

func ownFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// closeFD closes a descriptor of ours that was only looked through.
func closeFD(fd int) { (&socket{fd: fd}).close() }

// unixAddress is the address of a path; one that is too long answers EINVAL at
// connect.
func unixAddress(to string) []byte {
	b := make([]byte, 2, 3+len(to))
	b[0] = unix.AF_UNIX // little endian, as every architecture with a filter
	return append(append(b, to...), 0)
}
