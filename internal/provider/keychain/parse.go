package keychain

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"keyhole/internal/secret"
)

// What the tool prints of an item:
//
//	keychain: "/Users/me/Library/Keychains/login.keychain-db"
//	version: 512
//	class: "genp"
//	attributes:
//	    0x00000007 <blob>="label"
//	    "svce"<blob>=0x6162C3A9  "ab\303\251"
//	    "acct"<blob>=<NULL>
//
// A value is text in quotes, in which quotes are not escaped; or 0x and digits, up
// to a blank, when a byte is not printable; or <NULL>. It never holds a newline,
// so that a name cannot pass for the next line. Of -g, standard error has a line
// with the secret in the same form after "password: ".

var errForm = errors.New("security printed something else than an item")

// fields is an item as printed: attributes by their tag.
type fields struct {
	file, class string
	tags        map[string][]byte
}

const labelTag = "0x00000007"

// parseListing reads items one after another. Classes that are no passwords are
// passed over.
func parseListing(out []byte) ([]fields, error) {
	var all []fields
	var cur *fields
	for line := range bytes.Lines(out) {
		line, ok := bytes.CutSuffix(line, []byte("\n"))
		if !ok {
			return nil, errForm
		}
		if rest, ok := bytes.CutPrefix(line, []byte("keychain: ")); ok {
			file, err := value(rest)
			if err != nil {
				return nil, err
			}
			all = append(all, fields{file: string(file), tags: map[string][]byte{}})
			cur = &all[len(all)-1]
			continue
		}
		if cur == nil {
			return nil, errForm
		}
		if err := cur.line(line); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (f *fields) line(line []byte) error {
	if rest, ok := bytes.CutPrefix(line, []byte("class: ")); ok {
		class, err := value(rest)
		f.class = string(class)
		return err
	}
	if bytes.HasPrefix(line, []byte("version: ")) || bytes.Equal(line, []byte("attributes:")) {
		return nil
	}
	rest, ok := bytes.CutPrefix(line, []byte("    "))
	if !ok {
		return errForm
	}
	tag, rest, ok := bytes.Cut(rest, []byte("<"))
	if !ok {
		return errForm
	}
	_, printed, ok := bytes.Cut(rest, []byte(">="))
	if !ok {
		return errForm
	}
	v, err := value(printed)
	if err != nil {
		if !f.password() {
			return nil // keys print numbers in their own way
		}
		return err
	}
	f.tags[strings.Trim(string(tag), `" `)] = v
	return nil
}

// password tells whether the item is one that the store serves.
func (f *fields) password() bool { return f.class == classGeneric || f.class == classInternet }

// value reads one value.
func value(b []byte) ([]byte, error) {
	switch {
	case len(b) == 0 || bytes.Equal(b, []byte("<NULL>")):
		return nil, nil
	case bytes.HasPrefix(b, []byte("0x")):
		digits, _, ok := bytes.Cut(b[2:], []byte(" "))
		out := make([]byte, hex.DecodedLen(len(digits)))
		if _, err := hex.Decode(out, digits); err != nil || !ok || len(digits) == 0 {
			return nil, errForm
		}
		return out, nil
	case len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"':
		return b[1 : len(b)-1], nil
	default:
		return nil, errForm
	}
}

// parseSecret reads the secret from what -g wrote to standard error. Other lines
// may stand there: the system's libraries complain in the same place.
func parseSecret(errs []byte) (secret.Value, error) {
	var line []byte
	for l := range bytes.Lines(errs) {
		rest, ok := bytes.CutPrefix(l, []byte("password: "))
		if !ok {
			continue
		}
		if rest, ok = bytes.CutSuffix(rest, []byte("\n")); !ok || line != nil {
			return secret.Value{}, errForm
		}
		line = rest
	}
	if line == nil {
		return secret.Value{}, errForm
	}
	return secret.Fill(len(line), func(room []byte) (int, error) {
		switch {
		case len(line) == 0:
			return 0, nil
		case bytes.HasPrefix(line, []byte("0x")):
			digits, _, ok := bytes.Cut(line[2:], []byte(" "))
			if !ok || len(digits) == 0 {
				return 0, errForm
			}
			if n, err := hex.Decode(room, digits); err == nil {
				return n, nil
			}
			return 0, errForm // hex's own error shows a byte
		case len(line) >= 2 && line[0] == '"' && line[len(line)-1] == '"':
			return copy(room, line[1:len(line)-1]), nil
		}
		return 0, errForm
	})
}

// settings reads the line of show-keychain-info, which says when the keychain
// locks itself. What is not understood counts as not said.
func settings(line string) (after time.Duration, sleep bool) {
	for _, word := range strings.Fields(line) {
		if word == "lock-on-sleep" {
			sleep = true
		}
		if n, ok := strings.CutPrefix(word, "timeout="); ok {
			if sec, err := strconv.Atoi(strings.TrimSuffix(n, "s")); err == nil && sec > 0 {
				after = time.Duration(sec) * time.Second
			}
		}
	}
	return after, sleep
}
