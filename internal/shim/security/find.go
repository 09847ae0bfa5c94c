package security

import (
	"os"

	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

const searchStep = "SecKeychainSearchCopyNext"

// find is find-generic-password and find-internet-password. A secret that is
// there and cannot be had is a status and no text.
func (c *call) find() int32 {
	p, result := c.parse(finding)
	if p == nil {
		return result
	}
	reply := c.search(p, func(m wire.Match) *wire.Reply {
		return c.ask(&wire.Request{Op: wire.Find, Match: m, Secret: p.show || p.only})
	})
	switch {
	case reply.Code == wire.NotFound:
		return c.status(searchStep, errNotFound)
	case reply.Code != wire.OK || len(reply.Items) == 0:
		return statusOf(reply.Code, reply.Errno)
	}
	it := &reply.Items[0]
	switch {
	case p.only:
		c.out.WriteString(secretLine(it.Value.Expose()) + "\n")
	case p.show:
		c.listItem(it)
		c.printErr("password: ", buffer(it.Value.Expose()), "\n")
	default:
		c.listItem(it)
	}
	if it.Value != nil {
		it.Value.Wipe()
	}
	return resultOK
}

// search asks in one keychain after the other, in all at once when none is
// named, until something other than "not found" comes.
func (c *call) search(p *password, ask func(wire.Match) *wire.Reply) *wire.Reply {
	m := p.match()
	if len(p.keychains) == 0 {
		return ask(m)
	}
	reply := &wire.Reply{Code: wire.NotFound}
	for _, k := range p.keychains {
		if reply = ask(in(m, c.keychain(k))); reply.Code != wire.NotFound {
			break
		}
	}
	return reply
}

// delete is delete-generic-password and delete-internet-password: the first item
// that matches goes.
func (c *call) delete() int32 {
	p, result := c.parse(deleting)
	if p == nil {
		return result
	}
	if len(p.given) == 0 && p.label == nil {
		return resultUsage
	}
	reply := c.search(p, func(m wire.Match) *wire.Reply {
		return c.ask(&wire.Request{Op: wire.Delete, Match: m})
	})
	switch {
	case reply.Code == wire.NotFound:
		return c.status(searchStep, errNotFound)
	case len(reply.Items) == 0:
		return statusOf(reply.Code, reply.Errno)
	}
	c.listItem(&reply.Items[0])
	if c.refused(reply) {
		return statusOf(reply.Code, reply.Errno)
	}
	// Apple's says so also when the keychain refused.
	c.printErr("password has been deleted.\n")
	return statusOf(reply.Code, reply.Errno)
}

// refused prints why the profile refuses something, which Apple's tool has no
// words for.
func (c *call) refused(r *wire.Reply) bool {
	if r.Code != wire.Denied {
		return false
	}
	if r.Text != "" {
		c.printErr(r.Text, "\n")
	}
	return true
}

// dumpKeychain lists everything that is visible, one class after the other.
func (c *call) dumpKeychain() int32 {
	g := c.getopt()
	data, raw, file := false, false, ""
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		switch letter {
		case 'd':
			data = true
		case 'r':
			raw = true
		case 'o':
			file = g.value
		case 'a', 'i': // access lists: the profile takes their place
		default:
			return resultUsage
		}
	}
	held := c.out.Len()
	if status := c.dump(g.rest(), data, raw); status != resultOK {
		return status
	}
	if file == "" {
		return resultOK
	}
	text := c.out.Bytes()[held:]
	err := writeFile(file, text)
	clear(text)
	c.out.Truncate(held)
	if err != nil {
		c.complain(file, ": ", err.Error())
		return resultError
	}
	return resultOK
}

func writeFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (c *call) dump(operands []string, data, raw bool) int32 {
	matches := []wire.Match{{Order: []string{secret.KeychainFile}}}
	if len(operands) > 0 {
		all := matches[0]
		matches = nil
		for _, o := range operands {
			matches = append(matches, in(all, c.keychain(o)))
		}
	}
	for _, m := range matches {
		for _, m.Class = range []secret.Class{secret.GenericPassword, secret.InternetPassword} {
			reply := c.ask(&wire.Request{Op: wire.Find, Match: m, All: true, Secret: data})
			if reply.Code != wire.OK && reply.Code != wire.NotFound {
				return statusOf(reply.Code, reply.Errno)
			}
			for i := range reply.Items {
				c.dumpItem(&reply.Items[i], raw)
			}
		}
	}
	return resultOK
}

func (c *call) dumpItem(it *wire.Item, raw bool) {
	c.listItem(it)
	if it.Value != nil {
		c.out.WriteString("data:\n" + buffer(it.Value.Expose()) + "\n")
		it.Value.Wipe()
	}
	if raw {
		c.out.WriteString("raw data:\n\n") // nothing here is encrypted for a keychain
	}
}
