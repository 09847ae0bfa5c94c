package security

import (
	"fmt"
)

// errors explains codes; its result is always an error.
func (c *call) errors() int32 {
	for _, word := range c.args {
		if word == "error" {
			continue
		}
		n := int32(cNumber(word, 0))
		fmt.Fprintf(&c.out, "Error: 0x%08X %d %s\n", uint32(n), n, statusText(n))
	}
	return resultError
}

// help is the command of that name.
func (c *call) help() int32 { return c.tool.help(c.word, c.args) }

// authorize gives no rights: asked for one, it is not there.
func (c *call) authorize() int32 {
	g := c.getopt()
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		if letter == bad {
			return resultUsage
		}
	}
	if len(g.rest()) == 0 {
		return resultUsage
	}
	return c.unknown(c.word)
}
