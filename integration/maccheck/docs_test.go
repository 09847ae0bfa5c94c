package maccheck

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	onLinux   = "runs on Linux CI"
	onMac     = "runs on a Mac by workflow"
	nowhere   = "not verified"
	page      = "../../docs/macos.md"
	fewestSay = 45 // statements; fewer: the page is not read as it was meant
)

// statements are the paragraphs, list items and table rows below the page's first
// heading but one; what comes before explains the marks.
func statements(text string) []string {
	_, text, _ = strings.Cut(text, "\n## ")
	var all []string
	var cur []string
	end := func() {
		if len(cur) > 0 {
			all = append(all, strings.Join(strings.Fields(strings.Join(cur, " ")), " "))
		}
		cur = nil
	}
	code := false
	for _, line := range strings.Split("## "+text, "\n") {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "```"):
			end()
			code = !code
		case code:
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
			end()
		case strings.HasPrefix(trimmed, "|"):
			end()
			if !strings.HasPrefix(trimmed, "|---") && !strings.HasPrefix(trimmed, "| program |") {
				all = append(all, trimmed)
			}
		case strings.HasPrefix(trimmed, "- "), strings.HasPrefix(trimmed, "* "):
			end()
			cur = []string{trimmed}
		default:
			cur = append(cur, trimmed)
		}
	}
	end()
	return all
}

// unmarked says what is wrong with a statement's mark.
func unmarked(s string, tests map[string]bool, ids []string) string {
	linux, mac, no := strings.Contains(s, onLinux), strings.Contains(s, onMac), strings.Contains(s, nowhere)
	if marks := count(linux, mac, no); marks != 1 {
		return "does not say once how it is known"
	}
	named := regexp.MustCompile(`\b(Test|Fuzz)[A-Z][A-Za-z]*`).FindAllString(s, -1)
	checks := regexp.MustCompile(`\bV-[0-9]{2}\b`).FindAllString(s, -1)
	switch {
	case linux && len(named) == 0:
		return "names no test"
	case mac && len(checks) == 0:
		return "names no step"
	}
	for _, n := range named {
		if !tests[n] {
			return "names " + n + ", which is no test"
		}
	}
	for _, id := range checks {
		if !slices.Contains(ids, id) {
			return "names " + id + ", which is no step"
		}
	}
	return ""
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

// testNames are all tests of the tree.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	name := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z]+)\(`)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "../.." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(path)
		for _, m := range name.FindAllSubmatch(b, -1) {
			all[string(m[1])] = true
		}
		return err
	})
	if err != nil || len(all) < 100 {
		t.Fatalf("%d tests, %v", len(all), err)
	}
	return all
}

// Each statement of the page about macOS says how it is known, and by what.
func TestEveryStatementIsMarked(t *testing.T) {
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range steps(t) {
		ids = append(ids, s.id)
	}
	tests, all := testNames(t), statements(string(b))
	if len(all) < fewestSay {
		t.Fatalf("%d statements", len(all))
	}
	for _, s := range all {
		if wrong := unmarked(s, tests, ids); wrong != "" {
			t.Errorf("%s: %s", wrong, s)
		}
	}
}

func TestMarks(t *testing.T) {
	tests, ids := map[string]bool{"TestX": true}, []string{"V-01"}
	for s, good := range map[string]bool{
		"a — runs on Linux CI (TestX).":                       true,
		"a — runs on a Mac by workflow (V-01).":               true,
		"a — not verified.":                                   true,
		"a.":                                                  false,
		"a — runs on Linux CI.":                               false,
		"a — runs on Linux CI (TestY).":                       false,
		"a — runs on a Mac by workflow (V-02).":               false,
		"a — runs on a Mac by workflow.":                      false,
		"a — runs on Linux CI (TestX) and b is not verified.": false,
	} {
		if wrong := unmarked(s, tests, ids); (wrong == "") != good {
			t.Errorf("%s: %q", s, wrong)
		}
	}
	text := "# t\n\nintro\n\n## one\n\npara\nline\n\n* item\n  more\n* two\n\n```\ncode\n```\n\n| program | x |\n|---|---|\n| a | b |\n"
	if got := statements(text); !slices.Equal(got, []string{"para line", "* item more", "* two", "| a | b |"}) {
		t.Errorf("%q", got)
	}
}
