package act

import "golang.org/x/sys/unix"

// map32Bit asks for memory below 4 GiB.
const map32Bit = unix.MAP_32BIT
