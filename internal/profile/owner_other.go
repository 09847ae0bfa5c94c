//go:build !linux && !darwin

package profile

import "io/fs"

const nonblock = 0

func ownerOf(fs.FileInfo) (uid int, ok bool) { return 0, false }
