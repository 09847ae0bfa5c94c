package profile_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/profile"
)

// docs/agents.md has each built-in profile, with three lines to start with and
// each service its rules name.
func TestAgentsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/agents.md")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	all, err := profile.List(p.dirs)
	if err != nil {
		t.Fatal(err)
	}
	var names, documented []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	sections := map[string]string{}
	for _, part := range regexp.MustCompile(`(?m)^## `).Split(string(page), -1)[1:] {
		name, text, _ := strings.Cut(part, "\n")
		documented = append(documented, name)
		sections[name], _, _ = strings.Cut(text, "\n# ")
	}
	slices.Sort(names)
	slices.Sort(documented)
	if !slices.Equal(names, documented) || len(names) < 10 {
		t.Errorf("the page has %q, built in are %q", documented, names)
	}
	for name, text := range sections {
		if n := len(regexp.MustCompile(`(?m)^    \S`).FindAllString(text, -1)); n != 3 {
			t.Errorf("%s: %d lines to start with", name, n)
		}
		got, err := p.load(t, name)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(got.Rules) == 0 && !strings.Contains(text, "No item") {
			t.Errorf("%s: it is not said that it has no item", name)
		}
		for _, r := range got.Rules {
			if !slices.ContainsFunc(slices.Concat(r.Services, r.ServicePrefixes), func(s string) bool { return strings.Contains(text, s) }) &&
				!strings.Contains(text, "probe") && !strings.Contains(text, "all of gh's") && !strings.Contains(text, "extensions") {
				t.Errorf("%s: nothing is said of the rule at %s", name, r.Source)
			}
		}
		for _, f := range got.Filesystem.CreateFolders {
			if short := strings.Replace(f.Path, p.vars.Home, "~", 1); got.Name == name && !strings.Contains(text, short) && !strings.Contains(text, "aches") {
				t.Errorf("%s: nothing is said of %s", name, short)
			}
		}
		if len(got.OpenURLs.Ask) > 0 != strings.Contains(strings.Join(strings.Fields(text), " "), "page opened") {
			t.Errorf("%s: the browser", name)
		}
	}
}
