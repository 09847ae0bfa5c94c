package security

import (
	"strings"
	"time"

	"keyhole/internal/wire"
)

// listOptions are those of list-keychains, default-keychain and login-keychain.
type listOptions struct {
	domain *string
	set    bool
	rest   []string
}

func (c *call) listOptions() (listOptions, int32) {
	var o listOptions
	g := c.getopt()
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		switch letter {
		case 'd':
			d, known := domain(g.value)
			if !known {
				c.complain("Invalid domain: ", g.value)
				return o, resultUsage
			}
			o.domain = &d
		case 's':
			o.set = true
		default:
			return o, resultUsage
		}
	}
	if o.rest = g.rest(); len(o.rest) > 0 && !o.set {
		return o, resultUsage
	}
	return o, resultOK
}

// domain finds a domain's name by how it begins.
func domain(word string) (string, bool) {
	for _, d := range []string{"user", "system", "common", "dynamic"} {
		if strings.HasPrefix(d, word) {
			return d, true
		}
	}
	return "", false
}

// ofOthers tells whether the domain is not the person's: those are empty here.
func (o *listOptions) ofOthers() bool { return o.domain != nil && *o.domain != "user" }

func (c *call) printPath(path string) { c.out.WriteString(`    "` + path + "\"\n") }

// listKeychains shows the search list. There is nothing to set.
func (c *call) listKeychains() int32 {
	o, result := c.listOptions()
	if result != resultOK || o.set || o.ofOthers() {
		return result
	}
	for _, file := range c.searchList() {
		c.printPath(c.keychainPath(file))
	}
	return resultOK
}

func (c *call) defaultKeychain() int32 {
	o, result := c.listOptions()
	if result != resultOK || o.set {
		return result
	}
	if s := c.state(); o.ofOthers() || s != nil && s.Missing {
		c.status("SecKeychainCopyDefault", errNoDefault)
		return resultError
	}
	c.printPath(c.defaultPath())
	return resultOK
}

func (c *call) loginKeychain() int32 {
	o, result := c.listOptions()
	if result != resultOK {
		return result
	}
	if o.set || o.domain != nil {
		return resultError // Apple's does nothing then, and says nothing
	}
	c.printPath(c.defaultPath())
	return resultOK
}

// state is the store's state; nil when it does not tell.
func (t *tool) state() *wire.State { return t.ask(&wire.Request{Op: wire.Status}).State }

// reach is the status of using a keychain: there must be one, and it must be
// unlocked.
func (c *call) reach(file, shown string) (*wire.State, int32) {
	if shown != "" && !c.exists(file) {
		return nil, errNoKeychain
	}
	r := c.ask(&wire.Request{Op: wire.Status})
	switch {
	case r.Code != wire.OK || r.State == nil:
		return nil, statusOf(r.Code, r.Errno)
	case r.State.Missing && shown == "":
		return nil, errNoDefault
	case r.State.Locked:
		return nil, errInteraction
	}
	return r.State, resultOK
}

// showKeychainInfo is what programs ask to learn whether a keychain is locked.
func (c *call) showKeychainInfo() int32 {
	g := c.getopt()
	salt := false
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		if letter != 's' {
			return resultUsage
		}
		salt = true
	}
	file, shown, result := c.oneOperand(g.rest(), "")
	if result != resultOK {
		return result
	}
	st, status := c.reach(file, shown)
	if status != resultOK {
		return c.status("SecKeychainCopySettings "+orWord(shown, null), status)
	}
	line := `Keychain "` + orWord(shown, null) + `"`
	if st.LockOnSleep {
		line += " lock-on-sleep"
	}
	if st.LockAfter > 0 {
		line += " timeout=" + decimal(int64(st.LockAfter/time.Second)) + "s"
	} else {
		line += " no-timeout"
	}
	if salt {
		line += " salt=" + strings.Repeat("00", 20) // there is no key, and so no salt
	}
	c.printErr(line, "\n")
	return resultOK
}

// lockKeychain answers and locks nothing: the store is not the command's.
func (c *call) lockKeychain() int32 {
	g := c.getopt()
	all := false
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		if letter != 'a' {
			return resultUsage
		}
		all = true
	}
	rest := g.rest()
	file, shown, result := c.oneOperand(rest, "")
	switch {
	case result != resultOK || all && len(rest) > 0:
		return resultUsage
	case !all && shown != "" && !c.exists(file):
		return c.status("SecKeychainLock "+shown, errNoKeychain)
	}
	return resultOK
}

// unlockKeychain takes any password and unlocks nothing.
func (c *call) unlockKeychain() int32 {
	g := c.getopt()
	given := false
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		switch letter {
		case 'p', 'u':
			given = true
		default:
			return resultUsage
		}
	}
	file, shown, result := c.oneOperand(g.rest(), "")
	if result != resultOK {
		return result
	}
	if !given {
		clear(c.askSecret("password to unlock " + orWord(shown, "default") + ": "))
	}
	if _, status := c.reach(file, shown); status != resultOK {
		return c.status("SecKeychainUnlock "+orWord(shown, null), status)
	}
	return resultOK
}

// setKeychainSettings answers and sets nothing.
func (c *call) setKeychainSettings() int32 {
	g := c.getopt()
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		if letter != 'l' && letter != 'u' && letter != 't' {
			return resultUsage
		}
	}
	file, shown, result := c.oneOperand(g.rest(), "")
	if result != resultOK {
		return result
	}
	if shown != "" && !c.exists(file) {
		return c.status("SecKeychainSetSettings "+shown, errNoKeychain)
	}
	return resultOK
}

// setKeychainPassword refuses: nobody may believe that a password was changed.
func (c *call) setKeychainPassword() int32 {
	g := c.getopt()
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		if letter != 'o' && letter != 'p' {
			return resultUsage
		}
	}
	_, shown, result := c.oneOperand(g.rest(), "")
	if result != resultOK {
		return result
	}
	return c.status(`error changing password for "`+orWord(shown, null)+`"`, errNoAccess)
}

// createKeychain answers as if a keychain were made: it begins to be with the
// first item that names it.
func (c *call) createKeychain() int32 {
	g := c.getopt()
	given := false
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		switch letter {
		case 'p', 'P':
			given = true
		default:
			return resultUsage
		}
	}
	names := g.rest()
	if len(names) == 0 {
		c.printErr("keychain to create: ")
		line, ok := readLine(c.lines)
		if !ok {
			return resultEnd
		}
		names = []string{string(line)}
	}
	for _, name := range names {
		if !given {
			v, ok := c.newPassword("password for new keychain: ", "retype password for new keychain: ")
			if !ok {
				return resultError
			}
			v.Wipe()
		}
		if file := c.keychain(name); file == "" || c.holdsItems(file) {
			return c.status("SecKeychainCreate "+name, errKeychainExists)
		}
	}
	return resultOK
}

// deleteKeychain answers for keychains that nothing is in, and deletes none.
func (c *call) deleteKeychain() int32 {
	g := c.getopt()
	if _, ok := g.next(); ok {
		return resultUsage
	}
	names := g.rest()
	if len(names) == 0 {
		return c.status("SecKeychainDelete", errInvalidKeychain)
	}
	for _, name := range names {
		switch file := c.keychain(name); {
		case file == "" || c.holdsItems(file):
			return c.status("SecKeychainDelete", errReadOnly)
		case !c.exists(file):
			return c.status("SecKeychainDelete", errNoKeychain)
		}
	}
	return resultOK
}
