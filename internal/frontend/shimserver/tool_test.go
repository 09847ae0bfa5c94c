package shimserver

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/wire"
)

// tools serves one launch under the name "echo".
func tools(launch Launch) func(*Server) {
	return func(s *Server) {
		s.cfg.Tools = func(_ context.Context, _ policy.Principal, c Call) (Launch, error) {
			if c.Tool != "echo" {
				return nil, &Refusal{"keyhole: no such tool"}
			}
			return launch, nil
		}
	}
}

func TestToolStreams(t *testing.T) {
	e := start(t, tools(func(_ context.Context, in io.Reader, out, errs io.Writer) (int, error) {
		b, err := io.ReadAll(in)
		_, oerr := out.Write(b)
		_, eerr := errs.Write([]byte("said"))
		return 9, errors.Join(err, oerr, eerr)
	}))
	c := e.dial()
	if r, err := c.Do(&wire.Request{Op: wire.Run, Tool: "echo", Args: []string{"a"}}); err != nil || r.Code != wire.OK {
		t.Fatal(r, err)
	}
	sent := strings.Repeat("x", wire.MaxPiece) + "end"
	for _, piece := range []string{sent[:wire.MaxPiece], "end", ""} {
		e.ok(c.Send(&wire.Chunk{Stream: wire.Input, Data: []byte(piece)}))
	}
	got := map[wire.Stream]string{}
	for len(got[wire.End]) == 0 {
		k, err := c.Receive()
		e.ok(err)
		got[k.Stream] += string(k.Data)
	}
	if got[wire.Output] != sent || got[wire.Errors] != "said" || got[wire.End] != "\x09" {
		t.Errorf("output %d bytes, errors %q, status %q", len(got[wire.Output]), got[wire.Errors], got[wire.End])
	}
	if _, err := c.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestToolRefused(t *testing.T) {
	for name, e := range map[string]*place{"not there": start(t), "refused": start(t, tools(nil))} {
		c := e.dial()
		r, err := c.Do(&wire.Request{Op: wire.Run, Tool: "other"})
		if err != nil || r.Code != wire.Unsupported && (r.Code != wire.Denied || r.Text != "keyhole: no such tool") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if _, err := c.Receive(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the connection goes on: %v", name, err)
		}
	}
}

// A shim that goes away, or that does not keep to the protocol, takes its tool
// along.
func TestToolEndsWithItsShim(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, net.Conn){
		"gone":              func(t *testing.T, nc net.Conn) { closed(t, nc) },
		"no chunk":          func(t *testing.T, nc net.Conn) { write(t, nc, []byte{0, 0, 0, 2, 1, 99}) },
		"output":            func(t *testing.T, nc net.Conn) { write(t, nc, []byte{0, 0, 0, 2, 1, byte(wire.Output)}) },
		"too large":         func(t *testing.T, nc net.Conn) { write(t, nc, []byte{0xff, 0, 0, 2, 1, 1}) },
		"input after input": func(t *testing.T, nc net.Conn) { write(t, nc, []byte{0, 0, 0, 2, 1, 1, 0, 0, 0, 2, 1, 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			e := start(t, tools(func(ctx context.Context, _ io.Reader, _, _ io.Writer) (int, error) {
				<-ctx.Done()
				ended <- ctx.Err()
				return 0, ctx.Err()
			}))
			nc, err := net.Dial("unix", e.path)
			e.ok(err)
			defer nc.Close()
			frame, err := wire.EncodeRequest(&wire.Request{Op: wire.Run, Tool: "echo"})
			e.ok(err)
			write(t, nc, frame)
			_, err = wire.ReadFrame(nc, wire.MaxReply)
			e.ok(err)
			spoil(t, nc)
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

func closed(t *testing.T, nc net.Conn) {
	if err := nc.Close(); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, nc net.Conn, b []byte) {
	if _, err := nc.Write(b); err != nil {
		t.Error(err)
	}
}
