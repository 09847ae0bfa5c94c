package cli

import (
	"bytes"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpColumns is how wide help is: what every terminal has.
const helpColumns = 80

// fitHelp has the help of root and all below it keep to helpColumns; cobra's own
// puts each flag on one line, however long.
func fitHelp(root *cobra.Command) {
	whole := root.UsageFunc()
	root.SetUsageFunc(func(c *cobra.Command) error {
		var b bytes.Buffer
		out := c.OutOrStderr()
		c.SetOut(&b)
		err := whole(c)
		c.SetOut(out)
		if err != nil {
			return err
		}
		text := b.String()
		for _, flags := range []*pflag.FlagSet{c.LocalFlags(), c.InheritedFlags()} {
			if long := trimmed(flags.FlagUsages()); long != "" {
				text = strings.Replace(text, long, trimmed(flags.FlagUsagesWrapped(helpColumns)), 1)
			}
		}
		_, err = io.WriteString(out, text)
		return err
	})
}

func trimmed(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }
