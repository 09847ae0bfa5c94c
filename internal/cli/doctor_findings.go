package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"keyhole/internal/sandbox"
	"keyhole/internal/session"
)

// Debian's packages have Go's names of the architectures.
const upgradeKernel = "sudo apt-get install linux-image-" + runtime.GOARCH + " && sudo reboot"

func landlockFinding(s session.Survey) finding {
	f := finding{About: "landlock"}
	r := s.Sandbox
	switch {
	case r.LandlockABI >= 6:
		f.Grade, f.Found = fine, fmt.Sprintf("ABI %d, errata 0x%x, kernel %s", r.LandlockABI, r.Errata, r.Kernel)
	case r.LandlockABI >= 2:
		f.Grade, f.Found = limits, fmt.Sprintf("ABI %d on kernel %s", r.LandlockABI, r.Kernel)
		f.Means = "confined, but below ABI 6 a command can send signals to your other programs"
		f.Fix = upgradeKernel
	case r.LandlockABI == 1:
		f.Found = fmt.Sprintf("ABI 1 on kernel %s", r.Kernel)
		f.Means = "files could not be renamed between folders, which breaks git and npm"
		f.Fix = upgradeKernel
	default:
		f.Found = "not available: " + r.LandlockWhy
		f.Means = "files cannot be protected, so nothing is run"
		f.Fix = `echo 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX lsm=landlock,lockdown,yama,integrity,apparmor"' | sudo tee /etc/default/grub.d/landlock.cfg && sudo update-grub && sudo reboot`
	}
	return f
}

func listenerFinding(s session.Survey) finding {
	f := finding{About: "seccomp"}
	switch r := s.Sandbox; {
	case r.Listener:
		f.Grade, f.Found = fine, "filter and notification work"
	case r.Nested && r.Static != "":
		f.Grade = limits
		f.Found = "the filter works, notification does not: " + r.Static
		f.Means = "the run around this one decides on connections; " + staticMeans(r.Layer)
		f.Fix = "exit # and start it outside"
	default:
		f.Found = "no notification: " + r.ListenerWhy
		f.Means = "connections cannot be decided on, so nothing is run"
		f.Fix = upgradeKernel
	}
	return f
}

func yamaFinding(s session.Survey) finding {
	f := finding{About: "yama", Grade: fine}
	switch scope := s.Sandbox.Yama; {
	case scope < 0:
		f.Found = "not in this kernel"
	case scope <= 1:
		f.Found = fmt.Sprintf("ptrace_scope %d", scope)
	case s.Sandbox.Static == "": // root may
		f.Found = fmt.Sprintf("ptrace_scope %d", scope)
	default:
		f.Grade = limits
		f.Found = fmt.Sprintf("ptrace_scope %d", scope)
		f.Means = "the supervisor may not look at the connections of its own command; " + staticMeans(s.Sandbox.Layer)
		f.Fix = "sudo sysctl kernel.yama.ptrace_scope=1"
	}
	return f
}

// staticMeans is what it means that connections cannot be decided on.
func staticMeans(l sandbox.Layer) string {
	if l.Static == "" {
		return "in the hardening layer, which a run gets here, it may"
	}
	return "a run has no Unix sockets and no keyring on D-Bus, only keyhole's own commands, and TCP by port alone (docs/threat-model.md)"
}

func mediationFinding(s session.Survey) finding {
	f := finding{About: "mediation", Grade: fine}
	switch r := s.Sandbox; {
	case r.Static != "" && r.Layer.Static != "":
		f.Grade = limits
		f.Found = "none: " + r.Static
		f.Means = staticMeans(r.Layer)
		f.Fix = "sudo sysctl kernel.yama.ptrace_scope=1"
		if r.Nested {
			f.Fix = "exit # and start it outside"
		}
	case r.Static != "":
		f.Found = "only in the hardening layer, which a run gets here"
	case r.FetchFD && r.ReadMemory:
		f.Found = "sockets and addresses can be taken from the command"
	case !r.FetchFD:
		f.Grade = limits
		f.Found = "pidfd_getfd is refused, as containers do"
		f.Means = "sockets are replaced when they connect; options set on them before are lost"
		f.Fix = "docker run --cap-add SYS_PTRACE ..."
	default:
		f.Grade = limits
		f.Found = "process_vm_readv is refused, as containers do"
		f.Means = "addresses are read through /proc, a little slower"
		f.Fix = "podman run --cap-add SYS_PTRACE ..."
	}
	return f
}

// startFinding is never bad: what is not started the quick way is confined no
// less.
func startFinding(s session.Survey) finding {
	f := finding{About: "start", Grade: fine}
	switch r := s.Sandbox; {
	case !r.Listener && r.Static == "":
		f.Found = "not tried"
	case r.InProcess:
		f.Found = "commands are started directly"
	default:
		f.Found = "commands are started through a second keyhole, a millisecond slower: " + r.StageWhy
	}
	return f
}

