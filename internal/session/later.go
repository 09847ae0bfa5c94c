package session

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

// laterFiles are places in a workspace whose content is executed by the person's
// own programs later, outside: by git, editors, shells that enter the folder,
// agents, builds and tests. A command that may write the workspace may write
// them, and a name that ends in /* stands for each file of a folder. The list
// can only hold the best known ones.
func laterFiles() []string {
	return strings.Fields(`
		.git .git/hooks/* .git/config .git/config.worktree .git/commondir .git/info/attributes .git/rebase-merge/git-rebase-todo
		.gitattributes .gitmodules .husky/* .pre-commit-config.yaml lefthook.yml .lefthook.yml
		.vscode/tasks.json .vscode/settings.json .vscode/launch.json .idea/workspace.xml .idea/runConfigurations/*
		.zed/settings.json .zed/tasks.json .nvim.lua .exrc .dir-locals.el .gdbinit .lldbinit .Rprofile
		.devcontainer/devcontainer.json .devcontainer.json
		.envrc .env .mise.toml mise.toml .tool-versions .nvmrc
		.mcp.json .claude/settings.json .claude/settings.local.json .claude/hooks/* .claude/commands/* .claude/agents/* .codex/config.toml
		.gemini/settings.json .cursor/mcp.json .cursor/hooks.json .opencode.json opencode.json opencode.jsonc
		package.json .npmrc .yarnrc.yml .yarnrc.cjs bunfig.toml
		Makefile makefile GNUmakefile .bazelrc justfile Justfile Taskfile.yml Rakefile CMakeLists.txt build.sh
		conftest.py setup.py pyproject.toml tox.ini noxfile.py sitecustomize.py
		build.rs .cargo/config.toml .cargo/config build.gradle build.gradle.kts gradlew pom.xml mvnw
		Dockerfile docker-compose.yml compose.yaml Vagrantfile
		.github/workflows/* .gitlab-ci.yml flake.nix shell.nix default.nix`)
}

// fixedFiles are those of them that a command has no business to change: in the
// hardening layer they are read-only where they are there, unless a profile
// names them or a folder they are in among what may be written.
func fixedFiles() []string {
	return strings.Fields(`
		.git/hooks .git/config .git/config.worktree .vscode .idea .envrc
		.mcp.json .claude/settings.json .claude/settings.local.json .claude/hooks .codex/config.toml
		.gemini/settings.json .cursor/mcp.json .cursor/hooks.json .opencode.json opencode.json opencode.jsonc`)
}

// fixed lists them for a workspace, without what the grants open.
func fixed(workspace string, git parts, write []profile.Path) []string {
	var out []string
	for _, name := range append(fixedFiles(), git.fixed(workspace)...) {
		path := filepath.Join(workspace, name)
		opened := slices.ContainsFunc(write, func(g profile.Path) bool {
			inside := strings.HasPrefix(g.Path, workspace+"/")
			return inside && (path == g.Path || strings.HasPrefix(path, g.Path+"/"))
		})
		if !opened {
			out = append(out, path)
		}
	}
	return out
}

const (
	maxLaterFolder = 256 // files of one folder that are looked at
	maxLaterNames  = 12  // names in the line at the end
)

// version is what changes when a file does. The time of its last change, unlike
// that of its last writing, is not the owner's to set.
type version struct {
	inode  uint64
	size   int64
	change int64
}

// later is what the workspace and the home folder held of such files when the
// run began. keyhole's own program is one, when it lies in the workspace.
type later struct {
	workspace, home, program string
	caches                   []string // that the run may write
	begun                    time.Time
	before                   map[string]version
	git                      parts // of the repository, then
}

func lookAtLater(workspace, home, program string, writable []profile.Path) later {
	l := later{workspace: workspace, home: home, program: program, begun: time.Now(), caches: buildCaches(home, writable)}
	l.before = l.versions()
	return l
}

