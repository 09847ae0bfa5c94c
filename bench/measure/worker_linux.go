package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// order is what a worker is to do, Times times. One worker speaks to the real
// keyring, one to an endpoint, one runs inside; all three do the very same.
type order struct {
	Do      string
	Service string   `json:",omitempty"`
	Account string   `json:",omitempty"`
	Times   int      `json:",omitempty"`
	Conns   int      `json:",omitempty"`
	Path    string   `json:",omitempty"`
	Argv    []string `json:",omitempty"`
}

// outcome is how long all of it took.
type outcome struct {
	Took  time.Duration
	Error string `json:",omitempty"`
}

// worker answers orders on standard input until that ends.
type worker struct {
	bus     string
	c       *client
	session dbus.ObjectPath
	held    []*client
	public  []byte // for OpenSession with key agreement
}

func runWorker(in io.Reader, out io.Writer) error {
	// Any number between 1 and the prime will do as a public key.
	w := &worker{bus: os.Getenv("DBUS_SESSION_BUS_ADDRESS"), public: bytes.Repeat([]byte{0x5a}, 128)}
	lines := json.NewDecoder(bufio.NewReader(in))
	answers := json.NewEncoder(out)
	for {
		var o order
		if err := lines.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var r outcome
		var err error
		if r.Took, err = w.do(&o); err != nil {
			r.Error = o.Do + ": " + err.Error()
		}
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
}

func (w *worker) do(o *order) (time.Duration, error) {
	switch o.Do {
	case "lookup":
		return repeat(o.Times, func() error { return lookupTool(o) })
	case "exec":
		return repeat(o.Times, func() error { return execute(o.Path, o.Argv) })
	case "connect":
		return connects(o)
	case "scan":
		return repeat(o.Times, func() error { return scan(o.Path) })
	}
	if err := w.connect(); err != nil {
		return 0, err
	}
	attrs := map[string]string{"service": o.Service, "account": o.Account}
	switch o.Do {
	case "pair":
		return repeat(o.Times, func() error { return w.c.pair(w.session, attrs) })
	case "search":
		r := searchRequest(attrs)
		return repeat(o.Times, func() error { return w.plain(r) })
	case "get", "attributes", "property":
		return w.onItem(o, attrs)
	case "first":
		return w.first(o)
	case "plain":
		return w.sessions(openRequest("plain", ""), o.Times)
	case "dh":
		return w.sessions(openRequest("dh-ietf1024-sha256-aes128-cbc-pkcs7", w.public), o.Times)
	case "ping":
		r := newRequest(serviceName, servicePath, "org.freedesktop.DBus.Peer", "Ping")
		return repeat(o.Times, func() error { return w.plain(r) })
	case "busy":
		return w.busy(o, attrs)
	case "hold":
		return w.hold(o, attrs)
	case "drop":
		return w.drop()
	default:
		return 0, errors.New("unknown order")
	}
}

func repeat(times int, f func() error) (time.Duration, error) {
	begin := time.Now()
	for range times {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

func (w *worker) connect() error {
	if w.c != nil {
		return nil
	}
	var err error
	w.c, w.session, err = dialSession(w.bus)
	return err
}

func dialSession(bus string) (*client, dbus.ObjectPath, error) {
	c, err := dialBus(bus)
	if err != nil {
		return nil, "", err
	}
	session, err := c.openPlain()
	return c, session, err
}

// plain makes a call of which only the success matters.
func (w *worker) plain(r request) error {
	b, err := w.c.call(r)
	if err == nil && dbus.Type(b[1]) != dbus.TypeMethodReply {
		return decodeReply(b)
	}
	return err
}

// sessions opens and closes sessions: a connection may only have so many.
func (w *worker) sessions(r request, times int) (time.Duration, error) {
	return repeat(times, func() error {
		var output dbus.Variant
		var path dbus.ObjectPath
		if err := w.c.store(r, &output, &path); err != nil {
			return err
		}
		return w.plain(newRequest(serviceName, path, "org.freedesktop.Secret.Session", "Close"))
	})
}

// pair searches for an item and reads its secret.
func (c *client) pair(session dbus.ObjectPath, attrs map[string]string) error {
	open, err := c.search(attrs)
	if err != nil {
		return err
	}
	if len(open) != 1 {
		return fmt.Errorf("%d items found, want 1", len(open))
	}
	b, err := c.call(getRequest(open[0], session))
	if err == nil && dbus.Type(b[1]) != dbus.TypeMethodReply {
		return decodeReply(b)
	}
	return err
}

// onItem makes one of the calls that reading an item consists of.
func (w *worker) onItem(o *order, attrs map[string]string) (time.Duration, error) {
	open, err := w.c.search(attrs)
	if err != nil || len(open) == 0 {
		return 0, errors.Join(err, errors.New("no item found"))
	}
	const properties = "org.freedesktop.DBus.Properties"
	r := getRequest(open[0], w.session)
	switch o.Do {
	case "attributes":
		r = newRequest(serviceName, open[0], properties, "GetAll", itemIface)
	case "property":
		r = newRequest(serviceName, open[0], properties, "Get", itemIface, "Attributes")
	}
	return repeat(o.Times, func() error { return w.plain(r) })
}

// first reads items from the one numbered Conns on, each once.
func (w *worker) first(o *order) (time.Duration, error) {
	i := o.Conns
	return repeat(o.Times, func() error {
		i++
		return w.c.pair(w.session, map[string]string{"service": o.Service, "account": fmt.Sprintf("%s%d", o.Account, i-1)})
	})
}

// busy has many connections search and read at once.
func (w *worker) busy(o *order, attrs map[string]string) (time.Duration, error) {
	if _, err := w.hold(o, attrs); err != nil {
		return 0, err
	}
	errs := make([]error, len(w.held))
	begin := time.Now()
	var wg sync.WaitGroup
	for i, c := range w.held {
		wg.Go(func() {
			session, err := c.openPlain()
			for n := 0; n < o.Times && err == nil; n++ {
				err = c.pair(session, attrs)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	took := time.Since(begin)
	_, err := w.drop()
	return took, errors.Join(append(errs, err)...)
}

// hold opens connections, reads on each once, and keeps them.
func (w *worker) hold(o *order, attrs map[string]string) (time.Duration, error) {
	begin := time.Now()
	for range o.Conns {
		c, session, err := dialSession(w.bus)
		if err != nil {
			return 0, err
		}
		w.held = append(w.held, c)
		if err := c.pair(session, attrs); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

func (w *worker) drop() (time.Duration, error) {
	var errs []error
	for _, c := range w.held {
		errs = append(errs, c.close())
	}
	w.held = nil
	return 0, errors.Join(errs...)
}

// lookupTool runs secret-tool. That it prints something is enough to know that
// the item was read; an item not granted ends with status 1 and prints nothing.
func lookupTool(o *order) error {
	cmd := exec.Command("secret-tool", "lookup", "service", o.Service, "account", o.Account)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("secret-tool: %w: %s", err, stderr.String())
	}
	if len(out) == 0 {
		return errors.New("secret-tool printed nothing")
	}
	return nil
}

// execute runs a program in a folder.
func execute(dir string, argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, tail(string(out)))
	}
	return nil
}

func tail(s string) string {
	const most = 400
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

// connects connects and closes.
func connects(o *order) (time.Duration, error) {
	network := "unix"
	if !filepath.IsAbs(o.Path) {
		network = "tcp"
	}
	return repeat(o.Times, func() error {
		nc, err := net.Dial(network, o.Path)
		if err != nil {
			return err
		}
		return nc.Close()
	})
}

// scan opens and closes every file of a folder.
func scan(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return errors.New("nothing to scan")
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
