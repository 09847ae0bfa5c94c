package session

import "syscall"

// changeTime is when anything of the file was changed last, in nanoseconds.
func changeTime(st *syscall.Stat_t) int64 { return st.Ctim.Nano() }
