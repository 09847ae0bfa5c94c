// Package control is a run's own socket for the person at another terminal:
// which questions are open, and their answers. It lies in the run's folder,
// outside of all that the confined command may connect to. Who connects is
// checked by the kernel's word: the same user, and no process that descends from
// the supervisor, which connects on behalf of the command and must never answer
// for the person.
//
// The protocol: the client sends one line of JSON, a Request; the server answers
// with one line, a Reply, and for Follow with one more each time the questions
// change, until either side hangs up. Lines have at most 256 KiB. Keys that are
// not known, other versions and anything else that is not understood end the
// connection with an error in the Reply.
package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"keyhole/internal/approval"
	"keyhole/internal/policy"
)

// Version is the protocol's, in every Request.
const Version = 1

// SocketName is the socket's name in a run's folder.
const SocketName = "ctl"

// Limits of what a connection may cost.
const (
	maxLine     = 256 << 10
	maxConns    = 16
	requestTime = 10 * time.Second // from connecting to the whole request
	acceptPause = 50 * time.Millisecond
)

// What a Request asks for.
const (
	Show   = "show"   // the run and its open questions
	Answer = "answer" // settle a question
	Follow = "follow" // Show, and again at each change
	Why    = "why"    // what is decided about something
)

// Request is what a client sends.
type Request struct {
	Version int    `json:"v"`
	Do      string `json:"do"`
	Digest  string `json:"digest,omitempty"` // of the question an Answer is about
	Allow   bool   `json:"allow,omitempty"`
	For     string `json:"for,omitempty"` // once (or nothing), session, or a time such as 15m
	// About is what Why asks. What it looks like is between the client and the
	// run.
	About json.RawMessage `json:"about,omitempty"`
}

// Reply is what the server sends.
type Reply struct {
	Error     string              `json:"error,omitempty"`
	Gone      bool                `json:"gone,omitempty"` // with Error: there is no such question any more
	Run       *Run                `json:"run,omitempty"`
	Questions []approval.Question `json:"questions,omitempty"`
	Verdict   json.RawMessage     `json:"verdict,omitempty"` // what a Why is answered with
}

// Run is what there is to know about a run.
type Run struct {
	ID      string    `json:"id"`
	PID     int       `json:"pid"` // of the supervisor
	Command string    `json:"command"`
	Dir     string    `json:"directory"`
	Profile string    `json:"profile"`
	Store   string    `json:"store"`
	Layer   string    `json:"layer"` // base or hardened
	Grants  []string  `json:"grants,omitempty"`
	Started time.Time `json:"started"`
	// Repaints says that the command can write to the person's other terminals,
	// so that what they show may not be ours.
	Repaints bool `json:"repaints"`
}

// answer reads what an Answer request says.
func (r *Request) answer(via string, now time.Time) (policy.Answer, error) {
	l, until, ok := approval.ParseLifespan(r.For, now)
	if !ok {
		return policy.Answer{}, errors.New("how long the answer holds is not understood: once, session, or a time such as 15m")
	}
	a := policy.Answer{Lifespan: l, Until: until, Person: true, Via: via}
	if r.Allow {
		a.Effect = policy.Allow
	}
	return a, nil
}

// readLine reads one line of JSON into v, strictly.
func readLine(r io.ByteReader, v any) error {
	var line []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			if len(line) > 0 && errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		if c == '\n' {
			break
		}
		if len(line) == maxLine {
			return fmt.Errorf("a line of more than %d bytes", maxLine)
		}
		line = append(line, c)
	}
	return decode(line, v)
}

func decode(line []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value in a line")
	}
	return nil
}

func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("internal error: encoding: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
