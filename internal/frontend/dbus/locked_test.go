package dbus

import (
	"slices"
	"strings"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

func TestLockedStore(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	e.store.mem.SetLocked(true)
	c := e.dial(t)
	s := c.plain()
	open, locked := c.search("service", "mine")
	if len(open) != 0 || len(locked) != 1 {
		t.Fatalf("found %v, locked %v", open, locked)
	}
	item := locked[0]
	c.refused(c.get(item, s), nameIsLocked)

	_, prompt := c.unlock(item)
	c.ok(c.call(prompt, ifacePrompt, "Prompt", "s", text("")))
	c.refused(c.call(prompt, ifacePrompt, "Prompt", "s", text("")), nameFailed)
	other := e.dial(t)
	other.refused(other.call(prompt, ifacePrompt, "Dismiss", "", none), nameNoSuchObject)
	e.store.does(t, nil)
	dismissed, sig, d := c.completed(prompt)
	if got := d.paths(); dismissed || sig != "ao" || !slices.Equal(got, locked) {
		t.Errorf("completed %v %s %v", dismissed, sig, got)
	}
	if got := c.value(item, s); got != "canary" {
		t.Errorf("got %q", got)
	}
	c.refused(c.call(prompt, ifacePrompt, "Prompt", "s", text("")), nameNoSuchObject)
	if open, prompt := c.unlock(item, loginPath, overlayPath, rootPath+"/aliases/default"); len(open) != 4 || prompt != noObject {
		t.Errorf("open store: %v, %s", open, prompt)
	}
}

func TestLockedStoreDismissed(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	e.store.mem.SetLocked(true)
	c := e.dial(t)
	_, locked := c.search("service", "mine")

	t.Run("by the client", func(t *testing.T) {
		open, prompt := c.unlock(locked[0], loginPath, overlayPath)
		if !slices.Equal(open, []string{overlayPath}) {
			t.Errorf("open: %v", open)
		}
		c.ok(c.call(prompt, ifacePrompt, "Dismiss", "", none))
		dismissed, sig, d := c.completed(prompt)
		if got := d.paths(); !dismissed || sig != "ao" || len(got) != 0 {
			t.Errorf("completed %v %s %v", dismissed, sig, got)
		}
	})
	t.Run("by the client, while shown", func(t *testing.T) {
		_, prompt := c.unlock(locked[0])
		c.ok(c.call(prompt, ifacePrompt, "Prompt", "s", text("")))
		c.ok(c.call(prompt, ifacePrompt, "Dismiss", "", none))
		if dismissed, _, _ := c.completed(prompt); !dismissed {
			t.Error("not dismissed")
		}
	})
	t.Run("create", func(t *testing.T) {
		s := c.plain()
		d := c.ok(c.create(loginPath, s, "L", "v", false, "service", "mine", "username", "new"))
		if path := d.path(); path != noObject {
			t.Errorf("path %s", path)
		}
		prompt := d.path()
		e.store.does(t, secret.ErrDismissed)
		c.ok(c.call(prompt, ifacePrompt, "Prompt", "s", text("")))
		dismissed, sig, d := c.completed(prompt)
		if path := d.path(); !dismissed || sig != "o" || path != noObject || e.store.mem.Len() != 1 {
			t.Errorf("completed %v %s %s, %d items", dismissed, sig, path, e.store.mem.Len())
		}
	})
}

func TestLockedStoreWrites(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	e.store.mem.SetLocked(true)
	c := e.dial(t)
	s := c.plain()
	d := c.ok(c.create(loginPath, s, "L", "new", false, "service", "mine", "username", "n"))
	d.path()
	prompt := d.path()
	e.store.does(t, nil)
	c.ok(c.call(prompt, ifacePrompt, "Prompt", "s", text("")))
	dismissed, sig, d := c.completed(prompt)
	item := d.path()
	if dismissed || sig != "o" || c.value(item, s) != "new" {
		t.Fatalf("completed %v %s %s", dismissed, sig, item)
	}
	e.store.mem.SetLocked(true)
	prompt = c.ok(c.call(item, ifaceItem, "Delete", "", none)).path()
	e.store.does(t, nil)
	c.ok(c.call(prompt, ifacePrompt, "Prompt", "s", text("")))
	if dismissed, sig, d := c.completed(prompt); dismissed || sig != "s" || d.str() != "" || e.store.mem.Len() != 1 {
		t.Errorf("completed %v %s, %d items", dismissed, sig, e.store.mem.Len())
	}
}

func TestAsk(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "ask", "username", "u")
	c := e.dial(t)
	s := c.plain()
	_, locked := c.search("service", "ask")
	if len(locked) != 1 {
		t.Fatalf("locked: %v", locked)
	}
	c.refused(c.get(locked[0], s), nameIsLocked)
	_, prompt := c.unlock(locked[0])
	e.person.answers <- policy.Answer{Effect: policy.Allow, Lifespan: policy.Session, Person: true}
	c.ok(c.call(prompt, ifacePrompt, "Prompt", "s", text("")))
	if dismissed, _, d := c.completed(prompt); dismissed || !slices.Equal(d.paths(), locked) {
		t.Fatal("dismissed after a yes")
	}
	if got := c.value(c.find("service", "ask"), s); got != "canary" {
		t.Errorf("got %q", got)
	}
}

