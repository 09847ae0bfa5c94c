// Package dockercredential is a credential helper of docker, as part of the
// confined command: docker-credential-keyhole store, get, erase, list, version,
// which podman, skopeo, crane, helm and others call as well. It runs INSIDE the
// sandbox and holds no rights; the items are the supervisor's, which decides
// about each. They are the ones docker's own helpers for the Secret Service and
// the keychain keep.
//
// The protocol: the action is the one argument, its data is on standard input,
// the answer on standard output, also when it is an error, with exit status 1.
// Clients compare some errors by their text. A user name of "<token>" says that
// the secret is an identity token; it is kept and given like any other.
package dockercredential

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"keyhole/internal/secret"
	"keyhole/internal/shim/asker"
	"keyhole/internal/wire"
)

// The texts that clients know.
var (
	errNotFound   = errors.New("credentials not found in native keychain")
	errNoServer   = errors.New("no credentials server URL")
	errNoUsername = errors.New("no credentials username")
)

const (
	name  = "docker-credential-keyhole"
	usage = "Usage: " + name + " <store|get|erase|list|version>"

	// maxInput is far more than a login.
	maxInput = 1 << 20
)

// login is the protocol's object. The secret is text there.
type login struct {
	ServerURL string
	Username  string
	Secret    string
}

// helper is one run.
type helper struct {
	env asker.Env
	ask *asker.Asker
}

// Run does what args say and returns the exit status.
func Run(env asker.Env, args []string) int {
	h := &helper{env: env, ask: asker.New(env)}
	defer h.ask.Close()
	err := h.run(args)
	if err == nil {
		return 0
	}
	// Nobody is left to tell that it cannot be written.
	_, _ = fmt.Fprintln(env.Out, err)
	return 1
}

func (h *helper) run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s", usage)
	}
	switch args[0] {
	case "store":
		return h.store()
	case "get":
		return h.get()
	case "erase":
		return h.erase()
	case "list":
		return h.list()
	case "version", "--version", "-v":
		return h.print(name + " (keyhole) " + version())
	case "--help", "-h":
		return h.print(usage)
	default:
		return fmt.Errorf("%s: unknown action: %s", name, secret.Printable(args[0]))
	}
}

// version is the one this program was built as.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (h *helper) print(line string) error {
	_, err := io.WriteString(h.env.Out, line+"\n")
	return err
}

func (h *helper) get() error {
	server, err := h.server()
	if err != nil {
		return err
	}
	var reply *wire.Reply
	for _, m := range matches(server) {
		reply = h.ask.Ask(&wire.Request{Op: wire.Find, Match: m, Secret: true})
		if reply.Code != wire.NotFound {
			break
		}
	}
	if err := failure(reply); err != nil {
		return err
	}
	if len(reply.Items) == 0 || reply.Items[0].Value == nil {
		return errors.New(asker.Explain(&wire.Reply{}))
	}
	item := &reply.Items[0]
	defer item.Value.Wipe()
	return h.give(server, item.Attributes["account"], *item.Value)
}

func (h *helper) give(server, username string, v secret.Value) error {
	b := v.Expose()
	if !utf8.Valid(b) {
		return errors.New("keyhole: the secret is not text, which docker's protocol cannot carry")
	}
	return json.NewEncoder(h.env.Out).Encode(login{server, username, string(b)})
}

// store keeps a login, in place of the one there is for the server.
func (h *helper) store() error {
	text, err := h.input()
	if err != nil {
		return err
	}
	var l login
	err = json.Unmarshal(text, &l)
	clear(text)
	switch {
	case err != nil:
		return errors.New("keyhole: what is to be stored is not a JSON object with ServerURL, Username and Secret")
	case l.ServerURL == "":
		return errNoServer
	case l.Username == "":
		return errNoUsername
	}
	v := secret.NewValue([]byte(l.Secret))
	defer v.Wipe()
	for _, m := range matches(l.ServerURL) {
		reply := h.ask.Ask(&wire.Request{
			Op: wire.Update, Match: m, Attributes: map[string]string{"account": l.Username}, Value: &v,
		})
		if reply.Code != wire.NotFound {
			return failure(reply)
		}
	}
	label := "Registry credentials for " + l.ServerURL
	return failure(h.ask.Ask(&wire.Request{
		Op: wire.Create, Label: &label, ContentType: "text/plain", Value: &v,
		Attributes: map[string]string{
			"label": dockerLabel, "server": l.ServerURL, "username": l.Username, "docker_cli": "1",
			secret.SchemaKey: "io.docker.Credentials",
		},
		Unique: []string{"server", "docker_cli"},
	}))
}

// erase takes a login away. That there is none is no error.
func (h *helper) erase() error {
	server, err := h.server()
	if err != nil {
		return err
	}
	for _, m := range matches(server) {
		if reply := h.ask.Ask(&wire.Request{Op: wire.Delete, Match: m}); reply.Code != wire.NotFound {
			return failure(reply)
		}
	}
	return nil
}

// list names every server with its user. Of two users of one server it names
// the one that get would give.
func (h *helper) list() error {
	all := map[string]string{}
	for _, m := range everyMatch() {
		reply := h.ask.Ask(&wire.Request{Op: wire.Find, Match: m, All: true})
		if reply.Code == wire.NotFound {
			continue
		}
		if err := failure(reply); err != nil {
			return err
		}
		for i := range reply.Items {
			server := serverOf(reply.Items[i].Attributes)
			if _, had := all[server]; !had {
				all[server] = reply.Items[i].Attributes["account"]
			}
		}
	}
	return json.NewEncoder(h.env.Out).Encode(all)
}

// server reads the address that get and erase are about.
func (h *helper) server() (string, error) {
	text, err := h.input()
	if err != nil {
		return "", err
	}
	server := strings.TrimSpace(string(text))
	if server == "" {
		return "", errNoServer
	}
	return server, nil
}

func (h *helper) input() ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(h.env.In, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = errors.New("keyhole: more input than a login has")
	}
	return text, err
}

// failure is what a client reads of a reply that is not OK.
func failure(reply *wire.Reply) error {
	switch reply.Code {
	case wire.OK:
		return nil
	case wire.NotFound:
		return errNotFound
	default:
		return errors.New(asker.Explain(reply))
	}
}
