package session

import (
	"os"

	"keyhole/internal/sandbox"
)

func tempParent(uid int) string { return macTempParent(os.TempDir(), uid, sandbox.ResolveHere) }
