package filter_test

import (
	"encoding/binary"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"keyhole/internal/sandbox/filter"
	"keyhole/internal/sandbox/filter/program"
)

var update = flag.Bool("update", false, "write the tables")

func arches() []program.Arch { return []program.Arch{program.AMD64(), program.ARM64()} }

// The tables in the repository are what the rules say today.
func TestTablesAreGenerated(t *testing.T) {
	for _, a := range arches() {
		want, err := program.Source(a)
		if err != nil {
			t.Fatal(err)
		}
		file := "table_" + a.Name + ".go"
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is out of date: go generate ./internal/sandbox/filter", file)
		}
	}
}

func TestTableIsTheProgram(t *testing.T) {
	for _, a := range arches() {
		for _, v := range program.Variants() {
			code, err := program.Build(a, v)
			if err != nil {
				t.Fatal(err)
			}
			if len(code) > 255 {
				t.Errorf("%s: %d instructions", a.Name, len(code))
			}
		}
	}
	seen := map[string]bool{}
	for _, table := range []string{filter.Table(false), filter.Table(true),
		filter.Static(false, false), filter.Static(true, false), filter.Static(true, true)} {
		if n := len(table); n == 0 || n%filter.InstructionSize != 0 {
			t.Errorf("a table of %d bytes", n)
		}
		if seen[table] {
			t.Error("two variants are the same")
		}
		seen[table] = true
	}
}

// Numbers are those of x/sys/unix, for both architectures at once.
func TestNumbers(t *testing.T) {
	for _, a := range arches() {
		known := known(t, a)
		for _, call := range program.Calls() {
			name := "SYS_" + strings.ToUpper(call)
			if call == "_sysctl" {
				name = "SYS__SYSCTL"
			}
			got, ok := program.Number(a, call)
			want, exists := known[name]
			if ok != exists || ok && uint64(got) != want {
				t.Errorf("%s on %s: %d %v, x/sys has %d %v", call, a.Name, got, ok, want, exists)
			}
		}
	}
}

// known reads x/sys/unix's numbers for an architecture.
func known(t *testing.T, a program.Arch) map[string]uint64 {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "golang.org/x/sys/unix").Output()
	if err != nil {
		t.Fatal(err)
	}
	return constants(t, filepath.Join(strings.TrimSpace(string(out)), "zsysnum_linux_"+a.Name+".go"))
}

func constants(t *testing.T, file string) map[string]uint64 {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]uint64{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if lit, ok := v.Values[0].(*ast.BasicLit); ok {
			if n, err := strconv.ParseUint(lit.Value, 0, 64); err == nil {
				found[v.Names[0].Name] = n
			}
		}
		return true
	})
	if len(found) < 300 {
		t.Fatalf("only %d numbers in %s", len(found), file)
	}
	return found
}

// data is struct seccomp_data.
type data struct {
	nr, arch uint32
	args     [6]uint64
}

func (d data) word(offset uint32) uint32 {
	b := make([]byte, 64)
	binary.LittleEndian.PutUint32(b[0:], d.nr)
	binary.LittleEndian.PutUint32(b[4:], d.arch)
	for i, a := range d.args {
		binary.LittleEndian.PutUint64(b[16+8*i:], a)
	}
	return binary.LittleEndian.Uint32(b[offset:])
}

// run interprets classic BPF.
func run(t *testing.T, code []program.Instruction, d data) uint32 {
	t.Helper()
	action, _ := look(t, code, d)
	return action
}

