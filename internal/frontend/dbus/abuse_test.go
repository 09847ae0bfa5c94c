package dbus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// alive checks that the server still serves somebody else.
func (e *endpoint) alive(t testing.TB) {
	t.Helper()
	e.dial(t).plain()
}

// shorten is for tests in which a connection must end because its time is over. It
// leaves a good client enough on a busy machine, and who waits for it waits beside
// others.
func shorten(s *Server) {
	const short = 3 * time.Second
	s.times = times{handshake: short, message: short, write: short, prompt: 10 * time.Minute}
}

// patient is for tests in which a connection must end for what it did, and not
// because its time is over.
func patient(s *Server) { s.times.handshake, s.times.message = 10*time.Minute, 10*time.Minute }

// TestMalformedEndsTheConnection sends each and looks that nobody else notices.
func TestMalformedEndsTheConnection(t *testing.T) {
	e := start(t, patient)
	call := func(sig string, body []byte, more func(*encoder)) []byte {
		return raw{order: 'l', kind: typeCall, version: 1, serial: 9, body: body, fields: func(e *encoder) {
			textField(e, fieldPath, "o", rootPath)
			textField(e, fieldMember, "s", "OpenSession")
			textField(e, fieldDestination, "s", serviceName)
			if sig != "" {
				field(e, fieldSignature, "g", func() { e.signature(sig) })
			}
			more(e)
		}}.bytes()
	}
	huge := call("sv", []byte{0, 0, 0, 0}, none)
	binary.LittleEndian.PutUint32(huge[4:], 1<<32-1)
	half := bytes.Clone(huge)
	binary.LittleEndian.PutUint32(half[4:], 1<<31)
	for name, b := range map[string][]byte{
		"a() as body":         call("a()", []byte{64, 0, 0, 0}, none),
		"a() in a variant":    call("sv", append([]byte{0, 0, 0, 0, 0, 3, 'a', '(', ')', 0, 0, 0}, 64, 0, 0, 0), none),
		"a() as header field": call("", nil, func(e *encoder) { field(e, 77, "a()", func() { e.u32(64) }) }),
		"4 GiB":               huge,
		"2 GiB":               half,
		"descriptors":         call("", nil, func(e *encoder) { field(e, fieldDescriptors, "u", func() { e.u32(1) }) }),
		"not UTF-8":           call("sv", []byte{1, 0, 0, 0, 0xff, 0, 1, 's', 0, 0, 0, 0, 0, 0, 0, 0, 0}, none),
		"garbage":             []byte(strings.Repeat("GET / HTTP/1.1\r\n", 4)),
	} {
		t.Run(name, func(t *testing.T) {
			c := e.dial(t)
			c.write(b)
			c.ended()
		})
	}
	e.alive(t)
}

func TestRefusedArguments(t *testing.T) {
	e := start(t)
	c := e.dial(t)
	for name, args := range map[string]func(*encoder){
		"variant of variants": func(e *encoder) { e.str("plain"); e.signature("v"); e.signature("s"); e.str("") },
		"variant of as":       func(e *encoder) { e.str("plain"); e.signature("as"); e.strings(nil) },
		"trailing bytes":      func(e *encoder) { e.str("plain"); e.signature("s"); e.str(""); e.b = append(e.b, 0) },
		"wrong input":         func(e *encoder) { e.str("plain"); e.signature("ay"); e.bytes(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.refused(c.call(rootPath, ifaceService, "OpenSession", "sv", args), nameInvalidArgs)
		})
	}
	c.t = t
	many := make([]string, maxPaths+1)
	for i := range many {
		many[i] = "/"
	}
	c.refused(c.call(rootPath, ifaceService, "Unlock", "ao", func(e *encoder) { e.strings(many) }), nameLimitsExceeded)
	s := c.plain()
	c.refused(c.call(rootPath, ifaceService, "GetSecrets", "aoo", func(e *encoder) { e.strings(many); e.str(s) }), nameLimitsExceeded)
}

