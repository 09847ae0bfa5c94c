//go:build !darwin

package sandbox

// stored: elsewhere a file has the one name.
func stored(path string) string { return path }
