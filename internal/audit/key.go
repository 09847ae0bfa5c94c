package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/mod/sumdb/note"
)

// KeyPath is where the key lies that signs checkpoints, in a user's data folder.
func KeyPath(data string) string { return filepath.Join(data, "audit.key") }

// keyPrefix and random letters are a key's name, which is also the log's: it
// tells nothing about the machine or the person.
const (
	keyPrefix = "keyhole-log-"
	maxKey    = 1 << 10
)

// Key signs checkpoints.
type Key struct {
	signer note.Signer
	public string
}

// Public is what a second person needs to check signatures, one line of text.
func (k *Key) Public() string { return k.public }

// OpenKey reads the key at path (0600), and makes it if there is none yet.
func OpenKey(path string) (*Key, error) {
	k, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := ownFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	name := make([]byte, 6)
	_, _ = rand.Read(name) // never fails
	private, _, err := note.GenerateKey(rand.Reader, keyPrefix+hex.EncodeToString(name))
	if err != nil {
		return nil, err
	}
	if err := placeKey(path, private+"\n"); err != nil {
		return nil, fmt.Errorf("keeping new key: %w", err)
	}
	return readKey(path) // another process's, if that was faster
}

// placeKey puts a whole file at path, unless there is one.
func placeKey(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".audit-key-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func readKey(path string) (*Key, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := own(path, info, fs.FileMode.IsRegular, "a regular file"); err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others, so it proves nothing", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKey))
	if err != nil {
		return nil, err
	}
	k, err := parseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s is not a signing key", path) // never what is in it
	}
	return k, nil
}

func parseKey(text string) (*Key, error) {
	signer, err := note.NewSigner(text)
	if err != nil {
		return nil, err
	}
	// PRIVATE+KEY+name+hash+data, where data is the kind of key and its seed, in
	// base64, which has a plus sign too.
	parts := strings.SplitN(text, "+", 5)
	data, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(data) != 1+ed25519.SeedSize {
		return nil, errors.New("not an ed25519 key")
	}
	public, err := note.NewEd25519VerifierKey(signer.Name(), ed25519.NewKeyFromSeed(data[1:]).Public().(ed25519.PublicKey))
	return &Key{signer, public}, err
}

// ParsePublic reads the text of a public key.
func ParsePublic(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("not a public key: it looks like " + keyPrefix + "0123456789ab+01234567+A…")
	}
	return v, nil
}
