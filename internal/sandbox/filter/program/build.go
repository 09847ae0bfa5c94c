package program

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Arch is an architecture the filter exists for.
type Arch struct {
	Name  string // as GOARCH
	Audit uint32 // AUDIT_ARCH_*

	// Old is the last number of the architecture's own counting. The common one
	// of all architectures goes on at common.
	Old uint32
}

// AMD64 is x86-64. Its x32 calls lie above every bound.
func AMD64() Arch { return Arch{Name: "amd64", Audit: 0xc000003e, Old: 336} }

// ARM64 is AArch64.
func ARM64() Arch { return Arch{Name: "arm64", Audit: 0xc00000b7, Old: 294} }

// The numbers all architectures share since Linux 5.1.
const (
	common = 424
	// Last is the newest call somebody has looked at, rseq_slice_yield of Linux
	// 7.0. What comes later could be another connect: it does not exist inside
	// until it has been judged here. A test lists every call up to this one.
	Last = 471
)

// Offsets in struct seccomp_data, little endian.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// Actions of a filter (linux/seccomp.h).
const (
	Allow  = 0x7fff0000
	Notify = 0x7fc00000
	Errno  = 0x00050000 // with the number in the lower half
)

type builder struct {
	assembler
	arch    Arch
	numbers map[string]number
	judged  map[uint32]string // the labels of those calls that are not simply allowed
}

func (b *builder) arg(n uint32)     { b.load(offsetArgs + 8*n) }
func (b *builder) argHigh(n uint32) { b.load(offsetArgs + 8*n + 4) }

// Number is a call's number on arch, or false where it does not exist.
func Number(arch Arch, call string) (uint32, bool) {
	n, ok := numbers()[call]
	if !ok {
		return 0, false
	}
	v := n.amd64
	if arch.Name == "arm64" {
		v = n.arm64
	}
	return uint32(v), v >= 0
}

// Calls lists every call that has a number here, in order.
func Calls() []string { return slices.Sorted(maps.Keys(numbers())) }

// Variant is one of the filters of an architecture.
type Variant struct {
	Name string // of the constant
	UDP  bool   // internet datagram sockets can be made

	// Static is for where nobody can decide on connects: they are not notified
	// about, and there are no Unix sockets but connected pairs. Without TCP there
	// are no internet stream sockets either.
	Static, TCP bool
}

// Variants are all there are.
func Variants() []Variant {
	return []Variant{
		{Name: "withoutUDP", TCP: true}, {Name: "withUDP", UDP: true, TCP: true},
		{Name: "staticShut", Static: true}, {Name: "staticUDP", Static: true, UDP: true},
		{Name: "staticOpen", Static: true, UDP: true, TCP: true},
	}
}

// Build writes a filter for arch.
func Build(arch Arch, v Variant) ([]Instruction, error) {
	b := &builder{arch: arch, numbers: numbers(), judged: map[uint32]string{}}
	judged := [][2]string{
		{"socket", "socket"}, {"socketpair", "socketpair"}, {"sendto", "send3"}, {"sendmmsg", "send3"},
		{"sendmsg", "send2"}, {"ioctl", "ioctl"}, {"clone", "clone"}, {"unshare", "unshare"},
		{"prlimit64", "prlimit64"},
	}
	if v.Static {
		judged = append(judged, [2]string{"setsockopt", "setsockopt"})
	} else {
		judged = append(judged, [2]string{"connect", "notify"})
	}
	for _, d := range judged {
		if err := b.on(d[0], d[1]); err != nil {
			return nil, err
		}
	}
	for _, d := range deniedCalls() {
		for _, call := range d.calls {
			if err := b.on(call, errnoLabel(d.errno)); err != nil {
				return nil, err
			}
		}
	}
	b.load(offsetArch)
	b.equal(arch.Audit, next, "ENOSYS")
	b.load(offsetNumber)
	b.choose(b.spans())
	b.socketRules(v)
	b.flagRules(v)
	b.actions()
	return b.assemble()
}

// on sends one call to label; a call the architecture lacks needs no rule.
func (b *builder) on(call, label string) error {
	if _, ok := b.numbers[call]; !ok {
		return fmt.Errorf("internal error: no number for %q", call)
	}
	n, ok := Number(b.arch, call)
	if _, twice := b.judged[n]; ok && twice {
		return fmt.Errorf("internal error: two rules for %q", call)
	}
	if ok {
		b.judged[n] = label
	}
	return nil
}

// span is what becomes of the calls from a number on.
type span struct {
	from  uint32
	label string
}

// spans cover every number there is, in order, neighbours with different labels.
func (b *builder) spans() []span {
	label := func(n uint32) string {
		if l, ok := b.judged[n]; ok {
			return l
		}
		if n <= b.arch.Old || n >= common && n <= Last {
			return "allow"
		}
		return "ENOSYS"
	}
	var all []span
	for n := uint32(0); n <= Last+1; n++ {
		if l := label(n); len(all) == 0 || all[len(all)-1].label != l {
			all = append(all, span{n, l})
		}
	}
	return all
}

// choose goes to a number's label by halves: the kernel walks through the filter
// for each number when it is put in place, and through a list that is a tenth of a
// millisecond.
func (b *builder) choose(all []span) {
	half := len(all) / 2
	low, high := all[:half], all[half:]
	lower, upper := low[0].label, high[0].label
	if len(low) > 1 {
		lower = next
	}
	if len(high) > 1 {
		upper = fmt.Sprintf("from %d", high[0].from)
	}
	b.atLeast(high[0].from, upper, lower)
	if len(low) > 1 {
		b.choose(low)
	}
	if len(high) > 1 {
		b.label(upper)
		b.choose(high)
	}
}

func (b *builder) actions() {
	b.label("allow")
	b.ret(Allow)
	b.label("notify")
	b.ret(Notify)
	for _, e := range []uint32{eperm, eacces, enosys, eprotonosupport, eopnotsupp, eafnosupport} {
		b.label(errnoLabel(e))
		b.ret(Errno | e)
	}
}

func errnoLabel(e uint32) string {
	switch e {
	case eperm:
		return "EPERM"
	case eacces:
		return "EACCES"
	case enosys:
		return "ENOSYS"
	case eprotonosupport:
		return "EPROTONOSUPPORT"
	case eopnotsupp:
		return "EOPNOTSUPP"
	default:
		return "EAFNOSUPPORT"
	}
}

// Source is the Go file holding every variant for arch.
func Source(arch Arch) (string, error) {
	var s strings.Builder
	s.WriteString("// Code generated by keyhole/internal/sandbox/filter/gen; DO NOT EDIT.\n\npackage filter\n")
	for _, v := range Variants() {
		code, err := Build(arch, v)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&s, "\nconst %s = \"\" +\n", v.Name)
		for i, ins := range code {
			plus := " +"
			if i == len(code)-1 {
				plus = ""
			}
			fmt.Fprintf(&s, "\t\"%s\"%s // %d\n", escape(ins), plus, i)
		}
	}
	return s.String(), nil
}

// escape writes an instruction as the eight bytes the kernel reads.
func escape(i Instruction) string {
	b := []byte{byte(i.Code), byte(i.Code >> 8), i.JT, i.JF, byte(i.K), byte(i.K >> 8), byte(i.K >> 16), byte(i.K >> 24)}
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, "\\x%02x", c)
	}
	return s.String()
}
