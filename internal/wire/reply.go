package wire

import "time"

// EncodeReply makes a reply's frame: ErrTooLarge when it does not fit. The
// caller clears it.
func EncodeReply(r *Reply) ([]byte, error) {
	size, ok := r.size()
	if !ok {
		return nil, ErrTooLarge
	}
	e := encoder{b: make([]byte, 4, frameHead+size)}
	e.u8(Version)
	e.u8(uint8(r.Code))
	e.u32(r.Errno)
	e.text(r.Text)
	e.flag(r.State != nil)
	if s := r.State; s != nil {
		e.flag(s.Locked)
		e.flag(s.Missing)
		e.u32(uint32(s.LockAfter / time.Second))
		e.flag(s.LockOnSleep)
	}
	e.u16(len(r.Items))
	for i := range r.Items {
		e.item(&r.Items[i])
	}
	return e.finish(MaxReply)
}

func (e *encoder) item(it *Item) {
	e.u8(uint8(it.Class))
	e.text(it.Label)
	e.text(it.ContentType)
	e.time(it.Created)
	e.time(it.Modified)
	e.flag(it.Locked)
	e.attributes(it.Attributes)
	e.u8(uint8(it.Code))
	e.value(it.Value)
}

// DecodeReply reads a reply's frame. Its values are moved out of the frame.
// What decodes encodes to the same bytes.
func DecodeReply(frame []byte) (*Reply, error) {
	d, err := head(frame, MaxReply)
	if err != nil {
		return nil, err
	}
	r := &Reply{Code: d.code(), Errno: d.u32(), Text: d.text()}
	if d.flag() {
		r.State = &State{
			Locked: d.flag(), Missing: d.flag(),
			LockAfter: time.Duration(d.u32()) * time.Second, LockOnSleep: d.flag(),
		}
	}
	n := d.u16()
	if n > MaxItems {
		d.fail("%d items", n)
	}
	for range n {
		if d.err != nil {
			break
		}
		r.Items = append(r.Items, Item{
			Class: d.class(), Label: d.text(), ContentType: d.text(),
			Created: d.time(), Modified: d.time(), Locked: d.flag(),
			Attributes: d.attributes(), Code: d.code(), Value: d.value(),
		})
	}
	if err := d.done(); err != nil {
		return nil, err
	}
	return r, nil
}

// size is at least the number of bytes of the body, and whether it fits.
func (r *Reply) size() (int, bool) {
	n, ok := 32+len(r.Text), fitText(r.Text) && len(r.Items) <= MaxItems
	for i := range r.Items {
		it := &r.Items[i]
		ok = ok && fitText(it.Label) && fitText(it.ContentType) && fitAttributes(it.Attributes)
		n += 64 + len(it.Label) + len(it.ContentType) + sizeAttributes(it.Attributes)
		if it.Value != nil {
			n += it.Value.Len()
		}
	}
	return n, ok && n <= MaxReply
}
