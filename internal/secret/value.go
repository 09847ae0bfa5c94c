package secret

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
)

const redacted = "REDACTED"

// Value is a secret's bytes: any length, any content. Every way of printing it
// gives REDACTED, under every format verb and inside every shape; the zero
// Value is empty. Only Expose opens it. The bytes are in memory of their own,
// see memory.go, until a copy of the Value is wiped or no copy is left.
//
// They sit behind a closure and not in a field: fmt cannot call methods through
// another struct's unexported field and would print a []byte there.
type Value struct {
	cell func() *cell
	_    [0]func() // keeps == from compiling
}

// NewValue takes the bytes over: they are moved, and b is overwritten.
func NewValue(b []byte) Value {
	v, err := Fill(len(b), func(room []byte) (int, error) { return copy(room, b), nil })
	clear(b)
	if err != nil {
		panic(err) // no memory is left, for which Go itself would end the process
	}
	return v
}

// Fill makes a Value of at most n bytes and lets fill write them where they will
// be, so that no copy lies anywhere else. fill returns how many it wrote; on an
// error there is no Value, and what was written is overwritten.
func Fill(n int, fill func(room []byte) (int, error)) (Value, error) {
	c, err := newCell(n, fill)
	if err != nil {
		return Value{}, err
	}
	return Value{cell: func() *cell { return c }}, nil
}

// Clone returns a Value with bytes of its own.
func (v Value) Clone() Value {
	b := v.Expose()
	out, err := Fill(len(b), func(room []byte) (int, error) { return copy(room, b), nil })
	runtime.KeepAlive(v.cell)
	if err != nil {
		panic(err) // see NewValue
	}
	return out
}

// Expose returns the bytes themselves, not a copy, nil when there are none. They
// are there until the Value is wiped: the caller must hold on to it, and not to
// the bytes. Expose is called only where they leave for a client or a store; a
// test lists the call sites.
func (v Value) Expose() []byte {
	if v.cell == nil {
		return nil
	}
	return v.cell().open()
}

// Len is the number of bytes.
func (v Value) Len() int { return len(v.Expose()) }

// Equal tells whether both hold the same bytes.
func (v Value) Equal(w Value) bool {
	same := subtle.ConstantTimeCompare(v.Expose(), w.Expose()) == 1
	runtime.KeepAlive(v.cell)
	runtime.KeepAlive(w.cell)
	return same
}

// Wipe overwrites the bytes and gives their memory back. Every copy of v is empty
// afterwards.
func (v Value) Wipe() {
	if v.cell != nil {
		v.cell().wipe()
	}
}

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
