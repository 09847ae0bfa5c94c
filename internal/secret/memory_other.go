//go:build !linux && !darwin

package secret

import "errors"

func mapPrivate(n int) (block, error) { return make(block, n), nil }

func protect(block) error { return errors.New("secrets are in ordinary memory on this system") }

func unmap(block) {}
