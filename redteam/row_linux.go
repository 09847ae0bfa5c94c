package main

// verdict is what becomes of a row in one layer of the sandbox.
type verdict string

const (
	stopped  verdict = "stopped"
	standIn  verdict = "stand-in" // reaches something made for the sandbox, never the real thing
	reported verdict = "reported" // works, and is said at the end of the run
	contract verdict = "contract" // works by design; docs/threat-model.md says so
	open     verdict = "open"     // works in the base layer; the hardening layer closes it
	needed   verdict = "works"    // must work: nothing is proved where nothing works
)

// row is one way out, as one or several tries.
type row struct {
	id    string // section and number
	title string

	base, hard verdict

	// why is said of what is not stopped, and of what else needs a word.
	why string
	// where names what a machine must have for the row to mean something. A row
	// without it has to work unconfined on every machine.
	where string
	// who is "root" or "user" for a row that only means something to one of them.
	who string
	// abi is the Landlock ABI below which the base layer does not stop it, as
	// doctor says there.
	abi int
	// says is what the run must print at its end, for a row that is reported.
	says string

	tries []try
}

// try is one act, told to the program inside. Answers are listed with | between
// them. A line that begins with ? is a question to the test, which looks from
// outside when all is over, or with ?now at once.
type try struct {
	line string
	free string // unconfined: shows that the act is one
	base string // inside
	hard string // inside, with the hardening layer; empty: as in base
}

// elsewhere is a way out that rows here or another test try already. The rest of
// the letters are as in rows; H are bugs that other programs had.
type elsewhere struct {
	id, title string
	rows      string // ids, with spaces between them
	file      string // of a test, from the top of the tree
	test      string // its name
}

// reason is why a way out is not tried. There are no others.
type reason string

const (
	aboutProxies reason = "for proxies"
	aboutFilters reason = "for filters in front of a real message bus"
	failsFree    reason = "fails unconfined too"
)

// absent is a way out that is not tried, and why not.
type absent struct {
	id         string
	reason     reason
	title, why string
}

func rows() []row {
	var all []row
	for _, section := range [][]row{inherited(), controls(), approvalRows(), socketRows(), raceRows(), networkRows(), processRows(),
		fileRows(), kernelRows(), laterRows(), otherRows()} {
		all = append(all, section...)
	}
	return all
}

// no is what a path that is not granted answers in each layer: shut in one, not
// to be seen in the other.
const (
	shut   = "EACCES"
	hidden = "ENOENT|EACCES"
)
