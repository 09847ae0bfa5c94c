package security

import "keyhole/internal/wire"

// partitions is set-generic-password-partition-list and its internet twin. Who
// may read is the profile's to say, so that nothing is changed; the items are
// listed as if it were.
func (c *call) partitions() int32 {
	p, result := c.parse(parting)
	if p == nil {
		return result
	}
	file, shown, result := c.oneOperand(p.keychains, "")
	if result != resultOK || p.partition == nil {
		return resultUsage
	}
	m := p.match()
	if shown != "" {
		m = in(m, file)
	}
	return c.repartition(file, shown, p.unlock != nil, func() *wire.Reply {
		return c.ask(&wire.Request{Op: wire.Find, Match: m, All: true})
	})
}

// repartition does what all partition lists have in common. Every failure's exit
// status is 1.
func (c *call) repartition(file, shown string, unlock bool, find func() *wire.Reply) int32 {
	if !unlock {
		clear(c.askSecret("password to unlock " + orWord(shown, "default") + ": "))
	}
	if _, status := c.reach(file, shown); status != resultOK {
		c.status("SecKeychainUnlock", status)
		return resultError
	}
	reply := find()
	if reply.Code != wire.OK {
		c.status("SecItemCopyMatching", statusOf(reply.Code, reply.Errno))
		return resultError
	}
	for i := range reply.Items {
		c.listItem(&reply.Items[i])
	}
	return resultOK
}

// keyPartitions is set-key-partition-list. There are no keys.
func (c *call) keyPartitions() int32 {
	g := c.getopt()
	listed, unlock := false, false
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		switch letter {
		case bad, missing:
			return resultUsage
		case 'S':
			listed = true
		case 'k':
			unlock = true
		}
	}
	file, shown, result := c.oneOperand(g.rest(), "")
	if result != resultOK || !listed {
		return resultUsage
	}
	return c.repartition(file, shown, unlock, func() *wire.Reply { return &wire.Reply{Code: wire.NotFound} })
}
