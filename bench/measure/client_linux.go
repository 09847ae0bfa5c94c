package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	busName         = "org.freedesktop.DBus"
	serviceName     = "org.freedesktop.secrets"
	servicePath     = dbus.ObjectPath("/org/freedesktop/secrets")
	serviceIface    = "org.freedesktop.Secret.Service"
	collectionIface = "org.freedesktop.Secret.Collection"
	itemIface       = "org.freedesktop.Secret.Item"

	replyLimit = 30 * time.Second
	maxMessage = 1 << 20
)

// client speaks D-Bus with as little work of its own as can be: a request is
// encoded once and sent many times, and a reply is read as bytes. A client that
// does much makes every ratio look better than it is.
type client struct {
	nc     net.Conn
	r      *bufio.Reader
	name   string // given by the bus
	serial uint32
}

// dialBus connects, authenticates and says Hello.
func dialBus(address string) (*client, error) {
	path, ok := strings.CutPrefix(address, "unix:path=")
	if !ok {
		return nil, fmt.Errorf("address %q is not unix:path=", address)
	}
	path, _, _ = strings.Cut(path, ",")
	nc, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	c := &client{nc: nc, r: bufio.NewReader(nc)}
	if err := c.hello(); err != nil {
		nc.Close()
		return nil, fmt.Errorf("connecting to %s: %w", path, err)
	}
	return c, nil
}

func (c *client) hello() error {
	uid := hex.EncodeToString([]byte(strconv.Itoa(os.Getuid())))
	if _, err := c.nc.Write([]byte("\x00AUTH EXTERNAL " + uid + "\r\n")); err != nil {
		return err
	}
	line, err := c.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "OK ") {
		return fmt.Errorf("authenticating: %q, %v", line, err)
	}
	if _, err := c.nc.Write([]byte("BEGIN\r\n")); err != nil {
		return err
	}
	return c.store(newRequest(busName, "/org/freedesktop/DBus", busName, "Hello"), &c.name)
}

func (c *client) close() error { return c.nc.Close() }

// request is an encoded call; its serial is put in when it is sent.
type request []byte

func newRequest(dest string, path dbus.ObjectPath, iface, member string, args ...any) request {
	m := dbus.Message{Type: dbus.TypeMethodCall, Body: args, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(dest), dbus.FieldPath: dbus.MakeVariant(path),
		dbus.FieldInterface: dbus.MakeVariant(iface), dbus.FieldMember: dbus.MakeVariant(member),
	}}
	if len(args) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(args...))
	}
	var b bytes.Buffer
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		panic(fmt.Sprintf("internal error: encoding %s: %v", member, err))
	}
	return b.Bytes()
}

func searchRequest(attrs map[string]string) request {
	return newRequest(serviceName, servicePath, serviceIface, "SearchItems", attrs)
}

func openRequest(algorithm string, input any) request {
	return newRequest(serviceName, servicePath, serviceIface, "OpenSession", algorithm, dbus.MakeVariant(input))
}

func getRequest(item, session dbus.ObjectPath) request {
	return newRequest(serviceName, item, itemIface, "GetSecret", session)
}

// call sends a request and returns the reply's bytes. Serials are always
// counted: a reply to an earlier call must not be taken for this one's.
func (c *client) call(r request) ([]byte, error) {
	c.serial++
	return c.callAs(r, c.serial)
}

func (c *client) callAs(r request, serial uint32) ([]byte, error) {
	binary.LittleEndian.PutUint32(r[8:], serial)
	if err := c.nc.SetDeadline(time.Now().Add(replyLimit)); err != nil {
		return nil, err
	}
	if _, err := c.nc.Write(r); err != nil {
		return nil, err
	}
	for {
		b, err := c.read()
		if err != nil {
			return nil, err
		}
		if kind := dbus.Type(b[1]); kind == dbus.TypeMethodReply || kind == dbus.TypeError {
			return b, nil
		}
	}
}

// read reads one whole message.
func (c *client) read() ([]byte, error) {
	head, err := c.r.Peek(16)
	if err != nil {
		return nil, err
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[0] == 'B' {
		order = binary.BigEndian
	}
	n := (16+int(order.Uint32(head[12:]))+7)&^7 + int(order.Uint32(head[4:]))
	if n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(c.r, b)
	return b, err
}

// store makes a call and decodes the reply into results.
func (c *client) store(r request, results ...any) error {
	b, err := c.call(r)
	if err != nil {
		return err
	}
	return decodeReply(b, results...)
}

func decodeReply(b []byte, results ...any) error {
	m, err := dbus.DecodeMessage(bytes.NewReader(b))
	if err != nil {
		return err
	}
	if m.Type == dbus.TypeError {
		return fmt.Errorf("%v: %v", m.Headers[dbus.FieldErrorName].Value(), m.Body)
	}
	return dbus.Store(m.Body, results...)
}

// openPlain opens a session without encryption.
func (c *client) openPlain() (dbus.ObjectPath, error) {
	var output dbus.Variant
	var path dbus.ObjectPath
	err := c.store(openRequest("plain", ""), &output, &path)
	return path, err
}

// search returns the readable items with these attributes.
func (c *client) search(attrs map[string]string) ([]dbus.ObjectPath, error) {
	var open, locked []dbus.ObjectPath
	err := c.store(searchRequest(attrs), &open, &locked)
	return open, err
}

// secretStruct is the structure (oayays) of the Secret Service.
type secretStruct struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

func createRequest(session dbus.ObjectPath, attrs map[string]string, value string, replace bool) request {
	return newRequest(serviceName, "/org/freedesktop/secrets/aliases/default", collectionIface, "CreateItem",
		map[string]dbus.Variant{
			itemIface + ".Label":      dbus.MakeVariant("bench"),
			itemIface + ".Attributes": dbus.MakeVariant(attrs),
		}, secretStruct{session, []byte{}, []byte(value), "text/plain"}, replace)
}

// create puts an item into the default collection.
func (c *client) create(session dbus.ObjectPath, attrs map[string]string, value string) (dbus.ObjectPath, error) {
	var item, prompt dbus.ObjectPath
	err := c.store(createRequest(session, attrs, value, false), &item, &prompt)
	if err == nil && item == "/" {
		err = fmt.Errorf("creating an item wants a prompt %s", prompt)
	}
	return item, err
}
