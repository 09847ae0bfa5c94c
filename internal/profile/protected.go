package profile

import (
	"path/filepath"
	"strings"
)

// guard is how strongly a protected path is held shut. Whatever its guard, no
// grant of a folder above it is taken.
type guard uint8

const (
	sealed guard = iota // nothing at or below it can be granted
	byFile              // single files in it can be granted, each by its name
	byName              // it, or folders in it, can be granted by name
)

// protected is one path that a grant must not reach by accident.
type protected struct {
	path  string
	guard guard
}

// Protected lists the paths that no grant may cover: keyhole's own folders, and
// where systems and programs keep secrets. The paths are absolute; they need
// not exist. A profile that grants one of the less strictly guarded by its name
// takes it out for its run, see Profile.Protected.
func Protected(vars Vars, dirs Dirs) []string {
	var out []string
	for _, p := range protectedPaths(vars, dirs) {
		out = append(out, p.path)
	}
	return out
}

// Protected is the list for a run of this profile: without what the profile
// names in a grant. It is what the sandbox is given.
func (p *Profile) Protected(dirs Dirs, vars Vars) []string {
	return p.without(protectedPaths(vars, dirs))
}

func (p *Profile) without(table []protected) []string {
	granted := map[string]bool{}
	for _, g := range p.grants() {
		granted[g.Path] = granted[g.Path] || !g.relative
	}
	out := make([]string, 0, len(table))
	for _, e := range table {
		named := e.guard != sealed && granted[e.path]
		if !named {
			out = append(out, e.path)
		}
	}
	return out
}

func protectedPaths(vars Vars, dirs Dirs) []protected {
	out := make([]protected, 0, 256)
	for _, dir := range []string{dirs.Config, dirs.Data, dirs.State, dirs.Runtime} {
		if dir != "" {
			out = append(out, protected{filepath.Clean(dir), sealed})
		}
	}
	home := strings.TrimSuffix(filepath.Clean(vars.Home), "/") + "/"
	add := func(g guard, list string) {
		for line := range strings.Lines(list) {
			p := strings.TrimSpace(line)
			if p == "" {
				continue
			}
			if rest, ok := strings.CutPrefix(p, "~/"); ok {
				if vars.Home == "" {
					continue
				}
				p = home + rest
			}
			out = append(out, protected{p, g})
		}
	}
	add(sealed, keyrings)
	add(byFile, secretFolders)
	add(byName, programState)
	add(byName, startup)
	return out
}

