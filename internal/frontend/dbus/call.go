package dbus

import (
	"context"
	"errors"
	"fmt"
)

const (
	driverName  = "org.freedesktop.DBus"
	serviceName = "org.freedesktop.secrets"
	uniqueName  = ":1.1" // the service's
)

// call is one method call while it is answered.
type call struct {
	c     *conn
	srv   *Server
	m     *message
	obj   object
	in    decoder  // the arguments, validated
	out   encoder  // the reply's body
	after []func() // run when the reply has been written
	large bool     // holds a token of the server's bulk
}

// handle answers one message. An error ends the connection.
func (c *conn) handle(m *message) error {
	if c.name == "" && !m.isHello() {
		return errNoHello
	}
	if m.kind != typeCall {
		// Nobody here waits for a client's signals and replies. They cost the
		// sender all the same.
		return c.srv.bucket.Take(c.ctx)
	}
	k := &call{c: c, srv: c.srv, m: m}
	defer k.done()
	reply, err := k.reply()
	if err != nil {
		return err
	}
	if m.flags&flagNoReply == 0 {
		if err := c.write(reply); err != nil {
			return err
		}
	}
	for _, f := range k.after {
		f()
	}
	return nil
}

// done is the end of a call, answered or not.
func (k *call) done() {
	clear(k.out.b)
	if k.large {
		<-k.srv.bulk
	}
}

