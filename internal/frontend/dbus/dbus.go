// Package dbus is the org.freedesktop.secrets endpoint that a confined command
// sees: the message bus and the service in one. Everything read from a
// connection is hostile: it is decoded by one strict codec, under limits, and a
// fault ends that connection and nothing else. It shows the granted items of
// the broker as one virtual collection under names of its own, asks the broker
// at every use, and keeps no decision and no attribute.
package dbus

import (
	"context"
	"log/slog"
	"net"

	"keyhole/internal/broker"
)

// Config is what a Server needs. Broker and Session are required.
type Config struct {
	Broker  *broker.Broker
	Session string
	// PeerPID, when not 0, is the only process that may connect: the supervisor
	// itself, which connects on behalf of the confined command.
	PeerPID int
	Log     *slog.Logger // details that clients must not see; nil: none
}

// Server answers clients of one run.
type Server struct{}

// New builds a server.
func New(cfg Config) (*Server, error) { panic("not written") }

// Serve accepts connections until ctx ends or l is closed, and returns when the
// last connection is gone.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error { panic("not written") }
