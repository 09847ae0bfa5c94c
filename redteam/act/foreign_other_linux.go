//go:build linux && !amd64

package act

const map32Bit = 0
