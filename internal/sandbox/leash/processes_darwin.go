package leash

import "golang.org/x/sys/unix"

// processes lists those of a user.
func processes(uid int) ([]proc, error) {
	list, err := unix.SysctlKinfoProcSlice("kern.proc.uid", uid)
	if err != nil {
		return nil, err
	}
	const zombie = 5 // SZOMB
	all := make([]proc, 0, len(list))
	for i := range list {
		k := &list[i]
		p := proc{pid: int(k.Proc.P_pid), zombie: k.Proc.P_stat == zombie}
		p.start = uint64(k.Proc.P_starttime.Sec)*1e6 + uint64(k.Proc.P_starttime.Usec)
		if p.session, err = unix.Getsid(p.pid); err != nil {
			continue // gone by now
		}
		all = append(all, p)
	}
	return all, nil
}
