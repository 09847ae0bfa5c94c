// Package gitcredential is a credential helper of git, as part of the confined
// command: git-credential-keyhole get, store, erase. It runs INSIDE the sandbox
// and holds no rights; the items are the supervisor's, which decides about each.
// They are internet passwords, the same that git's own helpers for the Secret
// Service and the keychain keep, so that a login made outside is found inside,
// and one made inside is found outside.
//
// git does not look at a helper's exit status. What is not granted is answered
// as nothing at all, and so that git does not sit at a prompt nobody sees, with
// quit where one would come up; a store that fails always ends with quit, since
// git would otherwise take the login for missing.
package gitcredential

import (
	"bytes"
	"io"
	"strings"

	"keyhole/internal/secret"
	"keyhole/internal/shim/asker"
	"keyhole/internal/wire"
)

// Exit statuses.
const (
	ok     = 0
	failed = 1
	usage  = 2
)

// helper is one run.
type helper struct {
	env asker.Env
	ask *asker.Asker
}

// Run does what git asks for in args and returns the exit status.
func Run(env asker.Env, args []string) int {
	h := &helper{env: env, ask: asker.New(env)}
	defer h.ask.Close()
	if len(args) != 1 {
		h.say("usage: git credential-keyhole get|store|erase")
		return usage
	}
	var act func(*login) int
	switch args[0] {
	case "get":
		act = h.get
	case "store":
		act = h.store
	case "erase":
		act = h.erase
	default:
		// git may learn more actions; a helper keeps quiet about those it lacks.
		return ok
	}
	l, err := parse(env.In)
	if err != nil {
		h.say("keyhole: git's request: " + err.Error())
		return failed
	}
	return act(l)
}

// say prints a line for the person. Nobody is left to tell that it cannot be.
func (h *helper) say(line string) { _, _ = io.WriteString(h.env.Err, line+"\n") }

// quit ends git's own search for a login.
func (h *helper) quit() int {
	if _, err := io.WriteString(h.env.Out, "quit=1\n"); err != nil {
		return failed
	}
	return ok
}

// get looks a login up.
func (h *helper) get(l *login) int {
	m, whole := l.match()
	if !whole {
		return h.nothing()
	}
	reply := h.ask.Ask(&wire.Request{Op: wire.Find, Match: m, Secret: true})
	switch {
	case reply.Code == wire.NotFound:
		return h.nothing()
	case reply.Code != wire.OK || len(reply.Items) == 0 || reply.Items[0].Value == nil:
		h.say(asker.Explain(reply))
		return h.quit()
	}
	item := &reply.Items[0]
	defer item.Value.Wipe()
	if err := answer(h.env.Out, item.Attributes["account"], *item.Value); err != nil {
		h.say("keyhole: the login for " + secret.Printable(l.host) + " cannot be given to git: " + err.Error())
		return h.quit()
	}
	return ok
}

// nothing is the answer when there is no login. git then asks a person: at the
// terminal unless that is switched off, or through a program, which cannot show
// itself in here. Only who switched asking on wants it.
func (h *helper) nothing() int {
	terminal := h.env.Getenv("GIT_TERMINAL_PROMPT")
	program := h.env.Getenv("GIT_ASKPASS") != "" || h.env.Getenv("SSH_ASKPASS") != ""
	if isTrue(terminal) || isFalse(terminal) && !program {
		return ok
	}
	return h.quit()
}

// store keeps a login that worked. One that is kept already is left alone: git
// says store after each use.
func (h *helper) store(l *login) int {
	m, whole := l.exact()
	if !whole || !l.named || l.password == nil || l.ephemeral {
		return ok
	}
	v := l.kept()
	defer v.Wipe()
	there := h.ask.Ask(&wire.Request{Op: wire.Find, Match: m, Secret: true})
	if same(there, v) {
		return ok
	}
	reply := there
	switch there.Code {
	case wire.OK, wire.Denied:
		reply = h.ask.Ask(&wire.Request{Op: wire.Update, Match: m, Value: &v})
	case wire.NotFound:
		label := "Git: " + l.url()
		reply = h.ask.Ask(&wire.Request{
			Op: wire.Create, Label: &label, ContentType: "text/plain", Attributes: l.attributes(),
			Unique: []string{"protocol", "server", "port", "path", "account"}, Value: &v,
		})
	}
	return h.wrote(reply)
}

// erase takes away a login that did not work, unless another one is kept by
// now.
func (h *helper) erase(l *login) int {
	m, whole := l.match()
	if !whole {
		return ok
	}
	reply := h.ask.Ask(&wire.Request{Op: wire.Find, Match: m, Secret: l.password != nil})
	if reply.Code != wire.OK {
		return h.wrote(reply)
	}
	if l.password != nil && !samePassword(reply, *l.password) {
		return ok
	}
	item := &reply.Items[0]
	m.Attributes["path"], m.Attributes["account"] = item.Attributes["path"], item.Attributes["account"]
	return h.wrote(h.ask.Ask(&wire.Request{Op: wire.Delete, Match: m}))
}

// wrote is how a change ended. That there is nothing to take away is no fault.
func (h *helper) wrote(reply *wire.Reply) int {
	if reply.Code == wire.OK || reply.Code == wire.NotFound {
		return ok
	}
	h.say(asker.Explain(reply))
	return failed
}

func same(reply *wire.Reply, v secret.Value) bool {
	return reply.Code == wire.OK && len(reply.Items) > 0 && reply.Items[0].Value != nil &&
		reply.Items[0].Value.Equal(v)
}

// samePassword compares the first line of what is kept.
func samePassword(reply *wire.Reply, v secret.Value) bool {
	if len(reply.Items) == 0 || reply.Items[0].Value == nil {
		return false
	}
	password, _, _ := bytes.Cut(reply.Items[0].Value.Expose(), []byte("\n"))
	return bytes.Equal(password, v.Expose())
}

// match says which items are meant. It is false for a request that names no
// place; git sends none such.
func (l *login) match() (wire.Match, bool) {
	server, port := splitHost(l.host)
	m := wire.Match{
		Class:      secret.InternetPassword,
		Attributes: map[string]string{"protocol": l.protocol, "server": server, "port": port},
		Order:      []string{"path"}, // one for the whole host comes first
	}
	if l.path != "" {
		m.Attributes["path"] = l.path
	}
	if l.named {
		m.Attributes["account"] = l.username
	}
	return m, l.protocol != "" && server != ""
}

// exact says which one item is meant.
func (l *login) exact() (wire.Match, bool) {
	m, whole := l.match()
	m.Attributes["path"], m.Attributes["account"] = l.path, l.username
	return m, whole
}

// attributes are those of a new item: the ones git-credential-libsecret uses,
// with the schema that its older versions insist on.
func (l *login) attributes() map[string]string {
	server, port := splitHost(l.host)
	a := map[string]string{
		"protocol": l.protocol, "server": server, "user": l.username,
		secret.SchemaKey: "org.gnome.keyring.NetworkPassword",
	}
	if port != "" {
		a["port"] = port
	}
	if l.path != "" {
		a["object"] = l.path
	}
	return a
}

func (l *login) url() string { return l.protocol + "://" + l.host + "/" + l.path }

// splitHost cuts the port off. What is in brackets is an address with colons of
// its own.
func splitHost(host string) (server, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host[i:], ']') >= 0 {
		return host, ""
	}
	if port = host[i+1:]; port == "" || strings.Trim(port, "0123456789") != "" {
		return host, ""
	}
	return host[:i], port
}
