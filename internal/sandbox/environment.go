package sandbox

import (
	"slices"
	"strings"
)

// withTemp has TMPDIR lead to the folder for temporary files.
func withTemp(env []string, temp string) []string {
	own := func(v string) bool { return strings.HasPrefix(v, "TMPDIR=") }
	if temp == "" || slices.ContainsFunc(env, own) {
		return env
	}
	return append(slices.Clip(env), "TMPDIR="+temp)
}
