package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "REDACTED"

// Value is a secret's bytes: any length, any content. Every way of printing it
// gives REDACTED, under every format verb and inside every shape; the zero
// Value is empty. Only Expose opens it.
//
// The bytes sit behind a closure and not in a field: fmt cannot call methods
// through another struct's unexported field and would print a []byte there.
type Value struct {
	open func() []byte
	_    [0]func() // keeps == from compiling
}

// NewValue takes ownership of b: the caller must not use it afterwards.
func NewValue(b []byte) Value {
	return Value{open: func() []byte { return b }}
}

// Expose returns the bytes themselves, not a copy. It is called only where they
// leave for a client or a store; a test lists the call sites.
func (v Value) Expose() []byte {
	if v.open == nil {
		return nil
	}
	return v.open()
}

// Len is the number of bytes.
func (v Value) Len() int { return len(v.Expose()) }

// Wipe overwrites the bytes. Every copy of v is empty of content afterwards.
func (v Value) Wipe() { clear(v.Expose()) }

// Format prints REDACTED whatever the verb.
func (v Value) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String returns REDACTED.
func (v Value) String() string { return redacted }

// GoString returns REDACTED.
func (v Value) GoString() string { return redacted }

// LogValue returns REDACTED.
func (v Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes "REDACTED".
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText writes REDACTED.
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalBinary refuses: gob and its like would otherwise keep a secret.
func (v Value) MarshalBinary() ([]byte, error) {
	return nil, errors.New("a secret value has no binary form")
}
