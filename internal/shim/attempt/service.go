package attempt

import (
	"context"
	"errors"
	"os"

	"github.com/godbus/dbus/v5"
)

const (
	serviceName = "org.freedesktop.secrets"
	servicePath = "/org/freedesktop/secrets"
	serviceFace = "org.freedesktop.Secret.Service"
	itemFace    = "org.freedesktop.Secret.Item"
	aliasPath   = "/org/freedesktop/secrets/aliases/default"
)

// wireSecret is the Secret Service's (oayays).
type wireSecret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

// client is a small Secret Service client, for machines without secret-tool. It
// takes the bus from the environment, as every client does.
type client struct {
	conn    *dbus.Conn
	session dbus.ObjectPath
}

func tryItems(items []Item) []Result {
	if len(items) == 0 {
		return nil
	}
	results := make([]Result, 0, len(items))
	c, err := dial()
	for _, it := range items {
		if err != nil {
			results = append(results, failedCall(it.Row, err))
			continue
		}
		results = append(results, c.do(it))
	}
	if err == nil {
		c.conn.Close()
	}
	return results
}

func dial() (*client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := dbus.Connect(os.Getenv("DBUS_SESSION_BUS_ADDRESS"), dbus.WithContext(context.Background()))
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn}
	var out dbus.Variant
	err = conn.Object(serviceName, servicePath).
		CallWithContext(ctx, serviceFace+".OpenSession", 0, "plain", dbus.MakeVariant("")).
		Store(&out, &c.session)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) do(it Item) Result {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	attrs := map[string]string{"service": it.Service}
	if it.Account != "" {
		attrs["username"] = it.Account
	}
	if it.Do == "set" {
		return c.set(ctx, it, attrs)
	}
	var unlocked, locked []dbus.ObjectPath
	err := c.conn.Object(serviceName, servicePath).
		CallWithContext(ctx, serviceFace+".SearchItems", 0, attrs).Store(&unlocked, &locked)
	if err != nil {
		return failedCall(it.Row, err)
	}
	if len(unlocked) == 0 {
		return Result{Row: it.Row, Why: "not found", Text: "the search is empty"}
	}
	if it.Do == "delete" {
		var prompt dbus.ObjectPath
		err := c.conn.Object(serviceName, unlocked[0]).CallWithContext(ctx, itemFace+".Delete", 0).Store(&prompt)
		if err != nil {
			return failedCall(it.Row, err)
		}
		return Result{Row: it.Row, Done: true, Got: "deleted"}
	}
	var s wireSecret
	err = c.conn.Object(serviceName, unlocked[0]).CallWithContext(ctx, itemFace+".GetSecret", 0, c.session).Store(&s)
	if err != nil {
		return failedCall(it.Row, err)
	}
	return Result{Row: it.Row, Done: true, Got: cut(s.Value)}
}

func (c *client) set(ctx context.Context, it Item, attrs map[string]string) Result {
	props := map[string]dbus.Variant{
		itemFace + ".Label":      dbus.MakeVariant("keyhole demo"),
		itemFace + ".Attributes": dbus.MakeVariant(attrs),
	}
	s := wireSecret{Session: c.session, Value: []byte(it.Value), ContentType: "text/plain"}
	var item, prompt dbus.ObjectPath
	err := c.conn.Object(serviceName, aliasPath).
		CallWithContext(ctx, "org.freedesktop.Secret.Collection.CreateItem", 0, props, s, true).Store(&item, &prompt)
	if err != nil {
		return failedCall(it.Row, err)
	}
	return Result{Row: it.Row, Done: true, Got: "written"}
}

// failedCall names the D-Bus error, or the errno of a socket.
func failedCall(row string, err error) Result {
	var e dbus.Error
	if errors.As(err, &e) {
		return Result{Row: row, Why: e.Name, Text: e.Error()}
	}
	return failed(row, err)
}
