package seatbelt

import "strings"

// The part of the profile that is the same for every run. The lists were taken
// together from what published profiles of other sandboxes need; docs/macos.md
// says how they are checked on a Mac.

func (w *writer) head(tag string) {
	w.line("(version 1)")
	w.line(`(deny default (with message "%s"))`, tag)
	// These are allowed under "deny default" unless they are named. What other
	// processes are is asked for by process-info.
	w.line("(deny nvram* iokit-get-properties process-info* file-map-executable)")
}

func (w *writer) processes() {
	w.line("(allow process-exec*)")
	w.line("(allow process-fork)")
	w.line("(allow signal (target self) (target same-sandbox))")
	w.line("(allow process-info* (target self) (target same-sandbox))")
	w.line("(allow sysctl-read%s%s)", names("sysctl-name", sysctlNames), names("sysctl-name-prefix", sysctlPrefixes))
	w.line("(allow sysctl-write%s)", names("sysctl-name", "kern.tcsm_enable kern.grade_cputype"))
	w.line("(allow ipc-posix-sem)")
	w.line(`(allow ipc-posix-shm-read-data (ipc-posix-name "apple.shm.notification_center"))`)
	w.line(`(allow ipc-posix-shm* (ipc-posix-name-prefix "/__KMP_REGISTERED_LIB_"))`)
	w.line(`(allow iokit-open (iokit-user-client-class "RootDomainUserClient"))`)
	w.line("(allow mach-host*)")
	w.line("(allow system-socket)")
}

func (w *writer) machServices(outbound bool, more []string) {
	w.line("(allow mach-lookup%s)", names("global-name", machBase))
	if outbound {
		w.line("(allow mach-lookup%s)", names("global-name", machNetwork))
	}
	if len(more) > 0 {
		w.line("(allow mach-lookup%s)", names("global-name", strings.Join(more, " ")))
	}
}

func (w *writer) systemFiles(in *Input) {
	w.line("(allow file-read-metadata)")
	w.line(`(allow file-read*%s)`, literals("/"))
	w.line("(allow file-read*%s%s)", subpaths(systemFolders), literals(systemFilesRead))
	w.line("(allow file-map-executable%s)", subpaths(systemFolders))
	// Bun reads every folder above the one it starts in.
	for _, dir := range ancestors(in.Dir) {
		w.line("(allow file-read* (literal %s))", w.param("A", dir))
	}
}

func (w *writer) devices(tty string) {
	w.line("(allow file-read* file-write* file-ioctl%s (subpath \"/dev/fd\"))",
		literals("/dev/null /dev/zero /dev/tty /dev/ptmx /dev/stdin /dev/stdout /dev/stderr /dev/dtracehelper /dev/autofs_nowait"))
	w.line("(allow file-read*%s)", literals("/dev/random /dev/urandom"))
	w.line("(allow pseudo-tty)")
	// Terminals that are made inside carry this extension; the person's other
	// ones do not.
	w.line(`(allow file-read* file-write* file-ioctl (require-all (regex #"^/dev/ttys[0-9]+$") (extension "com.apple.sandbox.pty")))`)
	if tty != "" {
		w.line("(allow file-read* file-write* file-ioctl (literal %s))", w.param("T", tty))
	}
	w.line("(deny file-ioctl (ioctl-command #x80017472))") // typing into a terminal
}

const sysctlNames = `
	hw.activecpu hw.busfrequency_compat hw.byteorder hw.cacheconfig hw.cachelinesize_compat hw.cpufamily hw.cpufrequency
	hw.cpufrequency_compat hw.cputype hw.l1dcachesize_compat hw.l1icachesize_compat hw.l2cachesize_compat hw.l3cachesize_compat
	hw.logicalcpu hw.logicalcpu_max hw.machine hw.memsize hw.model hw.ncpu hw.nperflevels hw.packages hw.pagesize
	hw.pagesize_compat hw.physicalcpu hw.physicalcpu_max hw.tbfrequency_compat hw.vectorunit kern.argmax kern.hostname
	kern.maxfiles kern.maxfilesperproc kern.maxproc kern.ngroups kern.osproductversion kern.osrelease kern.ostype
	kern.osvariant_status kern.osversion kern.secure_kernel kern.tcsm_available kern.tcsm_enable kern.usrstack64 kern.version
	kern.willshutdown machdep.cpu.brand_string machdep.ptrauth_enabled security.mac.lockdown_mode_state sysctl.proc_cputype vm.loadavg`

const sysctlPrefixes = `hw.optional.arm hw.perflevel machdep.cpu. net.routetable. kern.proc.pid. kern.proc.pgrp.`

const machBase = `
	com.apple.system.opendirectoryd.libinfo com.apple.system.opendirectoryd.membership com.apple.system.DirectoryService.libinfo_v1
	com.apple.system.logger com.apple.logd com.apple.system.notification_center com.apple.bsd.dirhelper`

// machNetwork is for programs that reach the network. Without trustd no Go
// program can verify a certificate; it returns no secret.
const machNetwork = `
	com.apple.SystemConfiguration.configd com.apple.SystemConfiguration.DNSConfiguration com.apple.dnssd.service
	com.apple.mDNSResponder com.apple.networkd com.apple.nehelper com.apple.trustd.agent com.apple.trustd`

const systemFolders = `
	/usr/lib /usr/bin /bin /sbin /usr/sbin /usr/libexec /usr/share /System/Library /System/Cryptexes /System/Volumes/Preboot
	/Library/Apple /Library/Frameworks /Library/Developer/CommandLineTools /opt/homebrew /usr/local
	/private/var/db/dyld /private/var/db/timezone /private/var/db/xcode_select_link /private/var/db/eligibilityd /private/var/select
	/private/etc/ssl /private/etc/paths.d /Library/Preferences/Logging`

const systemFilesRead = `
	/Library/Preferences/.GlobalPreferences.plist /Library/Preferences/com.apple.networkd.plist /Library/Preferences/com.apple.dt.Xcode.plist
	/private/etc/hosts /private/etc/resolv.conf /private/etc/services /private/etc/protocols /private/etc/shells /private/etc/passwd
	/private/etc/group /private/etc/localtime /private/etc/zshenv /private/etc/zprofile /private/etc/zshrc /private/etc/zshrc_Apple_Terminal
	/private/etc/bashrc /private/etc/profile /private/etc/paths /private/etc/manpaths /etc /tmp /var`
