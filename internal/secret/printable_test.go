package secret_test

import (
	"strings"
	"testing"

	"keyhole/internal/secret"
)

func TestPrintable(t *testing.T) {
	tests := []struct{ in, want string }{
		{"gh:github.com", "gh:github.com"},
		{"Müller und 日本", "Müller und 日本"},
		{"a b", "a b"},
		{"\x1b[2J", `\x1b[2J`},
		{"a\nb\tc\r", `a\nb\tc\r`},
		{"\x00\x7f", `\x00\x7f`},
		{"\u009b31m", `\u009b31m`},
		{"safe\u202etxt.exe", `safe\u202etxt.exe`},
		{"zero\u200bwidth\ufeff", `zero\u200bwidth\ufeff`},
		{"line\u2028sep", `line\u2028sep`},
		{"nbsp\u00a0x", `nbsp\u00a0x`},
		{"\xff\xfe", `\xff\xfe`},
		{"hangul\u3164filler", `hangul\u3164filler`},
		{strings.Repeat("x", 300), strings.Repeat("x", 256) + "…"},
	}
	for _, tt := range tests {
		if got := secret.Printable(tt.in); got != tt.want {
			t.Errorf("Printable(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
