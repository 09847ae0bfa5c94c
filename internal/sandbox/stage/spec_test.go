package stage_test

import (
	"reflect"
	"strings"
	"testing"

	"keyhole/internal/sandbox/stage"
)

func example() *stage.Spec {
	return &stage.Spec{
		Flags: stage.UDP | stage.NoCloseRange, Path: "/bin/x", Dir: "/", Closed: "/run/k", Refused: "name\x00with\nall",
		Probe: "/run/k/s", Argv: []string{"x", "", "-y"}, Env: []string{"A=1", "B=" + strings.Repeat("z", 1<<17)},
	}
}

func walled() *stage.Spec {
	s := example()
	s.Flags |= stage.Hardened
	s.Walls = stage.Walls{
		Make: []stage.Place{{Path: "0/a"}, {Path: "/tmp/x", File: true}, {Path: "n.d/n", Link: "/bin/x"}},
		Mounts: []stage.Mount{{How: stage.AsIs, From: "/a", At: "/a", Dev: 1 << 40, Ino: 1<<63 + 5},
			{How: stage.Merged, From: "n.d", At: "/usr/bin"}},
		Rules:  []stage.Rule{{Path: "/proc", Folder: 1 << 33, File: 7}},
		Hidden: stage.Rule{Folder: 12, File: 4}, Tty: stage.Rule{File: 6},
	}
	return s
}

func TestDecodeOfEncode(t *testing.T) {
	for _, s := range []*stage.Spec{{}, example(), walled()} {
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := stage.Decode(b)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%v: %+v", err, got)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	b, err := (&stage.Spec{Path: "/bin/x", Argv: []string{"x"}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{
		"nothing": nil, "one byte more": append(b[:len(b):len(b)], 0),
		"a huge count": append(b[:len(b)-4:len(b)-4], 0xff, 0xff, 0xff, 0x7f),
		"too long":     make([]byte, stage.MaxSpec+1),
	}
	for i := range b {
		bad["cut"] = b[:i]
		for name, c := range bad {
			if _, err := stage.Decode(c); err == nil {
				t.Fatalf("%s at %d was read", name, i)
			}
		}
	}
	if _, err := (&stage.Spec{Path: strings.Repeat("x", stage.MaxSpec)}).Encode(); err == nil {
		t.Error("a spec that is too long was written")
	}
}

func FuzzDecode(f *testing.F) {
	b, err := example().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	if b, err = walled().Encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := stage.Decode(b)
		if err != nil {
			return
		}
		again, err := s.Encode()
		if err != nil || string(again) != string(b) {
			t.Errorf("%v: decodes, but encodes differently", err)
		}
	})
}

func TestMessages(t *testing.T) {
	for _, m := range []stage.Message{
		{Kind: stage.Ready}, {Kind: stage.Failed, Step: stage.Exec, Errno: 0x01020304},
		{Kind: stage.Listener, Word: 0x1122334455667788},
	} {
		b := m.Encode()
		if got, ok := stage.DecodeMessage(b[:]); !ok || got != m {
			t.Errorf("%+v became %+v, %v", m, got, ok)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, stage.MessageSize), append([]byte{9}, make([]byte, 15)...),
		append([]byte{1, 0, 1}, make([]byte, 13)...), append([]byte{1}, make([]byte, 16)...)} {
		if m, ok := stage.DecodeMessage(b); ok {
			t.Errorf("%v was read as %+v", b, m)
		}
	}
}
