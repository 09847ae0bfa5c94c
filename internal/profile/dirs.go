package profile

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// Dirs are the folders keyhole keeps things in; all of them are protected from
// every confined command.
type Dirs struct {
	Config  string // profiles
	Data    string // sealed file
	State   string // audit log
	Runtime string // sockets of runs
}

const ownDir = "keyhole"

// UserDirs reads the folders from the environment (XDG Base Directory
// Specification; a relative path there counts as unset). Runtime falls back to
// a folder of the user's own in /tmp when the session has no runtime directory;
// whoever makes it must check its owner.
func UserDirs(getenv func(string) string, uid int) Dirs {
	base := func(variable, fallback string) string {
		if dir := getenv(variable); filepath.IsAbs(dir) {
			return filepath.Join(dir, ownDir)
		}
		return filepath.Join("/", getenv("HOME"), fallback, ownDir)
	}
	d := Dirs{
		Config:  base("XDG_CONFIG_HOME", ".config"),
		Data:    base("XDG_DATA_HOME", ".local/share"),
		State:   base("XDG_STATE_HOME", ".local/state"),
		Runtime: "/tmp/" + ownDir + "-" + strconv.Itoa(uid),
	}
	if run := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) && ownedBy(run, uid) {
		d.Runtime = filepath.Join(run, ownDir)
	}
	return d
}

// ownedBy tells whether dir is a directory of that user that nobody else may
// use. After su or sudo the variable can still name somebody else's.
func ownedBy(dir string, uid int) bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	owner, ok := ownerOf(info)
	return ok && owner == uid
}

// profileFiles are the files in which a profile of that name may be.
func (d Dirs) profileFiles(name string) []string {
	dir := d.profiles()
	return []string{filepath.Join(dir, name+".jsonc"), filepath.Join(dir, name+".json")}
}

func (d Dirs) profiles() string { return filepath.Join(d.Config, "profiles") }

// UserVars reads the values of the expansions from the environment. Without a
// user's name there (cron, containers) the system's user list has it.
func UserVars(getenv func(string) string, uid int, workspace string) Vars {
	v := Vars{Home: getenv("HOME"), User: getenv("USER"), Workspace: workspace, FoldCase: foldsCase}
	if v.User == "" {
		v.User = getenv("LOGNAME")
	}
	if v.User == "" {
		if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
			v.User = u.Username
		}
	}
	return v
}