// The table, one path a line. Both systems' names are in it: a name that the
// other system uses does no harm.
const (
	// keyrings are what keyhole stands in front of: opening their files would
	// go round it, and the password stores hold everything at once.
	keyrings = `
		~/.local/share/keyrings
		~/.local/share/kwalletd
		~/.kde/share/apps/kwallet
		~/.kde4/share/apps/kwallet
		~/Library/Keychains
		/Library/Keychains
		/Network/Library/Keychains
		/private/var/db/SystemKey`

	// secretFolders hold secrets and a few harmless files that tools need, such
	// as known_hosts.
	secretFolders = `
		~/.ssh
		~/.gnupg
		~/.password-store
		~/.age
		~/.config/age
		~/.config/sops/age
		~/.config/keepassxc
		~/.config/op
		~/.config/1Password
		~/.config/Bitwarden
		~/.config/Bitwarden CLI
		~/.local/share/lpass
		~/.1password
		~/Library/Application Support/KeePassXC
		~/Library/Application Support/1Password
		~/Library/Application Support/Bitwarden
		~/Library/Application Support/Bitwarden CLI
		~/Library/Application Support/sops
		~/Library/Group Containers
		~/.config/google-chrome
		~/.config/chromium
		~/.config/BraveSoftware
		~/.config/microsoft-edge
		~/.config/vivaldi
		~/.mozilla
		~/.thunderbird
		~/.config/Slack
		~/.config/discord
		~/.config/Signal
		~/snap/firefox
		~/snap/chromium
		~/Library/Application Support/Google
		~/Library/Application Support/Chromium
		~/Library/Application Support/BraveSoftware
		~/Library/Application Support/Firefox
		~/Library/Application Support/Microsoft Edge
		~/Library/Application Support/Signal
		~/Library/Application Support/Slack
		~/Library/Cookies
		~/Library/Safari
		~/Library/Messages
		~/Library/Mail
		/run/secrets
		/var/run/secrets`

	// programState is where single programs keep their logins, often beside
	// what else they need.
	programState = `
		~/.claude
		~/.claude.json
		~/.codex
		~/.gemini
		~/.copilot
		~/.config/github-copilot
		~/.config/cursor
		~/.cursor
		~/.local/share/opencode
		~/.aider
		~/.aider.conf.yml
		~/.continue
		~/.qwen
		~/.config/goose
		~/Library/Application Support/Cursor
		~/.config/gh
		~/.config/glab-cli
		~/Library/Application Support/glab-cli
		~/.config/hub
		~/.config/tea
		~/.git-credentials
		~/.config/git/credentials
		~/.cache/git/credential
		~/.git-credential-cache
		~/.gcm
		~/.netrc
		~/_netrc
		~/.authinfo
		~/.authinfo.gpg
		~/.curlrc
		~/.config/curlrc
		~/.wgetrc
		~/.aws
		~/.awsvault
		~/.saml2aws
		~/.config/gcloud
		~/.boto
		~/.config/firebase
		~/.config/configstore
		~/.azure
		~/.Azure
		~/.IdentityService
		~/.local/share/.IdentityService
		~/.config/doctl
		~/.config/hcloud
		~/.config/linode-cli
		~/.config/scw
		~/.oci
		~/.bluemix
		~/.fly
		~/.config/netlify
		~/Library/Preferences/netlify
		~/.local/share/com.vercel.cli
		~/.wrangler
		~/.config/.wrangler
		~/Library/Preferences/.wrangler
		~/.railway
		~/.supabase
		~/.snowflake
		~/.databrickscfg
		~/.config/stripe
		~/.config/heroku
		~/.docker
		~/.config/containers
		~/.config/helm/registry
		~/.kube
		~/.vault-token
		~/.terraform.d
		~/.terraformrc
		~/.pulumi
		~/.npmrc
		~/.yarnrc
		~/.yarnrc.yml
		~/.config/pnpm
		~/Library/Preferences/pnpm
		~/.bunfig.toml
		~/.pypirc
		~/.config/pip
		~/.pip
		~/.config/pypoetry
		~/Library/Application Support/pypoetry
		~/.cargo/credentials
		~/.cargo/credentials.toml
		~/.gem/credentials
		~/.bundle
		~/.m2/settings.xml
		~/.m2/settings-security.xml
		~/.gradle/gradle.properties
		~/.ivy2/.credentials
		~/.sbt
		~/.nuget/NuGet
		~/.config/NuGet
		~/.composer/auth.json
		~/.config/composer/auth.json
		~/.condarc
		~/.hex
		~/.cache/huggingface/token
		~/.pgpass
		~/.my.cnf
		~/.mylogin.cnf
		~/.mongorc.js
		~/.dbshell
		~/.config/rclone
		~/.s3cfg
		~/.config/Code/User/globalStorage
		~/.config/Code - Insiders/User/globalStorage
		~/.config/VSCodium/User/globalStorage
		~/.config/Cursor/User/globalStorage
		~/.vscode-server/data
		~/.config/JetBrains
		~/.config/zed
		~/Library/Application Support/Code
		~/Library/Application Support/JetBrains
		~/.bash_history
		~/.zsh_history
		~/.zsh_sessions
		~/.python_history
		~/.psql_history
		~/.node_repl_history
		~/.local/share/fish/fish_history
		~/.lesshst
		~/.viminfo
		~/Library/Logs/DiagnosticReports`

	// startup is what is run for the person later, outside any sandbox; shell
	// files often hold exported tokens as well.
	startup = `
		~/.bashrc
		~/.bash_profile
		~/.profile
		~/.zshenv
		~/.zshrc
		~/.zprofile
		~/.zlogin
		~/.config/fish
		~/.config/autostart
		~/.config/systemd
		~/.config/environment.d
		~/.local/share/applications
		~/.local/share/dbus-1
		~/.local/share/systemd
		~/Library/LaunchAgents
		~/Library/Application Scripts
		~/Library/Services`
)
