package secretservice

import "github.com/godbus/dbus/v5"

// What reading an item takes, decoded here; see message.go.
const (
	sigHits    = "aoao"
	sigSecret  = "(oayays)"
	sigSecrets = "a{o(oayays)}"
	sigVariant = "v"
)

// errLeftOut says that a list of secrets lacks the one asked for.
var errLeftOut = odd("a list of secrets without the one that was asked for")

// hitsOf reads the reply to a search.
func hitsOf(r reply) (hits, error) {
	if r.err != nil {
		return hits{}, r.err
	}
	c := r.m.cursor(sigHits)
	h := hits{unlocked: c.paths(), locked: c.paths()}
	if c.bad {
		return hits{}, odd("a search that ends without two lists")
	}
	return h, nil
}

// secretOf reads the reply to GetSecret. The bytes are those of the message.
func secretOf(r reply) (wireSecret, error) {
	if r.err != nil {
		return wireSecret{}, r.err
	}
	c := r.m.cursor(sigSecret)
	w := c.secret()
	if c.bad {
		return wireSecret{}, odd("a secret of another form")
	}
	return w, nil
}

// secretIn reads the reply to GetSecrets of one item.
func secretIn(r reply, p dbus.ObjectPath) (wireSecret, error) {
	if r.err != nil {
		return wireSecret{}, r.err
	}
	c := r.m.cursor(sigSecrets)
	var found wireSecret
	err := errLeftOut
	for end := c.array(8); c.more(end); {
		c.align(8)
		of := string(c.text())
		if w := c.secret(); of == string(p) {
			found, err = w, nil
		}
	}
	if c.bad {
		return wireSecret{}, odd("secrets of another form")
	}
	return found, err
}

// secret is the structure; its bytes are those of the message.
func (c *cursor) secret() wireSecret {
	c.align(8)
	return wireSecret{
		Session: dbus.ObjectPath(c.text()), Parameters: c.bytes(), Value: c.bytes(), ContentType: string(c.text()),
	}
}

// attributesIn reads the reply to Get of the attributes.
func attributesIn(r reply) (map[string]string, error) {
	if r.err != nil {
		return nil, r.err
	}
	c := r.m.cursor(sigVariant)
	if string(c.signature()) != "a{ss}" {
		return nil, odd("an item without attributes")
	}
	attrs := c.strings()
	if c.bad {
		return nil, odd("an item without attributes")
	}
	return attrs, nil
}
