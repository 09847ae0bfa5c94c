package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"keyhole/internal/approval"
)

// callTime is how long a run may take to answer.
const callTime = 5 * time.Second

// ErrRefused is what the run says against a request.
type ErrRefused struct {
	Text string
	Gone bool // the question is settled or has changed
}

// Error is the run's own text.
func (e *ErrRefused) Error() string { return e.Text }

// Client speaks to one run.
type Client struct {
	path string
}

// Dial returns a client for the run whose folder is dir. It connects at each
// call.
func Dial(dir string) *Client { return &Client{path: filepath.Join(dir, SocketName)} }

// Runs lists the runs below the runtime folder that answer, by their ids.
func Runs(ctx context.Context, runtime string) ([]*Client, error) {
	entries, err := os.ReadDir(runtime)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []*Client
	for _, e := range entries {
		c := Dial(filepath.Join(runtime, e.Name()))
		if _, err := os.Lstat(c.path); err != nil {
			continue
		}
		if _, _, err := c.Show(ctx); err == nil {
			all = append(all, c)
		}
	}
	return all, nil
}

// Show returns the run and its open questions.
func (c *Client) Show(ctx context.Context) (Run, []approval.Question, error) {
	reply, err := c.call(ctx, Request{Version: Version, Do: Show})
	if err != nil {
		return Run{}, nil, err
	}
	if reply.Run == nil {
		return Run{}, nil, errors.New("the run's answer is incomplete")
	}
	return *reply.Run, reply.Questions, nil
}

// Settle answers the question with the given digest. An *ErrRefused with Gone
// says that there is none any more.
func (c *Client) Settle(ctx context.Context, digest string, allow bool, lifespan string) error {
	_, err := c.call(ctx, Request{Version: Version, Do: Answer, Digest: digest, Allow: allow, For: lifespan})
	return err
}

// Why asks what the run decides about something.
func (c *Client) Why(ctx context.Context, about []byte) ([]byte, error) {
	reply, err := c.call(ctx, Request{Version: Version, Do: Why, About: about})
	if err == nil && len(reply.Verdict) == 0 {
		err = errors.New("the run's answer is incomplete")
	}
	return reply.Verdict, err
}

// Follow calls seen with the run and its open questions, now and at each
// change, until ctx or the run ends (nil), or seen returns an error.
func (c *Client) Follow(ctx context.Context, seen func(Run, []approval.Question) error) error {
	conn, r, stop, err := c.send(ctx, Request{Version: Version, Do: Follow})
	if err != nil {
		return err
	}
	defer stop()
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	for {
		reply, err := receive(r)
		switch {
		case ctx.Err() != nil || isEnd(err):
			return nil
		case err != nil:
			return err
		case reply.Run == nil:
			return errors.New("the run's answer is incomplete")
		}
		if err := seen(*reply.Run, reply.Questions); err != nil {
			return err
		}
	}
}

func (c *Client) call(ctx context.Context, req Request) (Reply, error) {
	_, r, stop, err := c.send(ctx, req)
	if err != nil {
		return Reply{}, err
	}
	defer stop()
	return receive(r)
}

// send connects and sends a request. stop hangs up.
func (c *Client) send(ctx context.Context, req Request) (net.Conn, *bufio.Reader, func(), error) {
	conn, err := (&net.Dialer{Timeout: callTime}).DialContext(ctx, "unix", c.path)
	if err != nil {
		return nil, nil, nil, err
	}
	unwatch := context.AfterFunc(ctx, func() { _ = conn.Close() })
	stop := func() {
		unwatch()
		_ = conn.Close()
	}
	if err := errors.Join(conn.SetDeadline(time.Now().Add(callTime)), writeLine(conn, req)); err != nil {
		stop()
		return nil, nil, nil, err
	}
	return conn, bufio.NewReader(conn), stop, nil
}

func receive(r *bufio.Reader) (Reply, error) {
	var reply Reply
	if err := readLine(r, &reply); err != nil {
		return Reply{}, fmt.Errorf("reading the run's answer: %w", err)
	}
	if reply.Error != "" {
		return Reply{}, &ErrRefused{reply.Error, reply.Gone}
	}
	return reply, nil
}

// Find returns the open questions whose id begins with prefix, in all runs.
func Find(ctx context.Context, runs []*Client, prefix string) ([]Found, error) {
	var found []Found
	for _, c := range runs {
		run, questions, err := c.Show(ctx)
		if err != nil {
			continue // it ended meanwhile
		}
		for _, q := range questions {
			if len(prefix) <= len(q.ID) && q.ID[:len(prefix)] == prefix {
				found = append(found, Found{c, run, q})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Found) int { return a.Question.Since.Compare(b.Question.Since) })
	return found, nil
}

// Found is an open question and where it is.
type Found struct {
	Client   *Client
	Run      Run
	Question approval.Question
}

// isEnd tells whether the run hung up, which is how every run ends.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
