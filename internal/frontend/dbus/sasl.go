package dbus

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
)

// The server's half of authentication, as in the D-Bus Specification,
// "Authentication Protocol". The client sends one NUL byte, then lines ending in
// CR LF:
//
//	AUTH [mechanism [hex]]   DATA [hex]   NEGOTIATE_UNIX_FD   CANCEL   ERROR [text]   BEGIN
//
// EXTERNAL is the only mechanism. Its argument, the uid as the client knows it,
// is ignored: in a user namespace that is not the uid the kernel tells us, and
// the kernel's word was taken at accept. Descriptors are never agreed to. What
// follows BEGIN is the first message and may arrive together with it.

var errHandshake = errors.New("handshake refused")

type saslState int

const (
	saslAuth  saslState = iota // waiting for AUTH
	saslData                   // waiting for DATA
	saslBegin                  // waiting for BEGIN
	saslDone
)

const rejected = "REJECTED EXTERNAL"

// authenticate runs until BEGIN. An error means that the connection is closed.
func authenticate(in *stream, out io.Writer, guid string) error {
	if err := in.wait(); err != nil {
		return err
	}
	var first [1]byte
	if err := in.full(first[:]); err != nil {
		return err
	}
	if first[0] != 0 {
		return errHandshake
	}
	state, rejects, total := saslAuth, 0, 1
	for state != saslDone {
		line, err := in.line(maxLine)
		if err != nil {
			return err
		}
		if total += len(line); total > maxHandshake {
			return errHandshake
		}
		text, ok := saslText(line)
		if !ok {
			return errHandshake
		}
		var answer string
		state, answer = saslStep(state, text, guid)
		if answer == "" && state != saslDone {
			return errHandshake
		}
		if answer == rejected {
			if rejects++; rejects > maxRejects {
				return errHandshake
			}
		}
		if answer != "" {
			if _, err := io.WriteString(out, answer+"\r\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// saslText takes the line end off and refuses anything but printable ASCII.
func saslText(line []byte) (string, bool) {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return "", false
	}
	for _, b := range text {
		if b < ' ' || b > '~' {
			return "", false
		}
	}
	return string(text), true
}

// saslStep answers one line. No answer and no end means: close.
func saslStep(state saslState, line, guid string) (saslState, string) {
	command, rest, _ := strings.Cut(line, " ")
	switch command {
	case "BEGIN":
		if state == saslBegin {
			return saslDone, ""
		}
		return state, ""
	case "CANCEL", "ERROR":
		return saslAuth, rejected
	case "AUTH":
		if state != saslAuth {
			return state, "ERROR"
		}
		mechanism, identity, given := strings.Cut(rest, " ")
		if mechanism != "EXTERNAL" {
			return saslAuth, rejected
		}
		if !given {
			return saslData, "DATA"
		}
		return saslIdentity(identity, guid)
	case "DATA":
		if state != saslData {
			return state, "ERROR"
		}
		return saslIdentity(rest, guid)
	default: // NEGOTIATE_UNIX_FD too
		return state, "ERROR"
	}
}

func saslIdentity(identity, guid string) (saslState, string) {
	if _, err := hex.DecodeString(identity); err != nil {
		return saslAuth, rejected
	}
	return saslBegin, "OK " + guid
}
