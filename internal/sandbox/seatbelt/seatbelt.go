// Package seatbelt writes the profile that macOS's sandbox-exec puts a confined
// command under. It runs nothing and reads no file, so that what a Mac would get
// can be made, shown and tested on any system.
//
// The text is constant ASCII but for the number of its rules: every path travels
// as a parameter (-D), which is a value and never read as profile text. Anything
// not allowed is denied. One block at the very end denies what must stay shut,
// each operation by its own name as well as by its wildcard: of two rules for
// different operation names the more exact one wins whatever the order, so
// neither form alone is enough. Nothing may be written after that block.
//
// None of this has run on a Mac yet: what it says of Seatbelt's rules is from
// reading, and docs/macos.md lists the checks that settle it.
package seatbelt

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Input is what a profile is made from. Paths are absolute, clean, and resolved
// as the kernel sees them (/private/tmp, not /tmp).
type Input struct {
	Tag string // ends each line the kernel logs about this run: letters, digits and -

	Home, Dir, Tmp, Run string // the person's home, the working directory, the run's folders
	Shims               string // empty: none
	TTY                 string // the command's own terminal; empty: none

	Read, Write []string
	Sockets     []string // Unix sockets that may be connected to, keyhole's own first
	Outbound    bool
	Loopback    []int

	Mach []string // further Mach services that may be looked up; never one that MachDenied names

	Protected []string // neither read nor written, whatever is granted
	ReadOnly  []string // not written, whatever is granted
}

// Param is one -D.
type Param struct{ Key, Value string }

// Profile is what sandbox-exec is given.
type Profile struct {
	Text   string
	Params []Param
}

// Args are the parameters as sandbox-exec takes them.
func (p *Profile) Args() []string {
	var args []string
	for _, d := range p.Params {
		args = append(args, "-D", d.Key+"="+d.Value)
	}
	return args
}

// Program compiles a profile, puts itself under it and becomes the command: the
// process stays the same. It is Apple's, and not looked for on PATH.
const Program = "/usr/bin/sandbox-exec"

// Command is what to execute, for a profile whose text is in file. Paths are in
// parameters: any program of the person can read them, and no secret is there.
func (p *Profile) Command(file, path string, args []string) []string {
	argv := append([]string{Program, "-f", file}, p.Args()...)
	return append(append(argv, "--", path), args...)
}

// maxRules keeps well below the number at which the system's compiler was seen
// to crash, about 17,770.
const maxRules = 4000

// maxParams is how many bytes parameters may take: they travel as arguments, of which
// a Mac takes 1 MiB, the environment included.
const maxParams = 256 << 10

// Generate writes the profile.
func Generate(in *Input) (*Profile, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	w := &writer{}
	w.head(in.Tag)
	w.processes()
	w.machServices(in.Outbound, in.Mach)
	w.systemFiles(in)
	w.devices(in.TTY)
	w.network(in)
	w.grants(in)
	w.final(in)
	if w.rules > maxRules {
		return nil, fmt.Errorf("the profile has %d rules, %d are possible", w.rules, maxRules)
	}
	p := &Profile{Text: w.text.String(), Params: w.params}
	size := 0
	for _, arg := range p.Args() {
		size += len(arg) + len("\x00") + 8 // and the pointer to it
	}
	if size > maxParams {
		return nil, fmt.Errorf("the paths of the profile take %d bytes, %d are possible", size, maxParams)
	}
	return p, nil
}

func (in *Input) check() error {
	for _, c := range in.Tag {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return fmt.Errorf("internal error: the tag %q", in.Tag)
		}
	}
	if in.Tag == "" {
		return errors.New("internal error: no tag")
	}
	lists := [][]string{{in.Home, in.Dir, in.Tmp, in.Run}, in.Read, in.Write, in.Sockets, in.Protected, in.ReadOnly}
	for _, p := range []string{in.Shims, in.TTY} {
		if p != "" {
			lists = append(lists, []string{p})
		}
	}
	for _, list := range lists {
		for _, p := range list {
			if !path.IsAbs(p) || path.Clean(p) != p || strings.ContainsRune(p, 0) {
				return fmt.Errorf("%q cannot be put into a sandbox profile: it is not an absolute, clean path", p)
			}
		}
	}
	for _, port := range in.Loopback {
		if port < 1 || port > 65535 {
			return fmt.Errorf("port %d is none", port)
		}
	}
	for _, name := range in.Mach {
		if !MachName(name) || MachDenied(name) {
			return fmt.Errorf("internal error: the Mach service %q", name)
		}
	}
	if len(in.Protected) == 0 {
		return errors.New("internal error: a profile that protects nothing")
	}
	return nil
}

// writer collects the text and its parameters.
type writer struct {
	text   strings.Builder
	params []Param
	keys   map[string]string // by value
	rules  int
}

// line writes one rule.
func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(&w.text, format+"\n", args...)
	w.rules++
}

// param returns the reference to a path, which becomes a parameter the first
// time it is used. class is its letter.
func (w *writer) param(class, value string) string {
	if key, ok := w.keys[value]; ok {
		return `(param "` + key + `")`
	}
	n := 0
	for _, p := range w.params {
		if strings.HasPrefix(p.Key, class) {
			n++
		}
	}
	key := fmt.Sprintf("%s%d", class, n)
	w.params = append(w.params, Param{key, value})
	if w.keys == nil {
		w.keys = map[string]string{}
	}
	w.keys[value] = key
	return `(param "` + key + `")`
}

// literals and subpaths write filters for constant paths of ours.
func literals(paths string) string { return filters("literal", paths) }
func subpaths(paths string) string { return filters("subpath", paths) }

func filters(kind, list string) string {
	var b strings.Builder
	for _, p := range strings.Fields(list) {
		b.WriteString(` (` + kind + ` "` + p + `")`)
	}
	return b.String()
}

// paths are filters by paths that travel as parameters.
func (w *writer) paths(kind, class string, paths []string) string {
	var b strings.Builder
	w.rules += len(paths) // the system counts them one by one
	for _, p := range paths {
		b.WriteString("\n  (" + kind + " " + w.param(class, p) + ")")
	}
	return b.String()
}

func names(filter, list string) string {
	var b strings.Builder
	for _, n := range strings.Fields(list) {
		b.WriteString(` (` + filter + ` "` + n + `")`)
	}
	return b.String()
}
