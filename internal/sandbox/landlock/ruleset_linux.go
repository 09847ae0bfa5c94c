package landlock

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ABI asks the kernel. ENOSYS means Landlock is not built in, EOPNOTSUPP that it
// was not enabled at boot.
func ABI() (int, error) { return query(unix.LANDLOCK_CREATE_RULESET_VERSION) }

// Errata is the bitmap of Landlock bugs this kernel has fixed; 0 when it cannot say.
func Errata() int {
	n, err := query(unix.LANDLOCK_CREATE_RULESET_ERRATA)
	if err != nil {
		return 0
	}
	return n
}

func query(what uintptr) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, what)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Ruleset is a ruleset under construction.
type Ruleset struct {
	fd      int
	handled handled
}

// New starts an empty ruleset, which denies everything that abi can.
func New(abi int) (*Ruleset, error) {
	h := forABI(abi)
	attr := [3]uint64{h.files, h.net, h.scoped}
	fd, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), h.size, 0)
	if errno != 0 {
		return nil, fmt.Errorf("creating Landlock ruleset: %w", errno)
	}
	return &Ruleset{fd: int(fd), handled: h}, nil
}

// FD is the ruleset's descriptor.
func (r *Ruleset) FD() int { return r.fd }

// Close gives up the supervisor's descriptor.
func (r *Ruleset) Close() error { return unix.Close(r.fd) }

// Rights are what a grant comes to: of a folder with all below it, and of a file.
func (r *Ruleset) Rights(write bool) (folder, file uint64) {
	access := reading
	if write {
		access = r.handled.files &^ devices
	}
	access &= r.handled.files
	return access, access & onFile
}

// Seeing are the rights to look at a folder or a file and to do nothing else.
func Seeing() (folder, file uint64) { return readDir | readFile, readFile }

// Listing is the right to see the names in a folder.
func Listing() uint64 { return readDir }

// Allow adds a rule for the file or folder open at fd, with all below it.
func (r *Ruleset) Allow(fd int, folder, write bool) error {
	access, file := r.Rights(write)
	if !folder {
		access = file
	}
	// struct landlock_path_beneath_attr is packed: 12 bytes.
	var attr [12]byte
	binary.NativeEndian.PutUint64(attr[:8], access)
	binary.NativeEndian.PutUint32(attr[8:], uint32(fd))
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("adding Landlock rule: %w", errno)
	}
	return nil
}

const ruleNetPort = 2 // LANDLOCK_RULE_NET_PORT

// PortABI is the first ABI with rules about ports.
const PortABI = 4

// AllowPort adds a rule for TCP connects to a port, of any address.
func (r *Ruleset) AllowPort(port int) error {
	// struct landlock_net_port_attr.
	attr := [2]uint64{r.handled.net & netConnectTCP, uint64(port)}
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), ruleNetPort,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("adding Landlock rule: %w", errno)
	}
	return nil
}
