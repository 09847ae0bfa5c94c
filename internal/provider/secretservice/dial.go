package secretservice

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	busName     = "org.freedesktop.DBus"
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

// stream is the socket as godbus reads and writes it. It never carries file
// descriptors, so none can be planted in this process.
type stream struct {
	net.Conn
	r *bufio.Reader
}

func (s *stream) Read(p []byte) (int, error) { return s.r.Read(p) }

// Write gets a whole message at a time. A bus that stops reading must not hold
// a caller past its deadline: after a cut write the connection is of no use.
func (s *stream) Write(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(callLimit)); err != nil {
		return 0, err
	}
	n, err := s.Conn.Write(p)
	if err != nil {
		return n, errors.Join(err, s.Close())
	}
	return n, nil
}

// dial connects, authenticates and says Hello before dialLimit and ctx end.
// godbus itself waits for ever in the last two.
func dial(ctx context.Context, addrs []address, signals dbus.SignalHandler) (*dbus.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	sock, err := dialAny(ctx, addrs)
	if err != nil {
		return nil, err
	}
	var opts []dbus.ConnOption
	if signals != nil {
		opts = append(opts, dbus.WithSignalHandler(signals))
	}
	conn, err := dbus.NewConn(&stream{sock, bufio.NewReader(sock)}, opts...)
	if err != nil {
		return nil, errors.Join(err, sock.Close())
	}
	stop := context.AfterFunc(ctx, func() { sock.Close() })
	defer stop()
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if err == nil {
		err = conn.Hello()
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if !stop() {
		return nil, errors.Join(ctx.Err(), conn.Close())
	}
	return conn, nil
}
