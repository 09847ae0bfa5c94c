package session

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"keyhole/internal/place"
)

// reach is what the command may write, by what it is: the folders and files of its
// grants with all links followed. It is worked out once for many questions.
type reach struct {
	run *run
	in  []writable
}

// writable is a grant, and what it leads to.
type writable struct{ grant, real string }

func (r *run) reach() reach {
	return r.reachBy(func(path string) string {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return path
		}
		return real
	})
}

// reachNow is reach by what the check of the profile has just seen.
func (r *run) reachNow() reach {
	return r.reachBy(func(path string) string { return r.looked.Seen.Spot(path).Name })
}

func (r *run) reachBy(follow func(path string) string) reach {
	x := reach{run: r}
	for _, p := range r.cfg.Profile.Filesystem.Write {
		x.in = append(x.in, writable{p.Path, strings.TrimSuffix(r.spelled(follow(p.Path)), "/") + "/"})
	}
	return x
}

// over is the grant by which a path without links may be written, or empty.
func (x reach) over(path string) string {
	at := x.run.spelled(path) + "/"
	for _, in := range x.in {
		if strings.HasPrefix(at, in.real) {
			return in.grant
		}
	}
	return ""
}

// changes tells whether the command can have another file or folder be found at
// path: what it leads to is in reach, or a link on the way, which can be turned
// elsewhere after it was looked at.
func (x reach) changes(path string) bool {
	if !filepath.IsAbs(path) {
		return true
	}
	return !place.Walk(path, func(at, _ string) bool { return x.over(at) == "" })
}

// mentioned tells whether a list of commands, as BROWSER is one, names a program by
// a path that the command can change.
func (x reach) mentioned(commands string) bool {
	words := strings.FieldsFunc(commands, func(r rune) bool { return r == ':' || r == ' ' })
	return slices.ContainsFunc(words, func(w string) bool { return filepath.IsAbs(w) && x.changes(w) })
}

// without leaves out of a list such as PATH the folders that the command may write,
// or put others in the place of.
func (x reach) without(list string) string {
	return strings.Join(slices.DeleteFunc(filepath.SplitList(list), x.changes), ":")
}

// safePath is PATH as programs outside of the sandbox can be given it.
func (x reach) safePath(path string) string { return x.without(cmp.Or(path, commonPath)) }
