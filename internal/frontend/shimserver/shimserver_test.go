package shimserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

func TestFind(t *testing.T) {
	e := start(t)
	e.mem.Add("Other", "hidden", "service", "other", "account", "me")
	e.mem.Add("Half", "hidden", "service", "half", "account", "you")
	e.mem.Add("Half", "half", "service", "half", "username", "me")
	e.mem.Add("B", "b", "service", "mine", "account", "b", "keychain:file", "/work")
	e.mem.Add("A", "a", "service", "mine", "user", "a", "keychain:comment", "note")
	e.mem.Add("None", "none", "service", "mine")
	e.mem.Add("Host", "net", "server", "host", "user", "u", "object", "/x", "port", "443")
	for _, tt := range []struct {
		name  string
		m     wire.Match
		label string
		want  string
		code  wire.Code
	}{
		{"by service", match("service", "mine"), "", "b", wire.OK},
		{"by account under another name", match("service", "mine", "account", "a"), "", "a", wire.OK},
		{"no account", match("service", "mine", "account", ""), "", "none", wire.OK},
		{"the granted one of several", match("service", "half"), "", "half", wire.OK},
		{"by label", match("service", "mine"), "A", "a", wire.OK},
		{"by an attribute", match("keychain:comment", "note"), "", "a", wire.OK},
		{"no file named", match("service", "mine", "keychain:file", ""), "", "a", wire.OK},
		{"path under another name", match("server", "host", "path", "/x", "port", "443"), "", "net", wire.OK},
		{"nothing asked for", match(), "", "half", wire.OK},
		{"not granted", match("service", "other"), "", "", wire.NotFound},
		{"not granted, exact", match("service", "half", "account", "you"), "", "", wire.NotFound},
		{"absent", match("service", "nope"), "", "", wire.NotFound},
		{"other label", match("service", "mine"), "Z", "", wire.NotFound},
		{"part of a value", match("service", "min"), "", "", wire.NotFound},
		{"other case", match("service", "Mine"), "", "", wire.NotFound},
		{"listed only", match("service", "listed"), "", "", wire.NotFound},
	} {
		if tt.label != "" {
			tt.m.Label = &tt.label
		}
		got, code := first(e.ask(&wire.Request{Op: wire.Find, Match: tt.m, Secret: true}))
		if got != tt.want || code != tt.code {
			t.Errorf("%s: %q, code %d; want %q, %d", tt.name, got, code, tt.want, tt.code)
		}
	}
	if e.fault.Calls("Get") != 9 {
		t.Errorf("%d secrets were fetched for 9 answers", e.fault.Calls("Get"))
	}
}

func TestFindReadsNoSecretUnasked(t *testing.T) {
	e := start(t)
	it := e.mem.Add("L", "v", "service", "mine", "username", "u", "keychain:created", "20240102030405Z", "keychain:modified", "nonsense")
	r := e.ask(&wire.Request{Op: wire.Find, Match: match("service", "mine")})
	if r.Code != wire.OK || len(r.Items) != 1 || e.fault.Calls("Get") != 0 {
		t.Fatalf("%+v, %d reads", r, e.fault.Calls("Get"))
	}
	got := r.Items[0]
	want := attrs{"service": "mine", "username": "u", "account": "u", "keychain:created": "20240102030405Z", "keychain:modified": "nonsense"}
	if got.Value != nil || got.Label != "L" || got.Class != secret.GenericPassword || !maps.Equal(got.Attributes, want) {
		t.Errorf("%+v", got)
	}
	if !got.Created.Equal(time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)) || !got.Modified.Equal(it.Modified) {
		t.Errorf("times %v, %v", got.Created, got.Modified)
	}
}