func (l *later) versions() map[string]version {
	found := map[string]version{}
	git := gitParts(l.workspace)
	if !git.all { // now and at the end are never the same
		found[unlooked] = version{change: time.Now().UnixNano()}
	}
	names := append(laterFiles(), git.later()...)
	for _, name := range l.git.later() { // a command can hide them among others
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	l.git = git
	if name, err := filepath.Rel(l.workspace, l.program); err == nil && filepath.IsLocal(name) {
		names = append(names, name)
	}
	scan(found, l.workspace, "", names)
	if filepath.IsAbs(l.home) {
		scan(found, l.home, "~/", homeLaterFiles())
	}
	return found
}

// scan notes the versions of names below top, under their names with a prefix. It
// asks the system itself: most of a hundred names are not there, and an error of
// package os for each is most of what looking costs.
func scan(found map[string]version, top, prefix string, names []string) {
	missing := map[string]bool{} // folders
	look := func(name string, folder bool) (there bool) {
		in := name[:max(0, strings.LastIndexByte(name, '/'))]
		if missing[in] {
			return false
		}
		var st syscall.Stat_t
		err := lstat(top+"/"+name, &st)
		if err == nil && (st.Mode&syscall.S_IFMT == syscall.S_IFDIR) == folder {
			found[prefix+name] = version{st.Ino, st.Size, changeTime(&st)}
		}
		if _, known := missing[in]; !known && in != "" && errors.Is(err, syscall.ENOENT) {
			missing[in] = errors.Is(lstat(top+"/"+in, &st), syscall.ENOENT)
		}
		return err == nil
	}
	for _, name := range names {
		folder, all := strings.CutSuffix(name, "/*")
		// What is no folder is told by its own name.
		if there := look(folder, false); !all || !there {
			continue
		}
		in := namesIn(filepath.Join(top, folder))
		if len(in) == maxLaterFolder { // there may be more than is looked at
			look(folder, true)
		}
		for _, name := range in {
			look(folder+"/"+name, false)
		}
	}
}

func lstat(path string, st *syscall.Stat_t) error {
	err := syscall.Lstat(path, st)
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Lstat(path, st)
	}
	return err
}

// namesIn lists a folder as far as it is looked at; none when it cannot be read.
// A pipe in its place must not hold us up, nor a link lead us elsewhere.
func namesIn(folder string) []string { return namesUpTo(folder, maxLaterFolder) }

func namesUpTo(folder string, most int) []string {
	f, err := os.OpenFile(folder, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	names, err := f.Readdirnames(most)
	if f.Close() != nil || err != nil {
		return nil
	}
	return names
}

// changed lists what is new or different now, in order: first what is executed
// without anybody asking for it, so that many others cannot push it out of the line.
func (l *later) changed() []string {
	var names []string
	for name, now := range l.versions() {
		if was, ok := l.before[name]; !ok || was != now {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a, b)) })
	return names
}

// rank puts first what git, an agent or a shell runs by itself, and of it what is
// named before the files of a folder, of which there can be any number.
func rank(name string) int {
	at := strings.TrimPrefix(name, "~/")
	switch {
	case at == ".git" || at == ".envrc" || at == ".git/config" || strings.Contains(at, "settings."):
		return 0
	case strings.HasPrefix(at, ".git/") || strings.Contains(at, "hooks"):
		return 1
	default:
		return 2
	}
}

// report is one line for the person, or empty.
func (l *later) report() string {
	names := l.changed()
	if len(names) == 0 {
		return ""
	}
	more := ""
	if len(names) > maxLaterNames {
		more = fmt.Sprintf(" and %d more", len(names)-maxLaterNames)
		names = names[:maxLaterNames]
	}
	for i, name := range names {
		names[i] = secret.Printable(name)
	}
	return "changed by this run, and other programs may execute what is in them, outside of it: " + strings.Join(names, ", ") + more
}
