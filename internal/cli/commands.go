package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"keyhole/internal/session"
)

// entry is a subcommand that has not been made yet.
type entry struct {
	name string
	make func(*Env) *cobra.Command
}

// entries lists the subcommands, in the order in which help shows them.
func entries() []entry {
	return []entry{
		{"run", newRunCommand},
		{"shell", newShellCommand},
		{"serve", newServeCommand},
		{"demo", newDemoCommand},
		{"doctor", newDoctorCommand},
		{"store", newStoreCommand},
		{"watch", newWatchCommand},
		{"learn", newLearnCommand},
		{"pending", newPendingCommand},
		{"approve", newApproveCommand},
		{"deny", newDenyCommand},
		{"get", newGetCommand},
		{"log", newLogCommand},
		{"version", newVersionCommand},
		{"man", newManCommand},
		{"profile", newProfileCommand},
		{"why", newWhyCommand},
		{session.WrappedCommand, newWrappedCommand},
	}
}

// commands makes the subcommand that the arguments name, or else all: a start
// does not pay for what it does not need. The manual describes all.
func commands(env *Env, args []string) []*cobra.Command {
	list := entries()
	if i := slices.IndexFunc(list, func(e entry) bool { return len(args) > 0 && e.name == args[0] }); i >= 0 && args[0] != "man" {
		list = list[i : i+1]
	}
	var all []*cobra.Command
	for _, e := range list {
		all = append(all, e.make(env))
	}
	return all
}
