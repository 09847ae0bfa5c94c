package cli

import "github.com/spf13/cobra"

// commands lists the subcommands, in the order in which help shows them.
func commands(env *Env) []*cobra.Command {
	return []*cobra.Command{
		newRunCommand(env),
		newShellCommand(env),
		newServeCommand(env),
		newDemoCommand(env),
		newDoctorCommand(env),
		newStoreCommand(env),
		newWatchCommand(env),
		newLearnCommand(env),
		newPendingCommand(env),
		newApproveCommand(env),
		newDenyCommand(env),
		newGetCommand(env),
		newLogCommand(env),
		newVersionCommand(env),
		newManCommand(env),
		newProfileCommand(env),
		newWhyCommand(env),
		newWrappedCommand(env),
	}
}
