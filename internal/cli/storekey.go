package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"keyhole/internal/profile"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

// patience is how long deriving a key may take before the person is told why
// nothing happens.
const patience = time.Second

// storeKey gets the key of a sealed file for a run: from files that the run's
// command cannot read, or from the person at the terminal, which is free until the
// command has started.
func storeKey(env *Env, identity string, reads func(path string) bool) func(path string) (passphrase, id secret.Value, err error) {
	return func(path string) (secret.Value, secret.Value, error) {
		src := keySource(env, identity)
		if file := cmp.Or(src.Identity, src.PassphraseFile); isFile(file) && reads(file) {
			return secret.Value{}, secret.Value{}, fail("keep it outside of the workspace and of all else that the profile grants",
				"the command may read %s, the key of the sealed file, and with it every item", secret.Printable(file))
		}
		k, err := src.Key(path)
		return k.Passphrase, k.Identity, err
	}
}

// isFile tells whether there is a file at path, and not a pipe, which is read once.
func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// reads tells whether the command of a run may read a file.
func reads(p *profile.Profile, more []string) func(path string) bool {
	all := *p
	for _, path := range more {
		all.Filesystem.Read = append(slices.Clone(all.Filesystem.Read), profile.Path{Path: path})
	}
	return func(path string) bool {
		_, _, ok := all.Grant(path)
		return ok
	}
}

// keySource resolves relative paths against the working directory of env.
func keySource(env *Env, identity string) session.KeySource {
	src := session.KeySourceFrom(env.Getenv, identity)
	src.Identity = absolute(env, src.Identity)
	src.PassphraseFile = absolute(env, src.PassphraseFile)
	return src
}

func absolute(env *Env, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(env.Dir, path)
}

// storeFlags are what all store commands take.
type storeFlags struct {
	file     string
	identity string
}

func (f *storeFlags) path(env *Env) string {
	if f.file != "" {
		return absolute(env, f.file)
	}
	return filepath.Join(profile.UserDirs(env.Getenv, env.UID).Data, session.SealedFileName)
}

// open gets the key and opens the file.
func (f *storeFlags) open(env *Env) (*session.Sealed, error) {
	path := f.path(env)
	src := keySource(env, f.identity)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && src.Identity == "" && src.PassphraseFile == "" {
		_, err := session.OpenSealed(path, session.SealedKey{}) // a passphrase would be asked for in vain
		return nil, runFailure(err)
	}
	k, err := src.Key(path)
	if err != nil {
		return nil, runFailure(err)
	}
	defer wipeKey(k)
	defer soon(env, "deriving the key of the sealed file")()
	s, err := session.OpenSealed(path, k)
	if err != nil {
		return nil, runFailure(err)
	}
	return s, nil
}

func wipeKey(k session.SealedKey) {
	k.Passphrase.Wipe()
	k.Identity.Wipe()
}

// soon prints text if what is being done takes longer than a person likes to
// wait without a word; the function it returns says that it is done.
func soon(env *Env, text string) func() {
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		t := time.NewTimer(patience)
		defer t.Stop()
		select {
		case <-t.C:
			fmt.Fprintln(env.Stderr, "keyhole: "+text+" ...")
		case <-done:
		}
	}()
	return func() {
		close(done)
		<-gone
	}
}
