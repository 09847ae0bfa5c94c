//go:build !darwin

package profile

const foldsCase = false
