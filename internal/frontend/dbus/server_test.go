package dbus

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"keyhole/internal/secret"
	"keyhole/internal/socket"
)

func TestSearchAndGet(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	e.store.mem.Add("other", "hidden", "service", "other", "username", "u")
	c := e.dial(t)
	s := c.plain()
	item := c.find("username", "u")
	if got := c.value(item, s); got != "canary" {
		t.Errorf("got %q", got)
	}
	if !strings.HasPrefix(item, loginPath+"/i") || len(item) != len(loginPath)+22 {
		t.Errorf("item is named %s", item)
	}
	for _, query := range [][]string{{"service", "other"}, {"service", "nothing"}, {"username", "u", "service", "other"}} {
		if open, locked := c.search(query...); len(open)+len(locked) != 0 {
			t.Errorf("%v: found %v %v", query, open, locked)
		}
	}
	d := c.ok(c.call(rootPath, ifaceService, "GetSecrets", "aoo", func(e *encoder) {
		e.strings([]string{item, item, loginPath + "/i00000000000000000000", loginPath, "/x"})
		e.str(s)
	}))
	end, n := d.array(8), 0
	for ; d.more(end); n++ {
		d.align(8)
		if path := d.path(); path != item || string(d.secret().value) != "canary" {
			t.Errorf("entry %d is %s", n, path)
		}
	}
	if n != 1 || d.err != nil {
		t.Errorf("%d entries, %v", n, d.err)
	}
	if !e.store.wiped() {
		t.Error("a secret that was sent stays in memory")
	}
}

func TestDHSecret(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	c := e.dial(t)
	exponent := bytes.Repeat([]byte{0x11}, dhSecret)
	_, public, err := agree([]byte{2}, exponent)
	if err != nil {
		t.Fatal(err)
	}
	d := c.ok(c.call(rootPath, ifaceService, "OpenSession", "sv", func(e *encoder) {
		e.str(algorithmDH)
		e.signature("ay")
		e.bytes(public)
	}))
	theirs := bytes.Clone(d.variant().bytes)
	path := d.path()
	mine, _, err := agree(theirs, exponent)
	if err != nil {
		t.Fatal(err)
	}
	got := c.ok(c.get(c.find("service", "mine"), path)).secret()
	v, err := mine.open(got)
	if err != nil || string(v.Expose()) != "canary" || bytes.Contains(got.value, []byte("canary")) {
		t.Errorf("secret: %v", err)
	}
}

// withoutSerials is a reply with what differs between any two replies removed.
func withoutSerials(m *message) []byte {
	c := *m
	c.serial, c.replySerial, c.dest = 1, 1, ":1.2"
	return appendMessage(nil, &c)
}

