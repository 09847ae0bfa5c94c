package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"keyhole/internal/approval"
	"keyhole/internal/peer"
	"keyhole/internal/policy"
)

// Desk holds the open questions; *approval.Desk is one.
type Desk interface {
	Pending() ([]approval.Question, <-chan struct{})
	Answer(digest string, a policy.Answer) error
}

// Server answers on a run's control socket.
type Server struct {
	run  func() Run // as it is now
	desk Desk
	why  func(about []byte) ([]byte, error)
	log  *slog.Logger

	mu    sync.Mutex // guards conns
	conns int
	wg    sync.WaitGroup
}

// NewServer builds a server; run tells about the run at the time it is asked,
// and why, which may be nil, what it decides.
func NewServer(run func() Run, desk Desk, why func(about []byte) ([]byte, error), log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{run: run, desk: desk, why: why, log: log}
}

// Serve accepts connections until l is closed and all of them have ended; the
// end of ctx ends them.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) {
	defer s.wg.Wait()
	for {
		c, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, most likely, of which the command can make us
			// use many: the person must be able to answer afterwards.
			s.log.Warn("accepting on the control socket", "err", err)
			select {
			case <-time.After(acceptPause):
				continue
			case <-ctx.Done():
				return
			}
		}
		if !s.enter() {
			_ = c.Close() // too many; the client sees the end of the line
			continue
		}
		s.wg.Go(func() {
			defer s.leave()
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			defer stop()
			if err := errors.Join(s.serve(ctx, c), c.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
				s.log.Debug("control connection", "err", err)
			}
		})
	}
}

func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == maxConns {
		return false
	}
	s.conns++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
}

func (s *Server) serve(ctx context.Context, c *net.UnixConn) error {
	if err := outsider(c); err != nil {
		return err
	}
	if err := c.SetDeadline(time.Now().Add(requestTime)); err != nil {
		return err
	}
	var req Request
	if err := readLine(bufio.NewReader(c), &req); err != nil {
		return errors.Join(err, writeLine(c, Reply{Error: "the request is not understood"}))
	}
	if req.Version != Version {
		return writeLine(c, Reply{Error: fmt.Sprintf("version %d is not spoken here, but %d", req.Version, Version)})
	}
	switch req.Do {
	case Show:
		run := s.run()
		questions, _ := s.desk.Pending()
		return writeLine(c, Reply{Run: &run, Questions: questions})
	case Answer:
		return writeLine(c, s.settle(&req))
	case Follow:
		return s.follow(ctx, c)
	case Why:
		return writeLine(c, s.explain(&req))
	default:
		return writeLine(c, Reply{Error: "the request is not understood"})
	}
}

func (s *Server) settle(req *Request) Reply {
	a, err := req.answer("keyhole approve", time.Now())
	if err != nil {
		return Reply{Error: err.Error()}
	}
	if !req.Allow {
		a.Via = "keyhole deny"
	}
	if err := s.desk.Answer(req.Digest, a); err != nil {
		return Reply{Error: err.Error(), Gone: errors.Is(err, approval.ErrGone)}
	}
	return Reply{}
}

func (s *Server) explain(req *Request) Reply {
	if s.why == nil {
		return Reply{Error: "this run does not explain itself"}
	}
	verdict, err := s.why(req.About)
	if err != nil {
		return Reply{Error: err.Error()}
	}
	return Reply{Verdict: verdict}
}

func (s *Server) follow(ctx context.Context, c *net.UnixConn) error {
	hung := make(chan struct{})
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	s.wg.Go(func() {
		defer close(hung)
		// Nothing more is expected: anything, and the end, ends it.
		_, _ = c.Read(make([]byte, 1))
	})
	defer func() {
		_ = c.Close()
		<-hung
	}()
	for {
		run := s.run()
		questions, changed := s.desk.Pending()
		if err := c.SetWriteDeadline(time.Now().Add(requestTime)); err != nil {
			return err
		}
		if err := writeLine(c, Reply{Run: &run, Questions: questions}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-hung:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// outsider refuses whoever may not answer for the person.
func outsider(c *net.UnixConn) error {
	cred, err := peer.Of(c)
	if err != nil {
		return err
	}
	return mayAsk(cred)
}

func mayAsk(cred peer.Cred) error {
	if cred.UID != uint32(os.Geteuid()) {
		return fmt.Errorf("uid %d may not ask here", cred.UID)
	}
	if cred.PID <= 0 {
		return errors.New("who asks cannot be told")
	}
	// Our own id is that of a connection made for the command.
	if peer.Descends(cred.PID, os.Getpid()) {
		return fmt.Errorf("process %d belongs to the run and may not ask here", cred.PID)
	}
	return nil
}
