package cli

import "github.com/spf13/cobra"

// commands lists the subcommands, in the order in which help shows them.
func commands(env *Env) []*cobra.Command {
	return []*cobra.Command{
		newProfileCommand(env),
		newWhyCommand(env),
	}
}
