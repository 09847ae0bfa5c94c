package profile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// maxExtends is how many profiles deep extending goes.
const maxExtends = 8

// ErrNotFound says that there is no profile of a name or at a path.
var ErrNotFound = errors.New("no such profile")

// Load finds a profile by name (the user's own, else a built-in) or by path
// (anything with a slash), and merges what it extends. What is wrong with the
// text comes back as Problems.
func Load(nameOrPath string, dirs Dirs, vars Vars) (*Profile, error) {
	l := &loader{dirs: dirs, vars: vars}
	d, err := l.find(nameOrPath, "", false)
	if err != nil {
		return nil, err
	}
	return l.finish(d)
}

// Parse reads one profile from text and merges what it extends; file is its
// name in messages, and what relative paths in extends are relative to.
func Parse(file string, text []byte, dirs Dirs, vars Vars) (*Profile, error) {
	l := &loader{dirs: dirs, vars: vars}
	d, err := l.parse(file, text, false)
	if err != nil {
		return nil, err
	}
	return l.finish(d)
}

// loader collects a profile and all it extends.
type loader struct {
	dirs Dirs
	vars Vars
	docs []*document // each once, extended ones first
}

func (l *loader) finish(d *document) (*Profile, error) {
	if err := l.collect(d, nil); err != nil {
		return nil, err
	}
	p := merge(l.docs)
	if p.Name == "" {
		p.Name = strings.TrimSuffix(strings.TrimSuffix(filepath.Base(d.file), ".jsonc"), ".json")
		d.from(p, "name", p.Name, position{})
	}
	if _, err := policy.NewSet(p.Rules); err != nil {
		return nil, err
	}
	return p, nil
}

// collect adds d after everything it extends. chain is who extends it.
func (l *loader) collect(d *document, chain []string) error {
	id := d.id()
	if slices.ContainsFunc(l.docs, func(o *document) bool { return o.id() == id }) {
		return nil
	}
	chain = append(slices.Clone(chain), id)
	for _, e := range d.extends {
		wrong := func(format string, args ...any) error {
			return Problems{{d.file, e.at.line, e.at.column, "extends: " + fmt.Sprintf(format, args...)}}
		}
		if len(chain) > maxExtends {
			return wrong("more than %d profiles deep", maxExtends)
		}
		own := !strings.Contains(e.value, "/") && e.value == ownName(d)
		parent, err := l.find(e.value, filepath.Dir(d.file), d.builtin || own)
		if own && !d.builtin && errors.Is(err, ErrNotFound) {
			return wrong("%q extends itself, and no built-in profile has this name", shorten(e.value))
		}
		if errors.Is(err, ErrNotFound) {
			return wrong("%v", err)
		}
		if err != nil {
			return err
		}
		if slices.Contains(chain, parent.id()) {
			return wrong("%q extends itself", shorten(e.value))
		}
		if err := l.collect(parent, chain); err != nil {
			return err
		}
	}
	l.docs = append(l.docs, d)
	return nil
}

// id tells documents apart: a file may have the name of a built-in.
func (d *document) id() string {
	if d.builtin {
		return "built-in " + d.file
	}
	return d.file
}

// ownName is the name d is found by. A person's profile that extends its own
// name means the built-in one it stands in for.
func ownName(d *document) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(d.file), ".jsonc"), ".json")
}

// find reads the profile of that name or path. Relative paths start at dir, or
// at the working directory. Built-in profiles extend built-in ones only, so
// that they mean the same everywhere.
func (l *loader) find(nameOrPath, dir string, builtin bool) (*document, error) {
	if strings.Contains(nameOrPath, "/") && !builtin {
		return l.findPath(nameOrPath, dir)
	}
	if wrong := badName(nameOrPath); wrong != "" {
		return nil, fmt.Errorf("%w: %q: %s", ErrNotFound, shorten(nameOrPath), wrong)
	}
	if !builtin {
		for _, file := range l.dirs.profileFiles(nameOrPath) {
			d, err := l.read(file)
			if !errors.Is(err, fs.ErrNotExist) {
				return d, err
			}
		}
	}
	if text, ok := builtinText(nameOrPath); ok {
		return l.parse(nameOrPath, text, true)
	}
	return nil, l.notFound(nameOrPath)
}

func (l *loader) findPath(p, dir string) (*document, error) {
	if rest, ok := strings.CutPrefix(p, "~/"); ok && l.vars.Home != "" {
		p = filepath.Join(l.vars.Home, rest)
	}
	if !filepath.IsAbs(p) {
		p = filepath.Join(dir, p)
	}
	abs, err := filepath.Abs(p)
	if err != nil {
		return nil, fmt.Errorf("finding profile %s: %w", p, err)
	}
	d, err := l.read(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, secret.Printable(abs))
	}
	return d, err
}

func (l *loader) notFound(name string) error {
	var known []string
	list, err := List(l.dirs)
	if err != nil {
		return err
	}
	for _, n := range list {
		known = append(known, n.Name)
	}
	return fmt.Errorf("%w: %s", ErrNotFound, unknown("name", name, known))
}

// read reads a file. It is opened without waiting, so that a named pipe in its
// place cannot hold keyhole up.
func (l *loader) read(file string) (*document, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, fmt.Errorf("opening profile: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening profile: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, &Problem{File: file, Text: "not a regular file"}
	case info.Mode().Perm()&0o002 != 0:
		return nil, &Problem{File: file, Text: "everybody may write this file, so it says nothing"}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return nil, fmt.Errorf("reading profile: %w", err)
	}
	return l.parse(file, text, false)
}

func (l *loader) parse(file string, text []byte, builtin bool) (*document, error) {
	d := &document{file: file, builtin: builtin}
	if err := newReader(file, text, l.vars).parse(d.grammar()); err != nil {
		return nil, err
	}
	return d, nil
}
