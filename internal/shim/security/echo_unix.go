//go:build linux || darwin

package security

import "golang.org/x/sys/unix"

// hideInput makes a terminal not show what is typed, until show is called.
func hideInput(fd int) (show func(), err error) {
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, setTermios, &hidden); err != nil {
		return nil, err
	}
	// A terminal that is gone shows nothing anyway.
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }, nil
}