func TestAskRefused(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "ask", "username", "u")
	c := e.dial(t)
	s := c.plain()
	_, locked := c.search("service", "ask")
	_, prompt := c.unlock(locked[0])
	e.person.answers <- policy.Answer{Effect: policy.Deny, Lifespan: policy.Session, Person: true}
	c.ok(c.call(prompt, ifacePrompt, "Prompt", "s", text("")))
	if dismissed, sig, d := c.completed(prompt); !dismissed || sig != "ao" || len(d.paths()) != 0 {
		t.Fatal("not dismissed after a no")
	}
	if open, locked := c.search("service", "ask"); len(open)+len(locked) != 0 {
		t.Errorf("after a no that is remembered: %v %v", open, locked)
	}
	c.refused(c.get(locked[0], s), nameNoSuchObject)

	// Python's keyring reads Locked after its prompt. Nothing else is told, and
	// no other connection is told anything.
	property := func(c *client, name string) *message {
		return c.call(locked[0], ifaceProperties, "Get", "ss", func(e *encoder) { e.str(ifaceItem); e.str(name) })
	}
	d := c.ok(property(c, "Locked"))
	if sig := d.signature(); sig != "b" || !d.boolean() {
		t.Errorf("not locked after a no (%s)", sig)
	}
	c.refused(property(c, "Label"), nameNoSuchObject)
	c.refused(c.call(locked[0], ifaceProperties, "GetAll", "s", text(ifaceItem)), nameNoSuchObject)
	other := e.dial(t)
	other.refused(property(other, "Locked"), nameNoSuchObject)
}

func TestStoreFailures(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	c := e.dial(t)
	s := c.plain()
	item := c.find("service", "mine")
	for _, mode := range []providertest.Mode{providertest.Unavailable, providertest.Panic} {
		e.store.Set(mode)
		for name, m := range map[string]*message{
			"SearchItems": c.call(rootPath, ifaceService, "SearchItems", "a{ss}", func(e *encoder) { e.attributes(attrs("service", "mine")) }),
			"GetSecret":   c.get(item, s),
			"GetSecrets":  c.call(rootPath, ifaceService, "GetSecrets", "aoo", func(e *encoder) { e.strings([]string{item}); e.str(s) }),
			"GetAll":      c.call(item, ifaceProperties, "GetAll", "s", text(ifaceItem)),
			"Items":       c.call(loginPath, ifaceProperties, "Get", "ss", func(e *encoder) { e.str(ifaceCollection); e.str("Items") }),
			"Unlock":      c.call(rootPath, ifaceService, "Unlock", "ao", func(e *encoder) { e.strings([]string{item}) }),
			"Delete":      c.call(item, ifaceItem, "Delete", "", none),
		} {
			if got := c.refused(m, nameFailed); got != textStoreUnreachable {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
	e.store.Set(providertest.RefuseWrites)
	if got := c.refused(c.call(item, ifaceItem, "Delete", "", none), nameFailed); strings.Contains(got, "detail") {
		t.Errorf("the store's own text reached the client: %q", got)
	}
}
