package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"keyhole/internal/secret"
	"keyhole/internal/session"
)

const storeHelp = `The sealed file is keyhole's own store, for machines without a keyring: one
encrypted file, by default store.age in keyhole's data folder.

Its key is an age identity file (--identity, or KEYHOLE_STORE_IDENTITY), else a
passphrase from the file that KEYHOLE_STORE_PASSPHRASE_FILE names, else a
passphrase that is asked for at the terminal. Items are named by attributes,
such as service=example account=me. Secrets are read from standard input and
never from the command line.`

const setHelp = `Store an item under the given attributes. The secret is everything on standard
input, byte for byte; on a terminal it is asked for without echo.

An item that has exactly these attributes is overwritten with --replace only.`

// maxStdin is more than the store takes, so that it can say so itself.
const maxStdin = 16<<20 + 1

func newStoreCommand(env *Env) *cobra.Command {
	var f storeFlags
	c := &cobra.Command{
		Use:   "store",
		Short: "Keep items in keyhole's own encrypted file",
		Long:  storeHelp,
		Example: `  keyhole store init
  printf %s "$TOKEN" | keyhole store set service=gh:github.com account=me
  keyhole store get service=gh:github.com account=me`,
	}
	c.PersistentFlags().StringVar(&f.file, "file", "", "`path` of the sealed file (default: store.age in keyhole's data folder)")
	c.PersistentFlags().StringVar(&f.identity, "identity", "", "age identity `file` that opens the sealed file")
	c.AddCommand(newStoreInit(env, &f), newStoreSet(env, &f), newStoreGet(env, &f), newStoreList(env, &f),
		newStoreRemove(env, &f), newStorePasswd(env, &f), newStoreImport(env, &f))
	return c
}

func newStoreInit(env *Env, f *storeFlags) *cobra.Command {
	var generate bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Make a new empty sealed file",
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return initStore(env, f, generate)
		},
	}
	c.Flags().BoolVar(&generate, "generate", false, "make the identity file that --identity names")
	return c
}

func initStore(env *Env, f *storeFlags, generate bool) error {
	path := f.path(env)
	// Looked at first, so that nobody thinks up a passphrase for nothing.
	if _, err := os.Lstat(path); err == nil {
		return fail("nothing was changed; use it, or name another place with --file", "sealed file %s exists already", path)
	}
	src := keySource(env, f.identity)
	if generate {
		if src.Identity == "" {
			return &Failure{Code: ExitUsage, Err: errors.New("--generate needs --identity FILE"), Hint: "FILE is where the new identity goes"}
		}
		if err := session.GenerateIdentity(src.Identity); err != nil {
			return runFailure(err)
		}
	}
	k, err := src.NewKey(path)
	if err != nil {
		return runFailure(err)
	}
	defer wipeKey(k)
	defer soon(env, "deriving the key of the sealed file")()
	if err := session.InitSealed(path, k); err != nil {
		return runFailure(err)
	}
	fmt.Fprintf(env.Stderr, "keyhole: made sealed file %s\n", secret.Printable(path))
	return nil
}

// setFlags are the flags of store set.
type setFlags struct {
	label, contentType string
	replace, trim      bool
	empty              bool
}

func newStoreSet(env *Env, f *storeFlags) *cobra.Command {
	var sf setFlags
	c := &cobra.Command{
		Use:     "set ATTR=VALUE... [flags]",
		Short:   "Store an item; its secret comes from standard input",
		Long:    setHelp,
		Example: `  printf %s "$TOKEN" | keyhole store set service=gh:github.com account=me`,
		Args:    takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			attributes, err := parseAttributes(args)
			if err != nil {
				return err
			}
			return withStore(env, f, func(s *session.Sealed) error {
				return setItem(cmd.Context(), env, s, attributes, &sf)
			})
		},
	}
	c.Flags().StringVar(&sf.label, "label", "", "`text` that names the item (default: made from the attributes)")
	c.Flags().StringVar(&sf.contentType, "content-type", "text/plain", "media `type` of the secret")
	c.Flags().BoolVar(&sf.replace, "replace", false, "overwrite the item that has exactly these attributes")
	c.Flags().BoolVar(&sf.empty, "allow-empty", false, "store an empty secret too")
	c.Flags().BoolVarP(&sf.trim, "trim-newline", "n", false, "cut one newline from the end of standard input")
	return c
}

func setItem(ctx context.Context, env *Env, s *session.Sealed, attributes map[string]string, f *setFlags) error {
	there, err := session.Exact(ctx, s, attributes)
	switch {
	case err != nil:
		return runFailure(err)
	case len(there) > 1:
		return severalItems(there)
	case len(there) == 1 && !f.replace:
		return fail("add --replace to overwrite it", "%s: %w", attributeText(attributes), secret.ErrExists)
	}
	v, err := readSecret(env, f)
	if err != nil {
		return err
	}
	defer v.Wipe()
	if len(there) == 1 {
		c := secret.Change{Value: &v, ContentType: &f.contentType}
		if f.label != "" {
			c.Label = &f.label
		}
		err = s.Update(ctx, there[0].ID, c)
	} else {
		info := secret.Info{Ref: secret.Ref{Attributes: attributes}, Label: f.label, ContentType: f.contentType}
		if info.Label == "" {
			info.Label = info.Ref.String()
		}
		_, err = s.Create(ctx, info, v)
	}
	if err != nil {
		return runFailure(err)
	}
	return nil
}

