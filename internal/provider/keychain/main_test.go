package keychain

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
	"keyhole/internal/shim"
)

// partVar makes this test binary play the tool in one way or another.
const partVar = "KEYHOLE_TEST_PART"

func TestMain(m *testing.M) {
	switch part := os.Getenv(partVar); part {
	case "":
		os.Exit(m.Run())
	case "shim":
		// keyhole's own security in place of Apple's.
		os.Exit(shim.Run(shim.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args))
	default:
		os.Exit(play(part))
	}
}

// play is a tool that behaves badly, or tells what it was given.
func play(part string) int {
	switch part {
	case "hang":
		time.Sleep(time.Hour)
	case "flood":
		for {
			if _, err := os.Stdout.Write(make([]byte, 64<<10)); err != nil {
				return 1
			}
		}
	case "tell":
		dir, _ := os.Getwd()
		in, _ := io.ReadAll(os.Stdin)
		io.WriteString(os.Stdout, strings.Join([]string{strings.Join(os.Args, " "), dir, strings.Join(os.Environ(), ","), string(in)}, "\n"))
		return 44
	}
	return 1
}

// shape is what a keychain makes of the suite's attributes, which it has no
// place for: they go where it keeps remarks, and an item without a service gets
// one that is made of the rest.
func shape(attributes map[string]string, query bool) map[string]string {
	places := map[string]string{"keyhole-test": secret.KeychainComment, "k": secret.KeychainKind, "n": secret.KeychainKind, "name": secret.KeychainKind, "content": secret.KeychainKind, "extra": secret.KeychainGeneric}
	out := map[string]string{}
	var all []string
	for _, k := range slices.Sorted(maps.Keys(attributes)) {
		v := attributes[k]
		all = append(all, k+"="+v)
		if p := places[k]; p != "" {
			k = p
		}
		if v != "" || query || k == keyAccount || k == keyService {
			out[k] = v
		}
	}
	if _, internet := out[keyServer]; query || internet {
		return out
	}
	if _, ok := out[keyService]; !ok {
		out[keyService] = strings.Join(all, " ")
	}
	if _, ok := out[keyAccount]; !ok {
		out[keyAccount] = ""
	}
	return out
}

func traits() providertest.Traits {
	return providertest.Traits{
		Unordered: true, NoContentType: true, ReusesIDs: true, NoDuplicates: true, NoAbsent: true, NoSchema: true,
		MaxSecret: 1700, Shape: shape, Identity: []string{keyService, keyAccount},
	}
}

// home makes a person's folder with an empty file where the keychain would be.
func home(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"login", "work"} {
		file := keychainFile(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func keychainFile(home, name string) string {
	return filepath.Join(home, "Library", "Keychains", name+".keychain-db")
}
