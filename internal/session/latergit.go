package session

import (
	"os"
	"path/filepath"
	"strings"
)

// Besides its own configuration git follows those of the submodules and of the
// work trees it keeps, by a status alone: each can name programs. And it follows a
// file in the place of .git to wherever that leads.

const (
	gitModules     = ".git/modules"
	maxModules     = 200  // submodules and work trees that are looked at
	maxModuleDepth = 4    // a submodule is called by its path
	maxModuleLooks = 1024 // folders in which they are looked for: a command can make any number
	// unlooked is said when that is not all there is.
	unlooked = gitModules + " (more than is looked at)"
)

// parts are the folders in a workspace's .git that have a configuration of their
// own, as names in the workspace; all of them, or there are too many.
type parts struct {
	modules, trees []string
	all            bool
}

func gitParts(workspace string) parts {
	var modules, trees []string
	looks := 0
	var walk func(name string, depth int)
	walk = func(name string, depth int) {
		if looks++; looks > maxModuleLooks {
			return
		}
		if _, err := os.Lstat(filepath.Join(workspace, name, "HEAD")); err == nil {
			modules = append(modules, name)
			name += "/modules" // those within it
		}
		if depth == maxModuleDepth {
			return
		}
		for _, in := range namesUpTo(filepath.Join(workspace, name), maxModuleLooks) {
			if looks > maxModuleLooks {
				return
			}
			walk(name+"/"+in, depth+1)
		}
	}
	walk(gitModules, 0)
	in := namesUpTo(filepath.Join(workspace, ".git/worktrees"), maxModules+1)
	for _, in := range in[:min(len(in), maxModules)] {
		trees = append(trees, ".git/worktrees/"+in)
	}
	all := looks <= maxModuleLooks && len(modules) <= maxModules && len(in) <= maxModules
	return parts{modules[:min(len(modules), maxModules)], trees, all}
}

// later are the laterFiles of a repository's parts.
func (p parts) later() (names []string) {
	for _, m := range p.modules {
		names = append(names, m+"/config", m+"/config.worktree", m+"/commondir", m+"/hooks/*", folderOf(m)+"/.git")
	}
	for _, t := range p.trees {
		names = append(names, t+"/config.worktree", t+"/commondir")
	}
	return names
}

// fixed are its fixedFiles. A .git that is a folder cannot be held as a whole:
// git writes in it all the time. Where there are too many parts, they are held
// together.
func (p parts) fixed(workspace string) []string {
	var out []string
	files := []string{".git"}
	for _, m := range p.modules {
		if p.all {
			out = append(out, m+"/config", m+"/config.worktree", m+"/hooks")
		}
		files = append(files, folderOf(m)+"/.git")
	}
	for _, t := range p.trees {
		if p.all {
			out = append(out, t+"/config.worktree", t+"/commondir")
		}
	}
	if !p.all {
		out = append(out, gitModules, ".git/worktrees")
	}
	for _, name := range files {
		if fi, err := os.Lstat(filepath.Join(workspace, name)); err == nil && fi.Mode().IsRegular() {
			out = append(out, name)
		}
	}
	return out
}

// folderOf is where a submodule is checked out, if it is called by its path, as git
// calls it.
func folderOf(module string) string {
	name := strings.TrimPrefix(module, gitModules+"/")
	return strings.ReplaceAll(name, "/modules/", "/")
}
