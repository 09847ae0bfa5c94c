package profile

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed builtin/*.jsonc
var builtins embed.FS

const builtinDir = "builtin"

// builtinText is the text of a built-in profile.
func builtinText(name string) ([]byte, bool) {
	b, err := builtins.ReadFile(builtinDir + "/" + name + ".jsonc")
	return b, err == nil
}

// builtinNames lists the built-in profiles, default first.
func builtinNames() ([]string, error) {
	entries, err := builtins.ReadDir(builtinDir)
	if err != nil {
		return nil, fmt.Errorf("internal error: listing built-in profiles: %v", err)
	}
	names := []string{defaultName}
	for _, e := range entries {
		if n := strings.TrimSuffix(e.Name(), ".jsonc"); n != defaultName {
			names = append(names, n)
		}
	}
	return names, nil
}

// defaultName is the profile that holds what nearly every command needs.
const defaultName = "default"
