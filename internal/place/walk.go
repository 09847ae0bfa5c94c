package place

import (
	"os"
	"path/filepath"
	"strings"
)

// maxFollowed is how many links the kernel follows in one path.
const maxFollowed = 40

// Walk goes along an absolute path as the kernel does, and calls step with each name
// on the way, links before it followed, and with what it says if it is a link itself.
// It tells whether it came to the end: not when step says no, nor when there are more
// links than the kernel follows.
func Walk(path string, step func(at, to string) bool) bool {
	at, rest, links := "/", strings.Split(path, "/"), 0
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
		to, err := os.Readlink(next)
		if err != nil {
			to = ""
		}
		if !step(next, to) {
			return false
		}
		if to == "" {
			at = next
			continue
		}
		if links++; links > maxFollowed {
			return false
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return true
}
