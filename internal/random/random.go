// Package random makes names that nobody can guess. They are names, not keys: keys
// come from crypto/rand, which puts a generator of its own before the kernel's. To
// begin with that one takes a tenth of a millisecond, in each process anew.
package random

import "encoding/hex"

// Name is n bytes of the kernel's, as twice as many hexadecimal digits.
func Name(n int) string {
	b := make([]byte, n)
	read(b)
	return hex.EncodeToString(b)
}
