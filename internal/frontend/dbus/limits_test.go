package dbus

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTooManyConnections(t *testing.T) {
	e := start(t, patient)
	var held []*client
	for range maxConns {
		held = append(held, e.dial(t))
	}
	extra := e.connect(t)
	skipText(extra)
	for _, c := range held {
		if err := c.nc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "connections to be gone", func() bool { return len(e.srv.everyone()) == 0 })
	e.alive(t)
}

func TestTooManyRules(t *testing.T) {
	e := start(t)
	c := e.dial(t)
	for i := range maxRules + 88 {
		m := c.driver("AddMatch", "s", text(fmt.Sprintf("type='signal',path='/p%d'", i)))
		if i < maxRules {
			c.ok(m)
		} else {
			c.refused(m, nameLimitsExceeded)
		}
	}
	c = e.dial(t)
	c.refused(c.driver("AddMatch", "s", text("arg1='"+strings.Repeat("x", maxRule)+"'")), nameLimitsExceeded)
}

func TestTooManyPrompts(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	e.store.mem.SetLocked(true)
	c := e.dial(t)
	for range maxPrompts {
		if _, prompt := c.unlock(loginPath); prompt == noObject {
			t.Fatal("no prompt")
		}
	}
	c.refused(c.call(rootPath, ifaceService, "Unlock", "ao", func(e *encoder) { e.strings([]string{loginPath}) }), nameLimitsExceeded)
	if _, prompt := e.dial(t).unlock(loginPath); prompt == noObject {
		t.Error("another client gets no prompt")
	}
}

func TestPromptEndsByItself(t *testing.T) {
	e := start(t, func(s *Server) { s.times.prompt = 50 * time.Millisecond })
	e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	e.store.mem.SetLocked(true)
	c := e.dial(t)
	for _, show := range []bool{false, true} {
		_, prompt := c.unlock(loginPath)
		if show {
			c.write(c.frame(serviceName, prompt, ifacePrompt, "Prompt", "s", text("")))
		}
		if dismissed, sig, d := c.completed(prompt); !dismissed || sig != "ao" || len(d.paths()) != 0 {
			t.Errorf("shown %v: dismissed %v, %s", show, dismissed, sig)
		}
	}
}

// TestPromptEndsWithItsConnection leaves a prompt open: Serve must not wait for
// the person.
func TestPromptEndsWithItsConnection(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	e.store.mem.SetLocked(true)
	c := e.dial(t)
	_, prompt := c.unlock(loginPath)
	c.ok(c.call(prompt, ifacePrompt, "Prompt", "s", text("")))
	if err := c.nc.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the connection to end", func() bool { return len(e.srv.everyone()) == 0 })
	e.stop()
}
