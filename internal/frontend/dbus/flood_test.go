package dbus

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
	"keyhole/internal/socket"
)

// TestHalfOpenFlood opens twice as many connections as there are places and
// leaves each in the middle of its handshake: who is there already is served,
// and the places come back.
func TestHalfOpenFlood(t *testing.T) {
	t.Parallel()
	e := start(t, shorten)
	c := e.dial(t)
	for i := range 2 * maxConns {
		half := e.connect(t)
		// It may have been turned away already.
		if _, err := half.nc.Write([]byte([]string{"", "\x00", "\x00AUTH EXT", "\x00AUTH EXTERNAL 30\r\n"}[i%4])); err != nil && !isReset(err) {
			t.Fatal(err)
		}
	}
	c.plain()
	eventually(t, "a place", func() bool {
		again := e.connect(t)
		if _, err := again.nc.Write([]byte("\x00AUTH EXTERNAL 30\r\nBEGIN\r\n")); err != nil {
			return false
		}
		_, err := again.in.line(maxLine)
		return err == nil
	})
	c.plain()
}

// TestHangingStoreHoldsUpNobody has 40 clients wait for a store that says
// nothing, more than there are calls at once: what needs no store is answered.
func TestHangingStoreHoldsUpNobody(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	c := e.dial(t)
	e.store.Set(providertest.Hang)
	for range 40 {
		w := e.dial(t)
		w.write(w.frame(serviceName, rootPath, ifaceService, "SearchItems", "a{ss}", func(e *encoder) { e.attributes(map[string]string{"service": "mine"}) }))
	}
	<-e.store.Hanging()
	for range 20 {
		c.driver("GetId", "", none)
		c.plain()
		e.dial(t).plain()
	}
	if open, locked := c.search("service", "other"); len(open)+len(locked) != 0 {
		t.Errorf("found %v, %v", open, locked)
	}
	e.store.Set(providertest.Healthy)
}

// TestTooManyRequests floods with calls that reach the broker, more than are
// answered in a second: the flood is slowed down, and others get through.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	// All that is sent takes 40 s at least, a turn of each client no more than 3 s.
	e := start(t, func(s *Server) { s.bucket = socket.NewBucket(2, 2) })
	e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	c := e.dial(t)
	begun := time.Now()
	for range 4 {
		w := e.dial(t)
		for range 20 {
			w.write(w.frame(serviceName, rootPath, ifaceService, "ReadAlias", "s", text("default")))
			w.write(w.frame(serviceName, rootPath, ifaceService, "SearchItems", "a{ss}", func(e *encoder) { e.attributes(map[string]string{"service": "mine"}) }))
		}
	}
	c.driver("GetId", "", none)
	if open, _ := c.search("service", "mine"); len(open) != 1 {
		t.Errorf("found %v", open)
	}
	if time.Since(begun) > 30*time.Second {
		t.Error("one client waits for all that another has sent")
	}
}

// TestDeafForLargeReplies has many clients ask for megabytes and read nothing:
// only so many are made at a time, others are served, and their turn comes.
func TestDeafForLargeReplies(t *testing.T) {
	t.Parallel()
	e := start(t, shorten)
	for i := range 8 {
		e.store.mem.Add("L", strings.Repeat("v", 256<<10), "service", "mine", "username", fmt.Sprint(i))
	}
	ask := func(c *client) []byte {
		s := c.plain()
		paths, _ := c.search("service", "mine")
		return c.frame(serviceName, rootPath, ifaceService, "GetSecrets", "aoo", func(e *encoder) { e.strings(paths); e.str(s) })
	}
	asks := make(map[*client][]byte)
	for range 2 * bulkAtOnce {
		c := e.dial(t)
		asks[c] = ask(c)
	}
	for c, frame := range asks {
		c.write(frame)
	}
	eventually(t, "large replies", func() bool { return len(e.srv.bulk) == bulkAtOnce })
	c := e.dial(t)
	c.plain()
	c.write(ask(c))
	var head [fixedHeader]byte
	if err := c.in.full(head[:]); err != nil {
		t.Fatal(err)
	}
	if n := binary.LittleEndian.Uint32(head[4:]); n < 2<<20 {
		t.Errorf("a reply of %d bytes", n)
	}
	if err := c.in.full(make([]byte, 2<<20)); err != nil { // all but a rest
		t.Error(err)
	}
	if err := c.nc.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "the end of large replies", func() bool { return len(e.srv.bulk) == 0 })
}

// TestPromptsOfAllConnections is the limit that many connections have together.
func TestPromptsOfAllConnections(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	e.store.mem.SetLocked(true)
	var all []*client
	for range allPrompts / maxPrompts {
		c := e.dial(t)
		all = append(all, c)
		for range maxPrompts {
			if _, prompt := c.unlock(loginPath); prompt == noObject {
				t.Fatal("no prompt")
			}
		}
	}
	c := e.dial(t)
	again := func() *message {
		return c.call(rootPath, ifaceService, "Unlock", "ao", func(e *encoder) { e.strings([]string{loginPath}) })
	}
	c.refused(again(), nameLimitsExceeded)
	if err := all[0].nc.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "places for prompts", func() bool { return e.srv.prompts.Load() == allPrompts-maxPrompts })
	c.ok(again())
}

