// Package dbus is the org.freedesktop.secrets endpoint that a confined command
// sees: the message bus and the service in one. Everything read from a
// connection is hostile: it is decoded by one strict codec, under limits, and a
// fault ends that connection and nothing else. It shows the granted items of
// the broker as one virtual collection under names of its own, asks the broker
// at every use, and keeps no decision and no attribute.
package dbus

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"keyhole/internal/broker"
	"keyhole/internal/random"
	"keyhole/internal/socket"
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
type Server struct {
	cfg     Config
	log     *slog.Logger
	times   times
	guid    string             // this bus, as clients know it
	machine string             // never the host's machine id
	methods func() methodTable // made when the first message comes
	names   *nameTable
	bucket  *socket.Bucket
	bulk    chan struct{} // one token for each large reply
	calls   chan struct{} // one token for each large call
	prompts atomic.Int64  // that are not finished
	rules   atomic.Int64  // bytes that match rules take

	mu    sync.Mutex // guards conns and last
	conns map[*conn]struct{}
	last  uint64 // number of the youngest connection
}

// New builds a server.
func New(cfg Config) (*Server, error) {
	if cfg.Broker == nil {
		return nil, errors.New("dbus endpoint: no broker")
	}
	if cfg.Session == "" {
		return nil, errors.New("dbus endpoint: no session")
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		cfg:     cfg,
		log:     log,
		times:   defaultTimes(),
		guid:    random.Name(16),
		machine: random.Name(16),
		methods: sync.OnceValue(newMethodTable),
		names:   newNameTable(),
		bucket:  socket.NewBucket(requestsPerSecond, requestBurst),
		bulk:    make(chan struct{}, bulkAtOnce),
		calls:   make(chan struct{}, bulkCalls),
		conns:   make(map[*conn]struct{}),
		last:    1, // :1.1 is the service itself
	}, nil
}

// add registers a connection, unless there are too many.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= maxConns {
		return false
	}
	s.last++
	c.number = s.last
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// everyone returns the connections of this moment.
func (s *Server) everyone() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}
