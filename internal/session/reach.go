package session

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// reach is what the command may write, by what it is: the folders and files of its
// grants with all links followed. It is worked out once for many questions.
type reach struct {
	run *run
	in  []string
}

// maxTurns is how many links are followed in one path; the kernel follows as many.
const maxTurns = 40

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
		x.in = append(x.in, strings.TrimSuffix(r.spelled(follow(p.Path)), "/")+"/")
	}
	return x
}

// holds tells whether a path without links lies there.
func (x reach) holds(path string) bool {
	at := x.run.spelled(path) + "/"
	return slices.ContainsFunc(x.in, func(in string) bool { return strings.HasPrefix(at, in) })
}

// changes tells whether the command can have another file or folder be found at
// path: what it leads to is in reach, or a link on the way, which can be turned
// elsewhere after it was looked at.
func (x reach) changes(path string) bool {
	if !filepath.IsAbs(path) {
		return true
	}
	at, rest, turns := "/", strings.Split(path, "/"), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, part)
		if x.holds(next) {
			return true
		}
		to, err := os.Readlink(next)
		if err != nil {
			at = next
			continue
		}
		if turns++; turns > maxTurns {
			return true
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return false
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
func (r *run) safePath(path string) string {
	if path == "" {
		path = commonPath
	}
	return r.reach().without(path)
}
