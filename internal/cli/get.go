package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"keyhole/internal/profile"
	"keyhole/internal/shim/asker"
	"keyhole/internal/shim/get"
	"keyhole/internal/wire"
)

const getHelp = `Inside of a run, write the bytes of one granted item to standard output, exactly
as they are kept: for tools that run a command to get a key or a token.

ITEM is a service, or KEY=VALUE pairs with the keys of rules: service, account,
server, protocol, path, port, attr.NAME. Of several items the first is written,
in the order of service, server and account.

Exit status 1: there is no such item, or it is not granted.`

func newGetCommand(env *Env) *cobra.Command {
	var r get.Request
	var decode string
	c := &cobra.Command{
		Use:   "get ITEM [--field NAME.NAME]",
		Short: "Inside of a run, write the value of a granted item",
		Long:  getHelp,
		Example: `  keyhole get service=my-api account=me
  keyhole get "Claude Code-credentials" --field claudeAiOauth.accessToken`,
		Args: takes(1, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			return runGet(env, args, decode, r)
		},
	}
	c.Flags().StringVar(&r.Field, "field", "", "write only what is at this `place` of a JSON value: names and numbers with dots between")
	c.Flags().StringVar(&decode, "decode", "auto", "`HOW` the value is read: auto undoes the prefixes some libraries put before it, none leaves the bytes as they are")
	return c
}

func runGet(env *Env, args []string, decode string, r get.Request) error {
	if decode != "auto" && decode != "none" {
		return &Failure{Code: ExitUsage, Err: errors.New("--decode: want auto or none")}
	}
	if len(args) == 1 && !strings.Contains(args[0], "=") {
		args = []string{"service=" + args[0]}
	}
	ref, err := profile.ParseItem(args)
	if err != nil {
		return &Failure{Code: ExitUsage, Err: err}
	}
	if ref.Store != "" || ref.Collection != "" {
		return &Failure{Code: ExitUsage, Err: errors.New("an item is named by its attributes, not by where it is kept")}
	}
	if env.Getenv(wire.SocketVar) == "" {
		return fail("start a command with 'keyhole run'; 'keyhole store get' reads the sealed file itself", "this is not inside of a run")
	}
	r.Attributes, r.Raw = ref.Attributes, decode == "none"
	err = get.Run(asker.Env{In: env.Stdin, Out: env.Stdout, Err: env.Stderr, Getenv: env.Getenv}, r)
	var e *get.Error
	if errors.As(err, &e) {
		return &Failure{Code: getStatus(e.Code), Err: e}
	}
	return err
}

// getStatus tells what is not there, or not given, from a store that failed.
func getStatus(c wire.Code) int {
	switch c {
	case wire.OK, wire.NotFound, wire.Denied, wire.Refused, wire.Pending:
		return ExitNo
	default:
		return ExitFailure
	}
}
