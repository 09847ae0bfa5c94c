package cli

import (
	"errors"
	"strings"

	"keyhole/internal/session"
)

// What is told on a Mac in place of the kernel's parts.

func seatbeltFinding(s session.Survey) finding {
	f := finding{About: "seatbelt"}
	switch r := s.Sandbox; {
	case r.Confined:
		f.Grade, f.Found = fine, r.Kernel+": sandbox-exec puts a profile on"
	default:
		f.Found = r.Kernel + ": lacking " + strings.Join(r.Missing, ", ")
		f.Means = "nothing is run; in another sandbox none can be started"
		f.Fix = "exit # of the other sandbox, or open a terminal of your own"
	}
	return f
}

func keychainFinding(s session.Survey) finding {
	f := finding{About: "keychain", Grade: limits, Means: "granted items cannot be read"}
	var own interface{ Hint() string }
	switch {
	case errors.As(s.KeychainErr, &own):
		f.Found, f.Means = s.KeychainErr.Error(), f.Means+"; "+own.Hint()
		f.Fix = "keyhole store init # then run with --store sealed-file"
	case s.KeychainErr != nil:
		f.Found = s.KeychainErr.Error()
		f.Fix = "security list-keychains -d user"
	case s.KeychainLocked:
		f.Found = "the default keychain is locked, or waits for an answer"
		f.Fix = "security unlock-keychain"
	default:
		f.Grade, f.Found, f.Means = fine, "the default keychain is open", ""
	}
	return f
}
