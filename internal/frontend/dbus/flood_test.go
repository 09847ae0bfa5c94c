package dbus

import (
	"testing"
	"time"

	"keyhole/internal/provider/providertest"
	"keyhole/internal/socket"
)

// TestHalfOpenFlood opens twice as many connections as there are places and
// leaves each in the middle of its handshake: who is there already is served,
// and the places come back.
func TestHalfOpenFlood(t *testing.T) {
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
	e := start(t, func(s *Server) { s.bucket = socket.NewBucket(200, 20) })
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
	if time.Since(begun) > 10*time.Second {
		t.Error("one client waits for all that another has sent")
	}
}