// TestNotGrantedIsAbsent compares, byte by byte, what is said about an item that
// left its grant, one that was deleted, and one that never was.
func TestNotGrantedIsAbsent(t *testing.T) {
	e := start(t)
	moved := e.store.mem.Add("L", "v", "service", "mine", "username", "moved")
	gone := e.store.mem.Add("L", "v", "service", "mine", "username", "gone")
	c := e.dial(t)
	s := c.plain()
	paths := []string{c.find("username", "moved"), c.find("username", "gone"), loginPath + "/i0123456789abcdef0123", loginPath + "/7"}
	err := e.store.mem.Update(t.Context(), moved.ID, secret.Change{Attributes: attrs("service", "other", "username", "moved")})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.store.mem.Delete(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	property := func(name string) func(e *encoder) {
		return func(e *encoder) { e.str(ifaceItem); e.str(name) }
	}
	calls := map[string]func(path string) *message{
		"GetSecret": func(p string) *message { return c.get(p, s) },
		"SetSecret": func(p string) *message {
			return c.call(p, ifaceItem, "SetSecret", "(oayays)", func(e *encoder) { e.secret(sealedSecret{session: s}) })
		},
		"Delete":     func(p string) *message { return c.call(p, ifaceItem, "Delete", "", none) },
		"Introspect": func(p string) *message { return c.call(p, ifaceIntrospect, "Introspect", "", none) },
		"Get Label":  func(p string) *message { return c.call(p, ifaceProperties, "Get", "ss", property("Label")) },
		"Get Locked": func(p string) *message { return c.call(p, ifaceProperties, "Get", "ss", property("Locked")) },
		"GetAll":     func(p string) *message { return c.call(p, ifaceProperties, "GetAll", "s", text(ifaceItem)) },
		"Set Label": func(p string) *message {
			return c.call(p, ifaceProperties, "Set", "ssv", func(e *encoder) { property("Label")(e); e.signature("s"); e.str("x") })
		},
	}
	for name, call := range calls {
		want := call(paths[2])
		c.refused(want, nameNoSuchObject)
		for _, path := range paths {
			if got := call(path); !bytes.Equal(withoutSerials(got), withoutSerials(want)) {
				t.Errorf("%s of %s: %q, want %q", name, path, withoutSerials(got), withoutSerials(want))
			}
		}
	}
	unknown := func(p string) *message { return c.call(p, ifaceItem, "Nothing", "", none) }
	for _, path := range paths {
		c.refused(unknown(path), nameUnknownMethod)
	}
	if open, prompt := c.unlock(paths...); len(open) != 0 || prompt != noObject {
		t.Errorf("Unlock gives %v, %s", open, prompt)
	}
	for _, query := range [][]string{{"service", "other"}, {"username", "moved"}} {
		search := func(pairs ...string) *message {
			return c.call(rootPath, ifaceService, "SearchItems", "a{ss}", func(e *encoder) { e.attributes(attrs(pairs...)) })
		}
		if got, want := search(query...), search("service", "nothing"); !bytes.Equal(withoutSerials(got), withoutSerials(want)) {
			t.Errorf("%v: %q, want %q", query, got.body, want.body)
		}
	}
}

func TestWrites(t *testing.T) {
	e := start(t)
	c, listener := e.dial(t), e.dial(t)
	c.ok(c.driver("AddMatch", "s", text("type='signal',sender='org.freedesktop.secrets',member='ItemCreated'")))
	listener.ok(listener.driver("AddMatch", "s", text("interface='"+ifaceCollection+"'")))
	s := c.plain()
	d := c.ok(c.create(rootPath+"/aliases/default", s, "L", "one", false, "service", "mine", "username", "u"))
	item := d.path()
	if prompt := d.path(); prompt != noObject {
		t.Errorf("prompt %s", prompt)
	}
	if m := c.signal("ItemCreated"); m.path != loginPath || m.dest != "" || m.sender != uniqueName {
		t.Errorf("ItemCreated is %+v", m)
	}
	again := c.ok(c.create(loginPath, s, "L2", "two", true, "service", "mine", "username", "u")).path()
	if again != item || e.store.mem.Len() != 1 {
		t.Errorf("replaced %s by %s, %d items", item, again, e.store.mem.Len())
	}
	if got := c.value(item, s); got != "two" {
		t.Errorf("got %q", got)
	}
	c.ok(c.call(item, ifaceItem, "SetSecret", "(oayays)", func(e *encoder) {
		e.secret(sealedSecret{session: s, value: []byte("three\x00\xff"), contentType: "text/plain"})
	}))
	if got := c.value(item, s); got != "three\x00\xff" {
		t.Errorf("got %q", got)
	}
	if prompt := c.ok(c.call(item, ifaceItem, "Delete", "", none)).path(); prompt != noObject || e.store.mem.Len() != 0 {
		t.Errorf("prompt %s, %d items", prompt, e.store.mem.Len())
	}
	c.refused(c.get(item, s), nameNoSuchObject)
	for _, want := range []string{"ItemCreated", "ItemChanged", "ItemChanged", "ItemDeleted"} {
		listener.signal(want)
	}
}

func TestWritesRefused(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "keep", "service", "readonly", "username", "u")
	e.store.mem.Add("L", "keep", "service", "hidden", "username", "u")
	mine := e.store.mem.Add("L", "keep", "service", "mine", "username", "u")
	c := e.dial(t)
	s := c.plain()
	item := c.find("service", "readonly")
	for name, m := range map[string]*message{
		"SetSecret": c.call(item, ifaceItem, "SetSecret", "(oayays)", func(e *encoder) { e.secret(sealedSecret{session: s}) }),
		"Delete":    c.call(item, ifaceItem, "Delete", "", none),
		"replace":   c.create(loginPath, s, "x", "x", true, "service", "readonly", "username", "u"),
		"create":    c.create(loginPath, s, "x", "x", false, "service", "hidden", "username", "u"),
		"over":      c.create(loginPath, s, "x", "x", true, "service", "hidden", "username", "u"),
		"all":       c.create(loginPath, s, "x", "x", true),
		"move": c.call(c.find("service", "mine"), ifaceProperties, "Set", "ssv", func(e *encoder) {
			e.str(ifaceItem)
			e.str("Attributes")
			e.signature("a{ss}")
			e.attributes(attrs("service", "readonly", "username", "u"))
		}),
		"collection":       c.call(rootPath, ifaceService, "CreateCollection", "a{sv}s", func(e *encoder) { e.end(e.array(8)); e.str("") }),
		"alias":            c.call(rootPath, ifaceService, "SetAlias", "so", func(e *encoder) { e.str("default"); e.str("/") }),
		"collection, gone": c.call(loginPath, ifaceCollection, "Delete", "", none),
		"its label": c.call(loginPath, ifaceProperties, "Set", "ssv", func(e *encoder) {
			e.str(ifaceCollection)
			e.str("Label")
			e.signature("s")
			e.str("x")
		}),
	} {
		if text := c.refused(m, nameAccessDenied); text == "" || strings.ContainsAny(text, "\n\x00\x1b") {
			t.Errorf("%s: text %q", name, text)
		}
	}
	infos, err := e.store.mem.List(t.Context(), secret.Query{})
	if err != nil || len(infos) != 3 {
		t.Fatalf("%d items, %v", len(infos), err)
	}
	for _, info := range infos {
		if _, v, err := e.store.mem.Get(t.Context(), info.ID); err != nil || string(v.Expose()) != "keep" {
			t.Errorf("%s was changed: %v", info.Ref, err)
		}
	}
	if now, err := e.store.mem.Stat(t.Context(), mine.ID); err != nil || now.Attributes["service"] != "mine" {
		t.Errorf("item was moved: %v, %v", now.Attributes, err)
	}
}

