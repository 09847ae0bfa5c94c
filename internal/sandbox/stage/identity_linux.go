package stage

import "syscall"

// identify maps the caller's own ids to themselves and nobody else's. Groups
// stay what they are: who could drop one might open what the group may not.
func identify(ids string) syscall.Errno {
	uid, gid, ok := cut(ids)
	if !ok {
		return syscall.EINVAL
	}
	for _, f := range [][2]string{
		{"setgroups", "deny"}, {"uid_map", uid + " " + uid + " 1"}, {"gid_map", gid + " " + gid + " 1"},
	} {
		fd, err := syscall.Open("/proc/self/"+f[0], syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return errnoOf(err)
		}
		_, err = syscall.Write(fd, []byte(f[1]))
		if errno := errnoOf(syscall.Close(fd)); err == nil && errno != 0 {
			return errno
		}
		if err != nil {
			return errnoOf(err)
		}
	}
	return 0
}

// cut parts what IDs has joined.
func cut(ids string) (uid, gid string, ok bool) {
	for i := range len(ids) {
		if ids[i] == ':' {
			return ids[:i], ids[i+1:], true
		}
	}
	return "", "", false
}
