package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

type attrs = map[string]string

func text(s string) *string { return &s }

func value(s string) *secret.Value {
	v := secret.NewValue([]byte(s))
	return &v
}

// requests are one of each kind, full and as empty as they may be.
func requests() map[string]*wire.Request {
	match := wire.Match{
		Class: secret.InternetPassword, Label: text(""), Order: []string{"keychain:file", "server"},
		Attributes: attrs{"server": "h", "account": "", "": "\x00\xff"},
	}
	return map[string]*wire.Request{
		"status":       {Op: wire.Status},
		"find":         {Op: wire.Find, Match: match, Secret: true},
		"find all":     {Op: wire.Find, All: true},
		"create":       {Op: wire.Create, Label: text("l"), ContentType: "text/plain", Attributes: attrs{"service": "s"}, Unique: []string{"service", "account"}, Value: value("v\x00")},
		"create empty": {Op: wire.Create},
		"update":       {Op: wire.Update, Match: match, Label: text("new"), Attributes: attrs{"a": "b"}, Value: value("")},
		"update label": {Op: wire.Update, Label: text("")},
		"delete":       {Op: wire.Delete, Match: match},
		"run":          {Op: wire.Run, Tool: "gh", Args: []string{"pr", "", "\x00\xff"}, Dir: "/w"},
		"run bare":     {Op: wire.Run},
		"open":         {Op: wire.Open, Address: "https://host/"},
	}
}

func replies() map[string]*wire.Reply {
	at := time.Date(2024, 6, 7, 8, 9, 10, 11, time.UTC)
	return map[string]*wire.Reply{
		"ok":     {Code: wire.OK},
		"denied": {Code: wire.Denied, Text: "keyhole: no"},
		"system": {Code: wire.System, Errno: 28},
		"status": {Code: wire.OK, State: &wire.State{Locked: true, Missing: true, LockAfter: 5 * time.Minute, LockOnSleep: true}},
		"items": {Code: wire.OK, Items: []wire.Item{
			{Class: secret.GenericPassword, Label: "l", Created: at, Modified: at, Attributes: attrs{"service": "s"}, Code: wire.OK, Value: value("v")},
			{Locked: true, ContentType: "t", Code: wire.Locked},
		}},
	}
}

// seeds are real frames, and what is nearly one.
func seeds(t testing.TB, of func() [][]byte) [][]byte {
	t.Helper()
	var all [][]byte
	for _, f := range of() {
		all = append(all, f, f[:len(f)-1], append(bytes.Clone(f), 0))
	}
	if len(all) < 15 {
		t.Fatalf("%d seeds", len(all))
	}
	return all
}

func requestFrames() [][]byte {
	var all [][]byte
	for _, r := range requests() {
		f, err := wire.EncodeRequest(r)
		if err != nil {
			panic(err)
		}
		all = append(all, f)
	}
	return all
}

func replyFrames() [][]byte {
	var all [][]byte
	for _, r := range replies() {
		f, err := wire.EncodeReply(r)
		if err != nil {
			panic(err)
		}
		all = append(all, f)
	}
	return all
}

func TestRequestsSurvive(t *testing.T) {
	for name, want := range requests() {
		frame, err := wire.EncodeRequest(want)
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := wire.DecodeRequest(frame)
		if err != nil {
			t.Fatal(name, err)
		}
		if got.Op != want.Op || got.All != want.All || got.Secret != want.Secret || got.ContentType != want.ContentType ||
			got.Match.Class != want.Match.Class || !same(got.Match.Label, want.Match.Label) ||
			len(got.Attributes) != len(want.Attributes) || len(got.Match.Attributes) != len(want.Match.Attributes) ||
			strings.Join(got.Unique, ",") != strings.Join(want.Unique, ",") ||
			strings.Join(got.Match.Order, ",") != strings.Join(want.Match.Order, ",") {
			t.Errorf("%s comes back as %+v", name, got)
		}
		for k, v := range want.Match.Attributes {
			if w, ok := got.Match.Attributes[k]; !ok || w != v {
				t.Errorf("%s: attribute %q is %q", name, k, w)
			}
		}
		if want.Value != nil && (got.Value == nil || !bytes.Equal(got.Value.Expose(), want.Value.Expose())) {
			t.Errorf("%s: the secret is lost", name)
		}
		if want.Op == wire.Update && !same(got.Label, want.Label) {
			t.Errorf("%s: the label is %v", name, got.Label)
		}
	}
}

