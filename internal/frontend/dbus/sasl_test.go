package dbus

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// pieces gives out at most n bytes a read.
type pieces struct {
	data []byte
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.data)
	p.data = p.data[n:]
	return n, nil
}

const testGUID = "00112233445566778899aabbccddeeff"

// shake runs the server's half and returns what it said and what it left.
func shake(text string, split int) (said, left string, err error) {
	in := &stream{src: &pieces{data: []byte(text), n: split}}
	var out bytes.Buffer
	err = authenticate(in, &out, testGUID)
	if err != nil {
		return out.String(), "", err
	}
	rest := bytes.Clone(in.buf[in.r:in.w])
	more, readErr := io.ReadAll(in.src)
	return out.String(), string(append(rest, more...)), errors.Join(err, readErr)
}

func TestAuthenticate(t *testing.T) {
	ok := "OK " + testGUID + "\r\n"
	for _, tt := range []struct{ name, in, said, left string }{
		{"libdbus", "\x00AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", ok + "ERROR\r\n", ""},
		{"jeepney", "\x00AUTH EXTERNAL 31303030\r\nBEGIN\r\n", ok, ""},
		{"gdbus", "\x00AUTH\r\nAUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", "REJECTED EXTERNAL\r\nDATA\r\n" + ok + "ERROR\r\n", ""},
		{"identity later", "\x00AUTH EXTERNAL\r\nDATA 30\r\nBEGIN\r\n", "DATA\r\n" + ok, ""},
		{"pipelined", "\x00AUTH EXTERNAL 30\r\nBEGIN\r\nl\x01\x00\x01", ok, "l\x01\x00\x01"},
		{"other mechanism first", "\x00AUTH DBUS_COOKIE_SHA1 30\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n", "REJECTED EXTERNAL\r\n" + ok, ""},
		{"canceled and again", "\x00AUTH EXTERNAL\r\nCANCEL\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n", "DATA\r\nREJECTED EXTERNAL\r\n" + ok, ""},
		{"not hexadecimal", "\x00AUTH EXTERNAL zz\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n", "REJECTED EXTERNAL\r\n" + ok, ""},
		{"unknown command", "\x00HELLO\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n", "ERROR\r\n" + ok, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, split := range []int{1, 2, 3, 7, 1 << 20} {
				said, left, err := shake(tt.in, split)
				if err != nil || said != tt.said || left != tt.left {
					t.Errorf("split %d: said %q, left %q, %v; want %q, %q", split, said, left, err, tt.said, tt.left)
				}
			}
		})
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":             "",
		"no NUL first":        "AUTH EXTERNAL 30\r\nBEGIN\r\n",
		"BEGIN at once":       "\x00BEGIN\r\n",
		"BEGIN before OK":     "\x00AUTH EXTERNAL\r\nBEGIN\r\n",
		"BEGIN after cancel":  "\x00AUTH EXTERNAL 30\r\nCANCEL\r\nBEGIN\r\n",
		"newline alone":       "\x00AUTH EXTERNAL 30\nBEGIN\n",
		"not ASCII":           "\x00AUTH EXTERNAL 30\r\n\xff\r\nBEGIN\r\n",
		"control character":   "\x00AUTH EXTERNAL 30\r\nX\x1b\r\nBEGIN\r\n",
		"NUL in a line":       "\x00AUTH\x00EXTERNAL 30\r\nBEGIN\r\n",
		"long line":           "\x00AUTH EXTERNAL " + strings.Repeat("30", maxLine) + "\r\nBEGIN\r\n",
		"long line, no end":   "\x00" + strings.Repeat("A", 1<<16),
		"too many mechanisms": "\x00" + strings.Repeat("AUTH\r\n", maxRejects+1) + "AUTH EXTERNAL 30\r\nBEGIN\r\n",
		"too long in all":     "\x00" + strings.Repeat(strings.Repeat("X", 1000)+"\r\n", 17) + "AUTH EXTERNAL 30\r\nBEGIN\r\n",
		"cut":                 "\x00AUTH EXTERNAL 30\r\nBEG",
	} {
		t.Run(name, func(t *testing.T) {
			for _, split := range []int{1, 1 << 20} {
				if said, _, err := shake(in, split); err == nil {
					t.Errorf("split %d: taken, after saying %q", split, said)
				}
			}
		})
	}
}

func FuzzSASL(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzSASL/*")
	if err != nil || len(seeds) < 5 {
		f.Fatalf("%d seeds, %v", len(seeds), err)
	}
	f.Fuzz(func(t *testing.T, data []byte, split byte) {
		saidAll, leftAll, errAll := shake(string(data), 1<<20)
		said, left, err := shake(string(data), int(split)+1)
		if said != saidAll || left != leftAll || (err == nil) != (errAll == nil) {
			t.Fatalf("split %d: %q %q %v; at once: %q %q %v", split, said, left, err, saidAll, leftAll, errAll)
		}
		if err == nil && !strings.Contains(said, "OK "+testGUID) {
			t.Fatalf("begun without OK: %q", said)
		}
	})
}
