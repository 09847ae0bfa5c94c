package session

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
)

// gitExtras is what git gets besides its credential helper.
type gitExtras struct {
	hosts    []string // whose remotes by ssh use https
	programs []gitProgram
}

// gitProgram stands before a program that git runs with a key, which is not
// there inside: it runs that and says why, should it fail.
type gitProgram struct {
	name   string // of the script
	key    string // git's setting for it; empty: git finds it in PATH
	real   string // the program's name
	when   string // a shell's condition: only then is something said
	reason string
	aside  bool // git keeps its standard error to itself: it is said at git's own
}

func gitPrograms() []gitProgram {
	const sign = "keyhole: git could not sign: no signing key is granted in here. Commit without -S (or with --no-gpg-sign), and sign outside."
	return []gitProgram{
		{"ssh", "", "ssh", `case "$*" in *git-upload-pack*|*git-receive-pack*|*git-upload-archive*) [ $s = 255 ] ;; *) false ;; esac`,
			`keyhole: git used ssh, for which no key is granted in here. With "git": {"ssh_to_https": true} in the profile, remotes of hosts whose login is granted use https.`, false},
		{"keyhole-gpg", "gpg.program", "gpg", `case " $* " in *" --verify "*) false ;; *) [ $s != 0 ] ;; esac`, sign, true},
		{"keyhole-ssh-keygen", "gpg.ssh.program", "ssh-keygen", `case "$*" in *"-Y sign"*) [ $s != 0 ] ;; *) false ;; esac`, sign, false},
	}
}

// makeGit writes the scripts of the programs that are installed; a person's own
// choice of another program for signing is theirs outside.
func (s *shims) makeGit(p *profile.Profile, environ []string) error {
	if p.Git.SSHToHTTPS {
		s.git.hosts = httpsHosts(p.Rules)
	}
	for _, g := range gitPrograms() {
		real, err := lookPath(g.real, "/", []string{"PATH=" + lookup(environ, "PATH")})
		if err != nil {
			real = filepath.Join("/usr/bin", g.real) // it then fails, and the reason is said
			if g.key == "" {
				continue
			}
		}
		say := "echo " + quoted(g.reason) + " >&2"
		if g.aside {
			say = "{ echo " + quoted(g.reason) + " >>/proc/$PPID/fd/2; } 2>/dev/null || " + say
		}
		text := fmt.Sprintf("#!/bin/sh\n%s \"$@\"\ns=$?\nif %s; then %s; fi\nexit $s\n", quoted(real), g.when, say)
		if err := os.WriteFile(filepath.Join(s.bin, g.name), []byte(text), 0o700); err != nil {
			return err
		}
		s.git.programs = append(s.git.programs, g)
	}
	return nil
}

// httpsHosts are the hosts for which a login by https is granted.
func httpsHosts(rules []policy.Rule) []string {
	var hosts []string
	for _, r := range rules {
		if r.Effect == policy.Deny || r.Ports != nil && !slices.Contains(r.Ports, "443") || r.Protocols != nil && !slices.Contains(r.Protocols, "https") {
			continue
		}
		for _, server := range r.Servers {
			// What is no plain name, such as a registry's address, is no git host.
			if !strings.ContainsAny(server, "/:=@ ") && !slices.Contains(hosts, server) {
				hosts = append(hosts, server)
			}
		}
	}
	return hosts
}
