package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
)

// scene is what a confined program must not reach: a message bus, an ssh-agent
// and another program of the user. The machine's own bus and agent are used
// where they answer; a decoy stands in where there is none, so that each attempt
// means something.
type scene struct {
	bus, agent string
	bystander  int
	closers    []func()
}

func openScene(ctx context.Context, env *Env, dir string) (*scene, error) {
	s := &scene{}
	if err := s.open(ctx, env, dir); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scene) open(ctx context.Context, env *Env, dir string) error {
	var err error
	s.agent = env.Getenv("SSH_AUTH_SOCK")
	if !answers(s.agent) {
		if s.agent, err = s.decoy(filepath.Join(dir, "agent.sock"), serveAgent); err != nil {
			return err
		}
	}
	s.bus = filepath.Join(env.Getenv("XDG_RUNTIME_DIR"), "bus")
	if !answers(s.bus) {
		id := make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return err
		}
		if s.bus, err = s.decoy(filepath.Join(dir, "bus.sock"), serveBus(hex.EncodeToString(id))); err != nil {
			return err
		}
	}
	return s.startBystander(ctx, env)
}

func (s *scene) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

func answers(path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// decoy listens on path and answers each connection with serve.
func (s *scene) decoy(path string, serve func(net.Conn)) (string, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return "", err
	}
	s.closers = append(s.closers, func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return path, nil
}

func serveAgent(c net.Conn) { c.Close() }

// serveBus authenticates as a message bus does and goes no further.
func serveBus(id string) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		if _, err := bufio.NewReader(io.LimitReader(c, 1024)).ReadString('\n'); err != nil {
			return
		}
		fmt.Fprintf(c, "OK %s\r\n", id)
	}
}

// startBystander starts another program of the same user, with a token in its
// environment.
func (s *scene) startBystander(ctx context.Context, env *Env) error {
	cmd := exec.CommandContext(ctx, env.Executable, "shim", "attempt", "bystander")
	cmd.Env = []string{"GH_TOKEN=" + demoToken}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.closers = append(s.closers, func() {
		in.Close()
		// Its end is all that matters, not its status.
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		return errors.New("the bystander did not start")
	}
	s.bystander = cmd.Process.Pid
	return nil
}
