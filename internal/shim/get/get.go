// Package get writes the bytes of one granted item to standard output, for
// tools that run a command to get a value: apiKeyHelper, credential_process,
// tokenHelper and the like. It runs INSIDE the sandbox and holds no rights.
package get

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"keyhole/internal/secret"
	"keyhole/internal/shim/asker"
	"keyhole/internal/wire"
)

// Request says which item, and what of it.
type Request struct {
	Attributes map[string]string // as a rule's keys name them: service, account, server, …
	Field      string            // place in a JSON value: names and numbers with dots between; empty: all
	Raw        bool              // leave go-keyring's prefixes as they are
}

// Error is a value that was not given.
type Error struct {
	Code wire.Code // wire.OK: it was given to us and could not be used
	Text string    // one line, without who says so
}

// Error is one line.
func (e *Error) Error() string { return e.Text }

// Run writes the value: the stored bytes and nothing after them.
func Run(env asker.Env, r Request) error {
	a := asker.New(env)
	defer a.Close()
	reply := a.Ask(&wire.Request{
		Op: wire.Find, Secret: true,
		Match: wire.Match{Attributes: r.Attributes, Order: []string{"service", "server", "account"}},
	})
	if reply.Code == wire.OK && (len(reply.Items) == 0 || reply.Items[0].Value == nil) {
		reply = &wire.Reply{}
	}
	if reply.Code != wire.OK {
		return &Error{reply.Code, strings.TrimPrefix(asker.Explain(reply), "keyhole: ")}
	}
	v := reply.Items[0].Value
	defer v.Wipe()
	return write(env.Out, v.Expose(), r)
}

func write(w io.Writer, b []byte, r Request) error {
	var err error
	if !r.Raw {
		if b, err = secret.UndoGoKeyring(b); err != nil {
			return &Error{wire.OK, err.Error()}
		}
	}
	if r.Field != "" {
		if b, err = Field(b, r.Field); err != nil {
			return &Error{wire.OK, err.Error()}
		}
	}
	_, err = w.Write(b)
	return err
}

// Field returns what is at a place of a JSON text: a string's own text,
// everything else as it is written there. The place is the names of members and
// the numbers of elements (from 0), with dots between; "\." is a dot of a name.
// Errors name the place and hold nothing of the text.
func Field(text []byte, place string) ([]byte, error) {
	if !json.Valid(text) {
		return nil, errors.New("the value is not JSON, so it has no fields")
	}
	at := json.RawMessage(text)
	for _, step := range steps(place) {
		var ok bool
		if at, ok = child(at, step); !ok {
			return nil, fmt.Errorf("the value has no field %q", place)
		}
	}
	var s string
	if bytes.HasPrefix(at, []byte(`"`)) {
		if err := json.Unmarshal(at, &s); err != nil {
			return nil, errors.New("internal error: a string that was valid is not")
		}
		return []byte(s), nil
	}
	return at, nil
}

func child(at json.RawMessage, step string) (json.RawMessage, bool) {
	switch at = bytes.TrimSpace(at); at[0] {
	case '{':
		var members map[string]json.RawMessage
		if json.Unmarshal(at, &members) != nil {
			return nil, false
		}
		v, ok := members[step]
		return bytes.TrimSpace(v), ok
	case '[':
		var elements []json.RawMessage
		n, err := strconv.Atoi(step)
		if err != nil || json.Unmarshal(at, &elements) != nil || n < 0 || n >= len(elements) {
			return nil, false
		}
		return bytes.TrimSpace(elements[n]), true
	default:
		return nil, false
	}
}

// steps splits at the dots that no backslash takes.
func steps(place string) []string {
	out := []string{""}
	for i := 0; i < len(place); i++ {
		switch {
		case place[i] == '\\' && i+1 < len(place) && (place[i+1] == '.' || place[i+1] == '\\'):
			i++
			out[len(out)-1] += place[i : i+1]
		case place[i] == '.':
			out = append(out, "")
		default:
			out[len(out)-1] += place[i : i+1]
		}
	}
	return out
}