func TestOverlay(t *testing.T) {
	e := start(t)
	c := e.dial(t)
	s := c.plain()
	item := c.ok(c.create(loginPath, s, "L", "canary", true, "service", "memory", "account", "a")).path()
	if !strings.HasPrefix(item, overlayPath+"/i") || e.store.mem.Len() != 0 {
		t.Errorf("made %s, %d items in the store", item, e.store.mem.Len())
	}
	for range 3 {
		if got := c.value(c.find("service", "memory"), s); got != "canary" {
			t.Fatalf("got %q", got)
		}
	}
	items := func(path string) []string {
		d := c.ok(c.call(path, ifaceProperties, "Get", "ss", func(e *encoder) { e.str(ifaceCollection); e.str("Items") }))
		d.signature()
		return d.paths()
	}
	e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	if got := items(overlayPath); !slices.Equal(got, []string{item}) {
		t.Errorf("session holds %v", got)
	}
	if got := items(loginPath); len(got) != 2 || !slices.Contains(got, item) {
		t.Errorf("login holds %v", got)
	}
	if got := items(rootPath + "/aliases/session"); !slices.Equal(got, []string{item}) {
		t.Errorf("its alias holds %v", got)
	}
}

func TestDriver(t *testing.T) {
	e := start(t)
	c := e.dial(t)
	if m := c.signal("NameAcquired"); m.dest != c.name || (&decoder{b: m.body, order: m.order}).str() != c.name {
		t.Errorf("NameAcquired is %+v", m)
	}
	other := e.dial(t)
	c.refused(c.driver("Hello", "", none), nameFailed)
	for name, want := range map[string]string{serviceName: uniqueName, uniqueName: uniqueName, driverName: driverName, c.name: c.name} {
		if got := c.ok(c.driver("GetNameOwner", "s", text(name))).str(); got != want {
			t.Errorf("%s is owned by %s", name, got)
		}
	}
	for _, name := range []string{other.name, "org.kde.kwalletd", ":1.999"} {
		c.refused(c.driver("GetNameOwner", "s", text(name)), nameNoOwner)
		if c.ok(c.driver("NameHasOwner", "s", text(name))).boolean() {
			t.Errorf("%s has an owner", name)
		}
	}
	if got := c.ok(c.driver("StartServiceByName", "su", func(e *encoder) { e.str(serviceName); e.u32(0) })).u32(); got != 2 {
		t.Errorf("starting: %d", got)
	}
	c.refused(c.driver("StartServiceByName", "su", func(e *encoder) { e.str("org.kde.kwalletd"); e.u32(0) }), nameServiceUnknown)
	if got := c.ok(c.driver("ListNames", "", none)).paths(); len(got) == 0 {
		t.Error("no names")
	}
	for _, name := range []string{"RequestName", "UpdateActivationEnvironment", "ReloadConfig", "GetConnectionUnixProcessID"} {
		args := map[string]func(*encoder){"su": func(e *encoder) { e.str("a.b"); e.u32(0) }, "a{ss}": func(e *encoder) { e.attributes(nil) }, "": none, "s": text(c.name)}
		sig := e.srv.methods().find(kindDriver, driverName, name).in
		c.refused(c.driver(name, sig, args[sig]), nameAccessDenied)
	}
	c.write(c.frame(driverName, driverPath, "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu", func(e *encoder) { e.strings(nil); e.u32(0) }))
	c.refused(c.reply(), nameUnknownMethod)
	c.write(c.frame("org.kde.kwalletd", "/", "a.b", "C", "", none))
	if got := c.refused(c.reply(), nameServiceUnknown); got != "The name org.kde.kwalletd was not provided by any .service files" {
		t.Errorf("text %q", got)
	}
	rule := "type='signal',sender='org.freedesktop.secrets'"
	c.refused(c.driver("RemoveMatch", "s", text(rule)), nameMatchNotFound)
	c.ok(c.driver("AddMatch", "s", text(rule)))
	c.ok(c.driver("RemoveMatch", "s", text("sender=org.freedesktop.secrets,type=signal")))
	c.refused(c.driver("AddMatch", "s", text("colour='red'")), nameMatchInvalid)
}