func TestFindAll(t *testing.T) {
	e := start(t)
	e.mem.Add("2", "two", "service", "mine", "account", "b")
	e.mem.Add("0", "hidden", "service", "other")
	e.mem.Add("1", "one", "service", "mine", "account", "a")
	e.mem.Add("3", "three", "service", "listed", "account", "c")
	m := match()
	m.Order = []string{"account"}
	r := e.ask(&wire.Request{Op: wire.Find, Match: m, All: true, Secret: true})
	var got []string
	for _, it := range r.Items {
		v := "-"
		if it.Value != nil {
			v = string(it.Value.Expose())
		}
		got = append(got, fmt.Sprint(it.Label, v, it.Code))
	}
	if want := []string{"1one1", "2two1", fmt.Sprint("3-", wire.Denied)}; r.Code != wire.OK || !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r := e.ask(&wire.Request{Op: wire.Find, Match: match("service", "nope"), All: true}); r.Code != wire.NotFound {
		t.Errorf("nothing gives %v", r.Code)
	}
}

// Unchanged longest first, as an update puts a record last.
func TestOrderOfTime(t *testing.T) {
	e := start(t)
	e.mem.Add("young", "y", "service", "mine", "keychain:modified", "20240101000001Z")
	e.mem.Add("old", "o", "service", "mine", "keychain:modified", "20240101000000Z")
	if got, _ := first(e.ask(&wire.Request{Op: wire.Find, Match: match("service", "mine"), Secret: true})); got != "o" {
		t.Errorf("%q comes first", got)
	}
}

func TestCreate(t *testing.T) {
	e := start(t)
	e.mem.Add("T", "old", "service", "mine", "username", "taken")
	e.mem.Add("H", "old", "service", "half", "account", "me", "xdg:schema", "x")
	unique := []string{"service", "account", "keychain:file"}
	label := "label"
	for _, tt := range []struct {
		name   string
		attrs  attrs
		unique []string
		code   wire.Code
	}{
		{"new", attrs{"service": "mine", "account": "new"}, unique, wire.OK},
		{"new in another keychain", attrs{"service": "mine", "account": "new", "keychain:file": "/w"}, unique, wire.OK},
		{"with a comment", attrs{"service": "mine", "account": "c", "keychain:comment": "x"}, unique, wire.OK},
		{"no identity", attrs{"service": "mine", "account": "new"}, nil, wire.OK},
		{"twice", attrs{"service": "mine", "account": "new"}, unique, wire.Exists},
		{"there under another name", attrs{"service": "mine", "account": "taken"}, unique, wire.Exists},
		{"not granted", attrs{"service": "other", "account": "a"}, unique, wire.Denied},
		{"not granted and there", attrs{"service": "readonly", "account": "a"}, unique, wire.Denied},
		{"a name that could plant something", attrs{"service": "mine", "account": "z", "application": "x", "signon_realm": "y"}, unique, wire.Denied},
	} {
		before := e.mem.Len()
		r := e.ask(&wire.Request{Op: wire.Create, Label: &label, Attributes: tt.attrs, Unique: tt.unique, Value: bytesOf("v\x00\xff")})
		if r.Code != tt.code {
			t.Errorf("%s: code %d, want %d", tt.name, r.Code, tt.code)
		}
		if grown := e.mem.Len() - before; grown != 0 != (tt.code == wire.OK) {
			t.Errorf("%s: the store has %d more", tt.name, grown)
		}
		if tt.code == wire.Denied && !strings.HasPrefix(r.Text, "keyhole: creating ") {
			t.Errorf("%s: the text is %q", tt.name, r.Text)
		}
	}
	if got, _ := first(e.ask(&wire.Request{Op: wire.Find, Match: match("service", "mine", "account", "new"), Secret: true})); got != "v\x00\xff" {
		t.Errorf("the new item holds %q", got)
	}
}

