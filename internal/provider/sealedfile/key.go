package sealedfile

import (
	"bytes"
	"errors"
	"fmt"

	"filippo.io/age"

	"keyhole/internal/secret"
)

var errBadIdentity = errors.New("not an age identity file (lines that start with AGE-SECRET-KEY-)")

// identities are what opens a file. Texts of age are left out of errors: they
// can quote what was read.
func (k Key) identities() ([]age.Identity, error) {
	switch {
	case (k.Passphrase.Len() > 0) == (k.Identity.Len() > 0):
		return nil, errBadKey
	case k.Passphrase.Len() > 0:
		// age takes a string, which stays in memory until it is reused.
		id, err := age.NewScryptIdentity(string(k.Passphrase.Expose()))
		if err != nil {
			return nil, errBadKey
		}
		id.SetMaxWorkFactor(maxWorkFactor)
		return []age.Identity{id}, nil
	}
	ids, err := age.ParseIdentities(bytes.NewReader(k.Identity.Expose()))
	if err != nil {
		return nil, errBadIdentity
	}
	return ids, nil
}

// recipients are whom a file is sealed for.
func (k Key) recipients() ([]age.Recipient, error) {
	if k.Passphrase.Len() > 0 && k.Identity.Len() == 0 {
		r, err := age.NewScryptRecipient(string(k.Passphrase.Expose()))
		if err != nil {
			return nil, errBadKey
		}
		r.SetWorkFactor(workFactor)
		return []age.Recipient{r}, nil
	}
	ids, err := k.identities()
	if err != nil {
		return nil, err
	}
	out := make([]age.Recipient, 0, len(ids))
	for _, id := range ids {
		switch id := id.(type) {
		case *age.X25519Identity:
			out = append(out, id.Recipient())
		case *age.HybridIdentity:
			out = append(out, id.Recipient())
		default:
			return nil, fmt.Errorf("an identity of this kind (%T) cannot seal a file", id)
		}
	}
	return out, nil
}

// NewIdentity makes the content of a new age identity file.
func NewIdentity() (secret.Value, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return secret.Value{}, fmt.Errorf("making identity: %w", err)
	}
	return secret.NewValue([]byte("# public key: " + id.Recipient().String() + "\n" + id.String() + "\n")), nil
}
