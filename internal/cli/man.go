package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newManCommand writes the manual: it is made of the same text as --help, so
// that the two cannot differ.
func newManCommand(*Env) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write a manual page for every command into DIR",
		Hidden: true,
		Args:   takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeManual(cmd.Root(), args[0])
		},
	}
}

func writeManual(c *cobra.Command, dir string) error {
	if c.Hidden {
		return nil
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
	if err := os.WriteFile(filepath.Join(dir, name), manPage(c), 0o644); err != nil {
		return fail("", "writing manual page: %w", err)
	}
	for _, sub := range c.Commands() {
		if err := writeManual(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

// manPage is one page in the man(7) macros.
func manPage(c *cobra.Command) []byte {
	c.InitDefaultHelpFlag()
	var b bytes.Buffer
	page := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"keyhole\" \"User Commands\"\n", quoteRoff(strings.ToUpper(page)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(page), roff(lowerFirst(c.Short)))
	section(&b, "SYNOPSIS")
	fmt.Fprintf(&b, ".nf\n%s\n.fi\n", roff(c.UseLine()))
	section(&b, "DESCRIPTION")
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	writeText(&b, text)
	writeFlags(&b, "OPTIONS", c.NonInheritedFlags())
	writeFlags(&b, "GLOBAL OPTIONS", c.InheritedFlags())
	if !c.HasParent() {
		writeExitStatus(&b)
	}
	if c.Example != "" {
		section(&b, "EXAMPLES")
		fmt.Fprintf(&b, ".nf\n%s\n.fi\n", roff(c.Example))
	}
	writeSeeAlso(&b, c)
	return b.Bytes()
}

func section(b *bytes.Buffer, name string) { fmt.Fprintf(b, ".SH %s\n", name) }

// writeText keeps paragraphs, and lines that are indented, as they are written.
func writeText(b *bytes.Buffer, text string) {
	for i, para := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.HasPrefix(para, " ") || strings.Contains(para, "\n ") {
			fmt.Fprintf(b, ".nf\n%s\n.fi\n", roff(para))
			continue
		}
		b.WriteString(roff(para) + "\n")
	}
}

func writeFlags(b *bytes.Buffer, title string, flags *pflag.FlagSet) {
	first := true
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if first {
			section(b, title)
			first = false
		}
		name, usage := pflag.UnquoteUsage(f)
		head := "--" + f.Name
		if f.Shorthand != "" {
			head = "-" + f.Shorthand + ", " + head
		}
		if name != "" {
			head += " " + name
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", roff(head), roff(usage))
	})
}

func writeSeeAlso(b *bytes.Buffer, c *cobra.Command) {
	var pages []string
	if c.HasParent() {
		pages = append(pages, c.Parent().CommandPath())
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			pages = append(pages, sub.CommandPath())
		}
	}
	if len(pages) == 0 {
		return
	}
	section(b, "SEE ALSO")
	for i, p := range pages {
		end := ","
		if i == len(pages)-1 {
			end = ""
		}
		fmt.Fprintf(b, ".BR %s (1)%s\n", roff(strings.ReplaceAll(p, " ", "-")), end)
	}
}

// roff makes text plain to roff: a backslash, a hyphen and a leading dot or
// quote would otherwise mean something.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\(ga", "^", `\(ha`, "~", `\(ti`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

func quoteRoff(s string) string { return `"` + strings.ReplaceAll(roff(s), `"`, `\(dq`) + `"` }

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
