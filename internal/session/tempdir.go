package session

import (
	"fmt"
	"path/filepath"
)

// usualTempParent is where a person's runs keep the command's temporary files:
// below the system's folder for those. Runtime folders are often small file systems
// in memory.
func usualTempParent(tmp string, uid int) string {
	return filepath.Join(tmp, fmt.Sprintf("keyhole-tmp-%d", uid))
}

const (
	// macSunPath is the longest path of a Unix socket on a Mac, without its NUL.
	macSunPath = 103
	// socketRoom is what a Mac's command has below its TMPDIR for a socket's name:
	// Python's multiprocessing takes 32 bytes, the longest seen some 50.
	socketRoom = 60
)

// macTempParent is the same on a Mac. There every user has a folder for temporary
// files with a name so long that what lies below has no room for sockets: then
// it is a short one in the folder of all.
func macTempParent(tmp string, uid int, resolve func(string) string) string {
	usual := usualTempParent(tmp, uid)
	if macRoom(filepath.Join(resolve(usual), noRunID)) >= socketRoom {
		return usual
	}
	return fmt.Sprintf("/private/tmp/kh-tmp-%d", uid)
}

// macRoom is how many bytes a socket's name can have in dir.
func macRoom(dir string) int { return macSunPath - len(dir+"/") }

// noRunID is as long as the name of a run.
const noRunID = "0000000000"