// TestTable calls everything there is with a signature that is not its own, and
// looks for it in the introspection.
func TestTable(t *testing.T) {
	e := start(t)
	c := e.dial(t)
	xml := c.ok(c.call(rootPath, ifaceIntrospect, "Introspect", "", none)).str()
	for _, row := range serviceMethods() {
		if row.kind == kindService {
			if !strings.Contains(xml, `<method name="`+row.name+`">`) {
				t.Errorf("%s is not described", row.name)
			}
			c.refused(c.call(rootPath, row.iface, row.name, "t", func(e *encoder) { e.u64(0) }), nameInvalidArgs)
		}
		for _, sig := range []string{row.in, row.out} {
			if !validSignature(sig) {
				t.Errorf("%s has signature %q", row.name, sig)
			}
		}
	}
	c.refused(c.call(rootPath, ifaceService, "Nothing", "", none), nameUnknownMethod)
	c.refused(c.call(rootPath, "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface", "ChangeWithPrompt", "o", text("/")), nameUnknownMethod)
	c.refused(c.call("/org/kde", ifaceService, "SearchItems", "", none), nameUnknownObject)
	c.refused(c.call(rootPath+"/collection/other", ifaceCollection, "SearchItems", "a{ss}", none2), nameNoSuchObject)
	c.refused(c.call(rootPath, ifaceProperties, "Get", "ss", func(e *encoder) { e.str(ifaceService); e.str("x") }), nameUnknownProperty)
	c.ok(c.call(rootPath, "", "ReadAlias", "s", text("default")))
}

