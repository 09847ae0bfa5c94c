package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"keyhole/internal/secret"
	"keyhole/internal/session"
)

const importHelp = `Copy items of your keyring into the sealed file: those that have all the given
attributes, or with --all every item. The keyring is not changed. An item whose
attributes the file has already stays as it is there, unless --replace is given.`

// importFlags are the flags of store import.
type importFlags struct {
	from, address string
	all, replace  bool
}

func newStoreImport(env *Env, f *storeFlags) *cobra.Command {
	var imp importFlags
	c := &cobra.Command{
		Use:     "import --from secret-service [ATTR=VALUE... | --all]",
		Short:   "Copy items of your keyring into the sealed file",
		Long:    importHelp,
		Example: `  keyhole store import --from secret-service service=gh:github.com`,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := imp.query(args)
			if err != nil {
				return err
			}
			return withStore(env, f, func(s *session.Sealed) error {
				return importItems(cmd.Context(), env, s, q, &imp)
			})
		},
	}
	c.Flags().StringVar(&imp.from, "from", "", "`STORE` to copy from: secret-service")
	c.Flags().StringVar(&imp.address, "address", "", "D-Bus `address` of the keyring's bus (default: your session's)")
	c.Flags().BoolVar(&imp.all, "all", false, "copy every item")
	c.Flags().BoolVar(&imp.replace, "replace", false, "overwrite items that have the same attributes")
	return c
}

func (f *importFlags) query(args []string) (secret.Query, error) {
	switch {
	case f.from != "secret-service":
		return secret.Query{}, errors.New("say where from: --from secret-service")
	case f.all && len(args) > 0:
		return secret.Query{}, errors.New("give attributes or --all, not both")
	case !f.all && len(args) == 0:
		return secret.Query{}, errors.New("say which items: ATTR=VALUE..., or --all")
	}
	attributes, err := parseAttributes(args)
	return secret.Query{Attributes: attributes}, err
}

func importItems(ctx context.Context, env *Env, to *session.Sealed, q secret.Query, f *importFlags) error {
	from, err := session.OpenKeyring(f.address, env.Environ, env.UID)
	if err != nil {
		return runFailure(err)
	}
	// The person has asked for this: the keyring may ask back.
	done, err := session.Import(secret.AllowPrompt(ctx), from, to, []secret.Query{q}, f.replace)
	if err = errors.Join(err, from.Close()); err != nil {
		return runFailure(err)
	}
	for _, info := range done.Present {
		fmt.Fprintf(env.Stderr, "keyhole: is there already: %s\n", attributeText(info.Attributes))
	}
	fmt.Fprintf(env.Stderr, "keyhole: %d copied, %d overwritten, %d left as they were\n",
		done.Created, done.Replaced, len(done.Present))
	if done.Created+done.Replaced+len(done.Present) == 0 {
		return &Failure{Code: ExitNo, Err: errors.New("no item of the keyring matches")}
	}
	return nil
}