func layerFinding(s session.Survey) finding {
	f := finding{About: "layer", Grade: fine, Found: "hardened: a run has its own processes, temporary files and terminals, and hidden files"}
	l := s.Sandbox.Layer
	switch {
	case l.Hardened:
	case !s.Sandbox.Confined:
		f.Grade, f.Found, f.Means = stops, "none", "a run needs what is named above first"
	default:
		f.Grade = limits
		f.Found = "base: " + l.Why
		f.Means = "confined; docs/threat-model.md says what a command can see and do then that it could not in the hardening layer"
		f.Fix = l.Fix
		if f.Fix == "" {
			f.Fix = upgradeKernel
		}
	}
	return f
}

func storeFinding(s session.Survey) finding {
	f := finding{About: "keyring", Grade: limits}
	switch {
	case s.Service && s.ServiceErr != nil:
		f.Found = "the Secret Service answers with an error: " + s.ServiceErr.Error()
		f.Means = "granted items cannot be read"
		f.Fix = "printf '' | secret-tool store --label=first first item"
	case s.Service && s.ServiceLocked:
		f.Found = "a Secret Service answers; its default collection is locked"
		f.Means = "you will be asked to unlock it when a granted item is first used"
		f.Fix = "secret-tool search --unlock --all keyhole unlock"
		if !s.Display {
			f.Means = "its dialog cannot be shown here: until it is unlocked granted items cannot be read"
			f.Fix = `(read -rsp 'Password of the keyring: ' p; printf %s "$p" | gnome-keyring-daemon --replace --unlock)`
		}
	case s.Service:
		f.Grade, f.Found = fine, "a Secret Service answers on the session bus"
	case s.SealedThere && s.SealedProblem == "":
		f.Grade, f.Found = fine, "no Secret Service; the sealed file serves instead"
	case s.Bus != "":
		f.Found = "a session bus, but no Secret Service on it, and no sealed file"
		f.Means = "granted items cannot be read"
		f.Fix = "keyhole store init"
	default:
		f.Found = "no session bus and no sealed file"
		f.Means = "granted items cannot be read"
		f.Fix = "keyhole store init"
	}
	return f
}

func sealedFinding(s session.Survey) finding {
	f := finding{About: "sealed file", Grade: fine}
	switch {
	case !s.SealedThere:
		f.Found = "none at " + s.SealedFile
	case s.SealedProblem == "":
		f.Found = s.SealedFile
	default:
		f.Grade = limits
		f.Found = s.SealedFile + ": " + s.SealedProblem
		f.Means = "it is not used like this"
		f.Fix = "sudo chown \"$USER\" " + s.SealedFile + " && chmod 600 " + s.SealedFile
	}
	return f
}

func auditFinding(s session.Survey) finding {
	if s.AuditErr == nil {
		return finding{About: "audit log", Grade: fine, Found: s.AuditLog}
	}
	dir := filepath.Dir(s.AuditLog)
	f := finding{About: "audit log", Found: s.AuditErr.Error(),
		Means: "nothing is released without a record, so nothing is run",
		Fix:   fmt.Sprintf("mkdir -p %s && sudo chown -R \"$USER\" %s && chmod -R u+rwX,go= %s", dir, dir, dir)}
	switch {
	case errors.Is(s.AuditErr, syscall.ENOSPC):
		f.Fix = "df -h " + dir + " # and free some of that disk"
	case s.Sandbox.Nested:
		f.Fix = "exit # and start it outside"
	}
	return f
}

func runFolderFinding(s session.Survey) finding {
	if s.RunFolderErr == nil {
		return finding{About: "run folder", Grade: fine, Found: s.RunFolder}
	}
	f := finding{About: "run folder", Found: s.RunFolderErr.Error(),
		Means: "a run keeps its sockets there, so nothing is run",
		Fix:   fmt.Sprintf("rm -rf %s && mkdir -m 700 %s", s.RunFolder, s.RunFolder)}
	if errors.Is(s.RunFolderErr, syscall.ENAMETOOLONG) {
		f.Fix = "unset XDG_RUNTIME_DIR # or set it to a shorter path"
	}
	return f
}

func memoryFinding(s session.Survey) finding {
	if s.MemoryErr == nil {
		return finding{About: "memory", Grade: fine, Found: "secrets are kept from swap and core dumps"}
	}
	return finding{About: "memory", Grade: limits, Found: strings.ReplaceAll(s.MemoryErr.Error(), "\n", "; "),
		Means: "a secret in use can reach the swap device, unless that is encrypted or off",
		Fix:   `echo '* - memlock 8192' | sudo tee /etc/security/limits.d/keyhole.conf # and log in again`}
}