// TestRulesOfAllConnections has many clients keep the longest match rules there
// can be: what they take together is bounded, and comes back.
func TestRulesOfAllConnections(t *testing.T) {
	e := start(t)
	add := func(c *client, i int) *message {
		return c.driver("AddMatch", "s", text(fmt.Sprintf("path='/p%d/%s'", i, strings.Repeat("x", maxRule-20))))
	}
	var all []*client
	for full := false; !full; {
		if len(all) == maxConns {
			t.Fatal("there is no end")
		}
		c := e.dial(t)
		all = append(all, c)
		for i := 0; i < maxRules && !full; i++ {
			full = add(c, i).kind == typeError
		}
	}
	if n := e.srv.rules.Load(); n > allRules || n < allRules/2 {
		t.Errorf("%d bytes of rules", n)
	}
	last := all[len(all)-1]
	last.refused(add(last, maxRules), nameLimitsExceeded)
	// What can never match takes no room of its own, and can be removed.
	for range maxRules {
		if err := all[0].driver("RemoveMatch", "s", text(fmt.Sprintf("path='/p%d/%s'", 0, strings.Repeat("x", maxRule-20)))); err.kind == typeError {
			break
		}
	}
	last.ok(last.driver("AddMatch", "s", text("arg1='"+strings.Repeat("y", maxRule-20)+"'")))
	for _, c := range all {
		if err := c.nc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the rules to be gone", func() bool { return e.srv.rules.Load() == 0 })
}

// TestDeafForOneLargeReply is TestDeafForLargeReplies for the other calls whose
// replies can be large.
func TestDeafForOneLargeReply(t *testing.T) {
	e := start(t, patient)
	long := map[string]string{"service": "mine", "username": "u"}
	for i := range 100 {
		long[fmt.Sprintf("note%d", i)] = strings.Repeat("a", 4<<10)
	}
	info := e.store.mem.Add("L", strings.Repeat("v", 512<<10), "service", "mine", "username", "u")
	if err := e.store.mem.Update(t.Context(), info.ID, secret.Change{Attributes: long}); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func(c *client, item string) []byte{
		"a secret": func(c *client, item string) []byte {
			return c.frame(serviceName, item, ifaceItem, "GetSecret", "o", text(c.plain()))
		},
		"attributes": func(c *client, item string) []byte {
			return c.frame(serviceName, item, ifaceProperties, "GetAll", "s", text(ifaceItem))
		},
		"one property": func(c *client, item string) []byte {
			return c.frame(serviceName, item, ifaceProperties, "Get", "ss", func(e *encoder) { e.str(ifaceItem); e.str("Attributes") })
		},
		"an echo": func(c *client, item string) []byte {
			// One long path, over and over, fits into what is not checked for items.
			path := "/" + strings.Repeat("p", 500)
			return c.frame(serviceName, rootPath, ifaceService, "Lock", "ao", func(e *encoder) { e.strings(slices.Repeat([]string{path}, 1000)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all []*client
			for range 3 * bulkAtOnce {
				c := e.dial(t)
				all = append(all, c)
				open, _ := c.search("service", "mine")
				c.write(ask(c, open[0]))
			}
			eventually(t, "large replies", func() bool { return len(e.srv.bulk) == bulkAtOnce })
			for _, c := range all {
				if err := c.nc.Close(); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "their end", func() bool { return len(e.srv.bulk) == 0 && len(e.srv.everyone()) == 0 })
		})
	}
}

// TestLargeCallsAreReadInTurn has many clients send the largest calls there are,
// but for the last byte: only so many are held, and others are served.
func TestLargeCallsAreReadInTurn(t *testing.T) {
	e := start(t, patient)
	var all []*client
	for range 2 * bulkCalls {
		c := e.dial(t)
		all = append(all, c)
		frame := c.frame(serviceName, rootPath, ifaceService, "ReadAlias", "s", text(strings.Repeat("x", maxBody-8)))
		go c.nc.Write(frame[:len(frame)-1]) // the rest of a turn that does not come is never taken
	}
	eventually(t, "large calls", func() bool { return len(e.srv.calls) == bulkCalls })
	e.alive(t)
	for _, c := range all {
		if err := c.nc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "their end", func() bool { return len(e.srv.calls) == 0 && len(e.srv.everyone()) == 1 })
}

// TestSecretsPastAReply asks for more secrets than a reply holds: they are not
// all read first.
func TestSecretsPastAReply(t *testing.T) {
	e := start(t)
	const size, more = 512 << 10, 8
	for i := range maxReply/size + more {
		e.store.mem.Add("L", strings.Repeat("v", size), "service", "mine", "username", fmt.Sprint(i))
	}
	c := e.dial(t)
	s := c.plain()
	paths, _ := c.search("service", "mine")
	c.refused(c.call(rootPath, ifaceService, "GetSecrets", "aoo", func(e *encoder) { e.strings(paths); e.str(s) }), nameLimitsExceeded)
	if n := e.store.Calls("Get"); n > maxReply/size+1 {
		t.Errorf("%d secrets were read, %d fit", n, maxReply/size)
	}
}

func TestNamesAreBounded(t *testing.T) {
	n := newNameTable()
	var last string
	for i := range maxNames + 10 {
		last = n.show(secret.Ref{Store: "s", ID: fmt.Sprint(i)})
	}
	if len(n.refs) != maxNames {
		t.Errorf("%d names are remembered, want %d", len(n.refs), maxNames)
	}
	if r, ok := n.ref(last); !ok || r.ID != fmt.Sprint(maxNames+9) {
		t.Errorf("the last one is %v, %v", r, ok)
	}
}
