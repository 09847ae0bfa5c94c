//go:build !darwin

package session

import "os"

func tempParent(uid int) string { return usualTempParent(os.TempDir(), uid) }
