// Package env places granted values into the environment of the command when
// it starts, for tools that take a credential no other way. It runs outside the
// sandbox and asks the broker like every front end. A value in the environment
// can be read by every process of the run; that is what the profile asked for.
package env

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// Want names the item whose bytes a variable gets.
type Want struct {
	Service, Account string
	Decode           string // "none" leaves go-keyring's prefixes as they are
}

// Values returns the variables to set. An item that is not there or not granted
// leaves its variable unset; a store that fails is an error.
func Values(ctx context.Context, b *broker.Broker, who policy.Principal, wants map[string]Want) (map[string]string, error) {
	out := make(map[string]string, len(wants))
	for _, name := range slices.Sorted(maps.Keys(wants)) {
		v, err := value(ctx, b, who, wants[name])
		if errors.Is(err, secret.ErrNotFound) || errors.Is(err, broker.ErrDenied) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the item for variable %s: %w", name, err)
		}
		out[name] = v
	}
	return out, nil
}

func value(ctx context.Context, b *broker.Broker, who policy.Principal, w Want) (string, error) {
	items, err := b.List(ctx, who, secret.Query{Attributes: map[string]string{"service": w.Service}})
	if err != nil {
		return "", err
	}
	for _, it := range items {
		if acct, _ := it.Account(); acct != w.Account {
			continue
		}
		_, v, err := b.Get(ctx, who, it.Ref)
		if err != nil {
			return "", err
		}
		defer v.Wipe()
		return text(v.Expose(), w.Decode)
	}
	return "", secret.ErrNotFound
}

// text undoes go-keyring's prefixes and refuses what a variable cannot hold.
func text(b []byte, decode string) (string, error) {
	if decode != "none" {
		var err error
		if b, err = secret.UndoGoKeyring(b); err != nil {
			return "", err
		}
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return "", errors.New("the value holds a NUL byte, which a variable cannot")
	}
	return string(b), nil
}
