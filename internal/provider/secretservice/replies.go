package secretservice

import "github.com/godbus/dbus/v5"

// What reading an item takes, decoded here; see message.go.
const (
	sigHits    = "aoao"
	sigSecret  = "(oayays)"
	sigVariant = "v"
)

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
	c.align(8)
	w := wireSecret{
		Session: dbus.ObjectPath(c.text()), Parameters: c.bytes(), Value: c.bytes(), ContentType: string(c.text()),
	}
	if c.bad {
		return wireSecret{}, odd("a secret of another form")
	}
	return w, nil
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