// room waits for its turn before a reply grows large by so many bytes: clients
// that ask for all they may have and then do not read would make us hold it for
// each of them.
func (k *call) room(ctx context.Context, more int) error {
	if k.large || len(k.out.b)+more < bulkReply {
		return nil
	}
	select {
	case k.srv.bulk <- struct{}{}:
		k.large = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reply does what is called and makes the answer to it. An error ends the
// connection.
func (k *call) reply() (*message, error) {
	reply := &message{kind: typeReply, flags: flagNoReply, replySerial: k.m.serial, sender: uniqueName}
	if k.m.dest == driverName {
		reply.sender = driverName
	}
	meth, err := k.route()
	if err == nil {
		err = k.answer(meth)
	}
	switch {
	case errors.Is(err, errMalformed):
		return nil, err
	case err != nil:
		f := faultOf(err, k.srv.log)
		clear(k.out.b)
		k.out.b = k.out.b[:0]
		k.out.str(f.text)
		reply.kind, reply.errName, reply.sig = typeError, f.name, "s"
	default:
		reply.sig = meth.out
	}
	reply.dest, reply.body = k.c.name, k.out.b
	return reply, nil
}

// isHello tells whether m is the call that must come first.
func (m *message) isHello() bool {
	return m.kind == typeCall && m.dest == driverName && m.member == "Hello" &&
		(m.iface == "" || m.iface == driverName)
}

// answer runs a method, after its arguments were found to be what it takes.
func (k *call) answer(meth *method) error {
	if k.m.sig != meth.in {
		return &fault{nameInvalidArgs, fmt.Sprintf("%s takes %q and not %q", meth.name, meth.in, k.m.sig)}
	}
	if err := validate(k.m, meth.in); err != nil {
		return err
	}
	k.in = decoder{b: k.m.body, order: k.m.order}
	err := meth.run(k, k.c.ctx)
	if err == nil && len(k.out.b) > maxReply {
		return errTooMany
	}
	return err
}

// route finds the object and the method that a call is for.
func (k *call) route() (*method, error) {
	switch k.m.dest {
	case driverName:
		k.obj = object{kind: kindDriver, path: k.m.path}
	case serviceName, uniqueName:
		k.obj = resolve(k.m.path)
	default:
		return nil, &fault{nameServiceUnknown, "The name " + k.m.dest + " was not provided by any .service files"}
	}
	switch k.obj.kind {
	case kindNowhere:
		return nil, &fault{nameUnknownObject, "No such object path '" + k.m.path + "'"}
	case kindGone:
		return nil, errNoObject()
	}
	meth := k.srv.methods().find(k.obj.kind, k.m.iface, k.m.member)
	if meth == nil {
		return nil, &fault{nameUnknownMethod, "No such method “" + k.m.member + "”"}
	}
	return meth, nil
}

// method is one row of the table of everything that can be called.
type method struct {
	kind    objectKind
	iface   string
	name    string
	in, out string
	run     func(*call, context.Context) error
}

// signal is a row of what can be sent; for introspection alone.
type signal struct {
	kind  objectKind
	iface string
	name  string
	sig   string
}

const (
	ifaceService    = "org.freedesktop.Secret.Service"
	ifaceCollection = "org.freedesktop.Secret.Collection"
	ifaceItem       = "org.freedesktop.Secret.Item"
	ifaceSession    = "org.freedesktop.Secret.Session"
	ifacePrompt     = "org.freedesktop.Secret.Prompt"
	ifaceProperties = "org.freedesktop.DBus.Properties"
	ifaceIntrospect = "org.freedesktop.DBus.Introspectable"
	ifacePeer       = "org.freedesktop.DBus.Peer"
)

// methodTable finds a method by object and name, and with an empty interface
// by name alone.
type methodTable struct {
	byName map[methodKey]*method
	xml    map[objectKind]string
}

type methodKey struct {
	kind  objectKind
	iface string
	name  string
}

func newMethodTable() methodTable {
	rows := append(serviceMethods(), driverMethods()...)
	for _, kind := range []objectKind{kindFolder, kindDriver, kindService, kindCollection, kindItem, kindSession, kindPrompt} {
		rows = append(rows, commonMethods(kind)...)
	}
	t := methodTable{byName: make(map[methodKey]*method, 2*len(rows)), xml: introspection(rows)}
	for i := range rows {
		r := &rows[i]
		t.byName[methodKey{r.kind, r.iface, r.name}] = r
		t.byName[methodKey{r.kind, "", r.name}] = r
	}
	return t
}

func (t methodTable) find(kind objectKind, iface, name string) *method {
	return t.byName[methodKey{kind, iface, name}]
}

// commonMethods are what every object has.
func commonMethods(kind objectKind) []method {
	rows := []method{
		{kind, ifaceIntrospect, "Introspect", "", "s", (*call).introspect},
		{kind, ifacePeer, "Ping", "", "", (*call).ping},
		{kind, ifacePeer, "GetMachineId", "", "s", (*call).machineID},
	}
	if kind == kindFolder {
		return rows
	}
	return append(rows,
		method{kind, ifaceProperties, "Get", "ss", "v", (*call).getProperty},
		method{kind, ifaceProperties, "GetAll", "s", "a{sv}", (*call).getProperties},
		method{kind, ifaceProperties, "Set", "ssv", "", (*call).setProperty},
	)
}

func serviceMethods() []method {
	return []method{
		{kindService, ifaceService, "OpenSession", "sv", "vo", (*call).openSession},
		{kindService, ifaceService, "SearchItems", "a{ss}", "aoao", (*call).searchAll},
		{kindService, ifaceService, "GetSecrets", "aoo", "a{o(oayays)}", (*call).getSecrets},
		{kindService, ifaceService, "Unlock", "ao", "aoo", (*call).unlock},
		{kindService, ifaceService, "Lock", "ao", "aoo", (*call).lock},
		{kindService, ifaceService, "ReadAlias", "s", "o", (*call).readAlias},
		{kindService, ifaceService, "SetAlias", "so", "", (*call).refuseCollections},
		{kindService, ifaceService, "CreateCollection", "a{sv}s", "oo", (*call).refuseCollections},

		{kindCollection, ifaceCollection, "SearchItems", "a{ss}", "ao", (*call).searchCollection},
		{kindCollection, ifaceCollection, "CreateItem", "a{sv}(oayays)b", "oo", (*call).createItem},
		{kindCollection, ifaceCollection, "Delete", "", "o", (*call).refuseCollections},

		{kindItem, ifaceItem, "GetSecret", "o", "(oayays)", (*call).getSecret},
		{kindItem, ifaceItem, "SetSecret", "(oayays)", "", (*call).setSecret},
		{kindItem, ifaceItem, "Delete", "", "o", (*call).deleteItem},

		{kindSession, ifaceSession, "Close", "", "", (*call).closeSession},
		{kindPrompt, ifacePrompt, "Prompt", "s", "", (*call).prompt},
		{kindPrompt, ifacePrompt, "Dismiss", "", "", (*call).dismiss},
	}
}

func serviceSignals() []signal {
	return []signal{
		{kindDriver, driverName, "NameAcquired", "s"},
		{kindCollection, ifaceCollection, "ItemCreated", "o"},
		{kindCollection, ifaceCollection, "ItemDeleted", "o"},
		{kindCollection, ifaceCollection, "ItemChanged", "o"},
		{kindCollection, ifaceProperties, "PropertiesChanged", "sa{sv}as"},
		{kindPrompt, ifacePrompt, "Completed", "bv"},
	}
}

func (k *call) ping(context.Context) error { return nil }

func (k *call) machineID(context.Context) error {
	k.out.str(k.srv.machine)
	return nil
}
