package profile

import (
	"path/filepath"
	"strings"
	"unicode"
)

// expander is how a text is expanded.
type expander uint8

const (
	plain    expander = iota // "${" is an error
	expanded                 // ${HOME} ${USER} ${WORKSPACE}
	path                     // expanded, then "~", then made absolute below the workspace
)

// expand resolves s. The second result is what is wrong with it.
func (e expander) expand(s string, vars Vars) (string, string) {
	if e == plain {
		if strings.Contains(s, "${") {
			return "", "nothing is expanded here, so \"${\" has no meaning"
		}
		return s, ""
	}
	out, wrong := expandVars(s, vars)
	if wrong != "" || e == expanded {
		return out, wrong
	}
	return expandPath(out, vars)
}

func expandVars(s string, vars Vars) (string, string) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String(), ""
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", "\"${\" without \"}\""
		}
		v, wrong := vars.value(name)
		if wrong != "" {
			return "", wrong
		}
		b.WriteString(v)
		s = after
	}
}

// value is what ${name} stands for. A value that is empty, or that could change
// the meaning of the text around it, is refused: an account of "${USER}" must
// not become "every account" because somebody set USER to "*".
func (v Vars) value(name string) (string, string) {
	var val string
	switch name {
	case "HOME":
		val = v.Home
	case "USER":
		val = v.User
	case "WORKSPACE":
		val = v.Workspace
	default:
		return "", unknown("expansion", name, []string{"HOME", "USER", "WORKSPACE"})
	}
	switch {
	case val == "":
		return "", "${" + name + "} is not known"
	case name != "USER" && !filepath.IsAbs(val):
		return "", "${" + name + "} is not an absolute path"
	case strings.ContainsAny(val, "*") || strings.ContainsFunc(val, unicode.IsControl):
		return "", "${" + name + "} holds characters that are not taken"
	}
	return val, ""
}

func expandPath(s string, vars Vars) (string, string) {
	switch {
	case s == "":
		return "", "empty path"
	case strings.ContainsAny(s, "*?") || strings.ContainsFunc(s, unicode.IsControl):
		return "", "wildcards and control characters are not taken in a path; name the directory"
	case s == "~" || strings.HasPrefix(s, "~/"):
		home, wrong := vars.value("HOME")
		if wrong != "" {
			return "", wrong
		}
		s = filepath.Join(home, s[1:])
	case strings.HasPrefix(s, "~"):
		return "", "\"~\" stands for your own home only, as \"~\" or \"~/…\""
	case !filepath.IsAbs(s):
		workspace, wrong := vars.value("WORKSPACE")
		if wrong != "" {
			return "", "the path is relative to the workspace, and " + wrong
		}
		s = filepath.Join(workspace, s)
	}
	return filepath.Clean(s), ""
}
