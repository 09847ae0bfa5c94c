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
	maxModules     = 64   // submodules and work trees that are looked at
	maxModuleDepth = 4    // a submodule is called by its path
	maxModuleLooks = 1024 // folders in which they are looked for: a command can make any number
)

// gitParts are the folders in a workspace's .git that have a configuration of their
// own, as names in the workspace.
func gitParts(workspace string) (modules, trees []string) {
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
		for _, in := range namesIn(filepath.Join(workspace, name)) {
			if depth < maxModuleDepth && len(modules) < maxModules {
				walk(name+"/"+in, depth+1)
			}
		}
	}
	walk(gitModules, 0)
	for _, in := range namesIn(filepath.Join(workspace, ".git/worktrees")) {
		if len(trees) < maxModules {
			trees = append(trees, ".git/worktrees/"+in)
		}
	}
	return modules, trees
}

// gitLater are the laterFiles of a repository's parts.
func gitLater(workspace string) []string {
	modules, trees := gitParts(workspace)
	var out []string
	for _, m := range modules {
		out = append(out, m+"/config", m+"/config.worktree", m+"/commondir", m+"/hooks/*", folderOf(m)+"/.git")
	}
	for _, t := range trees {
		out = append(out, t+"/config.worktree", t+"/commondir")
	}
	return out
}

// gitFixed are its fixedFiles. A .git that is a folder cannot be held as a whole:
// git writes in it all the time.
func gitFixed(workspace string) []string {
	modules, trees := gitParts(workspace)
	var out []string
	files := []string{".git"}
	for _, m := range modules {
		out = append(out, m+"/config", m+"/config.worktree", m+"/hooks")
		files = append(files, folderOf(m)+"/.git")
	}
	for _, t := range trees {
		out = append(out, t+"/config.worktree", t+"/commondir")
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
