package keychain

import (
	"fmt"
	"slices"
	"testing"

	"keyhole/internal/secret"
)

// Who may read an item is not ours to change. An update is one line that changes the
// item in its place: the programs that are trusted with it stay, and so do the
// families of programs (the partition list), unless new bytes are written; those are
// then the tool's family's, which the tool has no way around but the keychain's
// password.
func TestUpdateKeepsAccess(t *testing.T) {
	label, comment, value := "other label", "other comment", text("new")
	trusted, partitions := []string{"/Applications/Owner.app", Program}, []string{"teamid:ABCDE12345", "apple:"}
	for name, c := range map[string]struct {
		change   func(i secret.Info) secret.Change
		anew     bool // new bytes
		internet bool
	}{
		"the label": {change: func(secret.Info) secret.Change { return secret.Change{Label: &label} }},
		"an attribute": {change: func(i secret.Info) secret.Change {
			i = i.Clone()
			i.Attributes[secret.KeychainComment] = comment
			return secret.Change{Attributes: i.Attributes}
		}},
		"the secret":               {change: func(secret.Info) secret.Change { return secret.Change{Value: &value} }, anew: true},
		"secret and label":         {change: func(secret.Info) secret.Change { return secret.Change{Value: &value, Label: &label} }, anew: true},
		"an internet password":     {change: func(secret.Info) secret.Change { return secret.Change{Value: &value} }, anew: true, internet: true},
		"nothing":                  {change: func(secret.Info) secret.Change { return secret.Change{} }},
		"the label it has already": {change: func(i secret.Info) secret.Change { return secret.Change{Label: &i.Label} }},
	} {
		s, r := over(t)
		e := &entry{class: classGeneric, options: map[byte]string{'a': "me", 's': "svc", 'l': "owner's"}, secret: []byte("old")}
		if c.internet {
			e.class, e.options = classInternet, map[byte]string{'a': "me", 's': "host", 'l': "owner's", 't': "dflt", 'r': "htps", 'P': "443"}
		}
		e.trusted, e.partitions = slices.Clone(trusted), slices.Clone(partitions)
		r.items = append(r.items, e)
		found, err := s.List(t.Context(), secret.Query{})
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %d items, %v", name, len(found), err)
		}
		if err := s.Update(t.Context(), found[0].ID, c.change(found[0])); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := partitions
		if c.anew {
			want = toolPartitions
		}
		if len(r.items) != 1 || r.items[0] != e {
			t.Errorf("%s: another item has taken its place", name)
		}
		if !slices.Equal(e.trusted, trusted) || !slices.Equal(e.partitions, want) {
			t.Errorf("%s: trusted are %q, partitions %q; want %q and %q", name, e.trusted, e.partitions, trusted, want)
		}
		if err := onlyAsked(r, c.anew); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// onlyAsked looks at what the tool was told: nothing that sets who may read, that
// takes an item away or makes one, and new bytes only if there are any.
func onlyAsked(r *replayer, anew bool) error {
	if len(r.lines) > 1 {
		return fmt.Errorf("%d lines were written", len(r.lines))
	}
	told := slices.Clone(r.argvs)
	for _, line := range r.lines {
		words := wordsAsTool([]byte(line))
		if !slices.Contains(words, "-U") {
			return fmt.Errorf("%q makes an item", words)
		}
		if bytes := slices.Contains(words, "-w") || slices.Contains(words, "-X"); bytes != anew {
			return fmt.Errorf("%q: bytes are written: %v", words, bytes)
		}
		told = append(told, words)
	}
	allowed := []string{"default-keychain", "list-keychains", "dump-keychain", "find-generic-password", "find-internet-password", "add-generic-password", "add-internet-password"}
	for _, words := range told {
		if !slices.Contains(allowed, words[0]) || slices.Contains(words, "-A") || slices.Contains(words, "-T") {
			return fmt.Errorf("the tool is told %q", words)
		}
	}
	return nil
}