// look is run, and says whether arguments were looked at.
func look(t *testing.T, code []program.Instruction, d data) (action uint32, looked bool) {
	t.Helper()
	var a uint32
	for pc := 0; pc < len(code); pc++ {
		i := code[pc]
		taken := false
		switch i.Code {
		case 0x20:
			a = d.word(i.K)
			looked = looked || i.K >= 16
			continue
		case 0x54:
			a &= i.K
			continue
		case 0x06:
			return i.K, looked
		case 0x05:
			pc += int(i.K)
			continue
		case 0x15:
			taken = a == i.K
		case 0x35:
			taken = a >= i.K
		case 0x45:
			taken = a&i.K != 0
		default:
			t.Fatalf("instruction %d: opcode %#x", pc, i.Code)
		}
		if taken {
			pc += int(i.JT)
		} else {
			pc += int(i.JF)
		}
	}
	t.Fatal("ran off the end")
	return 0, false
}

const (
	high    = 1 << 32
	allow   = program.Allow
	notify  = program.Notify
	eperm   = program.Errno | 1
	eacces  = program.Errno | 13
	enosys  = program.Errno | 38
	eproto  = program.Errno | 93
	enotsup = program.Errno | 95
	eafno   = program.Errno | 97
)

// cases: what a call comes to. Flags that do not matter (SOCK_CLOEXEC) and high
// halves the kernel ignores are set on purpose.
func cases() []struct {
	call string
	args [6]uint64
	udp  uint32
	none uint32 // without UDP
} {
	const cloexec, nonblock = 0x80000, 0x800
	return []struct {
		call string
		args [6]uint64
		udp  uint32
		none uint32
	}{
		{"connect", [6]uint64{3, 0x1000, 16}, notify, notify},
		{"connect", [6]uint64{high | 3}, notify, notify},
		{"socket", [6]uint64{1, 1}, allow, allow},
		{"socket", [6]uint64{1, 1 | cloexec | nonblock}, allow, allow},
		{"socket", [6]uint64{1, 5 | cloexec}, allow, allow},
		{"socket", [6]uint64{1, 2}, eacces, eacces},
		{"socket", [6]uint64{1, 3}, eacces, eacces},
		{"socket", [6]uint64{high | 1, high | 2}, eacces, eacces},
		{"socket", [6]uint64{1, 2 | cloexec | nonblock}, eacces, eacces},
		{"socket", [6]uint64{2, 1, 0}, allow, allow},
		{"socket", [6]uint64{2, 1 | cloexec, 6}, allow, allow},
		{"socket", [6]uint64{10, 1, 6}, allow, allow},
		{"socket", [6]uint64{2, 1, 262}, eproto, eproto},
		{"socket", [6]uint64{10, 1, 132}, eproto, eproto},
		{"socket", [6]uint64{2, 1, 256}, eproto, eproto},
		{"socket", [6]uint64{2, 2, 0}, allow, eacces},
		{"socket", [6]uint64{10, 2 | nonblock, 17}, allow, eacces},
		{"socket", [6]uint64{2, 2, 1}, eproto, eacces},
		{"socket", [6]uint64{2, 2, 136}, eproto, eacces},
		{"socket", [6]uint64{2, 3, 1}, eproto, eproto},
		{"socket", [6]uint64{2, 5, 132}, eproto, eproto},
		{"socket", [6]uint64{16, 3, 0}, allow, allow},
		{"socket", [6]uint64{16, 3, 4}, eproto, eproto},
		{"socket", [6]uint64{16, 3, 15}, eproto, eproto},
		{"socket", [6]uint64{17, 3, 0}, eafno, eafno},
		{"socket", [6]uint64{38, 5, 0}, eafno, eafno},
		{"socket", [6]uint64{40, 1, 0}, eafno, eafno},
		{"socket", [6]uint64{43, 1, 0}, eafno, eafno},
		{"socket", [6]uint64{0, 1, 0}, eafno, eafno},
		{"socketpair", [6]uint64{1, 1}, allow, allow},
		{"socketpair", [6]uint64{1, 5 | cloexec}, allow, allow},
		{"socketpair", [6]uint64{1, 2}, eacces, eacces},
		{"socketpair", [6]uint64{high | 1, high | 2 | cloexec}, eacces, eacces},
		{"socketpair", [6]uint64{2, 1}, eafno, eafno},
		{"sendto", [6]uint64{3, 0, 0, 0x4000}, allow, allow},
		{"sendto", [6]uint64{3, 0, 0, 0x20000000}, enotsup, enotsup},
		{"sendto", [6]uint64{3, 0, 0, high | 0x20004000}, enotsup, enotsup},
		{"sendmsg", [6]uint64{3, 0, 0x20000000}, enotsup, enotsup},
		{"sendmsg", [6]uint64{3, 0, 0x4000, 0x20000000}, allow, allow},
		{"sendmmsg", [6]uint64{3, 0, 1, 0x20000000}, enotsup, enotsup},
		{"sendmmsg", [6]uint64{3, 0, 0x20000000, 0}, allow, allow},
		{"ioctl", [6]uint64{0, 0x5412}, eperm, eperm},
		{"ioctl", [6]uint64{0, high | 0x5412}, eperm, eperm},
		{"ioctl", [6]uint64{0, 0x541c}, eperm, eperm},
		{"ioctl", [6]uint64{0, 0x5401}, allow, allow},
		{"clone", [6]uint64{0x11}, allow, allow},
		{"clone", [6]uint64{0x3d0f00}, allow, allow},
		{"clone", [6]uint64{0x10000011}, eperm, eperm},
		{"clone", [6]uint64{high | 0x20000011}, eperm, eperm},
		{"clone", [6]uint64{0x40000011}, eperm, eperm},
		{"clone", [6]uint64{0x00020011}, eperm, eperm},
		{"clone", [6]uint64{0x02000011}, eperm, eperm},
		{"unshare", [6]uint64{0x400}, allow, allow},
		{"unshare", [6]uint64{0x10000000}, eperm, eperm},
		{"unshare", [6]uint64{0x80}, eperm, eperm},
		{"prlimit64", [6]uint64{0, 7, 0x1000}, allow, allow},
		{"prlimit64", [6]uint64{99, 7, 0}, allow, allow},
		{"prlimit64", [6]uint64{99, 7, 0x1000}, eperm, eperm},
		{"prlimit64", [6]uint64{99, 7, high}, eperm, eperm},
		{"clone3", [6]uint64{}, enosys, enosys},
		{"io_uring_setup", [6]uint64{}, enosys, enosys},
		{"io_uring_enter", [6]uint64{}, enosys, enosys},
		{"keyctl", [6]uint64{}, enosys, enosys},
		{"add_key", [6]uint64{}, enosys, enosys},
		{"request_key", [6]uint64{}, enosys, enosys},
		{"setns", [6]uint64{}, eperm, eperm},
		{"mount", [6]uint64{}, eperm, eperm},
		{"open_tree_attr", [6]uint64{}, eperm, eperm},
		{"open_by_handle_at", [6]uint64{}, eperm, eperm},
		{"process_vm_readv", [6]uint64{}, eperm, eperm},
		{"pidfd_getfd", [6]uint64{}, eperm, eperm},
		{"bpf", [6]uint64{}, eperm, eperm},
		{"kexec_load", [6]uint64{}, eperm, eperm},
		{"modify_ldt", [6]uint64{}, eperm, eperm},
		{"uselib", [6]uint64{}, enosys, enosys},
	}
}

