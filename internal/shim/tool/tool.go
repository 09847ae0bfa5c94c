// Package tool stands in for a tool that uses a secret which the confined
// command may not have. It runs INSIDE the sandbox, asks the supervisor to run
// the real one elsewhere, and carries its streams: what the tool prints comes
// out here, and its secret stays there.
package tool

import (
	"errors"
	"io"
	"os"

	"keyhole/internal/shim/asker"
	"keyhole/internal/wire"
)

// failed is the exit status when it is keyhole that failed, or refused.
const failed = 125

// Run has the tool run and returns its exit status.
func Run(env asker.Env, name string, args []string) int {
	code, err := run(env, name, args)
	if err != nil {
		// Nobody is left to tell that it cannot be written.
		_, _ = io.WriteString(env.Err, "keyhole: "+name+": "+err.Error()+"\n")
		return failed
	}
	return code
}

func run(env asker.Env, name string, args []string) (int, error) {
	path, err := wire.Socket(env.Argv0, env.Getenv)
	if err != nil {
		return 0, err
	}
	c, err := wire.Dial(path)
	if err != nil {
		return 0, err
	}
	// Nothing is on its way any more when this ends.
	defer func() { _ = c.Close() }()
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	reply, err := c.Do(&wire.Request{Op: wire.Run, Tool: name, Args: args, Dir: dir})
	switch {
	case err != nil:
		return 0, err
	case reply.Code != wire.OK:
		_, err := io.WriteString(env.Err, asker.Explain(reply)+"\n")
		return failed, err
	}
	if err := c.Endless(); err != nil {
		return 0, err
	}
	go feed(c, env.In)
	return show(c, env)
}

// feed sends the standard input. What the tool does not read, or cannot any
// more, is nobody's loss.
func feed(c *wire.Conn, in io.Reader) {
	buf := make([]byte, wire.MaxPiece)
	for {
		n, err := in.Read(buf)
		if n > 0 && c.Send(&wire.Chunk{Stream: wire.Input, Data: buf[:n]}) != nil {
			return
		}
		if err != nil {
			_ = c.Send(&wire.Chunk{Stream: wire.Input})
			return
		}
	}
}

// show writes what the tool writes, until it ends.
func show(c *wire.Conn, env asker.Env) (int, error) {
	for {
		k, err := c.Receive()
		if err != nil {
			return 0, errors.Join(errors.New("the tool was cut off"), err)
		}
		switch k.Stream {
		case wire.Output:
			_, err = env.Out.Write(k.Data)
		case wire.Errors:
			_, err = env.Err.Write(k.Data)
		case wire.End:
			return int(k.Data[0]), nil
		default:
			err = wire.ErrMalformed
		}
		if err != nil {
			return 0, err
		}
	}
}
