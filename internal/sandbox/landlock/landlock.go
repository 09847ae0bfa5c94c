// Package landlock builds, outside the sandbox, the ruleset a child confines
// itself with. What is handled follows from the kernel's ABI by the table here,
// never from a best effort that drops rights without a word: the caller asks
// what an ABI lacks and says so.
package landlock

// MinimumABI is the oldest ABI that is enough: without the second, rename and
// link across folders fail everywhere, and with them git and npm.
const MinimumABI = 2

// Rights on files (linux/landlock.h).
const (
	execute uint64 = 1 << iota
	writeFile
	readFile
	readDir
	removeDir
	removeFile
	makeChar
	makeDir
	makeReg
	makeSock
	makeFifo
	makeBlock
	makeSym
	refer
	truncate
	ioctlDev
)

const (
	netConnectTCP uint64 = 1 << 1

	scopeAbstract uint64 = 1 << 0
	scopeSignal   uint64 = 1 << 1

	// onFile are the rights a rule on something that is not a folder may name.
	onFile = execute | writeFile | readFile | truncate | ioctlDev
	// reading is what a read grant allows.
	reading = execute | readFile | readDir
	// devices is never granted: nothing inside makes device nodes.
	devices = makeChar | makeBlock
)

// handled is struct landlock_ruleset_attr: everything a ruleset denies unless a
// rule allows it.
type handled struct {
	files, net, scoped uint64
	size               uintptr // what a kernel of this ABI knows of the struct
}

// forABI is the ladder. TCP connects are handled without any rule: the
// supervisor performs them, so one that the kernel sees inside went around it.
func forABI(abi int) handled {
	h := handled{files: refer<<1 - 1, size: 8}
	if abi >= 3 {
		h.files |= truncate
	}
	if abi >= 4 {
		h.net, h.size = netConnectTCP, 16
	}
	if abi >= 5 {
		h.files |= ioctlDev
	}
	if abi >= 6 {
		h.scoped, h.size = scopeAbstract|scopeSignal, 24
	}
	return h
}

// Lacks says, one line each, what a run on this ABI goes without.
func Lacks(abi int) []string {
	var l []string
	if abi < 3 {
		l = append(l, "files that may not be written can still be emptied (needs Linux 6.2)")
	}
	if abi < 5 {
		l = append(l, "device commands are not restricted (needs Linux 6.10)")
	}
	if abi < 6 {
		l = append(l, "signals reach the user's other processes (needs Linux 6.12)")
	}
	return l
}