func TestActions(t *testing.T) {
	for _, a := range arches() {
		for _, udp := range []bool{false, true} {
			code, err := program.Build(a, program.Variant{UDP: udp, TCP: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cases() {
				nr, ok := program.Number(a, c.call)
				if !ok {
					continue
				}
				want := c.none
				if udp {
					want = c.udp
				}
				if got := run(t, code, data{nr: nr, arch: a.Audit, args: c.args}); got != want {
					t.Errorf("%s udp=%v %s %#x: %#x, want %#x", a.Name, udp, c.call, c.args, got, want)
				}
			}
			foreign(t, a, code)
		}
	}
}

// Where nobody decides on connects there is no Unix socket to connect, whatever
// else is open, and no way to make a TCP socket one that Landlock does not know.
func TestStaticActions(t *testing.T) {
	const cloexec = 0x80000
	for _, a := range arches() {
		for _, v := range program.Variants() {
			if !v.Static {
				continue
			}
			code, err := program.Build(a, v)
			if err != nil {
				t.Fatal(err)
			}
			net := func(open bool) uint32 {
				if open {
					return allow
				}
				return eacces
			}
			for _, c := range []struct {
				call string
				args [6]uint64
				want uint32
			}{
				{"connect", [6]uint64{3, 0x1000, 16}, allow},
				{"socket", [6]uint64{1, 1}, eacces},
				{"socket", [6]uint64{high | 1, 1 | cloexec}, eacces},
				{"socket", [6]uint64{1, 5}, eacces},
				{"socket", [6]uint64{1, 2}, eacces},
				{"socketpair", [6]uint64{1, 1 | cloexec}, allow},
				{"socketpair", [6]uint64{1, 5}, allow},
				{"socketpair", [6]uint64{1, 2}, eacces},
				{"socketpair", [6]uint64{1, 3}, eacces},
				{"socket", [6]uint64{2, 1, 0}, net(v.TCP)},
				{"socket", [6]uint64{10, 1 | cloexec, 6}, net(v.TCP)},
				{"socket", [6]uint64{high | 2, 2, 17}, net(v.UDP)},
				{"socket", [6]uint64{43, 1, 0}, eafno},
				{"setsockopt", [6]uint64{3, 6, 31}, enotsup},
				{"setsockopt", [6]uint64{3, high | 6, high | 31}, enotsup},
				{"setsockopt", [6]uint64{3, 6, 1}, allow},
				{"setsockopt", [6]uint64{3, 1, 31}, allow},
				{"sendto", [6]uint64{3, 0, 0, 0x20000000}, enotsup},
				{"ioctl", [6]uint64{0, 0x5412}, eperm},
				{"io_uring_setup", [6]uint64{}, enosys},
			} {
				nr, ok := program.Number(a, c.call)
				if !ok {
					t.Fatal(c.call)
				}
				if got := run(t, code, data{nr: nr, arch: a.Audit, args: c.args}); got != c.want {
					t.Errorf("%s %s %s %#x: %#x, want %#x", a.Name, v.Name, c.call, c.args, got, c.want)
				}
			}
			if got := run(t, code, data{nr: 0xffff, arch: a.Audit}); got != enosys {
				t.Errorf("%s %s: a call nobody knows: %#x", a.Name, v.Name, got)
			}
			foreign(t, a, code)
		}
	}
}

// foreign: another architecture's numbers, x32's among them, reach nothing;
// what no rule names is allowed.
func foreign(t *testing.T, a program.Arch, code []program.Instruction) {
	t.Helper()
	for _, arch := range []uint32{0x40000003, 0xc000003e, 0xc00000b7, 0x40000028, 0} {
		for nr := range uint32(512) {
			got := run(t, code, data{nr: nr, arch: arch})
			if arch != a.Audit && got != enosys {
				t.Fatalf("%s: call %d of architecture %#x: %#x", a.Name, nr, arch, got)
			}
			x32 := run(t, code, data{nr: 0x40000000 | nr, arch: arch})
			if a.Name == "amd64" && x32 != enosys {
				t.Fatalf("x32 call %d: %#x", nr, x32)
			}
		}
	}
	if got := run(t, code, data{nr: 463, arch: a.Audit}); got != allow {
		t.Errorf("a call no rule names: %#x", got)
	}
	for _, nr := range []uint32{a.Old + 1, 423, program.Last + 1, program.Last + 100, 0x3fffffff, 0x7fffffff, 0xffffffff} {
		if got := run(t, code, data{nr: nr, arch: a.Audit}); got != enosys {
			t.Errorf("%s: call %d, which nobody knows yet: %#x", a.Name, nr, got)
		}
	}
}
