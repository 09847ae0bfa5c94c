package keychain

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// granted is a broker over a keychain, with one rule.
func granted(t *testing.T, s *Store, r policy.Rule) *broker.Broker {
	t.Helper()
	r.Source, r.Effect, r.Operations = policy.Source{File: "test"}, policy.Allow, []policy.Operation{policy.Read}
	set, err := policy.NewSet([]policy.Rule{r})
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(filepath.Join(t.TempDir(), "state", "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	rec := log.NewRecorder("s", time.Now)
	b, err := broker.New(broker.Config{Session: "s", ProfileName: "test", Policy: set, Store: Name, Provider: s, Audit: rec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, end := range []func() error{b.Close, rec.Close, log.Close} {
			if err := end(); err != nil {
				t.Error(err)
			}
		}
	})
	return b
}

// A look-up without an account tries the granted ones, one look each: the first
// match of the store is another's, and nothing lists the keychain.
func TestGrantedAccountsAreTried(t *testing.T) {
	s, r := over(t)
	for _, account := range []string{"stranger", "bob", "alice"} {
		if _, err := s.Create(t.Context(), login("svc", account), text("of "+account)); err != nil {
			t.Fatal(err)
		}
	}
	who := policy.Principal{Session: "s", FrontEnd: "wire"}
	b := granted(t, s, policy.Rule{Services: []string{"svc"}, Accounts: []string{"alice", "nobody"}})
	r.argvs = nil
	found, err := b.List(t.Context(), who, secret.Query{Attributes: map[string]string{keyService: "svc"}})
	if err != nil || len(found) != 1 || found[0].Attributes[keyAccount] != "alice" {
		t.Fatalf("%v, %v", found, err)
	}
	if _, v, err := b.Get(t.Context(), who, found[0].Ref); err != nil || !v.Equal(text("of alice")) {
		t.Errorf("%v", err)
	}
	looks := 0
	for _, argv := range r.argvs {
		switch line := strings.Join(argv, " "); {
		case argv[0] == "dump-keychain":
			t.Error("the keychain was listed")
		case strings.Contains(line, "stranger"), strings.Contains(line, "bob"):
			t.Errorf("another's account was asked for: %s", line)
		case argv[0] == "find-generic-password":
			looks++
		}
	}
	if looks != 3 { // alice, nobody, and the secret
		t.Errorf("%d looks", looks)
	}
	// With every account granted there is no way around the listing, of attributes
	// alone.
	b = granted(t, s, policy.Rule{Services: []string{"svc"}, Accounts: []string{"*"}})
	r.argvs = nil
	found, err = b.List(t.Context(), who, secret.Query{Attributes: map[string]string{keyService: "svc"}})
	if err != nil || len(found) != 3 {
		t.Errorf("%d items, %v", len(found), err)
	}
	for _, argv := range r.argvs {
		if line := strings.Join(argv, " "); strings.Contains(line, "-g") || strings.Contains(line, "-d "+r.login) {
			t.Errorf("a listing reads secrets: %s", line)
		}
	}
	// An account that is named is one look, whatever is granted.
	r.argvs = nil
	bob := "bob"
	if found, err = b.List(t.Context(), who, secret.Query{Attributes: map[string]string{keyService: "svc"}, Account: &bob}); err != nil || len(found) != 1 || len(r.argvs) != 1 {
		t.Errorf("%d items by %q, %v", len(found), r.argvs, err)
	}
}
