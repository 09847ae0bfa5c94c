package cli

import (
	"os"

	"github.com/spf13/cobra"

	"keyhole/internal/session"
)

// wrappedSpec is the descriptor on which the supervisor says what to run.
const wrappedSpec = 3

// newWrappedCommand is what the supervisor starts for a wrapped tool.
func newWrappedCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:    session.WrappedCommand,
		Hidden: true,
		Args:   takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec := os.NewFile(wrappedSpec, "spec")
			if spec == nil {
				return fail("keyhole itself calls this", "no descriptor %d", wrappedSpec)
			}
			code, err := session.RunWrapped(cmd.Context(), spec, env.streams())
			if err != nil {
				return runFailure(err)
			}
			return exit(code)
		},
	}
}
