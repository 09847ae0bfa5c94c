package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"keyhole/internal/provider/sealedfile"
	"keyhole/internal/secret"
)

// Variables that name the files a sealed file's key is read from. They hold
// paths and never the key: an environment is inherited, and shown by ps.
const (
	PassphraseFileVar = "KEYHOLE_STORE_PASSPHRASE_FILE"
	IdentityVar       = "KEYHOLE_STORE_IDENTITY"
)

// maxKeyFile is far more than any passphrase or identity file needs.
const maxKeyFile = 64 << 10

// KeySource is where a sealed file's key comes from: the identity file named
// by flag, the one named by the environment, the passphrase file, and at last
// the person at the terminal, in this order.
type KeySource struct {
	Identity       string // path
	PassphraseFile string // path
}

// KeySourceFrom reads the environment; an identity from a flag wins.
func KeySourceFrom(getenv func(string) string, identity string) KeySource {
	if identity != "" {
		return KeySource{Identity: identity}
	}
	return KeySource{Identity: getenv(IdentityVar), PassphraseFile: getenv(PassphraseFileVar)}
}

// Key gets the key of the sealed file at path.
func (s KeySource) Key(path string) (SealedKey, error) {
	return s.key(func() (secret.Value, error) {
		return AskTerminal("Passphrase of " + secret.Printable(path) + ": ")
	})
}

// NewKey gets a key to seal the file at path with: a passphrase is asked for
// twice.
func (s KeySource) NewKey(path string) (SealedKey, error) {
	return s.key(func() (secret.Value, error) {
		first, err := AskTerminal("New passphrase of " + secret.Printable(path) + ": ")
		if err != nil {
			return secret.Value{}, err
		}
		second, err := AskTerminal("The same again: ")
		if err != nil {
			first.Wipe()
			return secret.Value{}, err
		}
		defer second.Wipe()
		if !bytes.Equal(first.Expose(), second.Expose()) {
			first.Wipe()
			return secret.Value{}, &Hinted{errors.New("the two passphrases differ"), "nothing was changed; try again"}
		}
		return first, nil
	})
}

func (s KeySource) key(ask func() (secret.Value, error)) (k SealedKey, err error) {
	switch {
	case s.Identity != "":
		k.Identity, err = readKeyFile(s.Identity)
		if errors.Is(err, fs.ErrNotExist) {
			err = &Hinted{err, "make one with 'keyhole store init --generate --identity FILE'"}
		}
		return k, err
	case s.PassphraseFile != "":
		k.Passphrase, err = readPassphrase(s.PassphraseFile)
		if errors.Is(err, fs.ErrNotExist) {
			err = &Hinted{err, PassphraseFileVar + " names it; without that variable you are asked at the terminal"}
		}
	default:
		k.Passphrase, err = ask()
	}
	if err == nil && k.Passphrase.Len() == 0 {
		err = &Hinted{errors.New("the passphrase is empty"), "a sealed file needs one, or an identity file (--identity)"}
	}
	return k, err
}

// readPassphrase reads a file and cuts the one newline that editors add.
func readPassphrase(path string) (secret.Value, error) {
	v, err := readKeyFile(path)
	if err != nil {
		return secret.Value{}, err
	}
	defer v.Wipe()
	b := v.Expose()
	if cut, ok := bytes.CutSuffix(b, []byte("\n")); ok {
		b = bytes.TrimSuffix(cut, []byte("\r"))
	}
	return secret.NewValue(b), nil
}

// readKeyFile reads a file that belongs to us or to root and that nobody else
// can read or write. A pipe will do: a shell makes one for <(command).
func readKeyFile(path string) (secret.Value, error) {
	f, err := os.Open(path)
	if err != nil {
		return secret.Value{}, fmt.Errorf("reading key: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return secret.Value{}, fmt.Errorf("reading key: %w", err)
	}
	if err := checkKeyFile(path, fi); err != nil {
		return secret.Value{}, err
	}
	b := make([]byte, maxKeyFile+1)
	n, err := io.ReadFull(f, b)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return secret.NewValue(b[:n:n]), nil
	case err == nil:
		err = errors.New("it is too long for a key")
	}
	clear(b)
	return secret.Value{}, fmt.Errorf("reading key %s: %w", path, err)
}

func checkKeyFile(path string, fi fs.FileInfo) error {
	if t := fi.Mode().Type(); t != 0 && t != fs.ModeNamedPipe {
		return fmt.Errorf("reading key: %s is not a file", path)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("internal error: no owner of %s", path)
	}
	if uid := os.Geteuid(); int(st.Uid) != uid && st.Uid != 0 {
		return &Hinted{fmt.Errorf("key file %s belongs to user %d, not to you", path, st.Uid), "use a file of your own"}
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return &Hinted{fmt.Errorf("key file %s can be read or written by others", path), "chmod 600 '" + path + "'"}
	}
	return nil
}

// GenerateIdentity makes a new identity file; it never overwrites one.
func GenerateIdentity(path string) error {
	id, err := sealedfile.NewIdentity()
	if err != nil {
		return err
	}
	defer id.Wipe()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making identity: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &Hinted{fmt.Errorf("identity %s: %w", path, secret.ErrExists), "leave out --generate to use it"}
	}
	if err != nil {
		return fmt.Errorf("making identity: %w", err)
	}
	_, err = f.Write(id.Expose())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("making identity: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}
