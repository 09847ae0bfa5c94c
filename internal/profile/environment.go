package profile

import (
	"slices"
	"strings"
)

// Filter picks from environ, in NAME=VALUE form, what a confined command
// inherits. It is an allow list: a variable passes if its name is known to be
// harmless, or if the profile or a flag (extraPass) names it. A name or value
// that looks like a credential passes only when it is named exactly; withheld
// lists the names of those that did not. Proxies and package indexes lose the
// user and password in their URLs.
func (e Environment) Filter(environ []string, extraPass []string) (env, withheld []string) {
	pass := slices.Concat(e.Pass, extraPass)
	seen := map[string]bool{}
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" || seen[name] {
			continue // of two equal names getenv finds the first
		}
		seen[name] = true
		out, fate := filterVariable(name, value, pass)
		switch fate {
		case passed:
			env = append(env, name+"="+out)
		case kept:
			withheld = append(withheld, name)
		}
	}
	slices.Sort(withheld)
	return env, withheld
}

// fate is what becomes of a variable. The zero fate is being dropped.
type fate uint8

const (
	dropped fate = iota
	kept         // back, because it looks like a credential
	passed
)

// filterVariable says what becomes of a variable, and what of its value is passed.
func filterVariable(name, value string, pass []string) (string, fate) {
	switch {
	case slices.Contains(reservedNames(), name):
		return "", dropped
	case slices.Contains(pass, name):
		return value, passed
	case pointsOut(name):
		return "", dropped
	case !harmlessName(name) && isSecret(name):
		return "", kept
	}
	if carriesURL(name) {
		cut, clean := cutUserInfo(value)
		if !clean {
			return "", kept
		}
		value = cut
	}
	if !isPlace(name) && looksSecret(value) || carriesOptions(name) && secretOption(value) {
		return "", kept
	}
	if harmlessName(name) || matchesAny(name, harmlessFamilies[:]) || matchesAny(name, pass) {
		return value, passed
	}
	return "", dropped
}

// matchesAny tells whether a pattern takes the name. "*" stands for any text
// and is at the end, or once inside.
func matchesAny(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		before, after, wild := strings.Cut(p, "*")
		if !wild {
			return name == p
		}
		return len(name) >= len(before)+len(after) && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
	})
}

// canonical is a name as the lists of dangerous names have it: some systems
// take any case, and CI systems hand inputs over with a prefix.
func canonical(name string) string {
	return strings.TrimPrefix(strings.ToUpper(name), "INPUT_")
}

// pointsOut tells whether the variable leads to a secret, a socket or code from
// outside.
func pointsOut(name string) bool {
	c := canonical(name)
	return outName(c) || matchesAny(c, outPatterns[:])
}

// isPlace tells whether the value is a path or a word the command cannot do
// without, whatever it looks like.
func isPlace(name string) bool {
	return slices.Contains([]string{"HOME", "PATH", "PWD", "OLDPWD", "SHELL", "TMPDIR", "TERM", "USER", "LOGNAME"}, name)
}

// carriesURL tells whether the value is a URL, or several, that may name a user.
func carriesURL(name string) bool {
	c := strings.ToLower(name)
	switch c {
	case "http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "goproxy", "npm_config_registry",
		"pip_index_url", "pip_extra_index_url", "yarn_registry":
		return true
	}
	return strings.HasPrefix(c, "npm_config_") && strings.HasSuffix(c, "proxy") || strings.HasPrefix(c, "uv_index") ||
		c == "uv_default_index" || c == "uv_extra_index_url"
}

// carriesOptions tells whether the value is a command line for a program.
func carriesOptions(name string) bool {
	c := canonical(name)
	return slices.ContainsFunc([]string{"OPTS", "OPTIONS", "FLAGS", "ARGS"}, func(end string) bool { return strings.HasSuffix(c, end) })
}

// secretOption tells whether the value sets something whose name says that it
// is a secret: -Dhttp.proxyPassword=x.
func secretOption(value string) bool {
	words := strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune(" \t\n,;'\"", c) })
	return slices.ContainsFunc(words, func(word string) bool {
		parts := strings.Split(word, "=")
		for i, part := range parts[:len(parts)-1] {
			option := strings.TrimPrefix(strings.TrimLeft(part, "-"), "D")
			// make's is a pair of descriptors.
			if parts[i+1] != "" && option != "jobserver-auth" && isSecret(option) {
				return true
			}
		}
		return false
	})
}

// isSecret tells whether the name says that the value is a secret.
func isSecret(name string) bool {
	c := canonical(name)
	if secretName(c) || matchesAny(c, secretFamilies[:]) {
		return true
	}
	words := splitName(strings.TrimPrefix(strings.TrimPrefix(name, "INPUT_"), "input_"))
	for i, w := range words {
		if secretWord(w) || w == "PWD" && len(words) > 1 {
			return true
		}
		if i > 0 && secretPair(words[i-1]+" "+w) {
			return true
		}
	}
	return secretEnding(words)
}

// secretEnding tells whether the last word is KEY, AUTH or PASS, with or
// without a number after it, and not the only word.
func secretEnding(words []string) bool {
	for len(words) > 1 && strings.Trim(words[len(words)-1], "0123456789") == "" {
		words = words[:len(words)-1]
	}
	if len(words) < 2 {
		return false
	}
	last := strings.TrimRight(words[len(words)-1], "0123456789")
	return last == "KEY" || last == "AUTH" || last == "PASS"
}

// splitName splits a variable's name at "_" and where lower case turns to upper
// case, and gives the words in upper case.
func splitName(name string) []string {
	var words []string
	start := 0
	cut := func(end int) {
		if end > start {
			words = append(words, strings.ToUpper(name[start:end]))
		}
	}
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == '_' || name[i] == '-' || name[i] == '.':
			cut(i)
			start = i + 1
		case i > start && isUpper(name[i]) && !isUpper(name[i-1]):
			cut(i)
			start = i
		case i > start+1 && isUpper(name[i-1]) && isUpper(name[i-2]) && 'a' <= name[i] && name[i] <= 'z':
			cut(i - 1) // APIToken: the T belongs to Token
			start = i - 1
		}
	}
	cut(len(name))
	return words
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
