//go:build !amd64

package act

import "golang.org/x/sys/unix"

// renumber is written for one architecture's registers.
func renumber(int) (string, error) { return "", unix.ENOTSUP }
