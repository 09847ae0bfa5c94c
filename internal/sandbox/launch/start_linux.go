package launch

// begin blocks the thread's signals, starts a child that shares memory and
// descriptors, puts back the signals, and returns the child's id or an error
// below zero. The child carries out the orders from first on; the last one never
// comes back. It touches no memory but the orders and what they and s point to.
//
//go:noescape
func begin(flags uintptr, s *state, first *order) int
