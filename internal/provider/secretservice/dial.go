package secretservice

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
)

const (
	busName     = "org.freedesktop.DBus"
	busPath     = dbus.ObjectPath("/org/freedesktop/DBus")
	busIface    = "org.freedesktop.DBus"
	propsIface  = "org.freedesktop.DBus.Properties"
	serviceName = "org.freedesktop.secrets"
	servicePath = dbus.ObjectPath("/org/freedesktop/secrets")

	serviceIface    = "org.freedesktop.Secret.Service"
	collectionIface = "org.freedesktop.Secret.Collection"
	itemIface       = "org.freedesktop.Secret.Item"
	promptIface     = "org.freedesktop.Secret.Prompt"

	noPath = dbus.ObjectPath("/") // the protocol's "none"
)

// dial connects, authenticates and says Hello before dialLimit and ctx end.
func dial(ctx context.Context, addrs []address, took func(*message)) (*bus, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	sock, err := dialAny(ctx, addrs)
	if err != nil {
		return nil, err
	}
	nc, ok := sock.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("internal error: a bus over %T", sock), sock.Close())
	}
	c, err := newBus(nc, took)
	if err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	stop := context.AfterFunc(ctx, func() { c.end(ctx.Err()) })
	defer stop()
	err = c.authenticate()
	if err == nil {
		_, err = c.call(ctx, busName, request{busPath, busIface + ".Hello", nil})
	}
	if err != nil {
		c.end(err)
		return nil, err
	}
	return c, nil
}

// authenticate is the client's half of D-Bus authentication. Descriptors are
// not agreed to, so none can be planted in this process. The turn is held, for
// nothing may read beside it.
func (c *bus) authenticate() error {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	uid := hex.EncodeToString([]byte(strconv.Itoa(os.Geteuid())))
	if _, err := io.WriteString(c.io, "\x00AUTH EXTERNAL "+uid+"\r\n"); err != nil {
		return err
	}
	line, err := c.in.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "OK ") {
		return odd("the bus does not take this user")
	}
	_, err = io.WriteString(c.io, "BEGIN\r\n")
	return err
}
