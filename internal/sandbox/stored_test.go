package sandbox

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answered is an answer of getattrlist with a path of so many bytes further on.
func answered(path string, gap int, cut int) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(12+gap+len(path)+1-cut))
	b = binary.NativeEndian.AppendUint32(b, uint32(8+gap))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(path)+1))
	b = append(append(b, make([]byte, gap)...), path...)
	return append(b, make([]byte, 40)...)
}

func TestFullPathIn(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{answered("/Users/alice/Übung", 0, 0), "/Users/alice/Übung"}, {answered("/x", 4, 0), "/x"},
		{answered("", 0, 0), ""}, {answered("/x", 0, 1), ""}, {append(binary.NativeEndian.AppendUint32(nil, 20), "\xf8\xff\xff\xff\x08\x00\x00\x00/x/x/x/\x00"...), ""}, {nil, ""}, {make([]byte, 12), ""},
		{[]byte(strings.Repeat("\xff", 64)), ""},
	} {
		if got, ok := fullPathIn(c.b); got != c.want || ok != (c.want != "") {
			t.Errorf("%q: %q, %v", c.b, got, ok)
		}
	}
}

func FuzzFullPathIn(f *testing.F) {
	f.Add(answered("/Users/alice", 0, 0))
	f.Add([]byte(strings.Repeat("\xff", 64)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := fullPathIn(b); ok && (p == "" || strings.ContainsRune(p, 0) || len(p) > len(b)) {
			t.Errorf("%q", p)
		}
	})
}

// Only another spelling of a path, and of the same file, takes its place.
func TestStoredAs(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"Real/sub", "x"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "one"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ONE", "another"} {
		if err := os.Link(filepath.Join(dir, "one"), filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ p, full, want string }{
		{"one", "ONE", "ONE"},     // as a file system does it that takes any case
		{"one", "another", "one"}, // a hard link of another name
		{"one", "x/one", "one"},   // a volume seen at two places
		{"one", "nothere", "one"},
		{"one", "one/", "one"}, // not as it should be
		{"Real/sub", "Real/sub", "Real/sub"},
	} {
		full := filepath.Join(dir, c.full)
		if strings.HasSuffix(c.full, "/") {
			full += "/"
		}
		if got := storedAs(filepath.Join(dir, c.p), full); got != filepath.Join(dir, c.want) {
			t.Errorf("%s, said to be %s: %s", c.p, c.full, got)
		}
	}
	if !respelled("/a/é", "/A/e\u0301") || respelled("/a/e", "/a/e\u0301") || respelled("/Users/a", "/System/Volumes/Data/Users/a") {
		t.Error("what can be a spelling of one path is told wrongly")
	}
}
