//go:build !unix

package place

import (
	"errors"
	"os"
)

// lstat cannot tell files apart here.
func (*Finder) lstat(p string) (s Spot, link bool) {
	s.Name = p
	info, err := os.Lstat(p)
	if err == nil && info.Mode()&os.ModeSymlink == 0 {
		s.Err = errors.ErrUnsupported
	}
	return s, err == nil && info.Mode()&os.ModeSymlink != 0
}
