package macho

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list anew")

const (
	programs = "../../.cache/mac-clients"
	list     = "testdata/clients.txt"
	// wantVar is set where the programs must be there: the nightly run.
	wantVar = "KEYHOLE_MAC_CLIENTS"
)

// TestClients compares the agents' programs with the list. It reads about 1.3 GB,
// so that it is for the nightly run, after scripts/fetch-mac-clients; at a desk
// without them it is skipped.
func TestClients(t *testing.T) {
	if _, err := os.Stat(programs); err != nil {
		if os.Getenv(wantVar) != "" {
			t.Fatalf("the programs are not there: %v; run scripts/fetch-mac-clients", err)
		}
		t.Skip("scripts/fetch-mac-clients has not been run")
	}
	got, err := Survey(programs)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"claude-arm64/", "codex-x64/", "copilot-arm64/"} {
		if !strings.Contains(got, name) {
			t.Errorf("no program of %s", name)
		}
	}
	if *update {
		if err := os.WriteFile(list, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	t.Errorf("a program has changed its ways: read docs/macos.md again, mend it, and write %s anew with -update", list)
	have, had := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for n := range max(len(have), len(had)) {
		line := func(l []string) string {
			if n < len(l) {
				return l[n]
			}
			return "(nothing)"
		}
		if a, b := line(had), line(have); a != b {
			t.Errorf("line %d\nwas %s\nis  %s", n+1, a, b)
		}
	}
}

// thin builds a program with a signature, for the reader.
func thin(entitlements, team string, hardened bool, imports ...string) []byte {
	var sign bytes.Buffer
	be := binary.BigEndian
	dir := make([]byte, 56)
	be.PutUint32(dir, magicDirectory)
	be.PutUint32(dir[8:], versionWithTeam)
	if hardened {
		be.PutUint32(dir[12:], flagRuntime|2)
	}
	be.PutUint32(dir[48:], uint32(len(dir)))
	dir = append(append(dir, team...), 0)
	be.PutUint32(dir[4:], uint32(len(dir)))
	ent := append([]byte{0xfa, 0xde, 0x71, 0x71, 0, 0, 0, 0}, entitlements...)
	be.PutUint32(ent[4:], uint32(len(ent)))
	head := make([]byte, 12+16)
	be.PutUint32(head, magicSuper)
	be.PutUint32(head[8:], 2)
	be.PutUint32(head[16:], uint32(len(head)))
	be.PutUint32(head[20:], 5)
	be.PutUint32(head[24:], uint32(len(head)+len(dir)))
	sign.Write(head)
	sign.Write(dir)
	sign.Write(ent)

	names := []byte{0}
	for _, n := range imports {
		names = append(append(names, n...), 0)
	}
	const headers = 32 + 72 + 16
	le := binary.LittleEndian
	b := make([]byte, headers)
	for n, v := range []uint32{0xfeedfacf, 0x0100000c, 0, 2, 2, 72 + 16, 0, 0} {
		le.PutUint32(b[4*n:], v)
	}
	seg := b[32:]
	le.PutUint32(seg, 0x19)
	le.PutUint32(seg[4:], 72)
	copy(seg[8:], "__LINKEDIT")
	le.PutUint64(seg[32:], uint64(len(names)+sign.Len()))
	le.PutUint64(seg[40:], headers)
	le.PutUint64(seg[48:], uint64(len(names)+sign.Len()))
	code := b[32+72:]
	le.PutUint32(code, loadSignature)
	le.PutUint32(code[4:], 16)
	le.PutUint32(code[8:], uint32(headers+len(names)))
	le.PutUint32(code[12:], uint32(sign.Len()))
	return append(append(b, names...), sign.Bytes()...)
}

const plist = `<?xml version="1.0"?><plist><dict><key>com.apple.security.cs.allow-jit</key><true/><key>keychain-access-groups</key><array><string>X</string></array></dict></plist>`

func TestReader(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program")
	b := thin(plist, "Q6L2SF6YDW", true, "_SecItemCopyMatching", "_read", "_SecKeychainFindGenericPassword", "_SecItemCopyMatching", "_SecRandomCopyBytes")
	if err := os.WriteFile(file, append(b, "find-generic-password"...), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Survey(filepath.Dir(file))
	want := "program\n  team Q6L2SF6YDW, hardened runtime true\n  entitlements: com.apple.security.cs.allow-jit keychain-access-groups\n" +
		"  Security.framework: not linked\n  keychain calls: SecItemCopyMatching SecKeychainFindGenericPassword\n  words of the security tool: true\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if facts, err := parse(thin("", "", false)); err != nil || facts.Hardened || facts.Team != "" || len(facts.Calls) != 0 {
		t.Errorf("%+v, %v", facts, err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(thin(plist, "TEAM", true, "_SecItemAdd"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parse(b) })
}
