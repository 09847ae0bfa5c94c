package dbus

import (
	"context"
	"errors"
	"time"

	"keyhole/internal/secret"
)

var errPropertyType = errors.New("a property has the wrong type")

// property is one row of the table of properties.
type property struct {
	kind  objectKind
	iface string
	name  string
	sig   string
	write bool
}

func properties() []property {
	return []property{
		{kindDriver, driverName, "Features", "as", false},
		{kindDriver, driverName, "Interfaces", "as", false},
		{kindService, ifaceService, "Collections", "ao", false},
		{kindCollection, ifaceCollection, "Items", "ao", false},
		{kindCollection, ifaceCollection, "Label", "s", true},
		{kindCollection, ifaceCollection, "Locked", "b", false},
		{kindCollection, ifaceCollection, "Created", "t", false},
		{kindCollection, ifaceCollection, "Modified", "t", false},
		{kindItem, ifaceItem, "Locked", "b", false},
		{kindItem, ifaceItem, "Attributes", "a{ss}", true},
		{kindItem, ifaceItem, "Label", "s", true},
		{kindItem, ifaceItem, "Type", "s", false},
		{kindItem, ifaceItem, "Created", "t", false},
		{kindItem, ifaceItem, "Modified", "t", false},
	}
}

// propertiesOf lists the properties of the call's object in an interface; in
// all of them when it is empty.
func (k *call) propertiesOf(iface string) []property {
	var out []property
	for _, p := range properties() {
		if p.kind == k.obj.kind && (iface == "" || iface == p.iface) {
			out = append(out, p)
		}
	}
	return out
}

func (k *call) oneProperty(iface, name string) (property, error) {
	for _, p := range k.propertiesOf(iface) {
		if p.name == name {
			return p, nil
		}
	}
	return property{}, &fault{nameUnknownProperty, "No such property"}
}

func (k *call) getProperty(ctx context.Context) error {
	p, err := k.oneProperty(k.in.str(), k.in.str())
	if err != nil {
		return err
	}
	state, err := k.read(ctx, []property{p})
	if err != nil {
		return err
	}
	if err := k.room(ctx, state.size()); err != nil {
		return err
	}
	k.put(p, state)
	return nil
}

func (k *call) getProperties(ctx context.Context) error {
	list := k.propertiesOf(k.in.str())
	state, err := k.read(ctx, list)
	if err != nil {
		return err
	}
	if err := k.room(ctx, state.size()); err != nil {
		return err
	}
	m := k.out.array(8)
	for _, p := range list {
		k.out.align(8)
		k.out.str(p.name)
		k.put(p, state)
	}
	k.out.end(m)
	return nil
}

// state is what properties are made from.
type state struct {
	info   secret.Info // of an item
	items  []string    // of a collection
	locked bool
}

// size is about what it takes in a reply.
func (s *state) size() int {
	n := len(s.info.Label) + pathSize*len(s.items)
	for k, v := range s.info.Attributes {
		n += len(k) + len(v) + 16
	}
	return n
}

// read asks the broker for what the properties need and no more.
func (k *call) read(ctx context.Context, list []property) (state, error) {
	var s state
	var err error
	switch k.obj.kind {
	case kindItem:
		_, s.info, err = k.stat(ctx, k.obj.path)
		s.locked = s.info.Locked
		if notThere(err) && len(list) == 1 && list[0].name == "Locked" && k.c.wasRefused(k.obj.path) {
			return state{locked: true}, nil
		}
		return s, err
	case kindSession, kindPrompt:
		if !k.exists() {
			return s, errNoObject()
		}
	case kindCollection:
		for _, p := range list {
			switch p.name {
			case "Items":
				s.items, err = k.items(ctx, nil)
			case "Locked":
				s.locked, err = k.storeLocked(ctx, k.obj.overlay)
			}
			if err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// exists tells whether the session or prompt of the call is this connection's.
func (k *call) exists() bool {
	if k.obj.kind == kindSession {
		return k.c.sessions[k.obj.path] != nil
	}
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	return k.c.prompts[k.obj.path] != nil
}

// put appends the property's value as a variant.
func (k *call) put(p property, s state) {
	e := &k.out
	e.signature(p.sig)
	switch {
	case p.sig == "as":
		e.strings(nil)
	case p.name == "Collections":
		e.strings([]string{loginPath, overlayPath})
	case p.name == "Items":
		e.strings(s.items)
	case p.name == "Locked":
		e.boolean(s.locked)
	case p.name == "Attributes":
		e.attributes(s.info.Attributes)
	case p.name == "Type":
		e.str(schemaOf(s.info))
	case p.name == "Created":
		e.u64(seconds(s.info.Created))
	case p.name == "Modified":
		e.u64(seconds(s.info.Modified))
	case p.kind == kindCollection: // Label
		e.str(k.obj.label())
	default:
		e.str(s.info.Label)
	}
}

func (o object) label() string {
	if o.overlay {
		return "Session"
	}
	return "Login"
}

func schemaOf(info secret.Info) string {
	if s := info.Attributes[secret.SchemaKey]; s != "" {
		return s
	}
	return secret.GenericSchema
}

// seconds is a time as the protocol has it; 0 for none.
func seconds(t time.Time) uint64 {
	if s := t.Unix(); s > 0 {
		return uint64(s)
	}
	return 0
}

func (k *call) setProperty(ctx context.Context) error {
	p, err := k.oneProperty(k.in.str(), k.in.str())
	if err != nil {
		return err
	}
	v := k.in.variant()
	switch {
	case k.in.err != nil:
		return k.in.err
	case !p.write:
		return &fault{nameReadOnly, "Property cannot be written"}
	case p.kind == kindCollection:
		return k.refuseCollections(ctx)
	case v.sig != p.sig:
		return errPropertyType
	case p.name == "Label":
		return k.update(ctx, secret.Change{Label: &v.text})
	default:
		return k.update(ctx, secret.Change{Attributes: v.attrs})
	}
}
