package cli

import (
	"path/filepath"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
)

// checkReadPaths holds what --read-path names to what holds for a profile: nothing
// that stays shut whatever is granted, and no link by which the command of an earlier
// run leads elsewhere.
func checkReadPaths(env *Env, paths []string, p *profile.Profile, dirs profile.Dirs, vars profile.Vars) error {
	if len(paths) == 0 {
		return nil
	}
	with := *p
	with.Filesystem.Read = nil
	for _, path := range paths {
		with.Filesystem.Read = append(with.Filesystem.Read, profile.Path{
			Path: filepath.Clean(absolute(env, path)), Source: policy.Source{File: "--read-path"},
		})
	}
	return with.Check(dirs, vars)
}
