//go:build linux

package security

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"keyhole/internal/secret"
)

// A case is one call of security: what the keychains hold before, what is called
// and how it must go.
type testCase struct {
	Name       string
	Keychain   []caseItem
	Conditions map[string]json.RawMessage
	Argv       []string
	Stdin      string
	Stdout     pattern
	Stderr     pattern
	Exit       int
	After      []caseItem `json:"keychain_after"`
}

// caseItem is an item; a field left out is empty.
type caseItem map[string]any

// pattern is an exact text, or a regular expression.
type pattern struct{ Exact, Regexp *string }

func (p pattern) matches(b []byte) bool {
	if p.Exact != nil {
		return string(b) == *p.Exact
	}
	return regexp.MustCompile(*p.Regexp).Match(b)
}

func (p pattern) String() string {
	if p.Exact != nil {
		return strconv.Quote(*p.Exact)
	}
	return "a match of " + *p.Regexp
}

// caseCount guards against a file that lost cases.
const caseCount = 201

const (
	caseHome  = "/Users/alice"
	loginFile = caseHome + "/Library/Keychains/login.keychain-db"
	workFile  = caseHome + "/Library/Keychains/work.keychain-db"
)

func readCases(t *testing.T) []testCase {
	t.Helper()
	b, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var all []testCase
	if err := dec.Decode(&all); err != nil {
		t.Fatal(err)
	}
	if len(all) != caseCount {
		t.Fatalf("%d cases, want %d", len(all), caseCount)
	}
	return all
}

// The names under which an item keeps the fields of a case.
var fieldNames = map[string]string{
	"account": "account", "service": "service", "server": "server", "security_domain": "domain", "path": "path",
	"auth_type": "authtype", "kind": "keychain:kind", "comment": "keychain:comment", "generic": "keychain:generic",
	"creator": "keychain:creator", "type": "keychain:type", "cdat": "keychain:created", "mdat": "keychain:modified",
}

// codes are the protocols of the cases by their other names.
var codes = map[string]string{"htps": "https", "http": "http"}

