package shimserver

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"keyhole/internal/policy"
	"keyhole/internal/wire"
)

// Call is a wrapped tool as a shim wants it run; all of it is the shim's word.
type Call struct {
	Tool string
	Args []string
	Dir  string
}

// Launch runs what was granted to its end and returns its exit status.
type Launch func(ctx context.Context, in io.Reader, out, errs io.Writer) (int, error)

// Tools decides on a call, and records. What it returns runs the tool.
type Tools func(ctx context.Context, who policy.Principal, call Call) (Launch, error)

// Opener decides on opening an address outside, records, and opens it.
type Opener func(ctx context.Context, who policy.Principal, address string) error

// Refusal is a call that is not granted; Text is one line for the person.
type Refusal struct{ Text string }

// Error returns Text.
func (r *Refusal) Error() string { return r.Text }

// failedStatus is the exit status when it is keyhole that failed.
const failedStatus = 125

// runTool answers one Run and carries the tool's streams. The connection is of
// no use for anything else afterwards.
func (s *Server) runTool(ctx context.Context, nc *net.UnixConn, in io.Reader, who policy.Principal, r *wire.Request) error {
	if s.cfg.Tools == nil {
		return errors.Join(errToolDone, s.send(nc, &wire.Reply{Code: wire.Unsupported}))
	}
	launch, err := s.cfg.Tools(ctx, who, Call{r.Tool, r.Args, r.Dir})
	if err != nil {
		return errors.Join(errToolDone, s.send(nc, fail(r.Op, err, s.log)))
	}
	if err := s.send(nc, &wire.Reply{Code: wire.OK}); err != nil {
		return err
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stdin, feed := io.Pipe()
	read := make(chan struct{})
	go func() {
		defer close(read)
		// A shim that is gone takes its tool along.
		if s.input(in, feed) != nil {
			cancel()
		}
	}()
	chunks := &chunkWriter{nc: nc, gone: cancel}
	code, err := launch(ctx, stdin, chunks.stream(wire.Output), chunks.stream(wire.Errors))
	if err != nil {
		s.log.Error("running a tool", "tool", r.Tool, "err", err)
		code = failedStatus
	}
	err = chunks.write(wire.End, []byte{byte(code)})
	stdin.CloseWithError(io.ErrClosedPipe)
	err = errors.Join(errToolDone, err, nc.SetReadDeadline(time.Unix(1, 0)))
	<-read
	return err
}

// errToolDone ends a connection that has carried a tool's streams.
var errToolDone = io.EOF

// input takes what the shim sends as the tool's standard input. An error is a
// shim that is gone or does not keep to the protocol.
func (s *Server) input(in io.Reader, to *io.PipeWriter) error {
	ended := false
	for {
		frame, err := wire.ReadFrame(in, wire.MaxChunk)
		if err != nil {
			to.CloseWithError(io.ErrUnexpectedEOF)
			return err
		}
		k, err := wire.DecodeChunk(frame)
		switch {
		case err != nil || k.Stream != wire.Input || ended:
			to.CloseWithError(io.ErrUnexpectedEOF)
			return wire.ErrMalformed
		case len(k.Data) == 0:
			ended = true
			if err := to.Close(); err != nil {
				return err
			}
		default:
			// The tool may have ended, or closed its input: that is no fault.
			_, _ = to.Write(k.Data)
		}
	}
}

// chunkWriter writes whole chunks, of one stream at a time.
type chunkWriter struct {
	nc   *net.UnixConn
	gone func() // called when nobody reads any more

	mu sync.Mutex // held while a chunk is written
}

func (c *chunkWriter) stream(s wire.Stream) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		done := 0
		for done < len(p) {
			piece := p[done:min(len(p), done+wire.MaxPiece)]
			if err := c.write(s, piece); err != nil {
				return done, err
			}
			done += len(piece)
		}
		return done, nil
	})
}

func (c *chunkWriter) write(s wire.Stream, p []byte) error {
	frame, err := wire.EncodeChunk(&wire.Chunk{Stream: s, Data: p})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err = c.nc.Write(frame); err != nil {
		c.gone()
	}
	return err
}

type writerFunc func(p []byte) (int, error)

// Write calls f.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
