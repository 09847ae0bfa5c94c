package session

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxHead   = 4 << 10 // a branch's name is far shorter
	maxParent = 64      // folders looked at on the way up
)

// gitBranch is the branch of the work tree that dir lies in, or empty. It reads
// .git/HEAD and starts no git: the folder belongs to the confined command, and
// what git does in it is written there.
func gitBranch(dir string) string {
	for range maxParent {
		if branch, ok := readHead(filepath.Join(dir, ".git")); ok {
			return branch
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return ""
}

// readHead reads a .git folder, or the file in its place that names one (see
// gitrepository-layout(5)).
func readHead(git string) (branch string, ok bool) {
	if text, ok := readSmall(git); ok {
		named, ok := strings.CutPrefix(text, "gitdir: ")
		if !ok {
			return "", false
		}
		if !filepath.IsAbs(named) {
			named = filepath.Join(filepath.Dir(git), named)
		}
		git = named
	}
	head, ok := readSmall(filepath.Join(git, "HEAD"))
	if !ok {
		return "", false
	}
	if name, ok := strings.CutPrefix(head, "ref: refs/heads/"); ok {
		return name, true
	}
	return "", true // detached
}

// readSmall reads a small regular file: no pipe that would hold us up, no link
// to somewhere else.
func readSmall(path string) (string, bool) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", false
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var b []byte
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(f, maxHead))
	}
	if errors.Join(err, f.Close()) != nil {
		return "", false
	}
	return strings.TrimRight(string(b), "\r\n"), true
}
