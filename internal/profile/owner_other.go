//go:build !linux && !darwin

package profile

import (
	"errors"
	"io/fs"
	"os"
)

const nonblock = 0

func ownerOf(fs.FileInfo) (uid int, ok bool) { return 0, false }

// lstat knows no identities here, but links.
func lstat(path string) (id identity, link bool, err error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&os.ModeSymlink == 0 {
		err = errors.ErrUnsupported
	}
	return identity{}, err == nil, err
}