func TestUpdate(t *testing.T) {
	e := start(t)
	it := e.mem.Add("L", "old", "service", "mine", "username", "u", "keychain:comment", "c", "keychain:modified", "20240101000000Z")
	seen := e.mem.Add("R", "old", "service", "readonly")
	hidden := e.mem.Add("O", "old", "service", "other")
	label := "new"
	r := e.ask(&wire.Request{Op: wire.Update, Match: match("service", "mine", "account", "u"), Label: &label,
		Attributes: attrs{"account": "u", "keychain:kind": "k", "keychain:comment": ""}})
	info, v := e.held(it.ID)
	if want := (attrs{"service": "mine", "username": "u", "keychain:kind": "k"}); r.Code != wire.OK || info.Label != "new" ||
		v != "old" || !maps.Equal(info.Attributes, want) {
		t.Errorf("code %d, %q %q %v", r.Code, info.Label, v, info.Attributes)
	}
	if len(r.Items) != 1 || r.Items[0].Label != "L" {
		t.Errorf("the reply does not hold the item as it was: %+v", r.Items)
	}
	r = e.ask(&wire.Request{Op: wire.Update, Match: match("service", "mine"), Value: bytesOf("")})
	if info, v = e.held(it.ID); r.Code != wire.OK || v != "" || info.Label != "new" {
		t.Errorf("code %d, %q %q", r.Code, info.Label, v)
	}
	for name, tt := range map[string]struct {
		m    wire.Match
		code wire.Code
	}{
		"read only": {match("service", "readonly"), wire.Denied},
		"hidden":    {match("service", "other"), wire.NotFound},
		"absent":    {match("service", "nope"), wire.NotFound},
	} {
		if r := e.ask(&wire.Request{Op: wire.Update, Match: tt.m, Value: bytesOf("x")}); r.Code != tt.code {
			t.Errorf("%s: code %d, want %d", name, r.Code, tt.code)
		}
	}
	for _, it := range []secret.Info{seen, hidden} {
		if _, v := e.held(it.ID); v != "old" {
			t.Errorf("%s was changed", it.Label)
		}
	}
	// An item may not be moved out of its grant.
	if r := e.ask(&wire.Request{Op: wire.Update, Match: match("service", "mine"), Attributes: attrs{"service": "other"}}); r.Code != wire.Denied {
		t.Errorf("moving gives %d", r.Code)
	}
}

func TestDelete(t *testing.T) {
	e := start(t)
	for _, s := range []string{"mine", "mine", "readonly", "other"} {
		e.mem.Add("L", "v", "service", s)
	}
	for _, tt := range []struct {
		service string
		code    wire.Code
		left    int
	}{
		{"mine", wire.OK, 3}, {"mine", wire.OK, 2}, {"mine", wire.NotFound, 2},
		{"readonly", wire.Denied, 2}, {"other", wire.NotFound, 2}, {"nope", wire.NotFound, 2},
	} {
		r := e.ask(&wire.Request{Op: wire.Delete, Match: match("service", tt.service)})
		if r.Code != tt.code || e.mem.Len() != tt.left {
			t.Errorf("%s: code %d with %d items left, want %d and %d", tt.service, r.Code, e.mem.Len(), tt.code, tt.left)
		}
		if named := len(r.Items) == 1; named != (tt.code != wire.NotFound) {
			t.Errorf("%s: %d items in the reply", tt.service, len(r.Items))
		}
	}
}

// What is hidden and what is not there answer with the same bytes.
func TestHiddenIsAbsent(t *testing.T) {
	e := start(t)
	e.mem.Add("O", "v", "service", "other", "account", "a")
	for _, op := range []wire.Op{wire.Find, wire.Update, wire.Delete} {
		var answers [][]byte
		for _, service := range []string{"other", "nope!"} {
			frame, err := wire.EncodeRequest(&wire.Request{Op: op, Match: match("service", service), Secret: true, All: true})
			e.ok(err)
			nc := e.raw()
			_, err = nc.Write(frame)
			e.ok(err)
			answer, err := wire.ReadFrame(nc, wire.MaxReply)
			e.ok(err)
			answers = append(answers, answer)
		}
		if !bytes.Equal(answers[0], answers[1]) {
			t.Errorf("operation %d: %x and %x", op, answers[0], answers[1])
		}
	}
}

