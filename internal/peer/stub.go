package peer

import "net"

func of(c *net.UnixConn) (Cred, error) { panic("not written") }
func chain(pid, stop int) []Process    { panic("not written") }
