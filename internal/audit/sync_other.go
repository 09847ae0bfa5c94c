//go:build !linux

package audit

import "os"

// datasync writes the file to disk; on macOS past the drive's own cache too.
func datasync(f *os.File) error { return f.Sync() }
