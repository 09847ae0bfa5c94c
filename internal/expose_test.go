package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exposures says in which functions a secret is opened, and how often. A new
// place is a decision: the bytes leave their type there.
func exposures() map[string]int {
	return map[string]int{
		"internal/cli/store.go getItem":                     1,
		"internal/frontend/dbus/session.go seal":            1,
		"internal/frontend/env/env.go value":                1,
		"internal/provider/keychain/line.go secret":         1,
		"internal/provider/sealedfile/body.go appendTo":     1,
		"internal/provider/sealedfile/file.go openBox":      1,
		"internal/provider/sealedfile/file.go seal":         1,
		"internal/provider/sealedfile/file.go unseal":       1,
		"internal/provider/sealedfile/key.go identities":    2,
		"internal/provider/sealedfile/key.go recipients":    1,
		"internal/provider/secretservice/session.go encode": 2,
		"internal/secret/fields.go Digest":                  1,
		"internal/secret/fields.go Merge":                   2,
		"internal/secret/fields.go Pick":                    1,
		"internal/secret/value.go Len":                      1,
		"internal/secret/value.go Clone":                    1,
		"internal/secret/value.go Equal":                    2,
		"internal/session/storekey.go GenerateIdentity":     1,
		"internal/session/storekey.go NewKey":               2,
		"internal/session/storekey.go readPassphrase":       1,
		"internal/shim/security/find.go dumpItem":           1,
		"internal/shim/security/find.go find":               2,
		"internal/wire/codec.go value":                      1,

		"internal/shim/dockercredential/dockercredential.go give":   1,
		"internal/shim/get/get.go Run":                              1,
		"internal/shim/gitcredential/gitcredential.go samePassword": 2,
		"internal/shim/gitcredential/protocol.go answer":            1,
		"internal/shim/gitcredential/protocol.go kept":              2,
	}
}

// TestExpose finds every call of a method named Expose outside tests, whatever
// it is called on, and every use of it as a value.
func TestExpose(t *testing.T) {
	found := map[string]int{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); path != ".." && (strings.HasPrefix(n, ".") || n == "testdata" || n == "integration" || n == "redteam" || n == "providertest" || n == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if n := countExpose(decl); n > 0 {
				found[filepath.ToSlash(strings.TrimPrefix(path, "../"))+" "+nameOf(decl)] += n
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := exposures()
	for _, place := range slices.Sorted(maps.Keys(found)) {
		if found[place] != want[place] {
			t.Errorf("%q: %d, // in the list: %d", place, found[place], want[place])
		}
		delete(want, place)
	}
	for place := range want {
		t.Errorf("%q is in the list and opens nothing", place)
	}
}

func countExpose(decl ast.Decl) int {
	n := 0
	ast.Inspect(decl, func(node ast.Node) bool {
		if sel, ok := node.(*ast.SelectorExpr); ok && sel.Sel.Name == "Expose" {
			n++
		}
		return true
	})
	return n
}

func nameOf(decl ast.Decl) string {
	if f, ok := decl.(*ast.FuncDecl); ok {
		return f.Name.Name
	}
	return "(no function)"
}