func (c caseItem) item(t *testing.T) item {
	t.Helper()
	it := item{Attributes: map[string]string{}}
	for field, v := range c {
		s, _ := v.(string)
		switch field {
		case "class":
		case "label":
			it.Label = s
		case "data":
			it.Secret = []byte(s)
		case "data_hex":
			it.Secret = unhex(t, s)
		case "port":
			it.Attributes["port"] = strconv.Itoa(int(v.(float64)))
		case "protocol":
			it.Attributes["protocol"] = codes[s]
		case "keychain":
			if s != loginFile { // what names none is in that one
				it.Attributes["keychain:file"] = s
			}
		case "account":
			// Programs call it differently.
			name := "account"
			if c["class"] == "inet" {
				name = "user"
			}
			it.Attributes[name] = s
		default:
			it.Attributes[fieldNames[field]] = s
		}
	}
	return it
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// describe writes an item so that equal ones look equal: in the words of the
// wire, without what is empty.
func describe(it item) string {
	attributes := maps.Clone(it.Attributes)
	if user, ok := attributes["user"]; ok {
		delete(attributes, "user")
		attributes["account"] = user
	}
	delete(attributes, secret.SchemaKey)
	for k, v := range attributes {
		if v == "" {
			delete(attributes, k)
		}
	}
	return fmt.Sprintf("%q %x %q", it.Label, it.Secret, attributes)
}

// surroundings are items that are there in every case: one that nothing is
// granted of, before all others, and one that makes the second keychain of the
// search list.
func surroundings() (before, after []item) {
	hidden := []item{
		{Label: "hidden", Attributes: map[string]string{"service": "hidden", "account": "alice"}, Secret: []byte("hidden")},
		{Label: "hidden", Attributes: map[string]string{"server": "hidden", "user": "alice", "port": "80"}, Secret: []byte("hidden")},
	}
	work := item{Label: "work", Attributes: map[string]string{"service": "surroundings", "keychain:file": workFile}, Secret: []byte("work")}
	return hidden, []item{work}
}

// granted are the services and servers of the cases.
func granted(all []testCase) (services, servers []string) {
	found := map[string]map[string]bool{"service": {"surroundings": true}, "server": {}}
	for _, c := range all {
		for _, it := range slices.Concat(c.Keychain, c.After) {
			for field, names := range found {
				if s, _ := it[field].(string); s != "" {
					names[s] = true
				}
			}
		}
		if i := slices.Index(c.Argv, "-s"); i >= 0 && i+1 < len(c.Argv) && c.Argv[0] == "add-generic-password" {
			found["service"][c.Argv[i+1]] = true
		}
	}
	return slices.Sorted(maps.Keys(found["service"])), slices.Sorted(maps.Keys(found["server"]))
}

func TestCases(t *testing.T) {
	all := readCases(t)
	stores(t, everything(granted(all)), func(t *testing.T, r *rig) {
		for _, c := range all {
			t.Run(c.Name, func(t *testing.T) {
				r.t = t
				c.test(t, r)
			})
		}
		r.t = t
	})
}

func (c *testCase) test(t *testing.T, r *rig) {
	set := c.conditions(t)
	before, after := surroundings()
	set.Replace, set.Items = true, before
	for _, it := range c.Keychain {
		set.Items = append(set.Items, it.item(t))
	}
	set.Items = append(set.Items, after...)
	r.tell(set)
	got := r.run(order{Argv: append([]string{"security"}, c.Argv...), Stdin: []byte(c.Stdin), Env: []string{"HOME=" + caseHome}})
	if !c.Stdout.matches(got.Stdout) {
		t.Errorf("standard output is\n%q, want\n%v", got.Stdout, c.Stdout)
	}
	if !c.Stderr.matches(got.Stderr) {
		t.Errorf("standard error is\n%q, want\n%v", got.Stderr, c.Stderr)
	}
	if got.Exit != c.Exit {
		t.Errorf("exit status %d, want %d", got.Exit, c.Exit)
	}
	c.compare(t, r.tell(command{List: true}).Items)
}

// conditions are the faults that make the store answer as the case says.
func (c *testCase) conditions(t *testing.T) command {
	t.Helper()
	set := command{Failures: map[string]int32{}}
	state := func() *secret.Status {
		if set.State == nil {
			set.State = &secret.Status{}
		}
		return set.State
	}
	methods := map[string]string{"secret_read_status": "Get", "secret_write_status": "Create", "modify_status": "Update",
		"delete_status": "Delete", "unlock_status": "Status"}
	for name, raw := range c.Conditions {
		var n int32
		_ = json.Unmarshal(raw, &n) // those that are no numbers are not read as one
		switch {
		case methods[name] != "":
			set.Failures[methods[name]] = n
		case name == "settings_status" && n == -25308:
			state().Locked = true
		case name == "default_keychain" && string(raw) == "null":
			state().Missing = true
		case name == "timeout":
			state().LockAfter = time.Duration(n) * time.Second
		case name == "lock_on_sleep":
			state().LockOnSleep = string(raw) == "true"
		default:
			t.Fatalf("no condition is called %s with %s", name, raw)
		}
	}
	return set
}

// compare compares what the store holds afterwards.
func (c *testCase) compare(t *testing.T, items []item) {
	t.Helper()
	before, after := surroundings()
	expected := c.Keychain
	if c.After != nil {
		expected = c.After
	}
	var want []string
	// A time that the store keeps itself is not looked at; one that came with the
	// item is kept.
	for _, e := range expected {
		it := e.item(t)
		for _, k := range []string{"keychain:created", "keychain:modified"} {
			if it.Attributes[k] == "*" {
				delete(it.Attributes, k)
			}
		}
		want = append(want, describe(it))
	}
	for _, it := range slices.Concat(before, after) {
		want = append(want, describe(it))
	}
	var have []string
	for _, it := range items {
		have = append(have, describe(it))
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(have, want) {
		t.Errorf("afterwards the store holds\n%q, want\n%q", have, want)
	}
}
