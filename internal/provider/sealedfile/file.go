package sealedfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"filippo.io/age"

	"keyhole/internal/secret"
)

// The file, in this order:
//
//	magic     one line of text, with the version of the format
//	length    4 bytes, big endian, of the envelope
//	envelope  age file, sealed for the passphrase or the identity;
//	          holds the data key, itself an age identity, as text
//	body      age file, sealed for the data key; up to the end
//
// The body carries the envelope's SHA-256, so that the two cannot be paired
// with parts of another file. The data key's public half is nowhere but in the
// envelope: without it nobody makes a body that opens. Saving needs the data
// key alone, so only opening pays for the passphrase. Both parts are plain age
// files: cut at the length given, the age tool opens them.
const (
	magic       = "keyhole sealed file, version 1\n"
	maxFile     = 64 << 20
	maxEnvelope = 64 << 10
)

// workFactor is scrypt's cost, as a power of two, for new passphrases: 64 MiB
// and some 0.2 s for every try, where age's own default takes five times that.
// Opening happens at the start of every run, where a second is felt; a guesser
// with the file needs as much memory for each try. maxWorkFactor bounds what a
// file can make us spend.
const (
	workFactor    = 16
	maxWorkFactor = 20
)

// missing is secret.ErrNotFound of the file itself, in words that say so.
type missing struct{ path string }

func (m *missing) Error() string { return "there is no sealed file " + m.path }

func (m *missing) Is(target error) bool { return target == secret.ErrNotFound }

// Damaged says that a file does not hold what it should. It was not changed.
type Damaged struct {
	Path string
	Err  error
}

// Error names the file and what is wrong with it.
func (d *Damaged) Error() string { return fmt.Sprintf("sealed file %s is damaged: %v", d.Path, d.Err) }

// Unwrap returns what is wrong.
func (d *Damaged) Unwrap() error { return d.Err }

// Hint says what the person can do.
func (d *Damaged) Hint() string {
	return "it was left as it is; put a copy from a backup in its place, or move it away and make a new one with 'keyhole store init'"
}

var errBadKey = errors.New("exactly one of passphrase and identity must be given, and not empty")

// box is the key of the data, with the envelope that goes in front of them.
type box struct {
	data     *age.X25519Identity
	envelope []byte
}

// newBox makes a new data key and seals it for k.
func newBox(k Key) (*box, error) {
	recipients, err := k.recipients()
	if err != nil {
		return nil, err
	}
	data, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("making data key: %w", err)
	}
	envelope, err := encrypt(nil, []byte(data.String()), recipients...)
	if err != nil {
		return nil, fmt.Errorf("sealing data key: %w", err)
	}
	return &box{data: data, envelope: envelope}, nil
}

// openBox takes the data key out of a file's content.
func openBox(path string, content []byte, k Key) (*box, error) {
	envelope, _, err := split(content)
	if err != nil {
		return nil, &Damaged{path, err}
	}
	ids, err := k.identities()
	if err != nil {
		return nil, err
	}
	plain, err := decrypt(envelope, ids...)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return nil, fmt.Errorf("%w: sealed file %s does not open with this key", secret.ErrLocked, path)
	}
	if err != nil {
		return nil, &Damaged{path, fmt.Errorf("opening key envelope: %v", err)}
	}
	defer plain.Wipe()
	data, err := age.ParseX25519Identity(string(plain.Expose()))
	if err != nil {
		// age's text is left out: it can quote what it read.
		return nil, &Damaged{path, errors.New("key envelope holds no key")}
	}
	return &box{data: data, envelope: bytes.Clone(envelope)}, nil
}

// returnMemory gives back to the system what age took and let go of: the 64 MiB
// of scrypt, which a supervisor would keep for the rest of its run, and above all
// the buffers in which it had secrets in the clear, which nobody can overwrite.
func returnMemory() { debug.FreeOSMemory() }

// seal makes the content of a file that holds b.
func (x *box) seal(b body) ([]byte, error) {
	b.envelope = sha256.Sum256(x.envelope)
	plain, err := b.encode()
	if err != nil {
		return nil, fmt.Errorf("sealing items: %w", err)
	}
	defer returnMemory()
	defer plain.Wipe()
	n := plain.Len()
	head := make([]byte, 0, len(magic)+4+len(x.envelope)+n+n/1024+1024)
	head = append(head, magic...)
	head = binary.BigEndian.AppendUint32(head, uint32(len(x.envelope)))
	head = append(head, x.envelope...)
	content, err := encrypt(head, plain.Expose(), x.data.Recipient())
	if err != nil {
		return nil, fmt.Errorf("sealing items: %w", err)
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("sealed file would have %d bytes, %d fit: %w", len(content), maxFile, secret.ErrTooLarge)
	}
	return content, nil
}

// unseal takes the items out of a file's content. ErrLocked when the file has
// been sealed for another key since.
func (x *box) unseal(path string, content []byte) (body, error) {
	envelope, sealed, err := split(content)
	if err != nil {
		return body{}, &Damaged{path, err}
	}
	if !bytes.Equal(envelope, x.envelope) {
		return body{}, fmt.Errorf("%w: sealed file %s has another key now", secret.ErrLocked, path)
	}
	plain, err := decrypt(sealed, x.data)
	defer returnMemory()
	if err != nil {
		return body{}, &Damaged{path, fmt.Errorf("opening items: %v", err)}
	}
	defer plain.Wipe()
	b, err := decodeBody(plain.Expose())
	if err == nil && b.envelope != sha256.Sum256(envelope) {
		b.wipe()
		err = errors.New("key and items belong to different files")
	}
	if err != nil {
		return body{}, &Damaged{path, err}
	}
	return b, nil
}

// split finds the two parts of a file.
func split(content []byte) (envelope, sealed []byte, err error) {
	rest, ok := bytes.CutPrefix(content, []byte(magic))
	switch {
	case len(content) == 0:
		return nil, nil, errors.New("empty")
	case !ok:
		return nil, nil, errors.New("not a sealed file of a version known here")
	case len(rest) < 4:
		return nil, nil, io.ErrUnexpectedEOF
	}
	n := binary.BigEndian.Uint32(rest)
	if rest = rest[4:]; n > maxEnvelope || int(n) > len(rest) {
		return nil, nil, errors.New("key envelope is cut off")
	}
	return rest[:n], rest[n:], nil
}

// encrypt appends an age file with plain in it to dst.
func encrypt(dst, plain []byte, to ...age.Recipient) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	w, err := age.Encrypt(buf, to...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// decrypt reads into one buffer of the right size: one that grows would leave
// copies of secrets behind, which nobody wipes.
func decrypt(sealed []byte, ids ...age.Identity) (secret.Value, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		return secret.Value{}, err
	}
	return secret.Fill(len(sealed), func(plain []byte) (int, error) {
		n, err := io.ReadFull(r, plain)
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			// Whether the end is the true one is age's to say: it would have
			// returned an error of its own for a file that is cut off.
			var more [1]byte
			if _, err = r.Read(more[:]); errors.Is(err, io.EOF) {
				return n, nil
			}
		}
		if err == nil {
			err = errors.New("internal error: more text than cipher text")
		}
		return 0, err
	})
}
