package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Listed is a profile that can be named.
type Listed struct {
	Name        string
	Description string // empty when it cannot be read
	File        string // empty for a built-in
	Err         error  // what is wrong with its text, if anything
}

// List lists the profiles that can be named: the person's, then the built-in
// ones that none of them stands in for.
func List(dirs Dirs) ([]Listed, error) {
	own, err := listOwn(dirs)
	if err != nil {
		return nil, err
	}
	names, err := builtinNames()
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if !slices.ContainsFunc(own, func(o Listed) bool { return o.Name == n }) {
			own = append(own, describe(n, "", dirs))
		}
	}
	return own, nil
}

func listOwn(dirs Dirs) ([]Listed, error) {
	entries, err := os.ReadDir(dirs.profiles())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing profiles: %w", err)
	}
	var own []Listed
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".jsonc")
		if !ok {
			name, ok = strings.CutSuffix(e.Name(), ".json")
		}
		if !ok || badName(name) != "" || slices.ContainsFunc(own, func(o Listed) bool { return o.Name == name }) {
			continue
		}
		own = append(own, describe(name, filepath.Join(dirs.profiles(), e.Name()), dirs))
	}
	return own, nil
}

// describe reads a profile for its description. What its expansions stand for
// does not matter here.
func describe(name, file string, dirs Dirs) Listed {
	l := &loader{dirs: dirs, vars: Vars{Home: "/home/user", User: "user", Workspace: "/home/user/workspace"}}
	d, err := l.find(name, "", file == "")
	if err != nil {
		return Listed{Name: name, File: file, Err: err}
	}
	return Listed{Name: name, Description: d.description.value, File: file}
}
