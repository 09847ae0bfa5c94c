package gitcredential

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"keyhole/internal/secret"
)

// git's protocol, as its manual page git-credential has it: lines KEY=VALUE, up
// to an empty line or the end. A key that ends in [] is a list, and may come
// again. A helper passes over keys it does not know, among them all the lists:
// capability[] says what git could take, wwwauth[] what the server said, state[]
// what a helper said before. A value holds no new line and no NUL; and no
// carriage return, which some programs on the way would take for one.

// maxInput is far more than git sends; the headers of a server are in it.
const maxInput = 1 << 20

var (
	errTooLong   = errors.New("more input than git sends")
	errMalformed = errors.New("input that is not lines of KEY=VALUE")
	errForbidden = errors.New("a value with a carriage return or a NUL")
)

// login is what git says about a credential, and what it is told.
type login struct {
	protocol, host, path string
	username             string
	named                bool // username was given
	expiry               string
	ephemeral            bool // for now only: not to be kept

	password *secret.Value // nil: none given
	refresh  *secret.Value
}

// parse reads what git sent. The secrets in it are moved to where they are safe.
func parse(r io.Reader) (*login, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	defer clear(text)
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxInput:
		return nil, errTooLong
	case bytes.ContainsAny(text, "\r\x00"):
		return nil, errForbidden
	}
	l := &login{}
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if len(line) == 0 {
			break
		}
		key, value, ok := bytes.Cut(line, []byte("="))
		if !ok || len(key) == 0 {
			return nil, errMalformed
		}
		l.set(string(key), value)
		text = rest
	}
	return l, nil
}

func (l *login) set(key string, value []byte) {
	switch key {
	case "protocol":
		l.protocol = string(value)
	case "host":
		l.host = string(value)
	case "path":
		l.path = string(value)
	case "username":
		l.username, l.named = string(value), true
	case "password":
		l.password = hold(value)
	case "oauth_refresh_token":
		l.refresh = hold(value)
	case "password_expiry_utc":
		l.expiry = string(value)
	case "ephemeral":
		l.ephemeral = isTrue(string(value))
	}
}

func hold(b []byte) *secret.Value {
	v := secret.NewValue(b)
	return &v
}

// isTrue reads a boolean as git does.
func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true
	default:
		return false
	}
}

// isFalse is not the opposite of isTrue: words that are no boolean are neither.
func isFalse(s string) bool {
	switch strings.ToLower(s) {
	case "false", "no", "off", "0":
		return true
	default:
		return false
	}
}

// What is kept in an item, as git-credential-libsecret and -osxkeychain have it:
// the password, and in further lines what goes with it.
const (
	expiryLine  = "password_expiry_utc="
	refreshLine = "oauth_refresh_token="
)

// kept is the value an item gets.
func (l *login) kept() secret.Value {
	n := l.password.Len() + 1 + len(expiryLine) + len(l.expiry) + 1 + len(refreshLine)
	if l.refresh != nil {
		n += l.refresh.Len()
	}
	v, err := secret.Fill(n, func(room []byte) (int, error) {
		b := append(room[:0], l.password.Expose()...)
		if l.expiry != "" {
			b = append(append(append(b, '\n'), expiryLine...), l.expiry...)
		}
		if l.refresh != nil {
			b = append(append(append(b, '\n'), refreshLine...), l.refresh.Expose()...)
		}
		return len(b), nil
	})
	if err != nil {
		panic(err) // no memory is left
	}
	return v
}

// answer writes a credential for git: the user name and what an item keeps. It
// writes nothing when that cannot be said in the protocol.
func answer(w io.Writer, username string, v secret.Value) error {
	password, more, _ := bytes.Cut(v.Expose(), []byte("\n"))
	if bytes.ContainsAny(password, "\r\x00") || strings.ContainsAny(username, "\n\r\x00") {
		return errForbidden
	}
	out := make([]byte, 0, len("username=\npassword=\n")+len(username)+v.Len()+1)
	defer func() { clear(out[:cap(out)]) }()
	out = append(append(append(out, "username="...), username...), '\n')
	out = append(append(append(out, "password="...), password...), '\n')
	for len(more) > 0 {
		var line []byte
		line, more, _ = bytes.Cut(more, []byte("\n"))
		known := bytes.HasPrefix(line, []byte(expiryLine)) || bytes.HasPrefix(line, []byte(refreshLine))
		if known && !bytes.ContainsAny(line, "\r\x00") {
			out = append(append(out, line...), '\n')
		}
	}
	_, err := w.Write(out)
	return err
}
