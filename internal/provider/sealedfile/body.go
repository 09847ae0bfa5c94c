package sealedfile

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"keyhole/internal/secret"
)

// What the body age file holds, all numbers big endian, a text being its length
// in 4 bytes and then its bytes:
//
//	version     4 bytes, "KHB1"
//	envelope    32 bytes, SHA-256 of the key envelope
//	generation  8 bytes, one more with every save
//	items       4 bytes, how many; then each, in order of creation:
//	  id           16 bytes, random, never zero, never used twice
//	  created      8 bytes, nanoseconds since 1970
//	  modified     8 bytes
//	  label        text
//	  content type text
//	  attributes   4 bytes, how many; then name and value as texts, names ascending
//	  secret       text
//
// There is one way to write each body and nothing else is read, so that what
// decodes encodes to the same bytes. It is binary and not JSON because a
// secret must be any bytes, and must be wiped: a JSON decoder leaves copies.
const (
	bodyVersion   = "KHB1"
	maxItems      = 100_000
	maxAttributes = 256
	maxText       = 64 << 10
	maxSecret     = 16 << 20
	minItem       = 16 + 8 + 8 + 4 + 4 + 4 + 4 // bytes an item has at least
)

type itemID [16]byte

func (id itemID) String() string { return hex.EncodeToString(id[:]) }

// item is one item with its secret. It is never changed once it is in a
// snapshot, but its secret's bytes are wiped when no snapshot holds it any more.
type item struct {
	id                itemID
	created, modified time.Time
	label             string
	contentType       string
	attributes        map[string]string
	value             secret.Value
}

// info is the item without its bytes. The attributes are the item's own.
func (it *item) info() secret.Info {
	return secret.Info{
		Ref: secret.Ref{
			Store: Name, ID: it.id.String(), Collection: Collection,
			Attributes: it.attributes,
		},
		Label: it.label, ContentType: it.contentType,
		Created: it.created, Modified: it.modified,
	}
}

// check tells whether an item fits.
func (it *item) check() error {
	over := func(what string, n, most int) error {
		return fmt.Errorf("%s has %d bytes, %d fit: %w", what, n, most, secret.ErrTooLarge)
	}
	switch {
	case it.value.Len() > maxSecret:
		return over("secret", it.value.Len(), maxSecret)
	case len(it.label) > maxText:
		return over("label", len(it.label), maxText)
	case len(it.contentType) > maxText:
		return over("content type", len(it.contentType), maxText)
	case len(it.attributes) > maxAttributes:
		return fmt.Errorf("%d attributes, %d fit: %w", len(it.attributes), maxAttributes, secret.ErrTooLarge)
	}
	for k, v := range it.attributes {
		if max(len(k), len(v)) > maxText {
			return over("attribute", max(len(k), len(v)), maxText)
		}
	}
	return nil
}

type body struct {
	envelope   [32]byte
	generation uint64
	items      []*item
}

func (b body) wipe() {
	for _, it := range b.items {
		it.value.Wipe()
	}
}

// encode writes the body into one buffer of the right size, so that no copy of
// a secret stays behind in one that was too small.
func (b body) encode() (secret.Value, error) {
	return secret.Fill(b.size(), func(room []byte) (int, error) { return len(b.appendTo(room[:0])), nil })
}

// appendTo appends b's size in bytes.
func (b body) appendTo(out []byte) []byte {
	out = append(out, bodyVersion...)
	out = append(out, b.envelope[:]...)
	out = binary.BigEndian.AppendUint64(out, b.generation)
	out = binary.BigEndian.AppendUint32(out, uint32(len(b.items)))
	for _, it := range b.items {
		out = append(out, it.id[:]...)
		out = binary.BigEndian.AppendUint64(out, uint64(it.created.UnixNano()))
		out = binary.BigEndian.AppendUint64(out, uint64(it.modified.UnixNano()))
		out = appendText(out, it.label)
		out = appendText(out, it.contentType)
		out = binary.BigEndian.AppendUint32(out, uint32(len(it.attributes)))
		for _, k := range slices.Sorted(maps.Keys(it.attributes)) {
			out = appendText(out, k)
			out = appendText(out, it.attributes[k])
		}
		out = appendText(out, it.value.Expose())
	}
	return out
}

func (b body) size() int {
	n := len(bodyVersion) + len(b.envelope) + 8 + 4
	for _, it := range b.items {
		n += minItem + len(it.label) + len(it.contentType) + it.value.Len()
		for k, v := range it.attributes {
			n += 8 + len(k) + len(v)
		}
	}
	return n
}

func appendText[T string | []byte](out []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint32(out, uint32(len(s))), s...)
}

var errCutOff = errors.New("items are cut off")

// decodeBody reads a body. Nothing it returns points into p.
func decodeBody(p []byte) (b body, err error) {
	defer func() {
		if err != nil {
			b.wipe()
			b = body{}
		}
	}()
	r := reader{rest: p}
	if string(r.take(len(bodyVersion))) != bodyVersion {
		return b, errors.New("items are not in a version known here")
	}
	copy(b.envelope[:], r.take(len(b.envelope)))
	b.generation = r.uint64()
	n := r.uint32()
	if n > maxItems || int(n) > len(r.rest)/minItem {
		return b, fmt.Errorf("%d items cannot be", n)
	}
	b.items = make([]*item, 0, n)
	ids := make(map[itemID]struct{}, n)
	for range n {
		it := r.item()
		b.items = append(b.items, it)
		if r.err != nil {
			return b, r.err
		}
		if _, twice := ids[it.id]; twice || it.id == (itemID{}) {
			return b, errors.New("an item's identifier is zero or there twice")
		}
		ids[it.id] = struct{}{}
		if err := it.check(); err != nil {
			return b, err
		}
	}
	if r.err == nil && len(r.rest) > 0 {
		r.err = errors.New("more after the last item")
	}
	return b, r.err
}

// reader cuts pieces off; after the first that is not there all are empty.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.rest) {
		r.err = errors.Join(r.err, errCutOff)
		r.rest = nil
		return nil
	}
	p := r.rest[:n]
	r.rest = r.rest[n:]
	return p
}

func (r *reader) uint32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if p := r.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

func (r *reader) text() []byte { return r.take(int(r.uint32())) }

func (r *reader) time() time.Time { return time.Unix(0, int64(r.uint64())).UTC() }

func (r *reader) item() *item {
	it := &item{}
	copy(it.id[:], r.take(len(it.id)))
	it.created, it.modified = r.time(), r.time()
	it.label = string(r.text())
	it.contentType = string(r.text())
	it.attributes = r.attributes()
	p := r.text()
	var err error
	it.value, err = secret.Fill(len(p), func(room []byte) (int, error) { return copy(room, p), nil })
	r.err = errors.Join(r.err, err)
	return it
}

func (r *reader) attributes() map[string]string {
	n := r.uint32()
	if n > maxAttributes {
		r.err = errors.Join(r.err, fmt.Errorf("%d attributes in one item, %d fit", n, maxAttributes))
		return nil
	}
	m := make(map[string]string, n)
	last := ""
	for i := range n {
		k := string(r.text())
		if i > 0 && k <= last && r.err == nil {
			r.err = errors.New("attributes are out of order")
		}
		m[k] = string(r.text())
		last = k
	}
	return m
}
