// Package stage is what runs INSIDE the child between fork and exec: keyhole's
// own binary, started again under the name Name, takes a Spec from the
// supervisor, confines itself, proves that it is confined, and becomes the
// command. It trusts the supervisor's socket on descriptor 3 and nothing else.
//
// It imports syscall and little more, and does its work in its init function:
// Go initialises packages by import path once their imports are ready, so a leaf
// is done long before the rest of the program, and the child never pays for it.
package stage

import "errors"

// Name is the stage's argv[0]. Together with the variable it selects; it
// authorises nothing: a program inside that calls itself so only confines itself.
const Name = "keyhole-stage"

// Environment marks the stage's environment, so that every other start is told
// from a stage without reading a file. Its value is Plain, or what Ids makes when
// the stage was started in namespaces of its own.
const (
	Environment = "KEYHOLE_STAGE"
	Plain       = "1"
)

// Flags of a Spec. The No flags force what old kernels make us do.
const (
	UDP          uint32 = 1 << iota // the filter variant that allows internet datagrams
	Trial                           // confine, hand over the listener, wait for the end; never exec
	NoKillable                      // leave out WAIT_KILLABLE_RECV
	NoCloseRange                    // mark descriptors one by one
	Observed                        // be traced by the thread that forked us
	Hardened                        // put up Walls, and stay as the namespace's init
	Static                          // a filter that notifies about nothing; a third descriptor is the command's to keep
	TCP                             // of a static filter: allow internet streams
)

// Spec is what the stage has to do.
type Spec struct {
	Flags   uint32
	Path    string
	Dir     string
	Closed  string   // a folder that is not granted: opening it must fail
	Refused string   // an abstract socket name: connecting must answer EPERM
	Probe   string   // a socket that must accept a connection
	Argv    []string // with argv[0]
	Env     []string
	Walls   Walls // nothing unless Hardened
}

// Limits of the encoding; the kernel takes at most 6 MiB of arguments.
const (
	MaxSpec    = 16 << 20
	maxStrings = 1 << 20
)

// ErrSpec is an encoded spec that cannot be read.
var ErrSpec = errors.New("malformed spec")

// Encode writes s as a version, the flags and length-prefixed strings.
func (s *Spec) Encode() ([]byte, error) {
	n := 4*8 + s.Walls.size()
	for _, l := range [][]string{{s.Path, s.Dir, s.Closed, s.Refused, s.Probe}, s.Argv, s.Env} {
		for _, v := range l {
			n += 4 + len(v)
		}
	}
	if n > MaxSpec {
		return nil, errors.New("arguments and environment are too long")
	}
	b := make([]byte, 0, n)
	b = put(b, s.Flags)
	for _, v := range []string{s.Path, s.Dir, s.Closed, s.Refused, s.Probe} {
		b = putString(b, v)
	}
	for _, l := range [][]string{s.Argv, s.Env} {
		b = put(b, uint32(len(l)))
		for _, v := range l {
			b = putString(b, v)
		}
	}
	if s.Flags&Hardened != 0 {
		b = s.Walls.append(b)
	}
	return b, nil
}

// Decode reads what Encode wrote, and nothing that Encode would not write.
func Decode(b []byte) (*Spec, error) {
	if len(b) > MaxSpec {
		return nil, ErrSpec
	}
	d := decoder{rest: b}
	s := &Spec{Flags: d.number()}
	s.Path, s.Dir = d.text(), d.text()
	s.Closed, s.Refused, s.Probe = d.text(), d.text(), d.text()
	s.Argv, s.Env = d.list(), d.list()
	if s.Flags&Hardened != 0 {
		s.Walls = d.walls()
	}
	if d.bad || len(d.rest) != 0 {
		return nil, ErrSpec
	}
	return s, nil
}

func put(b []byte, n uint32) []byte {
	return append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

func putString(b []byte, s string) []byte { return append(put(b, uint32(len(s))), s...) }

type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n uint32) []byte {
	if d.bad || uint64(n) > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	v := d.rest[:n]
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) number() uint32 {
	b := d.take(4)
	if d.bad {
		return 0
	}
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func (d *decoder) text() string { return string(d.take(d.number())) }

// count is how many of something follow. Each takes at least a word: a large
// count in a short message must not make us reserve memory for it.
func (d *decoder) count() uint32 {
	n := d.number()
	if n > maxStrings || uint64(n)*4 > uint64(len(d.rest)) {
		d.bad = true
		return 0
	}
	return n
}

func (d *decoder) list() []string {
	var l []string
	for range d.count() {
		l = append(l, d.text())
	}
	return l
}
