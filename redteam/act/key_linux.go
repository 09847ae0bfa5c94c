package act

import (
	"golang.org/x/sys/unix"
)

// keyActs use the kernel's keyrings.
func keyActs() map[string]act {
	return map[string]act{
		"key": func(a []string) (string, error) { // search the session's keyring and read
			id, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", a[0], 0)
			if err != nil {
				return "", err
			}
			var b [64]byte
			n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, b[:], 0)
			return string(b[:max(n, 0)]), err
		},
		"requestkey": func(a []string) (string, error) {
			_, err := unix.RequestKey("user", a[0], "", 0)
			return "", err
		},
	}
}

// Session gives this process and what it starts a session keyring of their own
// with one key in it. The calling thread must be locked.
func Session(name, value string) error {
	if _, err := unix.KeyctlJoinSessionKeyring("keyhole-redteam"); err != nil {
		return err
	}
	_, err := unix.AddKey("user", name, []byte(value), unix.KEY_SPEC_SESSION_KEYRING)
	return err
}