// A store that fails never looks like one without the item.
func TestStoreFails(t *testing.T) {
	requests := map[string]*wire.Request{
		"find":   {Op: wire.Find, Match: match("service", "mine"), Secret: true},
		"create": {Op: wire.Create, Attributes: attrs{"service": "mine", "account": "n"}, Unique: []string{"service", "account"}},
		"update": {Op: wire.Update, Match: match("service", "mine"), Value: bytesOf("x")},
		"delete": {Op: wire.Delete, Match: match("service", "mine")},
		"status": {Op: wire.Status},
	}
	for name, tt := range map[string]struct {
		set  func(*place)
		want map[string]wire.Code // OK where it is missing
	}{
		"locked": {func(e *place) { e.fault.Set(providertest.Locked) },
			map[string]wire.Code{"find": wire.Locked, "create": wire.Locked, "update": wire.Locked, "delete": wire.Locked}},
		"locked and hiding": {func(e *place) { e.fault.Set(providertest.Locked); e.mem.SetLocked(true); e.hide() },
			map[string]wire.Code{"find": wire.Locked, "create": wire.Locked, "update": wire.Locked, "delete": wire.Locked}},
		"gone": {func(e *place) { e.fault.Set(providertest.Unavailable) },
			map[string]wire.Code{"find": wire.Unavailable, "create": wire.Unavailable, "update": wire.Unavailable, "delete": wire.Unavailable, "status": wire.Unavailable}},
		"panics": {func(e *place) { e.fault.Set(providertest.Panic) },
			map[string]wire.Code{"find": wire.Unavailable, "create": wire.Unavailable, "update": wire.Unavailable, "delete": wire.Unavailable, "status": wire.Unavailable}},
		"says something odd": {func(e *place) { e.fault.Set(providertest.RefuseWrites) },
			map[string]wire.Code{"create": wire.Unavailable, "update": wire.Unavailable, "delete": wire.Unavailable}},
		"refuses": {func(e *place) { e.failAll(secret.ErrForbidden) },
			map[string]wire.Code{"find": wire.Forbidden, "create": wire.Forbidden, "update": wire.Forbidden, "delete": wire.Forbidden}},
		"dialog dismissed": {func(e *place) { e.failAll(secret.ErrDismissed) },
			map[string]wire.Code{"find": wire.Dismissed, "create": wire.Dismissed, "update": wire.Dismissed, "delete": wire.Dismissed}},
		"disk full": {func(e *place) { e.failAll(fmt.Errorf("saving: %w", &os.PathError{Err: syscall.ENOSPC})) },
			map[string]wire.Code{"find": wire.Unavailable, "create": wire.System, "update": wire.System, "delete": wire.System}},
	} {
		for op, r := range requests {
			e := start(t)
			e.mem.Add("L", "v", "service", "mine", "account", "a")
			tt.set(e)
			want := wire.OK
			if c, ok := tt.want[op]; ok {
				want = c
			}
			got := e.ask(r)
			if got.Code != want {
				t.Errorf("%s, %s: code %d, want %d", name, op, got.Code, want)
			}
			if got.Code == wire.System && got.Errno != uint32(syscall.ENOSPC) {
				t.Errorf("%s, %s: errno %d", name, op, got.Errno)
			}
			if strings.Contains(got.Text, "detail of the store") {
				t.Errorf("%s, %s: the store's text %q came through", name, op, got.Text)
			}
		}
	}
}

// failAll fails what reads and writes one item.
func (e *place) failAll(err error) {
	for _, method := range []string{"Get", "Create", "Update", "Delete"} {
		e.fault.Fail(method, err)
	}
}

// hide makes listings lack the item, as those of a keyring nobody has opened.
func (e *place) hide() {
	infos, err := e.mem.List(e.t.Context(), secret.Query{})
	e.ok(err)
	e.mem.SetLocked(false)
	for _, i := range infos {
		e.ok(e.mem.Delete(e.t.Context(), i.ID))
	}
}

func TestAsk(t *testing.T) {
	e := start(t)
	e.mem.Add("L", "v", "service", "ask", "account", "a")
	find := &wire.Request{Op: wire.Find, Match: match("service", "ask"), Secret: true}
	if _, code := first(e.ask(find)); code != wire.Pending {
		t.Errorf("without an answer: %d", code)
	}
	e.person.answers <- policy.Answer{Effect: policy.Deny, Lifespan: policy.Session, Person: true}
	for range 2 {
		deadline := time.Now().Add(patience)
		code := wire.Pending
		for code == wire.Pending && time.Now().Before(deadline) {
			_, code = first(e.ask(find))
		}
		if code != wire.Refused {
			t.Errorf("after a no: %d", code)
		}
	}
	// Its listing stays: only the secret was refused.
	if r := e.ask(&wire.Request{Op: wire.Find, Match: match("service", "ask")}); r.Code != wire.OK || !r.Items[0].Locked {
		t.Errorf("the listing gives %+v", r)
	}
	if e.fault.Calls("Get") != 0 {
		t.Error("the secret was fetched")
	}
}