// readSecret reads the secret: all of standard input, or a line typed unseen.
func readSecret(env *Env, f *setFlags) (secret.Value, error) {
	if term.IsTerminal(int(env.Stdin.Fd())) {
		v, err := session.AskTerminal("Secret: ")
		if err != nil {
			return secret.Value{}, runFailure(err)
		}
		if v.Len() == 0 && !f.empty {
			return secret.Value{}, fail("", "nothing was typed, and an empty secret is stored with --allow-empty only")
		}
		return v, nil
	}
	b, err := io.ReadAll(io.LimitReader(env.Stdin, maxStdin))
	if err != nil {
		clear(b)
		return secret.Value{}, fail("", "reading secret from standard input: %w", err)
	}
	if n := len(b); f.trim && n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	if len(b) == 0 && !f.empty {
		return secret.Value{}, fail(`write it to standard input: printf %s "$TOKEN" | keyhole store set ATTR=VALUE`, "standard input is empty, and an empty secret is stored with --allow-empty only")
	}
	return secret.NewValue(b), nil
}

// pick names one item: by attributes, or by its id.
type pick struct {
	id         string
	attributes map[string]string
}

func (p *pick) register(c *cobra.Command) {
	c.Flags().StringVar(&p.id, "id", "", "the item's `id`, as 'store list --json' shows it")
}

func (p *pick) parse(args []string) (err error) {
	if p.id != "" && len(args) > 0 {
		return errors.New("give attributes or --id, not both")
	}
	if p.id == "" && len(args) == 0 {
		return errors.New("name an item: ATTR=VALUE..., or --id ID")
	}
	p.attributes, err = parseAttributes(args)
	return err
}

// find lists the items that are meant; none is ExitNo.
func (p *pick) find(ctx context.Context, s *session.Sealed) ([]secret.Info, error) {
	if p.id != "" {
		info, err := s.Stat(ctx, p.id)
		if errors.Is(err, secret.ErrNotFound) {
			return nil, &Failure{Code: ExitNo, Err: fmt.Errorf("no item has the id %s", secret.Printable(p.id))}
		}
		if err != nil {
			return nil, runFailure(err)
		}
		return []secret.Info{info}, nil
	}
	infos, err := s.List(ctx, secret.Query{Attributes: p.attributes})
	if err != nil {
		return nil, runFailure(err)
	}
	if len(infos) == 0 {
		return nil, &Failure{Code: ExitNo, Err: fmt.Errorf("no item has %s", attributeText(p.attributes))}
	}
	return infos, nil
}

// one is find for exactly one item.
func (p *pick) one(ctx context.Context, s *session.Sealed) (secret.Info, error) {
	infos, err := p.find(ctx, s)
	if err != nil {
		return secret.Info{}, err
	}
	if len(infos) > 1 {
		return secret.Info{}, severalItems(infos)
	}
	return infos[0], nil
}

func severalItems(infos []secret.Info) error {
	const shown = 5
	var names []string
	for _, info := range infos[:min(len(infos), shown)] {
		names = append(names, attributeText(info.Attributes))
	}
	if len(infos) > shown {
		names = append(names, "...")
	}
	return &Failure{
		Code: ExitUsage,
		Err:  fmt.Errorf("%d items match: %s", len(infos), strings.Join(names, "; ")),
		Hint: "add attributes, or name one with --id (see 'keyhole store list --json')",
	}
}

func newStoreGet(env *Env, f *storeFlags) *cobra.Command {
	var p pick
	c := &cobra.Command{
		Use:   "get ATTR=VALUE... | --id ID",
		Short: "Write an item's secret to standard output, byte for byte",
		Long: `Write the secret of the one item that has these attributes to standard output,
byte for byte; a terminal gets a newline after it. Exit status 1: no such item.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.parse(args); err != nil {
				return err
			}
			return withStore(env, f, func(s *session.Sealed) error {
				return getItem(cmd.Context(), env, s, &p)
			})
		},
	}
	p.register(c)
	return c
}

func getItem(ctx context.Context, env *Env, s *session.Sealed, p *pick) error {
	info, err := p.one(ctx, s)
	if err != nil {
		return err
	}
	_, v, err := s.Get(ctx, info.ID)
	if err != nil {
		return runFailure(err)
	}
	defer v.Wipe()
	if _, err := env.Stdout.Write(v.Expose()); err != nil {
		return fail("", "writing to standard output: %w", err)
	}
	if out := env.streams().Stdout; out != nil && term.IsTerminal(int(out.Fd())) {
		fmt.Fprintln(out)
	}
	return nil
}

func newStoreRemove(env *Env, f *storeFlags) *cobra.Command {
	var p pick
	var all bool
	c := &cobra.Command{
		Use:   "rm ATTR=VALUE... | --id ID",
		Short: "Delete an item",
		Long: `Delete the one item that has these attributes, or with --all every item that
has them. Exit status 1: no such item.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.parse(args); err != nil {
				return err
			}
			return withStore(env, f, func(s *session.Sealed) error {
				return removeItems(cmd.Context(), s, &p, all)
			})
		},
	}
	p.register(c)
	c.Flags().BoolVar(&all, "all", false, "delete all that match")
	return c
}

func removeItems(ctx context.Context, s *session.Sealed, p *pick, all bool) error {
	infos, err := p.find(ctx, s)
	if err != nil {
		return err
	}
	if len(infos) > 1 && !all {
		return severalItems(infos)
	}
	for _, info := range infos {
		if err := s.Delete(ctx, info.ID); err != nil && !errors.Is(err, secret.ErrNotFound) {
			return runFailure(err)
		}
	}
	return nil
}

// withStore opens the file, does what is to be done and closes it.
func withStore(env *Env, f *storeFlags, do func(*session.Sealed) error) (err error) {
	s, err := f.open(env)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := s.Close(); err == nil && cerr != nil {
			err = runFailure(cerr)
		}
	}()
	return do(s)
}
