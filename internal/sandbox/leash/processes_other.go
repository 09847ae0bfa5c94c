//go:build !linux && !darwin

package leash

import "errors"

func processes(int) ([]proc, error) { return nil, errors.ErrUnsupported }