func none2(e *encoder) { e.attributes(nil) }

func TestReadOnlyProperties(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	c := e.dial(t)
	item := c.find("service", "mine")
	set := func(path, iface, name, sig string, value func(*encoder)) *message {
		return c.call(path, ifaceProperties, "Set", "ssv", func(e *encoder) {
			e.str(iface)
			e.str(name)
			e.signature(sig)
			value(e)
		})
	}
	c.refused(set(item, ifaceItem, "Locked", "b", func(e *encoder) { e.boolean(false) }), nameReadOnly)
	c.refused(set(item, ifaceItem, "Type", "s", text("x")), nameReadOnly)
	c.refused(set(loginPath, ifaceCollection, "Created", "t", func(e *encoder) { e.u64(0) }), nameReadOnly)
	c.refused(set(item, ifaceItem, "Nothing", "s", text("x")), nameUnknownProperty)
	c.refused(set(item, ifaceItem, "Label", "o", text("/")), nameInvalidArgs)
	c.ok(set(item, ifaceItem, "Label", "s", text("new")))
	d := c.ok(c.call(item, ifaceProperties, "Get", "ss", func(e *encoder) { e.str(ifaceItem); e.str("Label") }))
	if got := d.variant().text; got != "new" {
		t.Errorf("label %q", got)
	}
}

func TestSessionsAndAliases(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	c, other := e.dial(t), e.dial(t)
	s := c.plain()
	item := other.find("service", "mine")
	other.refused(other.get(item, s), nameNoSession)
	other.refused(other.call(s, ifaceSession, "Close", "", none), nameNoSuchObject)
	c.ok(c.call(s, ifaceSession, "Close", "", none))
	c.refused(c.get(item, s), nameNoSession)
	c.refused(c.call(rootPath, ifaceService, "OpenSession", "sv", func(e *encoder) { e.str("rot13"); e.signature("s"); e.str("") }), nameNotSupported)
	c.refused(c.call(rootPath, ifaceService, "OpenSession", "sv", func(e *encoder) { e.str(algorithmDH); e.signature("ay"); e.bytes([]byte{1}) }), nameInvalidArgs)
	for range maxSessions {
		c.plain()
	}
	c.refused(c.call(rootPath, ifaceService, "OpenSession", "sv", func(e *encoder) { e.str("plain"); e.signature("s"); e.str("") }), nameLimitsExceeded)
	for alias, want := range map[string]string{"default": loginPath, "login": loginPath, "session": overlayPath, "x": noObject} {
		if got := c.ok(c.call(rootPath, ifaceService, "ReadAlias", "s", text(alias))).path(); got != want {
			t.Errorf("%s is %s", alias, got)
		}
	}
	d := c.ok(c.call(rootPath, ifaceService, "Lock", "ao", func(e *encoder) { e.strings([]string{loginPath}) }))
	if got := d.paths(); !slices.Equal(got, []string{loginPath}) || d.path() != noObject {
		t.Errorf("Lock gives %v", got)
	}
}

func BenchmarkSearchAndGet(b *testing.B) {
	e := start(b)
	e.srv.bucket = socket.NewBucket(1e9, 1e9)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	c := e.dial(b)
	if err := c.nc.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	s := c.plain()
	for b.Loop() {
		c.value(c.find("service", "mine"), s)
	}
}
