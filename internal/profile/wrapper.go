package profile

import (
	gopath "path"
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"keyhole/internal/policy"
)

// Wrapper is a tool that needs a secret which the command may not have: it is
// started outside of the command's sandbox, in one of its own, for the
// subcommands in Allow alone.
type Wrapper struct {
	Name      string
	Program   string // path or name; empty: Name
	Env       map[string]Credential
	Allow     [][]string // beginnings of arguments
	Read      []Path     // what it may open besides the system
	Workspace bool       // it may read the workspace
	Source    policy.Source
}

// Allows tells whether the arguments begin with one of the allowed beginnings
// and with none that is never allowed. A flag before the subcommand is no
// beginning.
func (w *Wrapper) Allows(args []string) bool {
	return slices.ContainsFunc(w.Allow, func(a []string) bool { return begins(args, a) }) && !w.never(args) && !gives(w.tool(), args)
}

func begins(args, with []string) bool {
	return len(args) >= len(with) && slices.Equal(args[:len(with)], with)
}

// never tells whether a subcommand prints the tool's secret, keeps it
// elsewhere, or has the tool run other programs.
func (w *Wrapper) never(args []string) bool {
	return slices.ContainsFunc(neverAllowed(w.tool()), func(words string) bool { return begins(args, strings.Fields(words)) })
}

// opens tells whether an allowed beginning leaves room for what is never
// allowed.
func (w *Wrapper) opens(allow []string) (never string, ok bool) {
	for _, words := range neverAllowed(w.tool()) {
		if f := strings.Fields(words); begins(f, allow) || begins(allow, f) {
			return words, true
		}
	}
	return "", false
}

func (w *Wrapper) tool() string {
	if w.Program != "" {
		return gopath.Base(w.Program)
	}
	return w.Name
}

// neverAllowed are the subcommands of a tool that no profile can allow. A tool
// that is not here has none that we know of.
func neverAllowed(tool string) []string {
	switch tool {
	case "gh":
		return []string{"auth", "alias", "config", "extension", "extensions", "ext", "codespace", "cs"}
	case "glab":
		return []string{"auth", "alias", "config", "token", "check-update"}
	case "aws":
		return []string{"configure", "sso", "sts", "login", "ecr get-login-password", "codeartifact get-authorization-token", "eks get-token", "rds generate-db-auth-token"}
	case "gcloud":
		return []string{"auth", "config", "components", "interactive"}
	case "az":
		return []string{"account get-access-token", "config", "configure", "extension", "interactive", "login", "acr login"}
	case "npm", "pnpm", "yarn":
		return []string{"config", "c", "token", "get", "set", "run", "exec", "x", "login", "adduser"}
	case "kubectl":
		return []string{"config", "plugin", "proxy", "create token"}
	case "docker", "podman":
		return []string{"login", "run", "exec", "build", "buildx", "compose", "config"}
	case "doctl", "heroku", "flyctl", "fly", "vercel", "netlify":
		return []string{"auth", "auth:token", "config", "tokens", "plugins"}
	}
	return nil
}

// gives tells whether an argument after an allowed beginning has the tool show
// its environment, in which the secret is, or send the secret to a server of the
// command's choice.
func gives(tool string, args []string) bool {
	for i, arg := range args {
		if tool == "gh" {
			// The expressions of --jq can read the environment, and print a
			// value taken apart.
			if e := strings.ToLower(jqOf(args[i:])); strings.Contains(e, "env") {
				return true
			}
		}
		name, _, _ := strings.Cut(arg, "=")
		if slices.Contains(neverFlags(tool), name) {
			return true
		}
	}
	return false
}

// jqOf is the expression that the first argument gives or announces: --jq X,
// --jq=X, -q X, -qX, and behind other letters.
func jqOf(args []string) string {
	rest := ""
	switch a := args[0]; {
	case a == "--jq":
	case strings.HasPrefix(a, "--jq="):
		return a[len("--jq="):]
	case strings.HasPrefix(a, "--"), !strings.HasPrefix(a, "-"), !strings.Contains(a, "q"):
		return ""
	default:
		_, rest, _ = strings.Cut(a, "q")
	}
	if rest == "" && len(args) > 1 {
		return args[1]
	}
	return rest
}

// neverFlags name another server, or have a tool print what it sends.
func neverFlags(tool string) []string {
	switch tool {
	case "glab":
		return []string{"--hostname"}
	case "doctl":
		return []string{"--api-url", "-u", "--trace"}
	case "vercel":
		return []string{"--api", "--debug", "-d"}
	case "kubectl":
		return []string{"--server", "-s", "--kubeconfig", "--insecure-skip-tls-verify", "-v", "--v"}
	case "gcloud":
		return []string{"--log-http", "--flags-file"}
	}
	return nil
}

// wrapper is one entry of wrappers, as written.
type wrapper struct {
	at   position
	name text
	note string

	program, workspace text
	env                []credential
	allow              [][]text
	read               []text
}

func (w *wrapper) key() *text { return &w.name }

