package secretservice

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/secret"
)

// script stands in for a bus with a service behind it that does what real ones
// do not: it answers in another order, in pieces, or not to the end.
type script struct {
	t    *testing.T
	addr address
	// lists says that there is GetSecrets.
	lists bool

	mu sync.Mutex // guards the following
	// do answers the calls that are not part of getting ready, one at a time.
	do func(*peer, *message)
}

// peer is one connection to a script.
type peer struct {
	s  *script
	nc net.Conn
}

func startScript(t *testing.T, lists bool, do func(*peer, *message)) *script {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "kh-script-")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, addr: address(filepath.Join(dir, "bus")), lists: lists, do: do}
	l, err := net.Listen("unix", string(s.addr))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				(&peer{s, nc}).serve()
			})
		}
	})
	return s
}

// serve reads until the client is gone.
func (p *peer) serve() {
	r := bufio.NewReader(p.nc)
	for line := ""; line != "BEGIN\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			return
		}
		if strings.Contains(line, "AUTH EXTERNAL") {
			p.write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
		}
	}
	for {
		head, err := r.Peek(fixedHeader)
		if err != nil {
			return
		}
		n, err := frameSize(head)
		if err != nil {
			p.s.t.Error(err)
			return
		}
		raw := make([]byte, n)
		if _, err := io.ReadFull(r, raw); err != nil {
			return
		}
		m, err := parseMessage(raw)
		if err != nil {
			p.s.t.Error(err)
			return
		}
		p.answer(m)
	}
}

func (p *peer) answer(m *message) {
	const none = "org.freedesktop.DBus.Error.NotSupported"
	switch m.member {
	case "Hello":
		p.reply(m, ":1.9")
	case "AddMatch":
		p.reply(m)
	case "GetNameOwner":
		p.reply(m, ":1.5")
	case "OpenSession":
		if args, err := m.decode(); err != nil || args[0] != algorithmPlain {
			p.fault(m, none)
			return
		}
		p.reply(m, dbus.MakeVariant(""), dbus.ObjectPath("/org/freedesktop/secrets/session/s1"))
	case "GetSecrets":
		if !p.s.lists {
			p.fault(m, "org.freedesktop.DBus.Error.UnknownMethod")
			return
		}
		fallthrough
	default:
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		p.s.do(p, m)
	}
}

// frame encodes an answer to m.
func (p *peer) frame(m *message, a *dbus.Message) []byte {
	if a.Headers == nil {
		a.Headers = make(map[dbus.HeaderField]dbus.Variant)
	}
	a.Headers[dbus.FieldReplySerial] = dbus.MakeVariant(m.serial)
	if len(a.Body) > 0 {
		a.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(a.Body...))
	}
	b, err := appendMessage(nil, 7, a)
	if err != nil {
		p.s.t.Error(err)
	}
	return b
}

func (p *peer) reply(m *message, body ...any) {
	p.write(p.frame(m, &dbus.Message{Type: dbus.TypeMethodReply, Body: body}))
}

func (p *peer) fault(m *message, name string) {
	p.write(p.frame(m, &dbus.Message{Type: dbus.TypeError, Headers: map[dbus.HeaderField]dbus.Variant{dbus.FieldErrorName: dbus.MakeVariant(name)}}))
}

// write may meet a client that has left.
func (p *peer) write(b []byte) { _, _ = p.nc.Write(b) }

// onBus is a connection to a script, without a store.
func onBus(t *testing.T, s *script, took func(*message)) *bus {
	t.Helper()
	if took == nil {
		took = func(*message) {}
	}
	c, err := dial(t.Context(), []address{s.addr}, took)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.end(net.ErrClosed) })
	return c
}

