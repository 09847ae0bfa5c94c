package cli_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"keyhole/internal/cli"
)

// The table of exit codes in docs/ and in the manual is the program's, and has
// all of its constants.
func TestExitCodes(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "exit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[int]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(s.Names[0].Name, "Exit") {
			code, err := strconv.Atoi(s.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			constants[code] = true
		}
		return true
	})
	if len(constants) != 7 {
		t.Fatalf("%d constants", len(constants))
	}
	doc, err := os.ReadFile("../../docs/exit-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	env, _, errs, _ := logEnv(t)
	dir := t.TempDir()
	if code := cli.Run(t.Context(), env, []string{"man", dir}); code != 0 {
		t.Fatal(errs)
	}
	page, err := os.ReadFile(dir + "/keyhole.1")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, m := range cli.ExitMeanings() {
		rows++
		if !constants[m.Code] {
			t.Errorf("%d is no constant", m.Code)
		}
		delete(constants, m.Code)
		row := strings.ReplaceAll(fmt.Sprintf("| %s | %s | %s |\n", m.Shown, m.Run, m.Other), "|  |", "| |")
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/exit-codes.md has no row %q", row)
		}
		if !strings.Contains(string(page), "\\fB"+m.Shown+"\\fR\n") {
			t.Errorf("keyhole.1 has no %s", m.Shown)
		}
	}
	if n := strings.Count(string(doc), "\n| ") - 1; n != rows {
		t.Errorf("docs/exit-codes.md has %d rows, the program %d", n, rows)
	}
	for code := range constants {
		t.Errorf("%d is in no table", code)
	}
}
