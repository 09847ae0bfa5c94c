package launch

// Fresh is a program that is started as it is, in namespaces of its own.
type Fresh struct {
	Path       string
	Argv, Env  []string
	Files      []int   // descriptors for 0, 1 and so on; others are inherited unless they are closed at exec
	Namespaces uintptr // flags of clone(2)
	// Capabilities are those it keeps, by number, below 32: exec takes all from who
	// is not root.
	Capabilities []uintptr
}
