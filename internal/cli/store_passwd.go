package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"keyhole/internal/session"
)

const passwdHelp = `Seal the file for another key: a new passphrase, asked for twice, or one from
--new-passphrase-file, or the identity in --new-identity. The items get a new
key too, so that the old one opens no later copy of the file. Runs that have
the file open must be started again.`

func newStorePasswd(env *Env, f *storeFlags) *cobra.Command {
	var to session.KeySource
	c := &cobra.Command{
		Use:   "passwd",
		Short: "Seal the file for another passphrase or identity",
		Long:  passwdHelp,
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if to.Identity != "" && to.PassphraseFile != "" {
				return errors.New("give --new-identity or --new-passphrase-file, not both")
			}
			to.Identity, to.PassphraseFile = absolute(env, to.Identity), absolute(env, to.PassphraseFile)
			return withStore(env, f, func(s *session.Sealed) error {
				return rekey(env, s, to)
			})
		},
	}
	c.Flags().StringVar(&to.Identity, "new-identity", "", "age identity `file` to seal for")
	c.Flags().StringVar(&to.PassphraseFile, "new-passphrase-file", "", "`file` with the new passphrase")
	return c
}

func rekey(env *Env, s *session.Sealed, to session.KeySource) error {
	k, err := to.NewKey(s.Path())
	if err != nil {
		return runFailure(err)
	}
	defer wipeKey(k)
	defer soon(env, "deriving the new key")()
	if err := session.RekeySealed(s, k); err != nil {
		return runFailure(err)
	}
	fmt.Fprintln(env.Stderr, "keyhole: the sealed file has the new key")
	return nil
}
