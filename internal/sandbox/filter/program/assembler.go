// Package program writes the system call filter every confined command runs
// under, as classic BPF for each architecture. Only the generator and tests
// import it: what runs is the constant table in the package above. A known call
// that no rule names is allowed, because Landlock and connect mediation bound
// what it can reach; a call that is newer than this list, or by another
// architecture's numbering, never is.
package program

import "fmt"

// Opcodes of classic BPF used here (linux/bpf_common.h).
const (
	opLoad  = 0x20 // BPF_LD|BPF_W|BPF_ABS
	opAnd   = 0x54 // BPF_ALU|BPF_AND|BPF_K
	opEqual = 0x15 // BPF_JMP|BPF_JEQ|BPF_K
	opLeast = 0x35 // BPF_JMP|BPF_JGE|BPF_K
	opBits  = 0x45 // BPF_JMP|BPF_JSET|BPF_K
	opRet   = 0x06 // BPF_RET|BPF_K
)

// Instruction is struct sock_filter.
type Instruction struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}

// next as a label means the following instruction.
const next = ""

type line struct {
	code uint16
	k    uint32
	t, f string
}

// assembler collects lines and resolves forward labels at the end.
type assembler struct {
	lines  []line
	labels map[string]int
}

func (a *assembler) load(offset uint32) { a.lines = append(a.lines, line{code: opLoad, k: offset}) }
func (a *assembler) and(mask uint32)    { a.lines = append(a.lines, line{code: opAnd, k: mask}) }
func (a *assembler) ret(action uint32)  { a.lines = append(a.lines, line{code: opRet, k: action}) }

func (a *assembler) branch(code uint16, k uint32, t, f string) {
	a.lines = append(a.lines, line{code: code, k: k, t: t, f: f})
}

func (a *assembler) equal(k uint32, t, f string)   { a.branch(opEqual, k, t, f) }
func (a *assembler) atLeast(k uint32, t, f string) { a.branch(opLeast, k, t, f) }
func (a *assembler) anyBit(k uint32, t, f string)  { a.branch(opBits, k, t, f) }

func (a *assembler) label(name string) {
	if a.labels == nil {
		a.labels = map[string]int{}
	}
	a.labels[name] = len(a.lines)
}

// assemble resolves labels. A backward jump, an unknown label and a conditional
// jump over more than 255 instructions are errors.
func (a *assembler) assemble() ([]Instruction, error) {
	out := make([]Instruction, len(a.lines))
	for i, l := range a.lines {
		ins := Instruction{Code: l.code, K: l.k}
		switch l.code {
		case opEqual, opLeast, opBits:
			t, err := a.short(i, l.t)
			if err != nil {
				return nil, err
			}
			f, err := a.short(i, l.f)
			if err != nil {
				return nil, err
			}
			ins.JT, ins.JF = t, f
		}
		out[i] = ins
	}
	return out, nil
}

func (a *assembler) distance(from int, label string) (int, error) {
	if label == next {
		return 0, nil
	}
	to, ok := a.labels[label]
	if !ok {
		return 0, fmt.Errorf("internal error: no label %q", label)
	}
	if to <= from {
		return 0, fmt.Errorf("internal error: label %q lies behind instruction %d", label, from)
	}
	return to - from - 1, nil
}

func (a *assembler) short(from int, label string) (uint8, error) {
	d, err := a.distance(from, label)
	if err != nil {
		return 0, err
	}
	if d > 255 {
		return 0, fmt.Errorf("internal error: label %q is %d instructions away", label, d)
	}
	return uint8(d), nil
}