func TestGarbageAroundTheHandshake(t *testing.T) {
	e := start(t, patient)
	for name, b := range map[string]string{
		"no NUL":               "AUTH EXTERNAL 30\r\n",
		"HTTP":                 "\x00GET / HTTP/1.0\r\n\xff\r\n",
		"BEGIN at once":        "\x00BEGIN\r\n",
		"garbage after BEGIN":  "\x00AUTH EXTERNAL 30\r\nBEGIN\r\n" + strings.Repeat("x", 64),
		"endless line":         "\x00" + strings.Repeat("A", 8<<10),
		"endless mechanisms":   "\x00" + strings.Repeat("AUTH X\r\n", 100),
		"message without text": "\x00AUTH EXTERNAL 30\r\nBEGIN\r\nl\x00\x00\x01" + strings.Repeat("\x00", 60),
	} {
		t.Run(name, func(t *testing.T) {
			c := e.connect(t)
			// The server may have hung up in the middle of it.
			if _, err := c.nc.Write([]byte(b)); err != nil && !isReset(err) {
				t.Fatal(err)
			}
			skipText(c)
		})
	}
	e.alive(t)
}

// skipText reads until the connection ends, whatever comes.
func skipText(c *client) {
	c.t.Helper()
	b := make([]byte, 4096)
	for {
		if _, err := c.nc.Read(b); err != nil {
			if os.IsTimeout(err) {
				c.t.Fatal("connection did not end")
			}
			return
		}
	}
}

func TestHelloComesFirst(t *testing.T) {
	e := start(t)
	for name, frame := range map[string]func(c *client) []byte{
		"a call": func(c *client) []byte {
			return c.frame(serviceName, rootPath, ifaceService, "ReadAlias", "s", text("default"))
		},
		"other call":  func(c *client) []byte { return c.frame(driverName, driverPath, driverName, "GetId", "", none) },
		"forged loss": func(*client) []byte { return forgedNameLost() },
	} {
		t.Run(name, func(t *testing.T) {
			c := e.begin(t)
			c.write(frame(c))
			c.ended()
		})
	}
}

func forgedNameLost() []byte {
	return appendMessage(nil, &message{kind: typeSignal, serial: 5, path: driverPath, iface: driverName, member: "NameLost", sender: driverName})
}

// TestForgedMessages sends what a client has no business to send: all are
// dropped and the connection goes on.
func TestForgedMessages(t *testing.T) {
	e := start(t)
	c := e.dial(t)
	c.write(forgedNameLost())
	c.write(appendMessage(nil, &message{kind: typeReply, serial: 6, replySerial: 1, sender: driverName}))
	c.write(appendMessage(nil, &message{kind: typeError, serial: 7, replySerial: 1, errName: nameFailed}))
	c.write(appendMessage(nil, &message{kind: 200, serial: 8}))
	c.plain()
	b := c.frame(serviceName, rootPath, ifaceService, "ReadAlias", "s", text("default"))
	b[2] = flagNoReply
	c.write(b)
	c.plain() // reply would see an answer to the other call
}

