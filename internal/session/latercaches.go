package session

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

// clockTick is the time by which a file's own can lie behind the clock.
const clockTick = 10 * time.Millisecond

// homeLaterFiles are the laterFiles of the home folder, where agents keep what
// holds for all projects: hooks, servers they start, what they are told to do.
func homeLaterFiles() []string {
	return strings.Fields(`
		.claude/settings.json .claude/settings.local.json .claude/CLAUDE.md .claude/hooks/* .claude/commands/* .claude/agents/*
		.codex/config.toml .codex/AGENTS.md .codex/hooks.json .gemini/settings.json .gemini/GEMINI.md .gemini/commands/*
		.config/opencode/opencode.json .config/opencode/opencode.jsonc .config/opencode/plugin/* .copilot/mcp-config.json`)
}

// buildCaches are those of the writable folders out of which builds outside take
// what they run.
func buildCaches(home string, writable []profile.Path) []string {
	known := strings.Fields(`
		go/pkg .cache/go-build .npm .bun/install/cache .cache/yarn .cache/pnpm .local/share/pnpm/store .cache/deno .cache/node-gyp
		.cache/ms-playwright .cache/pip .cache/uv .cache/pypoetry .cache/pre-commit .cargo/registry .cargo/git .cache/sccache .cache/ccache
		.gradle/caches .gradle/wrapper .m2/repository .ivy2/cache .cache/coursier .cache/bazel .cache/zig .cache/composer .nuget/packages`)
	var found []string
	for _, p := range writable {
		if name, err := filepath.Rel(home, p.Path); err == nil && slices.Contains(known, name) {
			found = append(found, p.Path)
		}
	}
	return found
}

// cachesReport is one line about caches that changed while the command ran, or
// empty. Only a folder and what is directly in it is looked at: caches are large.
func (l *later) cachesReport() string {
	var names []string
	for _, path := range l.caches {
		var st syscall.Stat_t
		if errors.Is(lstat(path, &st), syscall.ENOENT) {
			continue
		}
		in := append([]string{"."}, namesIn(path)...)
		if slices.ContainsFunc(in, func(name string) bool { return changedSince(filepath.Join(path, name), l.begun) }) {
			names = append(names, secret.Printable("~"+strings.TrimPrefix(path, l.home)))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "changed while this ran, and used by builds outside of it too: " + strings.Join(names, ", ")
}

func changedSince(path string, t time.Time) bool {
	fi, err := os.Lstat(path)
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && changeTime(st) >= t.Add(-clockTick).UnixNano()
}
