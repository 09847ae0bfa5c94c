package security

import (
	"crypto/subtle"
	"io"

	"keyhole/internal/secret"
)

// Limits of a typed secret, the sizes of getpass and of the tool.
const (
	maxTyped    = 128 // bytes; the rest of the answer is lost
	promptTries = 3
)

// Terminal is the terminal of a process.
type Terminal interface {
	// Input tells whether standard input is one.
	Input() bool
	// Ask prints a prompt on the controlling terminal, reads a line there
	// without showing it, and ends the line. It is false when there is none.
	Ask(prompt string) (answer []byte, ok bool)
}

type noTerminal struct{}

func (noTerminal) Input() bool               { return false }
func (noTerminal) Ask(string) ([]byte, bool) { return nil, false }

// ask reads one answer as getpass does: on the controlling terminal, else from
// standard input with the prompt on standard error.
func (t *tool) askSecret(prompt string) []byte {
	if answer, ok := t.env.Terminal.Ask(prompt); ok {
		return answer[:min(len(answer), maxTyped)]
	}
	t.printErr(prompt)
	return readAnswer(t.env.In)
}

// readAnswer reads byte by byte: what comes after the line is somebody else's.
func readAnswer(r io.Reader) []byte {
	answer := make([]byte, 0, maxTyped)
	var one [1]byte
	for {
		n, err := r.Read(one[:])
		if n == 1 && one[0] != '\n' && one[0] != '\r' {
			if len(answer) < maxTyped {
				answer = append(answer, one[0])
			}
			continue
		}
		if n == 1 || err != nil {
			return answer
		}
	}
}

// newPassword asks for a new secret until two answers are equal.
func (t *tool) newPassword(first, second string) (secret.Value, bool) {
	for range promptTries {
		a := t.askSecret(first)
		b := t.askSecret(second)
		same := subtle.ConstantTimeCompare(a, b) == 1
		clear(b)
		if same {
			return secret.NewValue(a), true
		}
		clear(a)
		t.printErr("passwords don't match\n")
	}
	return secret.Value{}, false
}