func (w *wrapper) grammar() object {
	return object{at: &w.at, note: &w.note, rules: w.demands(), fields: []field{
		{"env", named[credential]{&w.env, (*credential).name, badSetName, (*credential).grammar}, true, "Variables of the tool that hold an item's bytes, as in `environment.credentials`. The wrapper is the grant: no rule is needed, and the command itself does not get the item. A rule that denies the item, or asks, counts here too."},
		{"allow", lists{&w.allow}, true, "Subcommands: each a list of the words that the arguments must begin with."},
		{"program", one{&w.program, kind{expand: expanded, check: badProgram, name: "path or name"}}, false, "The real program, where it has another name or is not in `PATH`."},
		{"read", list{&w.read, false, kind{expand: path, name: "path"}}, false, "Files and folders the tool may read besides those of the system. Of `/proc` it reads what is about the system alone, unless `/proc` is named: it could be told to show its own environment."},
		{"workspace", one{&w.workspace, kind{words: []string{"none", "read"}}}, false, "`none` (default), or `read`: the tool sees the workspace and starts where it was called. What it runs because of a file there can get at its secret."},
	}}
}

func (w *wrapper) demands() []demand {
	return []demand{{w.neverAllows, schema{}}}
}

func (w *wrapper) neverAllows() (position, string) {
	lowered := Wrapper{Name: w.name.value, Program: w.program.value}
	for _, a := range w.allow {
		if never, bad := lowered.opens(values(a)); bad {
			return a[0].at, "\"" + never + "\" of " + lowered.tool() + " gives its secret away or runs other programs, so it cannot be allowed; name what is needed more exactly"
		}
	}
	return position{}, ""
}

func badProgram(s string) string {
	if strings.Contains(s, "/") && !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "${HOME}/") {
		return "a program is a name, or a path that begins with / or ${HOME}/"
	}
	return ""
}

// badWrapper keeps to names that a shell and a file system take as they are, and
// off those keyhole itself answers to.
func badWrapper(s string) string {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+-", r)
	}
	switch {
	case s == "" || len(s) > maxName || strings.Trim(s, ".") == "" || s[0] == '-' || strings.ContainsFunc(s, func(r rune) bool { return !ok(r) }):
		return "not the name of a program"
	case slices.Contains(ShimNames(), s):
		return "keyhole itself answers to that name"
	}
	return ""
}

// addWrappers adds what d says; of two with the same name the later counts.
func (d *document) addWrappers(p *Profile) {
	for i := range d.wrappers {
		w := d.lowerWrapper(&d.wrappers[i])
		p.Wrappers = slices.DeleteFunc(p.Wrappers, func(o Wrapper) bool { return o.Name == w.Name })
		p.Wrappers = append(p.Wrappers, w)
	}
}

func (d *document) lowerWrapper(w *wrapper) Wrapper {
	out := Wrapper{
		Name: w.name.value, Program: w.program.value, Workspace: w.workspace.value == "read",
		Env: d.credentials(w.env), Read: d.addPaths(nil, w.read), Source: d.source(w.at),
	}
	for _, a := range w.allow {
		var words []string
		for _, t := range a {
			words = append(words, t.value)
		}
		out.Allow = append(out.Allow, words)
	}
	return out
}

func wrapperTexts(ws []Wrapper) []wrapper {
	var out []wrapper
	for _, w := range ws {
		one := wrapper{
			name: word(w.Name), note: w.Source.String(), program: word(w.Program),
			env: credentialTexts(w.Env), read: pathTexts(w.Read),
		}
		if w.Workspace {
			one.workspace = word("read")
		}
		for _, a := range w.Allow {
			one.allow = append(one.allow, texts(a))
		}
		out = append(out, one)
	}
	return out
}

// lists is a list of lists of strings, none of them empty.
type lists struct{ to *[][]text }

func (l lists) decode(r *reader, v hujson.Value) {
	for _, e := range r.elements(v) {
		var words []text
		for _, word := range r.elements(e) {
			var t text
			if (kind{}).read(r, word, &t) {
				words = append(words, t)
			}
		}
		if len(words) > 0 {
			*l.to = append(*l.to, words)
		}
	}
}

func (l lists) encode() *node {
	if len(*l.to) == 0 {
		return nil
	}
	n := &node{list: true}
	for _, words := range *l.to {
		inner := &node{list: true}
		for _, t := range words {
			inner.items = append(inner.items, leaf(t.value))
		}
		n.items = append(n.items, inner)
	}
	return n
}

func (l lists) schema() schema {
	inner := schema{"type": "array", "items": kind{}.schema(), "minItems": 1}
	return schema{"type": "array", "items": inner, "minItems": 1}
}

func (l lists) form() string { return "list of lists of text" }

// Rules are what the wrapper's own reading is decided by: it is granted its
// items, where no rule of the profile denies them or asks.
func (w *Wrapper) Rules(of []policy.Rule) []policy.Rule {
	var out []policy.Rule
	for _, r := range of {
		if r.Effect != policy.Allow {
			out = append(out, r)
		}
	}
	for _, c := range w.Env {
		out = append(out, policy.Rule{
			Source: w.Source, Operations: []policy.Operation{policy.Read}, Effect: policy.Allow,
			Services: []string{c.Service}, Accounts: []string{c.Account}, Reason: "the wrapped tool " + w.Name,
		})
	}
	return out
}