func TestStatus(t *testing.T) {
	e := start(t)
	e.fault.SetStatus(&secret.Status{Missing: true, LockAfter: time.Minute, LockOnSleep: true})
	r := e.ask(&wire.Request{Op: wire.Status})
	if want := (wire.State{Missing: true, LockAfter: time.Minute, LockOnSleep: true}); r.State == nil || *r.State != want {
		t.Errorf("%+v", r.State)
	}
}

func TestNotUnderstoodIsRefused(t *testing.T) {
	e := start(t)
	for name, tt := range map[string]struct {
		bytes []byte
		code  wire.Code
	}{
		"another version":   {[]byte{0, 0, 0, 3, 9, 1, 7}, wire.BadVersion},
		"no such operation": {[]byte{0, 0, 0, 2, 1, 99}, wire.Malformed},
		"a byte too many":   {[]byte{0, 0, 0, 3, 1, 1, 0}, wire.Malformed},
		"an empty frame":    {[]byte{0, 0, 0, 0}, wire.Malformed},
		"a huge frame":      {[]byte{127, 0, 0, 0}, wire.TooLarge},
		"text":              {[]byte("GET / HTTP/1.1\r\n\r\n"), wire.TooLarge},
	} {
		nc := e.raw()
		_, err := nc.Write(tt.bytes)
		e.ok(err)
		frame, err := wire.ReadFrame(nc, wire.MaxReply)
		e.ok(err)
		if r, err := wire.DecodeReply(frame); err != nil || r.Code != tt.code || len(r.Items) > 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection goes on", name)
		}
		e.alive()
	}
}

func TestSlowRequestIsCutOff(t *testing.T) {
	t.Parallel() // a good request has as long, which must be enough on a busy machine
	e := start(t, func(s *Server) { s.times.message = 3 * time.Second })
	nc := e.raw()
	_, err := nc.Write([]byte{0, 0, 0, 2, 1})
	e.ok(err)
	if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("half a request: %v", err)
	}
	e.alive()
}

func TestManyConnections(t *testing.T) {
	e := start(t)
	before := runtime.NumGoroutine()
	var held []*wire.Conn
	for range maxConns {
		c := e.dial()
		if r, err := c.Do(&wire.Request{Op: wire.Status}); err != nil || r.Code != wire.OK {
			t.Fatal(r, err)
		}
		held = append(held, c)
	}
	// One more waits until there is room, and is served then.
	extra := e.dial()
	answered := make(chan error, 1)
	go func() {
		_, err := extra.Do(&wire.Request{Op: wire.Status})
		answered <- err
	}()
	// More of them cost us nothing before it is their turn.
	for range 4 * maxConns {
		e.dial()
	}
	for range 500 { // there is time to take them
		if r, err := held[1].Do(&wire.Request{Op: wire.Status}); err != nil || r.Code != wire.OK {
			t.Fatal(r, err)
		}
		if n := runtime.NumGoroutine() - before; n > 2*maxConns {
			t.Fatalf("%d goroutines for %d connections", n, maxConns)
		}
	}
	e.ok(held[0].Close())
	e.ok(<-answered)
}

// Two writers of one item: one makes it, the other is told that it is there.
func TestCreateRace(t *testing.T) {
	e := start(t)
	const writers = 8
	codes := make(chan wire.Code, writers)
	for range writers {
		c := e.dial()
		go func() {
			r, err := c.Do(&wire.Request{Op: wire.Create, Attributes: attrs{"service": "mine", "account": "race"}, Unique: []string{"service", "account"}})
			if err != nil {
				r = &wire.Reply{}
			}
			codes <- r.Code
		}()
	}
	made := 0
	for range writers {
		switch c := <-codes; c {
		case wire.OK:
			made++
		case wire.Exists:
		default:
			t.Errorf("code %d", c)
		}
	}
	if made != 1 || e.mem.Len() != 1 {
		t.Errorf("%d were made, the store has %d", made, e.mem.Len())
	}
}

