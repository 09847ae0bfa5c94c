// Package shimserver answers shims over wire. Everything read from a connection
// is hostile: a request is decoded whole and under limits, one that is not
// understood is refused and ends its connection and nothing else. It asks the
// broker at every use and keeps no decision and no attribute.
package shimserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"keyhole/internal/broker"
	"keyhole/internal/peer"
	"keyhole/internal/policy"
	"keyhole/internal/socket"
	"keyhole/internal/wire"
)

// What one confined command may make the endpoint hold or do. Connections past
// the limit wait to be accepted, requests past it for their turn: a refusal
// would read like a failing store.
const (
	maxConns          = 128
	bulkAtOnce        = 4 // replies with any number of items that are made and written at a time
	requestsPerSecond = 2000
	requestBurst      = 4000
)

// times are the limits of time; tests shorten them.
type times struct {
	idle    time.Duration // between requests: a shim asks at once or not at all
	message time.Duration // from a request's first byte to its last
	write   time.Duration // one reply
}

func defaultTimes() times {
	return times{idle: 5 * time.Minute, message: 10 * time.Second, write: 5 * time.Second}
}

// Config is what a Server needs. Broker and Session are required.
type Config struct {
	Broker  *broker.Broker
	Session string
	// PeerPID, when not 0, is the only process that may connect: the supervisor
	// itself, which connects on behalf of the confined command.
	PeerPID int
	Tools   Tools        // nil: there are no wrapped tools
	Open    Opener       // nil: no address is opened
	Log     *slog.Logger // details that shims must not see; nil: none
}

// Server answers the shims of one run.
type Server struct {
	cfg    Config
	log    *slog.Logger
	times  times
	slots  chan struct{} // one token for each connection
	bucket *socket.Bucket
	bulk   chan struct{} // one token for each reply that may be large

	// writing is held from looking for what is to be changed, or for what is in
	// the way, to the change.
	writing sync.Mutex
}

// New builds a server.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.Broker == nil:
		return nil, errors.New("shim endpoint: no broker")
	case cfg.Session == "":
		return nil, errors.New("shim endpoint: no session")
	case cfg.Log == nil:
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		cfg: cfg, log: cfg.Log, times: defaultTimes(), slots: make(chan struct{}, maxConns),
		bulk:   make(chan struct{}, bulkAtOnce),
		bucket: socket.NewBucket(requestsPerSecond, requestBurst),
	}, nil
}

// Serve accepts connections until ctx ends or l is closed, and returns when the
// last connection is gone. The end of ctx ends the connections too.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	socket.ServeAtMost(ctx, l, s.log, s.slots, func(nc *net.UnixConn) { s.Answer(ctx, nc) })
	return nil
}

// Answer serves one connection until it or ctx ends.
func (s *Server) Answer(ctx context.Context, nc *net.UnixConn) {
	stop := context.AfterFunc(ctx, func() { s.cut(nc) })
	defer stop()
	defer s.cut(nc)
	if err := s.serve(ctx, nc); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		s.log.Debug("shim connection ended", "err", err)
	}
}

func (s *Server) cut(nc *net.UnixConn) {
	if err := nc.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("closing shim connection", "err", err)
	}
}

// serve is the life of one connection.
func (s *Server) serve(ctx context.Context, nc *net.UnixConn) error {
	cred, err := socket.Identify(nc, s.cfg.PeerPID)
	if err != nil {
		s.log.Warn("turning a shim away", "err", err)
		return err
	}
	who := policy.Principal{Session: s.cfg.Session, FrontEnd: "shim", UID: cred.UID, PID: cred.PID}
	in := &hurried{Reader: socket.NewReader(nc), nc: nc, limit: s.times.message}
	chained := false
	for {
		if err := in.rest(s.times.idle); err != nil {
			return err
		}
		frame, err := wire.ReadFrame(in, wire.MaxRequest)
		if err != nil {
			return s.refuse(nc, err)
		}
		if !chained {
			// Who wrote says more to a person than who connected, which may be
			// the supervisor itself.
			if pid := in.PID(); pid != 0 {
				who.PID = pid
			}
			who.Chain, chained = chainOf(who.PID), true
		}
		err = s.answer(ctx, nc, in, who, frame)
		clear(frame)
		if err != nil {
			return err
		}
	}
}

func chainOf(pid int) []policy.Process {
	var chain []policy.Process
	for _, p := range peer.Chain(pid, os.Getpid()) {
		chain = append(chain, policy.Process{PID: p.PID, Exe: p.Exe, Args: p.Args})
	}
	return chain
}

// hurried gives a request little time once its first byte is there.
type hurried struct {
	*socket.Reader
	nc    *net.UnixConn
	limit time.Duration
	begun bool
}

// rest waits for the next request.
func (h *hurried) rest(d time.Duration) error {
	h.begun = false
	return h.nc.SetReadDeadline(time.Now().Add(d))
}

// Read reads like the connection itself.
func (h *hurried) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 && !h.begun {
		h.begun = true
		err = errors.Join(err, h.nc.SetReadDeadline(time.Now().Add(h.limit)))
	}
	return n, err
}

// answer answers one request. An error ends the connection.
func (s *Server) answer(ctx context.Context, nc *net.UnixConn, in *hurried, who policy.Principal, frame []byte) error {
	r, err := wire.DecodeRequest(frame)
	if err != nil {
		return s.refuse(nc, err)
	}
	if r.Value != nil {
		defer r.Value.Wipe()
	}
	if err := s.bucket.Take(ctx); err != nil {
		return err
	}
	if r.Op == wire.Run {
		return s.runTool(ctx, nc, in.Reader, who, r)
	}
	if r.Op == wire.Find && r.All {
		// Shims that ask for all they may have and then do not read would make us
		// hold it for each of them.
		select {
		case s.bulk <- struct{}{}:
			defer func() { <-s.bulk }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	reply := s.do(ctx, who, r)
	defer wipe(reply)
	return s.send(nc, reply)
}

// refuse tells that a request was not understood, and ends the connection: what
// comes after it cannot be told from its rest.
func (s *Server) refuse(nc *net.UnixConn, err error) error {
	reply := &wire.Reply{Code: wire.Malformed}
	switch {
	case errors.Is(err, wire.ErrVersion):
		reply.Code = wire.BadVersion
	case errors.Is(err, wire.ErrTooLarge):
		reply.Code = wire.TooLarge
	case !errors.Is(err, wire.ErrMalformed):
		return err
	}
	return errors.Join(err, s.send(nc, reply))
}

// send writes a reply and overwrites what it was encoded into.
func (s *Server) send(nc *net.UnixConn, reply *wire.Reply) error {
	frame, err := wire.EncodeReply(reply)
	if errors.Is(err, wire.ErrTooLarge) {
		frame, err = wire.EncodeReply(&wire.Reply{Code: wire.TooLarge})
	}
	if err != nil {
		return err
	}
	defer clear(frame)
	if err := nc.SetWriteDeadline(time.Now().Add(s.times.write)); err != nil {
		return err
	}
	_, err = nc.Write(frame)
	return err
}

func wipe(r *wire.Reply) {
	for i := range r.Items {
		if v := r.Items[i].Value; v != nil {
			v.Wipe()
		}
	}
}
