package wire

import "keyhole/internal/secret"

// EncodeRequest makes a request's frame: ErrTooLarge when it does not fit. The
// caller clears it when it holds a secret.
func EncodeRequest(r *Request) ([]byte, error) {
	if !r.fits() {
		return nil, ErrTooLarge
	}
	// Of the right size from the start, so that no copy of a secret stays behind
	// in a buffer that was too small.
	e := encoder{b: make([]byte, 4, frameHead+r.size())}
	e.u8(Version)
	e.u8(uint8(r.Op))
	switch r.Op {
	case Find:
		e.match(&r.Match)
		e.flag(r.All)
		e.flag(r.Secret)
	case Create:
		e.text(deref(r.Label))
		e.text(r.ContentType)
		e.attributes(r.Attributes)
		e.names(r.Unique)
		e.value(orEmpty(r.Value))
	case Update:
		e.match(&r.Match)
		e.optional(r.Label)
		e.attributes(r.Attributes)
		e.value(r.Value)
	case Delete:
		e.match(&r.Match)
	case Run:
		e.text(r.Tool)
		e.names(r.Args)
		e.text(r.Dir)
	case Open:
		e.text(r.Address)
	}
	return e.finish(MaxRequest)
}

// DecodeRequest reads a request's frame. Its Value is moved out of the frame. What
// decodes encodes to the same bytes.
func DecodeRequest(frame []byte) (*Request, error) {
	d, err := head(frame, MaxRequest)
	if err != nil {
		return nil, err
	}
	r := &Request{Op: Op(d.u8())}
	switch r.Op {
	case Status:
	case Find:
		r.Match, r.All, r.Secret = d.match(), d.flag(), d.flag()
	case Create:
		label := d.text()
		r.Label, r.ContentType, r.Attributes, r.Unique, r.Value = &label, d.text(), d.attributes(), d.names(MaxNames), d.value()
		if r.Value == nil {
			d.fail("a new item without a secret")
		}
	case Update:
		r.Match, r.Label, r.Attributes, r.Value = d.match(), d.optional(), d.attributes(), d.value()
	case Delete:
		r.Match = d.match()
	case Run:
		r.Tool, r.Args, r.Dir = d.text(), d.names(MaxArgs), d.text()
	case Open:
		r.Address = d.text()
	default:
		d.fail("operation %d", r.Op)
	}
	if err := d.done(); err != nil {
		return nil, err
	}
	return r, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func orEmpty(v *secret.Value) *secret.Value {
	if v == nil {
		return new(secret.Value)
	}
	return v
}

// fits checks what the frame's size alone does not bound.
func (r *Request) fits() bool {
	return r.Match.fits() && fitText(deref(r.Label)) && fitText(r.ContentType) &&
		fitAttributes(r.Attributes) && fitNames(r.Unique, MaxNames) &&
		fitText(r.Tool) && fitNames(r.Args, MaxArgs) && fitText(r.Dir) && fitText(r.Address) && (r.Value == nil || r.Value.Len() <= MaxRequest)
}

func (m *Match) fits() bool {
	return fitText(deref(m.Label)) && fitAttributes(m.Attributes) && fitNames(m.Order, MaxNames)
}

func fitText(s string) bool { return len(s) <= MaxText }

func fitNames(list []string, most int) bool {
	for _, s := range list {
		if !fitText(s) {
			return false
		}
	}
	return len(list) <= most
}

func fitAttributes(m map[string]string) bool {
	for k, v := range m {
		if !fitText(k) || !fitText(v) {
			return false
		}
	}
	return len(m) <= MaxAttributes
}

// size is at least the number of bytes of the body.
func (r *Request) size() int {
	n := 64 + len(deref(r.Label)) + len(r.ContentType) + sizeAttributes(r.Attributes) + sizeNames(r.Unique) +
		len(r.Tool) + len(r.Dir) + len(r.Address) + sizeNames(r.Args) + len(deref(r.Match.Label)) + sizeAttributes(r.Match.Attributes) + sizeNames(r.Match.Order)
	if r.Value != nil {
		n += r.Value.Len()
	}
	return n
}

func sizeNames(list []string) int {
	n := 0
	for _, s := range list {
		n += 4 + len(s)
	}
	return n
}

func sizeAttributes(m map[string]string) int {
	n := 0
	for k, v := range m {
		n += 8 + len(k) + len(v)
	}
	return n
}
