package cli

import "github.com/spf13/cobra"

// Root is the whole tree of commands.
func Root(env *Env) *cobra.Command {
	root := newRoot(env, nil)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// ExitMeanings is the table of exit codes.
func ExitMeanings() []exitMeaning { return exitMeanings() }
