package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// takes is the check of a command that takes from least to most arguments; most
// is -1 for any number. What was typed is not repeated: it could be a secret.
func takes(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		var err error
		switch {
		case len(args) < least:
			err = fmt.Errorf("'%s' needs more than was given", c.CommandPath())
		case most == 0 && len(args) > 0:
			err = fmt.Errorf("'%s' takes flags only, and was given something else", c.CommandPath())
		case most > 0 && len(args) > most:
			err = fmt.Errorf("'%s' was given too much", c.CommandPath())
		default:
			return nil
		}
		return &Failure{Code: ExitUsage, Err: err, Hint: "usage: " + c.UseLine()}
	}
}

// takesCommand is the check of what starts a command.
func takesCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return nil
	}
	err := errors.New("there is no command to run")
	return &Failure{Code: ExitUsage, Err: err, Hint: "for example: " + c.CommandPath() + " -- bash"}
}

// makeGroup has a command that only has others print its help, which is a
// mistake unless it is keyhole itself, and refuse a word that is none of them.
func makeGroup(c *cobra.Command) {
	if !c.HasSubCommands() || c.Runnable() {
		return
	}
	c.DisableFlagsInUseLine = true
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		if !c.HasParent() {
			if print, err := c.Flags().GetBool("version"); err == nil && print {
				return printVersion(c.OutOrStdout(), readVersion(), false)
			}
			return c.Help()
		}
		c.SetOut(c.ErrOrStderr())
		if err := c.Help(); err != nil {
			return err
		}
		return status(ExitUsage)
	}
}

const completionName = "completion"

// addCompletion has cobra add its command early enough to be as strict as ours.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd(completionName)
	for _, c := range root.Commands() {
		if c.Name() == completionName {
			makeGroup(c)
		}
	}
}

// flagError says what a flag takes in our words; the parser's name functions of Go.
func flagError(err error) error {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return err
	}
	want := ""
	switch wrong.GetFlag().Value.Type() {
	case "bool":
		want = "true or false, or nothing"
	case "int", "uint":
		want = "a number"
	default:
		return err
	}
	return fmt.Errorf("--%s takes %s, not %q", wrong.GetFlag().Name, want, wrong.GetValue())
}

func unknownCommand(group *cobra.Command, word string) error {
	hint := "see '" + group.CommandPath() + " --help'"
	group.SuggestionsMinimumDistance = 2
	if near := group.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean '" + group.CommandPath() + " " + near[0] + "'?"
	}
	return &Failure{Code: ExitUsage, Err: fmt.Errorf("unknown command %q for %q", word, group.CommandPath()), Hint: hint}
}

// strictHelp has "keyhole help" refuse a word that is no command.
func strictHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() != "help" {
			continue
		}
		c.Run = nil
		c.RunE = func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 && about.HasSubCommands() {
				return unknownCommand(about, rest[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		}
	}
}