func onScript(t *testing.T, s *script) *Store {
	t.Helper()
	store, err := Open(Config{Address: "unix:path=" + string(s.addr)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func echo(text string) request { return request{servicePath, "org.example.Echo", []any{text}} }

func texts(t *testing.T, replies []reply) []string {
	t.Helper()
	var out []string
	for _, r := range replies {
		var s string
		if err := r.Store(&s); err != nil {
			t.Error(err)
		}
		out = append(out, s)
	}
	return out
}

// Whatever order the replies come in, each goes to who asked, from many
// goroutines at once.
func TestRepliesInAnyOrder(t *testing.T) {
	const askers, each, rounds = 8, 3, 50
	var held []*message
	s := startScript(t, false, func(p *peer, m *message) {
		if held = append(held, m); len(held) < askers*each {
			return
		}
		rand.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		var all []byte
		for _, m := range held {
			args, err := m.decode()
			if err != nil {
				t.Error(err)
			}
			all = append(all, p.frame(m, &dbus.Message{Type: dbus.TypeMethodReply, Body: args})...)
		}
		held = nil
		// In pieces, the first of a byte and the next of more and more.
		for n := 1; len(all) > 0; n++ {
			p.write(all[:min(n, len(all))])
			all = all[min(n, len(all)):]
		}
	})
	c := onBus(t, s, nil)
	var wg sync.WaitGroup
	for a := range askers {
		wg.Go(func() {
			for r := range rounds {
				var reqs []request
				var want []string
				for i := range each {
					want = append(want, fmt.Sprint(a, r, i))
					reqs = append(reqs, echo(want[i]))
				}
				replies, err := c.exchange(t.Context(), serviceName, reqs...)
				if err != nil {
					t.Error(err)
					return
				}
				if got := texts(t, replies); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
	wg.Wait()
	if len(c.pending) != 0 {
		t.Errorf("%d replies are still waited for", len(c.pending))
	}
}

// Who gives up while he reads for all hands the turn on; the late reply to him
// is nobody else's.
func TestGivingUpWhileReading(t *testing.T) {
	asked := make(chan string, 3)
	held := make(map[string]*message)
	s := startScript(t, false, func(p *peer, m *message) {
		args, err := m.decode()
		if err != nil {
			t.Error(err)
			return
		}
		text, _ := args[0].(string)
		held[text] = m
		if text == "last" {
			for text, m := range held {
				p.reply(m, text)
			}
		}
		asked <- text
	})
	c := onBus(t, s, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	ask := func(ctx context.Context, text string, want error) {
		replies, err := c.exchange(ctx, serviceName, echo(text))
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
		if err == nil && texts(t, replies)[0] != text {
			t.Errorf("%s: another's reply", text)
		}
	}
	gaveUp := make(chan struct{})
	wg.Go(func() {
		defer close(gaveUp)
		ask(ctx, "given up", context.Canceled)
	})
	<-asked
	wg.Go(func() { ask(t.Context(), "waiting", nil) })
	<-asked
	cancel()
	<-gaveUp
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ask(limited, "last", nil)
}

// Signals arrive although nobody waits for a reply, and requests are answered
// after that as before.
func TestSignalsWhileIdle(t *testing.T) {
	took := make(chan string, 1)
	var last *peer
	s := startScript(t, false, func(p *peer, m *message) {
		last = p
		p.reply(m, "x")
	})
	c := onBus(t, s, func(m *message) { took <- m.member })
	for i := range 3 {
		if _, err := c.exchange(t.Context(), serviceName, echo("x")); err != nil {
			t.Fatal(err)
		}
		b, err := appendMessage(nil, 3, &dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath: dbus.MakeVariant(servicePath), dbus.FieldInterface: dbus.MakeVariant("org.example"),
			dbus.FieldMember: dbus.MakeVariant(fmt.Sprint("News", i)), dbus.FieldSender: dbus.MakeVariant(":1.5"),
		}})
		if err != nil {
			t.Fatal(err)
		}
		last.write(b)
		select {
		case got := <-took:
			if got != fmt.Sprint("News", i) {
				t.Errorf("got %q", got)
			}
		case <-time.After(2 * time.Minute):
			t.Fatal("the signal does not arrive")
		}
	}
}

// Nothing is served here: a call to this connection gets an error.
func TestCallsAreRefused(t *testing.T) {
	refused := make(chan string, 1)
	s := startScript(t, false, func(p *peer, m *message) {
		if m.kind == typeError {
			refused <- m.errName
			return
		}
		b, err := appendCall(nil, 99, ":1.9", request{servicePath, "org.freedesktop.DBus.Peer.Ping", nil})
		if err != nil {
			t.Error(err)
		}
		var ping bytes.Buffer
		d, err := dbus.DecodeMessage(bytes.NewReader(b))
		if err != nil {
			t.Error(err)
		}
		d.Headers[dbus.FieldSender] = dbus.MakeVariant(":1.7")
		if err := d.EncodeTo(&ping, binary.LittleEndian); err != nil {
			t.Error(err)
		}
		binary.LittleEndian.PutUint32(ping.Bytes()[8:], 99)
		p.write(ping.Bytes())
		p.reply(m, "x")
	})
	c := onBus(t, s, nil)
	if _, err := c.exchange(t.Context(), serviceName, echo("x")); err != nil {
		t.Fatal(err)
	}
	if name := <-refused; name != "org.freedesktop.DBus.Error.UnknownMethod" {
		t.Error(name)
	}
}

const scriptItem = dbus.ObjectPath("/org/freedesktop/secrets/collection/login/1")

func scriptSecret() wireSecret {
	return wireSecret{"/org/freedesktop/secrets/session/s1", []byte{}, []byte("the secret"), "text/plain"}
}

func scriptProps(service string) map[string]dbus.Variant {
	return map[string]dbus.Variant{
		"Attributes": dbus.MakeVariant(map[string]string{"service": service}), "Locked": dbus.MakeVariant(false),
	}
}

func scriptSecrets(of ...dbus.ObjectPath) map[dbus.ObjectPath]wireSecret {
	out := make(map[dbus.ObjectPath]wireSecret)
	for _, p := range of {
		out[p] = scriptSecret()
	}
	return out
}

// Attributes that arrive before the bytes may be those of before the bytes:
// they are asked for again.
func TestGetJudgesByWhatCameAfterTheBytes(t *testing.T) {
	for _, c := range []struct {
		lists bool
		reads int // where there is no list, one went with the request for it
	}{{true, 2}, {false, 3}} {
		var held *message
		reads := 0
		s := startScript(t, c.lists, func(p *peer, m *message) {
			switch m.member {
			case "GetSecret", "GetSecrets":
				held = m
			case "GetAll":
				reads++
				if held == nil {
					p.reply(m, scriptProps("after"))
					return
				}
				p.reply(m, scriptProps("before"))
				if c.lists {
					p.reply(held, scriptSecrets(scriptItem))
				} else {
					p.reply(held, scriptSecret())
				}
				held = nil
			}
		})
		store := onScript(t, s)
		info, v, err := store.Get(t.Context(), string(scriptItem))
		if err != nil || string(v.Expose()) != "the secret" {
			t.Fatal(err)
		}
		if info.Attributes["service"] != "after" || reads != c.reads {
			t.Errorf("lists %v: judged by %v after %d reads", c.lists, info.Attributes, reads)
		}
	}
}

// A list leaves out what is locked and what is gone. Of the first the service is
// asked why; the second costs no further request, so that an item that is gone
// takes no longer than one that may not be seen any more.
func TestSecretLeftOut(t *testing.T) {
	const own = "org.freedesktop.Secret.Error."
	for _, c := range []struct {
		name        string
		gone        bool
		alone       string // the error of GetSecret; empty: it works
		want        error
		asked, read int
	}{
		{"gone", true, own + "NoSuchObject", secret.ErrNotFound, 0, 1},
		{"locked", false, own + "IsLocked", secret.ErrLocked, 1, 2},
		{"left out for nothing", false, "", nil, 1, 2},
	} {
		asked, read := 0, 0
		s := startScript(t, true, func(p *peer, m *message) {
			switch m.member {
			case "GetSecrets":
				p.reply(m, scriptSecrets(scriptItem+"0"))
			case "GetSecret":
				if asked++; c.alone != "" {
					p.fault(m, c.alone)
					return
				}
				p.reply(m, scriptSecret())
			case "GetAll":
				if read++; c.gone {
					p.fault(m, own+"NoSuchObject")
					return
				}
				p.reply(m, scriptProps("example"))
			}
		})
		_, v, err := onScript(t, s).Get(t.Context(), string(scriptItem))
		if !errors.Is(err, c.want) || (v.Len() == 0) != (c.want != nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		if asked != c.asked || read != c.read {
			t.Errorf("%s: asked for alone %d times, attributes read %d times", c.name, asked, read)
		}
	}
}

// A service that goes away between the two replies has released nothing, and
// the next call finds the new one.
func TestEndBetweenReplies(t *testing.T) {
	for _, last := range []string{"GetSecret", "GetAll"} {
		fail := true
		s := startScript(t, false, func(p *peer, m *message) {
			if fail && m.member == last {
				fail = false
				p.nc.Close()
				return
			}
			switch m.member {
			case "GetSecret":
				p.reply(m, scriptSecret())
			case "GetAll":
				p.reply(m, scriptProps("example"))
			}
		})
		store := onScript(t, s)
		info, v, err := store.Get(t.Context(), string(scriptItem))
		if !errors.Is(err, secret.ErrUnavailable) || v.Len() != 0 || info.ID != "" {
			t.Errorf("ended at %s: %v, %v", last, info, err)
		}
		if _, v, err := store.Get(t.Context(), string(scriptItem)); err != nil || string(v.Expose()) != "the secret" {
			t.Errorf("ended at %s, next call: %v", last, err)
		}
	}
}

// A service that says nothing holds nobody past his time, wherever it stops.
func TestSilentService(t *testing.T) {
	for _, last := range []string{"SearchItems", "GetSecret", "GetAll"} {
		s := startScript(t, false, func(p *peer, m *message) {
			switch m.member {
			case last:
			case "SearchItems":
				p.reply(m, []dbus.ObjectPath{scriptItem}, []dbus.ObjectPath{})
			case "GetSecret":
				p.reply(m, scriptSecret())
			case "GetAll":
				p.reply(m, scriptProps("example"))
			}
		})
		store := onScript(t, s)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				_, listErr := store.List(ctx, secret.Query{Attributes: map[string]string{"service": "example"}})
				_, v, err := store.Get(ctx, string(scriptItem))
				if err == nil {
					err = listErr
				}
				if !errors.Is(err, secret.ErrUnavailable) || last != "SearchItems" && v.Len() != 0 {
					t.Errorf("silent at %s: %v", last, err)
				}
			})
		}
		wg.Wait()
	}
}

// What is sent here reads the same by godbus, and the other way round.
func TestCallsReadTheSame(t *testing.T) {
	for _, r := range []request{
		{servicePath, serviceIface + ".SearchItems", []any{map[string]string{"service": "ä", "account": ""}}},
		{scriptItem, itemIface + ".GetSecret", []any{dbus.ObjectPath("/s")}},
		{scriptItem, propsIface + ".Get", []any{itemIface, "Attributes"}},
		{scriptItem, itemIface + ".Delete", nil},
		{servicePath, serviceIface + ".GetSecrets", []any{[]dbus.ObjectPath{scriptItem, "/x"}, dbus.ObjectPath("/s")}},
		{servicePath, serviceIface + ".OpenSession", []any{"plain", dbus.MakeVariant("")}},
	} {
		before := appendPrefix(t)
		b, err := appendCall(before, 77, ":1.5", r)
		if err != nil {
			t.Fatal(err)
		}
		b = b[len(before):]
		d, err := dbus.DecodeMessage(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", r.method, err)
		}
		if fmt.Sprint(d.Body...) != fmt.Sprint(r.args...) || d.Headers[dbus.FieldPath].Value() != r.path ||
			d.Headers[dbus.FieldDestination].Value() != ":1.5" {
			t.Errorf("%s: %v", r.method, d)
		}
		m, err := parseMessage(b)
		if err != nil || m.serial != 77 || m.iface+"."+m.member != r.method || m.path != string(r.path) {
			t.Errorf("%s: %+v, %v", r.method, m, err)
		}
	}
	if _, err := appendCall(nil, 1, ":1.5", request{"no path", itemIface + ".Delete", nil}); err == nil {
		t.Error("a malformed path is sent")
	}
}

// appendPrefix is a message of odd length, so that the next begins out of step.
func appendPrefix(t *testing.T) []byte {
	b, err := appendCall(nil, 1, "org.example", request{servicePath, "org.example.X", []any{"odd length"}})
	if err != nil || len(b)%8 == 0 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	return b
}

func FuzzParseMessage(f *testing.F) {
	p := &peer{}
	m := &message{serial: 5}
	for _, body := range [][]any{
		{[]dbus.ObjectPath{scriptItem}, []dbus.ObjectPath{}}, {scriptSecret()}, {scriptSecrets(scriptItem)},
		{dbus.MakeVariant(map[string]string{"service": "example"})}, {dbus.MakeVariant("x")}, nil,
	} {
		f.Add(p.frame(m, &dbus.Message{Type: dbus.TypeMethodReply, Body: body}))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < fixedHeader {
			return
		}
		if n, err := frameSize(raw); err != nil || n != len(raw) {
			return
		}
		m, err := parseMessage(raw)
		if err != nil {
			return
		}
		r := reply{m: m}
		h, err := hitsOf(r)
		if size := len(h.unlocked) + len(h.locked); err == nil && size > len(raw) {
			t.Errorf("%d paths in %d bytes", size, len(raw))
		}
		if w, err := secretIn(r, scriptItem); err == nil && len(w.Value) > len(raw) {
			t.Error("a secret longer than its message")
		}
		if w, err := secretOf(r); err == nil && len(w.Value) > len(raw) {
			t.Error("a secret longer than its message")
		}
		if attrs, err := attributesIn(r); err == nil && len(attrs) > len(raw) {
			t.Error("more attributes than bytes")
		}
	})
}
