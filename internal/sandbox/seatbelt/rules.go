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
	for _, p := range in.Read {
		w.line("(allow file-read* file-map-executable (subpath %s))", w.param("R", p))
	}
	for _, p := range append([]string{in.Tmp, in.Run}, in.Write...) {
		w.line("(allow file-read* file-write* file-map-executable (subpath %s))", w.param("W", p))
	}
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
	for _, p := range in.Protected {
		w.line("(deny %s %s (subpath %s))", reads, writes, w.param("X", p))
	}
	readOnly := slices.Clone(in.ReadOnly)
	if in.Shims != "" {
		readOnly = append(readOnly, in.Shims)
	}
	for _, p := range readOnly {
		w.line("(deny %s (subpath %s))", writes, w.param("Y", p))
	}
	// Who may write a folder could move what lies in it out of the rules' sight.
	for _, dir := range aboveIn(append(slices.Clone(in.Protected), readOnly...), in.writable()) {
		w.line("(deny file-write-unlink (literal %s))", w.param("Z", dir))
	}
	w.line("(deny mach-lookup%s)", names("global-name", machDenied))
	w.line("(deny %s%s)", executes, literals("/usr/bin/security"))
	w.line("(deny lsopen appleevent-send job-creation file-issue-extension)")
	w.line(`(deny sysctl-read (sysctl-name-prefix "kern.procargs"))`)
}

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

// MachDenied tells whether a Mach service is one that no profile may name.
func MachDenied(name string) bool { return slices.Contains(strings.Fields(machDenied), name) }

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