// TestDescriptorsAreDropped sends descriptors with the first byte and with
// messages, and counts those of this process.
func TestDescriptorsAreDropped(t *testing.T) {
	e := start(t)
	e.alive(t)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := e.connect(t)
	before := descriptors(t)
	fds := make([]int, 50)
	for i := range fds {
		fds[i] = int(f.Fd())
	}
	rights := syscall.UnixRights(fds...)
	if _, _, err := c.nc.WriteMsgUnix([]byte("\x00AUTH EXTERNAL 30\r\nBEGIN\r\n"), rights, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.in.line(maxLine); err != nil {
		t.Fatal(err)
	}
	c.name = c.ok(c.driver("Hello", "", none)).str()
	for range 20 {
		b := c.frame(driverName, driverPath, driverName, "GetId", "", none)
		if _, _, err := c.nc.WriteMsgUnix(b, rights, nil); err != nil {
			t.Fatal(err)
		}
		c.ok(c.reply())
	}
	// Connections come and go meanwhile, a few; what was sent is a thousand.
	if after := descriptors(t); after > before+5 {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestFloodWithoutReading is cut off at the write deadline, and others do not
// notice.
func TestFloodWithoutReading(t *testing.T) {
	t.Parallel()
	e := start(t, shorten)
	c, other := e.dial(t), e.dial(t)
	b := c.frame(driverName, driverPath, ifaceIntrospect, "Introspect", "", none)
	flood := bytes.Repeat(b, 100)
	begun := time.Now()
	for {
		if _, err := c.nc.Write(flood); err != nil {
			if !isReset(err) {
				t.Fatalf("not cut off: %v", err)
			}
			break
		}
		other.driver("GetId", "", none)
		if time.Since(begun) > patience {
			t.Fatal("not cut off")
		}
	}
	other.plain()
}

// TestSlowListener gets more signals than it reads: it is cut off and holds up
// nobody.
func TestSlowListener(t *testing.T) {
	// Not the deadline of a write: the length of the queue.
	e := start(t, func(s *Server) { s.times.write = 10 * time.Minute })
	c, deaf := e.dial(t), e.dial(t)
	deaf.ok(deaf.driver("AddMatch", "s", text("type='signal'")))
	item := loginPath + "/i0123456789abcdef0123"
	for range 20000 {
		e.srv.changed("ItemCreated", item)
	}
	c.plain()
	eventually(t, "the deaf client to be cut off", func() bool { return len(e.srv.everyone()) == 1 })
}

func TestSilentHandshake(t *testing.T) {
	t.Parallel()
	e := start(t, shorten)
	c, half, drip := e.connect(t), e.dial(t), e.connect(t)
	half.write(half.frame(serviceName, rootPath, ifaceService, "ReadAlias", "s", text("default"))[:20])
	drip.write([]byte("\x00AUTH EXTERNAL"))
	skipText(c)
	half.ended()
	skipText(drip)
}

// TestIdleConnectionStays is past every limit of time and still served.
func TestIdleConnectionStays(t *testing.T) {
	t.Parallel()
	e := start(t, shorten)
	c, dies := e.dial(t), e.connect(t)
	skipText(dies) // as long as the handshake may take
	c.plain()
}

func TestForeignPeer(t *testing.T) {
	e := start(t, func(s *Server) { s.cfg.PeerPID = os.Getpid() })
	e.alive(t)
	e = start(t, patient, func(s *Server) { s.cfg.PeerPID = os.Getpid() + 1 })
	skipText(e.connect(t))
}

func TestGuessedNames(t *testing.T) {
	e, foreign := start(t), start(t)
	for _, e := range []*endpoint{e, foreign} {
		e.store.mem.Add("L", "v", "service", "mine", "username", "u")
	}
	c := e.dial(t)
	s := c.plain()
	theirs := foreign.dial(t).find("service", "mine")
	if theirs == c.find("service", "mine") {
		t.Error("two runs name an item alike")
	}
	for _, path := range []string{theirs, loginPath + "/1", loginPath + "/i" + strings.Repeat("0", 20), rootPath + "/collection/x/1"} {
		c.refused(c.call(path, ifaceProperties, "GetAll", "s", text(ifaceItem)), nameNoSuchObject)
	}
	// A name that was made, but for an item that was never shown.
	fresh := e.store.mem.Add("L", "v", "service", "other", "username", "u")
	c.refused(c.get(e.srv.names.name(fresh.Ref), s), nameNoSuchObject)
}

// TestManyClients has 100 clients search and read at once.
func TestManyClients(t *testing.T) {
	e := start(t)
	for i := range 10 {
		e.store.mem.Add("L", fmt.Sprint("v", i), "service", "mine", "username", fmt.Sprint(i))
	}
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			c := e.dial(t)
			s := c.plain()
			for j := range 5 {
				name := fmt.Sprint((i + j) % 10)
				if got := c.value(c.find("username", name), s); got != "v"+name {
					t.Errorf("client %d: %q", i, got)
				}
			}
			if err := c.nc.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before+2 })
}
