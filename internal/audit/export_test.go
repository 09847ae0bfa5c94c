package audit

import (
	"bytes"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// TestDisk is a disk made of functions.
type TestDisk struct {
	OnAppend func(lines []byte) error
	OnSync   func() error
}

func (d TestDisk) append(records [][]byte) error { return d.OnAppend(bytes.Join(records, nil)) }
func (d TestDisk) sync() error                   { return d.OnSync() }

// Close does nothing.
func (d TestDisk) Close() error { return nil }

// NewTestLog is a Log on d.
func NewTestLog(d TestDisk) *Log { return &Log{file: d} }

// Lines reads what was appended.
func Lines(r io.Reader, each func(Line) error) error { return newReader(r).all(each) }

// MaxFolds is the bound on remembered series.
const MaxFolds = maxFolds

// Queued is how many callers wait to be written.
func (l *Log) Queued() int {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	return len(l.queue)
}

// RotateAt makes the log begin a new file from this size.
func (l *Log) RotateAt(size int64) { l.file.(*file).rotate = size }

// Relink gives lines the numbers and hashes of where they stand.
func Relink(lines [][]byte) [][]byte {
	var at link
	out := make([][]byte, len(lines))
	for i, l := range lines {
		out[i] = at.add(append([]byte("{"), l[bytes.Index(l, []byte(`"time"`)):]...))
	}
	return out
}

// GoOn is a file with this text after a record was added, unless it would be put
// aside.
func GoOn(text []byte, e Entry) ([]byte, bool) {
	end, err := readEnd(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return nil, false
	}
	at, out := end.at, []byte(nil)
	if end.torn() {
		if at, out, err = end.mended(); err != nil {
			return nil, false
		}
	}
	body, err := encode(newRecord(e, "s", time.Time{}))
	return append(append(bytes.Clone(text), out...), at.add(body)...), err == nil
}

// SignText signs any text as a checkpoint is signed.
func SignText(k *Key, text string) (string, error) {
	b, err := note.Sign(&note.Note{Text: text}, k.signer)
	return string(b), err
}

// ChainOn are lines with the links they would have, whatever is in them.
func ChainOn(lines [][]byte) [][]byte {
	var at link
	out := make([][]byte, len(lines))
	for i, l := range lines {
		if _, _, ok := linkOf(l); !ok {
			at.take(bytes.TrimSuffix(l, []byte{'\n'}))
			out[i] = l
			continue
		}
		out[i] = at.add(append([]byte("{"), l[bytes.Index(l, []byte(`"time"`)):]...))
	}
	return out
}
