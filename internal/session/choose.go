package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/keychain"
	"keyhole/internal/provider/sealedfile"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/secret"
)

// SealedFileName is the sealed file's name in the data folder.
const SealedFileName = "store.age"

// answersLimit bounds the question whether a keyring answers, which is asked
// only when both a bus and a sealed file are there.
const answersLimit = 3 * time.Second

// store is the provider that serves a run.
type store struct {
	name     string
	provider broker.Provider
	close    func() error
	shut     func() bool // it stayed locked when its dialog was shown; nil for one without
}

// unlocking is a Secret Service that remembers whether its dialog came to nothing:
// a client is only told that there is no secret, or not even that.
type unlocking struct {
	*secretservice.Store
	shut atomic.Bool
}

// Unlock has the service show its dialog.
func (u *unlocking) Unlock(ctx context.Context, ids []string) error {
	err := u.Store.Unlock(ctx, ids)
	u.shut.Store(errors.Is(err, secret.ErrDismissed))
	return err
}

// NoSuchStore is what is wrong with a kind of StoreConfig, nil if nothing is.
func NoSuchStore(kind string) error {
	switch kind {
	case "", "system", secretservice.Name, sealedfile.Name, keychain.Name:
		return nil
	}
	return fmt.Errorf("no store is called %q: system, %s, %s and %s are", kind, secretservice.Name, sealedfile.Name, keychain.Name)
}

// openStore picks the store that cfg and the machine call for. It costs nothing
// when no rule can reach an item, and one question to the bus only when there is
// a real choice.
func openStore(ctx context.Context, cfg *Config, rules *policy.Set) (*store, error) {
	bus := cfg.Store.BusAddress
	if bus == "" {
		bus = sessionBus(cfg)
	}
	file := cfg.Store.SealedFile
	if file == "" {
		file = filepath.Join(cfg.Dirs.Data, SealedFileName)
	}
	// What is learned is looked up in the store, granted or not.
	if !rules.Grants(policy.Read) && !rules.Grants(policy.List) && !rules.Grants(policy.Create) && len(cfg.Profile.Wrappers) == 0 && cfg.Learn == nil {
		return noStore("nothing is granted"), nil
	}
	switch kind := cfg.Store.Kind; kind {
	case "", "system":
		return systemStore(ctx, cfg, rules, bus, file)
	case keychain.Name:
		s, there, err := systemKeychain(cfg)
		if err == nil && !there {
			err = &Hinted{errors.New("no macOS keychain on this system"), "use --store sealed-file"}
		}
		return s, err
	case secretservice.Name:
		if bus == "" {
			return nil, &Hinted{errors.New("no session bus, so no Secret Service"),
				"log in to a desktop session, or use --store sealed-file"}
		}
		return openService(cfg, bus)
	case sealedfile.Name:
		return openSealed(cfg, file)
	default:
		return nil, NoSuchStore(kind)
	}
}

// chosen tells whether a person wrote one of the rules, in a profile or a flag. A
// built-in profile also grants what its program keeps on other systems only,
// and it would be noise to miss that at every start.
func chosen(rules *policy.Set) bool {
	return slices.ContainsFunc(rules.Rules(), func(r policy.Rule) bool {
		return r.Effect != policy.Deny && (strings.Contains(r.Source.File, "/") || strings.HasPrefix(r.Source.File, "-"))
	})
}

func systemStore(ctx context.Context, cfg *Config, rules *policy.Set, bus, file string) (*store, error) {
	if s, there, err := systemKeychain(cfg); there {
		return s, err
	}
	_, err := os.Stat(file)
	sealed := err == nil
	switch {
	case bus != "" && !sealed:
		return openService(cfg, bus)
	case bus != "":
		ctx, cancel := context.WithTimeout(ctx, answersLimit)
		defer cancel()
		if secretservice.Answers(ctx, bus) {
			return openService(cfg, bus)
		}
		return openSealed(cfg, file)
	case sealed:
		return openSealed(cfg, file)
	default:
		if chosen(rules) {
			cfg.Notice("no keyring answers here and there is no sealed file: granted items cannot be read ('keyhole store init' makes one)")
		}
		return noStore("no keyring and no sealed file"), nil
	}
}

func openService(cfg *Config, bus string) (*store, error) {
	s, err := secretservice.Open(secretservice.Config{Address: bus, Log: cfg.Log})
	if err != nil {
		return nil, fmt.Errorf("opening Secret Service: %w", err)
	}
	u := &unlocking{Store: s}
	return &store{name: secretservice.Name, provider: u, close: s.Close, shut: u.shut.Load}, nil
}

func openSealed(cfg *Config, file string) (*store, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, &Hinted{fmt.Errorf("no sealed file at %s", file), "make one with 'keyhole store init'"}
	}
	if cfg.Store.Key == nil {
		return nil, &Hinted{fmt.Errorf("no key for sealed file %s", file), "set KEYHOLE_STORE_PASSPHRASE_FILE"}
	}
	passphrase, identity, err := cfg.Store.Key(file)
	if err != nil {
		return nil, err
	}
	s, err := sealedfile.Open(file, sealedfile.Key{Passphrase: passphrase, Identity: identity})
	if errors.Is(err, secret.ErrLocked) {
		return nil, &Hinted{fmt.Errorf("opening sealed file %s: wrong key", file), hintKey}
	}
	if err != nil {
		return nil, withOwnHint(fmt.Errorf("opening sealed file: %w", err))
	}
	return &store{name: sealedfile.Name, provider: s, close: s.Close}, nil
}

// sessionBus is the real session bus: what the environment says, else the
// socket at its usual place, if it is there.
func sessionBus(cfg *Config) string {
	if a := lookup(cfg.Environ, "DBUS_SESSION_BUS_ADDRESS"); a != "" {
		if p, ok := busPath(a); ok && !isSocket(p) {
			return ""
		}
		return a
	}
	for _, dir := range []string{lookup(cfg.Environ, "XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", cfg.UID)} {
		if p := filepath.Join(dir, "bus"); dir != "" && isSocket(p) {
			return "unix:path=" + p
		}
	}
	return ""
}

func isSocket(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().Type() == fs.ModeSocket
}

// absent is the provider of a run without a store: every question fails, so
// that no client mistakes it for an empty keyring.
type absent struct{ why string }

func noStore(why string) *store {
	return &store{name: "none", provider: absent{why}, close: func() error { return nil }}
}

func (a absent) err() error { return fmt.Errorf("%w: %s", secret.ErrUnavailable, a.why) }

func (a absent) List(context.Context, secret.Query) ([]secret.Info, error) { return nil, a.err() }

func (a absent) Stat(context.Context, string) (secret.Info, error) { return secret.Info{}, a.err() }

func (a absent) Get(context.Context, string) (secret.Info, secret.Value, error) {
	return secret.Info{}, secret.Value{}, a.err()
}

func (a absent) Status(context.Context) (secret.Status, error) { return secret.Status{}, a.err() }
