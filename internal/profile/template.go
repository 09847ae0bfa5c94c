package profile

import (
	"bytes"
	"fmt"
	"strings"
)

// Template is the text of a new profile that starts from a built-in one. Every
// section is there as a comment, and so is all the built-in one says.
func Template(name, from string) ([]byte, error) {
	text, ok := builtinText(from)
	if !ok {
		names, err := builtinNames()
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %s", ErrNotFound, unknown("built-in profile", from, names))
	}
	if wrong := badName(name); wrong != "" {
		return nil, fmt.Errorf("%q: %s", shorten(name), wrong)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `// A profile for 'keyhole run -p %[1]s -- COMMAND'. What is written here is added to
// what %[2]s grants; "deny" takes away. 'keyhole profile validate' checks it,
// 'keyhole profile diff %[2]s %[1]s' shows what it changes, and docs/profiles.md
// explains every key.
{
  "name": %[3]s,
  "extends": %[4]s,

  // Items of the keyring. What no rule allows does not exist for the command.
  // "credential_access": [
  //   {
  //     "services": ["example"],
  //     "accounts": ["me"],        // ["*"] for every account
  //     "operations": ["read"],    // list, create, update, upsert, delete
  //     "effect": "allow",         // ask: you are asked each time; deny
  //     "reason": "what it is for"
  //   }
  // ],

  // Files and folders, each with all below it.
  // "filesystem": {
  //   "read": ["~/shared"],
  //   "write": ["~/.cache/example"],
  //   "deny": ["~/.config/git"]
  // },

  // Beyond this machine, ports of it, and Unix sockets.
  // "network": {
  //   "outbound": "deny",
  //   "loopback": [5432],
  //   "unix_sockets": ["/run/example.sock"]
  // },

  // Variables: passed on, set, or filled with an item's secret.
  // "environment": {
  //   "pass": ["EXAMPLE_*"],
  //   "set": { "EDITOR": "vi" },
  //   "credentials": { "EXAMPLE_TOKEN": { "service": "example", "account": "me" } }
  // },
}
`, name, from, quote(name), quote(from))
	fmt.Fprintf(&b, "\n// What %s says, as it was when this file was made:\n//\n", from)
	for line := range strings.Lines(string(text)) {
		b.WriteString(strings.TrimRight("//   "+line, " \n") + "\n")
	}
	return b.Bytes(), nil
}
