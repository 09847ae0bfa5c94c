//go:build !linux && !darwin

package security

import "errors"

// hideInput is not known here, so that nothing is asked at the terminal.
func hideInput(int) (show func(), err error) {
	return nil, errors.New("this system's terminals are not known")
}