func same(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

func TestRepliesSurvive(t *testing.T) {
	for name, want := range replies() {
		frame, err := wire.EncodeReply(want)
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := wire.DecodeReply(frame)
		if err != nil {
			t.Fatal(name, err)
		}
		if got.Code != want.Code || got.Errno != want.Errno || got.Text != want.Text || len(got.Items) != len(want.Items) ||
			(got.State == nil) != (want.State == nil) || got.State != nil && *got.State != *want.State {
			t.Errorf("%s comes back as %+v", name, got)
		}
		for i, w := range want.Items {
			g := got.Items[i]
			if g.Class != w.Class || g.Label != w.Label || !g.Created.Equal(w.Created) || !g.Modified.Equal(w.Modified) ||
				g.Locked != w.Locked || g.Code != w.Code || (g.Value == nil) != (w.Value == nil) || len(g.Attributes) != len(w.Attributes) {
				t.Errorf("%s: item %d comes back as %+v", name, i, g)
			}
		}
	}
}

// TestEveryByteCounts cuts frames short and changes single bytes of them.
func TestEveryByteCounts(t *testing.T) {
	for _, frame := range requestFrames() {
		for n := range len(frame) {
			short := bytes.Clone(frame[:n])
			if n >= 4 {
				binary.BigEndian.PutUint32(short, uint32(n-4)) // the length agrees
			}
			if _, err := wire.DecodeRequest(short); !errors.Is(err, wire.ErrMalformed) {
				t.Fatalf("%x of %x: %v", short, frame, err)
			}
		}
		long := append(bytes.Clone(frame), 0)
		binary.BigEndian.PutUint32(long, uint32(len(long)-4))
		if _, err := wire.DecodeRequest(long); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("a byte too many: %v", err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	frame := func(body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	for _, tt := range []struct {
		name  string
		frame []byte
		want  error
	}{
		{"nothing", nil, wire.ErrMalformed},
		{"no kind", frame(1), wire.ErrMalformed},
		{"length too small", []byte{0, 0, 0, 1, 1, 1}, wire.ErrMalformed},
		{"length too large", []byte{0, 0, 0, 3, 1, 1}, wire.ErrMalformed},
		{"version 0", frame(0, 1), wire.ErrVersion},
		{"version 2", frame(2, 1, 9, 9), wire.ErrVersion},
		{"operation 0", frame(1, 0), wire.ErrMalformed},
		{"operation 6", frame(1, 6), wire.ErrMalformed},
		{"status with a body", frame(1, 1, 0), wire.ErrMalformed},
		{"class 3", frame(1, 5, 3, 0, 0, 0, 0, 0), wire.ErrMalformed},
		{"flag 2", frame(1, 5, 0, 2, 0, 0, 0, 0), wire.ErrMalformed},
		{"attributes out of order", frame(1, 5, 0, 0, 0, 2, 0, 0, 0, 1, 'b', 0, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 0, 0, 0, 0), wire.ErrMalformed},
		{"attribute twice", frame(1, 5, 0, 0, 0, 2, 0, 0, 0, 1, 'a', 0, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 0, 0, 0, 0), wire.ErrMalformed},
		{"too many attributes", frame(1, 5, 0, 0, 0, wire.MaxAttributes+1, 0, 0), wire.ErrMalformed},
		{"too many names", frame(1, 5, 0, 0, 0, 0, 0, wire.MaxNames+1), wire.ErrMalformed},
		{"text of 4 GiB", frame(1, 5, 0, 1, 255, 255, 255, 255), wire.ErrMalformed},
		{"create without a secret", frame(1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), wire.ErrMalformed},
		{"too large", make([]byte, wire.MaxRequest+1), wire.ErrTooLarge},
	} {
		if _, err := wire.DecodeRequest(tt.frame); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for name, f := range map[string][]byte{
		"code 16":   frame(1, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"cut off":   frame(1, 1, 0, 0, 0, 0),
		"a request": frame(1, 1),
	} {
		if _, err := wire.DecodeReply(f); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("reply, %s: %v", name, err)
		}
	}
}

func TestTooLargeIsNotSent(t *testing.T) {
	long := strings.Repeat("x", wire.MaxText+1)
	many := attrs{}
	for i := range wire.MaxAttributes + 1 {
		many[strings.Repeat("k", i+1)] = ""
	}
	for name, r := range map[string]*wire.Request{
		"secret":     {Op: wire.Create, Value: value(strings.Repeat("x", wire.MaxRequest))},
		"label":      {Op: wire.Update, Label: &long},
		"value":      {Op: wire.Find, Match: wire.Match{Attributes: attrs{"a": long}}},
		"name":       {Op: wire.Find, Match: wire.Match{Attributes: attrs{long: ""}}},
		"attributes": {Op: wire.Create, Attributes: many},
		"order":      {Op: wire.Find, Match: wire.Match{Order: make([]string, wire.MaxNames+1)}},
		"identity":   {Op: wire.Create, Unique: []string{long}},
	} {
		if _, err := wire.EncodeRequest(r); !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, r := range map[string]*wire.Reply{
		"items":  {Items: make([]wire.Item, wire.MaxItems+1)},
		"secret": {Items: []wire.Item{{Value: value(strings.Repeat("x", wire.MaxReply))}}},
		"text":   {Text: long},
		"label":  {Items: []wire.Item{{Label: long}}},
	} {
		if _, err := wire.EncodeReply(r); !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("reply, %s: %v", name, err)
		}
	}
}

func TestReadFrame(t *testing.T) {
	big, err := wire.EncodeRequest(&wire.Request{Op: wire.Create, Value: value(strings.Repeat("x", 300_000))})
	if err != nil {
		t.Fatal(err)
	}
	all := append(requestFrames(), big)
	for _, slow := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
		r := slow(bytes.NewReader(bytes.Join(all, nil)))
		for i, want := range all {
			if got, err := wire.ReadFrame(r, wire.MaxRequest); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("frame %d: %x, %v", i, got, err)
			}
		}
		if _, err := wire.ReadFrame(r, wire.MaxRequest); err != io.EOF {
			t.Errorf("after the last: %v", err)
		}
	}
	for name, tt := range map[string]struct {
		bytes []byte
		want  error
	}{
		"ends in the length": {[]byte{0, 0}, io.ErrUnexpectedEOF},
		"ends in the frame":  {[]byte{0, 0, 0, 9, 1, 1}, io.ErrUnexpectedEOF},
		"too large":          {[]byte{0, 16, 0, 0}, wire.ErrTooLarge},
		"too small":          {[]byte{0, 0, 0, 1, 1}, wire.ErrMalformed},
		"4 GiB":              {[]byte{255, 255, 255, 255}, wire.ErrTooLarge},
	} {
		if _, err := wire.ReadFrame(bytes.NewReader(tt.bytes), wire.MaxRequest); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSocket(t *testing.T) {
	parent := t.TempDir()
	run, bin := filepath.Join(parent, wire.SocketFolder), filepath.Join(parent, "bin")
	for _, dir := range []string{run, bin} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(run, wire.SocketName)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, dir := range []string{run, bin} {
		if err := os.Symlink("/bin/true", filepath.Join(dir, "security")); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, wire.SocketName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, argv0, variable, path, want string }{
		{"variable", "security", "/x/wire", bin, "/x/wire"},
		{"beside the link", filepath.Join(run, "security"), "", "", path},
		{"beside the link's folder", filepath.Join(bin, "security"), "", "", path},
		{"through PATH", "security", "", "/nowhere:" + bin + ":/bin", path},
		{"a relative folder in PATH", "security", "", ".", ""},
		{"not in PATH", "security", "", "/nowhere", ""},
		{"a file of that name", filepath.Join(elsewhere, "security"), "", "", ""},
		{"nothing", "", "", "", ""},
	} {
		got, err := wire.Socket(tt.argv0, func(name string) string {
			return map[string]string{wire.SocketVar: tt.variable, "PATH": tt.path}[name]
		})
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range seeds(f, requestFrames) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := wire.DecodeRequest(bytes.Clone(frame))
		if err != nil {
			return
		}
		again, err := wire.EncodeRequest(r)
		if err != nil || !bytes.Equal(again, frame) {
			t.Fatalf("%x decodes, and encodes to %x, %v", frame, again, err)
		}
	})
}

func FuzzReply(f *testing.F) {
	for _, s := range seeds(f, replyFrames) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := wire.DecodeReply(bytes.Clone(frame))
		if err != nil {
			return
		}
		again, err := wire.EncodeReply(r)
		if err != nil || !bytes.Equal(again, frame) {
			t.Fatalf("%x decodes, and encodes to %x, %v", frame, again, err)
		}
	})
}

func FuzzChunk(f *testing.F) {
	for _, k := range []wire.Chunk{{Stream: wire.Input}, {Stream: wire.Output, Data: []byte("x")}, {Stream: wire.Errors, Data: make([]byte, wire.MaxPiece)}, {Stream: wire.End, Data: []byte{7}}} {
		frame, err := wire.EncodeChunk(&k)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
		f.Add(frame[:len(frame)-1])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		k, err := wire.DecodeChunk(frame)
		if err != nil {
			return
		}
		again, err := wire.EncodeChunk(k)
		if err != nil || !bytes.Equal(again, frame) {
			t.Errorf("%x decodes and encodes to %x, %v", frame, again, err)
		}
	})
}

// What is no chunk is refused, and one that is too large is not sent.
func TestChunkRefused(t *testing.T) {
	if _, err := wire.EncodeChunk(&wire.Chunk{Stream: wire.Input, Data: make([]byte, wire.MaxPiece+1)}); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	for name, k := range map[string]wire.Chunk{"no stream": {}, "another": {Stream: wire.End + 1}, "no status": {Stream: wire.End}, "two": {Stream: wire.End, Data: []byte{1, 2}}} {
		frame, err := wire.EncodeChunk(&k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.DecodeChunk(frame); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
