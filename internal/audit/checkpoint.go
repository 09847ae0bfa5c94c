package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint says what a log was at some time: how many records it had, and the
// hash of them all. Its text is a signed note, in the format of tlog-checkpoint
// (C2SP): the log's name, the number, the hash, and when it was made.
type Checkpoint struct {
	Log  string
	Size int64
	Root tlog.Hash
	Time time.Time // as the signer says
	Text string    // with its signature
}

const maxCheckpoint = 4 << 10

// sign makes a checkpoint.
func (k *Key) sign(size int64, root tlog.Hash, at time.Time) (Checkpoint, error) {
	c := Checkpoint{Log: k.signer.Name(), Size: size, Root: root, Time: at.UTC().Truncate(time.Second)}
	text, err := note.Sign(&note.Note{Text: c.body()}, k.signer)
	c.Text = string(text)
	return c, err
}

func (c *Checkpoint) body() string {
	return fmt.Sprintf("%s\n%d\n%s\n%s\n", c.Log, c.Size, c.Root, c.Time.UTC().Format(time.RFC3339))
}

// ParseCheckpoint checks the signature and reads what it signs.
func ParseCheckpoint(text string, key note.Verifier) (Checkpoint, error) {
	if len(text) > maxCheckpoint {
		return Checkpoint{}, errors.New("it is too long for a checkpoint")
	}
	n, err := note.Open([]byte(text), note.VerifierList(key))
	var other *note.UnverifiedNoteError
	var forged *note.InvalidSignatureError
	switch {
	case errors.As(err, &other):
		return Checkpoint{}, errors.New("another key signed it")
	case errors.As(err, &forged):
		return Checkpoint{}, errors.New("its signature is wrong")
	case err != nil:
		return Checkpoint{}, errors.New("it is not a checkpoint")
	}
	c := Checkpoint{Text: text}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 5 {
		return Checkpoint{}, errors.New("it is not a checkpoint of this kind of log")
	}
	c.Log = lines[0]
	var errs [3]error
	c.Size, errs[0] = strconv.ParseInt(lines[1], 10, 64)
	c.Root, errs[1] = tlog.ParseHash(lines[2])
	c.Time, errs[2] = time.Parse(time.RFC3339, lines[3])
	// What parses must be what was written, so that nothing has two readings.
	if err := errors.Join(errs[:]...); err != nil || c.Size < 0 || c.Log != key.Name() || c.body() != n.Text || !canonical(n.Sigs) {
		return Checkpoint{}, errors.New("it is not a checkpoint of this kind of log")
	}
	return c, nil
}

// canonical tells whether the signatures are spelt in the one way they are
// written in: the last letter of base64 has bits that nobody reads.
func canonical(sigs []note.Signature) bool {
	return !slices.ContainsFunc(sigs, func(s note.Signature) bool {
		_, err := base64.StdEncoding.Strict().DecodeString(s.Base64)
		return err != nil
	})
}