// More secrets than a reply holds are not gathered first.
func TestFindAllHasAnEnd(t *testing.T) {
	e := start(t)
	const size, more = 512 << 10, 8
	fit := wire.MaxReply / size
	for i := range fit + more {
		e.mem.Add("l", strings.Repeat("v", size), "service", "mine", "account", fmt.Sprint(i))
	}
	if r := e.ask(&wire.Request{Op: wire.Find, Match: match("service", "mine"), All: true, Secret: true}); r.Code != wire.TooLarge || len(r.Items) != 0 {
		t.Errorf("%v, %d items", r.Code, len(r.Items))
	}
	if n := e.fault.Calls("Get"); n > fit+1 {
		t.Errorf("%d secrets were read, %d fit", n, fit)
	}
}

// Many shims ask for all there is and read nothing: only so many replies are made
// at a time, and others are served.
func TestDeafForLargeReplies(t *testing.T) {
	e := start(t, func(s *Server) { s.times.write = 10 * time.Minute })
	for i := range 8 {
		e.mem.Add("l", strings.Repeat("v", 512<<10), "service", "mine", "account", fmt.Sprint(i))
	}
	frame, err := wire.EncodeRequest(&wire.Request{Op: wire.Find, Match: match("service", "mine"), All: true, Secret: true})
	e.ok(err)
	var all []net.Conn
	for range 3 * bulkAtOnce {
		nc := e.raw()
		_, err := nc.Write(frame)
		e.ok(err)
		all = append(all, nc)
	}
	// Twice as many would have been read by now, if they were read at all.
	for deadline := time.Now().Add(patience); e.fault.Calls("Get") < 8*bulkAtOnce; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no replies are made")
		}
	}
	e.alive()
	if n := e.fault.Calls("Get"); n > 8*bulkAtOnce || len(e.srv.bulk) != bulkAtOnce {
		t.Errorf("%d secrets were read, %d replies are made", n, len(e.srv.bulk))
	}
	for _, nc := range all {
		e.ok(nc.Close())
	}
}

// mover moves an item to another account right before its bytes are read.
type mover struct {
	*providertest.Fault
	mem *providertest.Memory
}

func (m mover) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	if err := m.mem.Update(ctx, id, secret.Change{Attributes: attrs{"service": "mine", "account": "other"}}); err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	return m.Fault.Get(ctx, id)
}

// What became another item between the search and the reading is not what was
// asked for, granted or not.
func TestFindLooksAgain(t *testing.T) {
	e := start(t)
	log, err := audit.Open(filepath.Join(t.TempDir(), "state", "audit.jsonl"))
	e.ok(err)
	set, err := policy.NewSet(testRules())
	e.ok(err)
	recorder := log.NewRecorder("s2", nil)
	b, err := broker.New(broker.Config{Session: "s2", ProfileName: "test", Policy: set, Store: providertest.MemoryName,
		Provider: mover{e.fault, e.mem}, Audit: recorder})
	e.ok(err)
	srv, err := New(Config{Broker: b, Session: "s2"})
	e.ok(err)
	t.Cleanup(func() {
		for _, f := range []func() error{b.Close, recorder.Close, log.Close} {
			e.ok(f())
		}
	})
	for _, all := range []bool{false, true} {
		e.mem.Add("l", "v", "service", "mine", "account", "me")
		r := srv.do(t.Context(), policy.Principal{Session: "s2", FrontEnd: "shim"},
			&wire.Request{Op: wire.Find, Match: match("service", "mine", "account", "me"), Secret: true, All: all})
		for _, it := range r.Items {
			if it.Value != nil {
				t.Errorf("all %v: given the secret of account %q", all, it.Attributes["account"])
			}
		}
	}
}
