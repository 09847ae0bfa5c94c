package seatbelt

import (
	"path"
	"slices"
	"strings"
)

// dnsSocket is how every resolver of the system is asked.
const dnsSocket = "/private/var/run/mDNSResponder"

// networkRules open addresses, never a Unix socket that is not named: without
// that filter the ssh-agent, container engines and editors would be in reach.
func (w *writer) network(in *Input) {
	if in.Outbound {
		w.line("(allow network-outbound (remote ip))")
		w.line("(deny network-outbound (remote ip \"localhost:*\"))")
		w.line("(allow network-outbound%s)", literals(dnsSocket))
	}
	w.line("(allow network-bind (local ip))")
	w.line("(allow network-inbound (local ip))")
	for _, port := range in.Loopback {
		w.line("(allow network-outbound (remote ip \"localhost:%d\"))", port)
	}
}

func (w *writer) grants(in *Input) {
	if len(in.Read) > 0 {
		w.line("(allow file-read* file-map-executable%s)", w.paths("subpath", "R", in.Read))
	}
	w.line("(allow file-read* file-write* file-map-executable%s)", w.paths("subpath", "W", in.writable()))
	for _, s := range in.Sockets {
		w.line("(allow network-outbound (literal %s))", w.param("S", s))
		w.line("(allow file-read* (literal %s))", w.param("S", s))
	}
	if in.Shims != "" {
		w.line("(allow file-read* file-map-executable (subpath %s))", w.param("H", in.Shims))
	}
}

// Every operation is named beside its wildcard, see the package comment.
const (
	reads  = "file-read* file-read-data file-read-metadata file-read-xattr file-map-executable"
	writes = "file-write* file-write-data file-write-create file-write-unlink file-write-mode file-write-owner " +
		"file-write-flags file-write-times file-write-xattr file-link"
	executes = "process-exec* process-exec process-exec-interpreter"
)

// final denies what must stay shut. It is the last thing in the text.
func (w *writer) final(in *Input) {
	w.line("(deny %s %s%s)", reads, writes, w.paths("subpath", "X", in.Protected))
	readOnly := slices.Clone(in.ReadOnly)
	if in.Shims != "" {
		readOnly = append(readOnly, in.Shims)
	}
	if len(readOnly) > 0 {
		w.line("(deny %s%s)", writes, w.paths("subpath", "Y", readOnly))
	}
	// Who may write a folder could move what lies in it out of the rules' sight.
	if above := aboveIn(append(slices.Clone(in.Protected), readOnly...), in.writable()); len(above) > 0 {
		w.line("(deny file-write-unlink%s)", w.paths("literal", "Z", above))
	}
	// A file with such a flag could not be removed when the run ends.
	w.line("(deny file-write-flags%s)", w.paths("subpath", "W", []string{in.Tmp, in.Run}))
	w.line("(deny mach-lookup%s)", names("global-name", machDenied))
	w.line("(deny %s%s)", executes, literals("/usr/bin/security"))
	w.line("(deny lsopen appleevent-send job-creation file-issue-extension)")
	w.line(`(deny sysctl-read (sysctl-name-prefix "kern.procargs"))`)
}

// writable are the folders that the command may change things in.
func (in *Input) writable() []string { return append([]string{in.Tmp, in.Run}, in.Write...) }

// machDenied are the ways to keychains, to dialogs in keyhole's name, and to
// starting programs outside. Most are not in the allow list anyway.
const machDenied = `
	com.apple.SecurityServer com.apple.securityd.xpc com.apple.securityd.systemkeychain com.apple.securityd.general
	com.apple.securityd.ckks com.apple.securityd.sos com.apple.securityd.aps com.apple.security.octagon
	com.apple.security.escrow-update com.apple.security.kcsharing com.apple.security.KeychainStasher com.apple.securityd
	com.apple.secd com.apple.security.keychaind com.apple.security.agent com.apple.security.agent.login
	com.apple.security.authhost com.apple.authd com.apple.lsd.mapdb com.apple.lsd.modifydb com.apple.lsd.open
	com.apple.coreservices.launchservicesd com.apple.coreservices.quarantine-resolver com.apple.CoreServices.coreservicesd
	com.apple.coreservices.appleevents`

// KeychainPaths are protected in every run, besides what the profile protects.
func KeychainPaths(home string) []string {
	return []string{
		path.Join(home, "Library/Keychains"), "/Library/Keychains", "/Network/Library/Keychains",
		"/private/var/db/SystemKey", "/private/var/protected", "/private/var/db/KeychainStasher",
	}
}

// machClosed are further services that no profile may name: tickets, tokens and
// passkeys, consent, other programs' windows and files. A name that ends in a
// full stop is a beginning. Of some the exact names are not known for certain.
const machClosed = `
	com.apple.trustdFileHelper com.apple.ocspd com.apple.ctkd com.apple.ctkahp com.apple.ctk. com.apple.GSSCred org.h5l.kcm
	com.apple.AppSSO. com.apple.AppSSO com.apple.accountsd. com.apple.accountsd com.apple.ak. com.apple.AuthenticationServices.
	com.apple.AuthenticationServices com.apple.identityservicesd. com.apple.identityservicesd com.apple.pluginkit.pkd
	com.apple.automator. com.apple.shortcuts. com.apple.shortcuts com.apple.tccd com.apple.tccd. com.apple.windowserver
	com.apple.windowserver. com.apple.dock. com.apple.hiservices-xpcservice com.apple.metadata. com.apple.SharingServices
	com.apple.rapportd com.apple.universalaccessd com.apple.security. com.apple.securityd. com.apple.lsd. com.apple.coreservices.`

// MachDenied tells whether a Mach service is one that no profile may name.
func MachDenied(name string) bool {
	for _, n := range strings.Fields(machDenied + machClosed) {
		if strings.EqualFold(n, name) || strings.HasSuffix(n, ".") && len(name) > len(n) && strings.EqualFold(n, name[:len(n)]) {
			return true
		}
	}
	return false
}

// MachName tells whether a name can be put into a profile: the text takes it as it
// is.
func MachName(name string) bool {
	bad := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_')
	}
	return name != "" && len(name) < 128 && strings.IndexFunc(name, bad) < 0
}

// ancestors are dir and the folders above it, without the root.
func ancestors(dir string) []string {
	var all []string
	for ; dir != "/" && dir != "."; dir = path.Dir(dir) {
		all = append(all, dir)
	}
	return all
}

// aboveIn are the folders between each path and the writable folder that it lies
// in, that folder left out.
func aboveIn(paths, writable []string) []string {
	var all []string
	for _, p := range paths {
		for _, w := range writable {
			if !strings.HasPrefix(p, w+"/") {
				continue
			}
			for _, dir := range append([]string{p}, ancestors(path.Dir(p))...) {
				if strings.HasPrefix(dir, w+"/") && !slices.Contains(all, dir) {
					all = append(all, dir)
				}
			}
		}
	}
	return all
}
