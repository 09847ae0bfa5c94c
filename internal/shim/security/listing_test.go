package security

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"

	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

func TestBuffer(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"text", `"text"`},
		{"a b~", `"a b~"`},
		{`p"w`, `"p"w"`},
		{"\n", "0x0A "},
		{"a\tb", `0x610962  "a\011b"`},
		{`a\b`, `0x615C62  "a\134b"`},
		{`\`, "0x5C "},
		{"\x00\x01\xff", "0x0001FF "},
		{"\x7f", "0x7F "},
		{"zür", `0x7AC3BC72  "z\303\274r"`},
		{"\x00\x00\x00P", `0x00000050  "\000\000\000P"`},
	} {
		if got := buffer([]byte(tt.in)); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSecretLine(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{`plain "\ ~`, `plain "\ ~`},
		{"two\nlines", "74776f0a6c696e6573"},
		{"tab\t", "74616209"},
		{"\x7f", "7f"},
		{"é", "c3a9"},
		{"\x00", "00"},
		{"c3a9", "c3a9"},
	} {
		if got := secretLine([]byte(tt.in)); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

// What the buffer rule writes can be read back.
func FuzzBuffer(f *testing.F) {
	for _, s := range []string{"", "text", "a\tb", `a\b`, "\x00\xff", `"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out := buffer(in)
		if len(in) == 0 {
			if out != "" {
				t.Fatalf("nothing gives %q", out)
			}
			return
		}
		if digits, ok := strings.CutPrefix(out, "0x"); ok {
			digits, text, _ := strings.Cut(digits, " ")
			b, err := hex.DecodeString(digits)
			if err != nil || !bytes.Equal(b, in) || digits != strings.ToUpper(digits) {
				t.Fatalf("%q gives %q", in, out)
			}
			if text != "" && !strings.HasPrefix(text, ` "`) {
				t.Fatalf("%q gives %q", in, out)
			}
			return
		}
		if out != `"`+string(in)+`"` {
			t.Fatalf("%q gives %q", in, out)
		}
	})
}

func TestDecodeHex(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		ok       bool
	}{
		{"", "", true},
		{"00", "00", true},
		{"7AC3bc", "7ac3bc", true},
		{"a", "0a", true},
		{"abc", "0ad0", true},
		{"FFF", "0ff0", true},
		{"12345", "013450", true},
		{"xyz", "", false},
		{"0x00", "", false},
		{"0g", "", false},
		{"abg", "", false},
		{"a ", "", false},
	} {
		got, ok := decodeHex(tt.in)
		if ok != tt.ok || hex.EncodeToString(got) != tt.want {
			t.Errorf("%q: %x, %v", tt.in, got, ok)
		}
	}
}

func FuzzHex(f *testing.F) {
	for _, s := range []string{"", "00", "abc", "7AC3bc7269", "xyz", "0x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, digits string) {
		got, ok := decodeHex(digits)
		if ok != (strings.Trim(digits, "0123456789abcdefABCDEF") == "") {
			t.Fatalf("%q is taken: %v", digits, ok)
		}
		if !ok {
			return
		}
		if len(got) != (len(digits)+1)/2 {
			t.Fatalf("%q gives %d bytes", digits, len(got))
		}
		for k, b := range got {
			// Byte k from digits 2k and 2k+1, the first of an odd number alone, a
			// missing last one as binary 10000.
			want := 0
			switch odd := len(digits)%2 == 1; {
			case odd && k == 0:
				want = number16(digits[0])
			case odd && 2*k+1 == len(digits):
				want = number16(digits[2*k])<<4 | 16
			default:
				want = number16(digits[2*k])<<4 | number16(digits[2*k+1])
			}
			if int(b) != want {
				t.Fatalf("%q: byte %d is %02x", digits, k, b)
			}
		}
	})
}

func number16(c byte) int {
	n, err := strconv.ParseUint(string(c), 16, 8)
	if err != nil {
		panic(err)
	}
	return int(n)
}

func TestCNumber(t *testing.T) {
	for _, tt := range []struct {
		in   string
		base int
		want int64
	}{
		{"443", 10, 443}, {"443abc", 10, 443}, {"https", 10, 0}, {"", 10, 0}, {" 12", 10, 12}, {"-1", 10, -1}, {"+7", 10, 7}, {"0x10", 10, 0},
		{"0xFFFF9D2D", 0, 0xFFFF9D2D}, {"0Xa", 0, 10}, {"017", 0, 15}, {"08", 0, 0}, {"0x", 0, 0}, {"-25300", 0, -25300}, {"-0x10", 0, -16},
		{"99999999999999999999", 10, 9223372036854775807}, {"nonsense", 0, 0},
	} {
		if got := cNumber(tt.in, tt.base); got != tt.want {
			t.Errorf("%q in base %d: %d, want %d", tt.in, tt.base, got, tt.want)
		}
	}
}

// A protocol is four characters in a listing; one that has none is 0.
func TestListedProtocol(t *testing.T) {
	for name, want := range map[string]attribute{
		"https": code(`"ptcl"`, "htps"), "zzzz": code(`"ptcl"`, "zzzz"), "gopher+tls": number(`"ptcl"`, 0), "": number(`"ptcl"`, 0),
	} {
		it := &wire.Item{Class: secret.InternetPassword, Attributes: map[string]string{keyProtocol: name}}
		if !slices.Contains(attributes(it), want) {
			t.Errorf("%q is not listed as %v: %v", name, want, attributes(it))
		}
	}
}
