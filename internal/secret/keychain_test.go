package secret

import "testing"

// Every protocol has one code and one name, so that what is written reads back.
func TestProtocols(t *testing.T) {
	codes, names := map[string]bool{}, map[string]bool{}
	for _, p := range protocols {
		if len(p.code) != 4 || codes[p.code] || names[p.name] {
			t.Errorf("%q, %q", p.code, p.name)
		}
		codes[p.code], names[p.name] = true, true
		if ProtocolCode(ProtocolName(p.code)) != p.code {
			t.Errorf("%q does not come back", p.code)
		}
	}
	for _, unknown := range []string{"zzzz", "gopher+tls", ""} {
		if ProtocolCode(ProtocolName(unknown)) != unknown {
			t.Errorf("%q is another", unknown)
		}
	}
}
