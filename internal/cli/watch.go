package cli

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"keyhole/internal/audit"
	"keyhole/internal/profile"
	"keyhole/internal/watch"
)

const watchHelp = `Watch decisions as they are made, and answer questions. The pages: decisions,
items and how often each was released, runs and their grants.

Keys: a allows the selected question once, s for the session, u for 15 minutes;
d denies it, n for the session. Enter shows all that is known of the selected
line, / filters, Tab or 1 2 3 change the page, q quits. A yes is only taken once
the details are on the screen. In the base layer of the sandbox, where a command
can write to your other terminals, a word drawn at random has to be typed too.`

func newWatchCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Watch decisions on the whole screen, and answer questions",
		Long:  watchHelp,
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, ok := env.Stdout.(*os.File)
			if !ok || env.Stdin == nil || !term.IsTerminal(int(env.Stdin.Fd())) || !term.IsTerminal(int(out.Fd())) {
				return fail("elsewhere 'keyhole log follow' and 'keyhole pending' print the same", "watch needs a terminal")
			}
			dirs := profile.UserDirs(env.Getenv, env.UID)
			return watch.Run(cmd.Context(), watch.Config{
				In: env.Stdin, Out: out, Colour: wantsColour(env), Runtime: dirs.Runtime, Log: audit.Path(dirs.State),
			})
		},
	}
}
