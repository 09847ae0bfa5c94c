//go:build linux

package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godbus/dbus/v5"
)

// gnome-keyring asks for passwords through whoever owns
// org.gnome.keyring.SystemPrompter. It calls BeginPrompting with the path of a
// callback object of its own; the prompter answers each step by a call of
// PromptReady there: first with an empty reply, then, after PerformPrompt, with
// "yes" or "no". The strings both sides pass along are key files whose group
// sx-aes-1 holds base64 fields: public, and with a password secret and iv.
// Key agreement is Diffie-Hellman in the 1536-bit group of RFC 3526 with
// generator 2, the shared secret without its leading zeros (unlike the Secret
// Service's own), HKDF-SHA256 without salt and info to 16 bytes, AES-128-CBC
// with PKCS#7 padding.
const (
	prompterName  = "org.gnome.keyring.SystemPrompter"
	prompterIface = "org.gnome.keyring.internal.Prompter"
	callbackIface = "org.gnome.keyring.internal.Prompter.Callback"

	groupLen = 192
	groupHex = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD1" +
		"29024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
		"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245" +
		"E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
		"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3D" +
		"C2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F" +
		"83655D23DCA3AD961C62F356208552BB9ED529077096966D" +
		"670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF"
)

// Prompter stands in for the unlock dialog and the person before it.
type Prompter struct {
	conn   *dbus.Conn
	answer func() bool
	shown  atomic.Int64
	done   sync.WaitGroup
	failed func(error)
}

// StartPrompter puts a prompter on the bus until the test ends. answer is
// called once per dialog and may wait; true types the password, false closes
// the dialog.
func (k *Keyring) StartPrompter(t testing.TB, answer func() bool) *Prompter {
	t.Helper()
	p := &Prompter{conn: k.Conn(t), answer: answer, failed: func(err error) { t.Errorf("prompter: %v", err) }}
	if got, err := p.conn.RequestName(prompterName, dbus.NameFlagDoNotQueue); err != nil || got != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("owning %s: %v, %v", prompterName, got, err)
	}
	messages := make(chan *dbus.Message, 64)
	p.conn.Eavesdrop(messages)
	p.done.Go(func() { p.serve(messages) })
	t.Cleanup(func() {
		p.conn.Close() // closes messages too
		p.done.Wait()
	})
	return p
}

// Shown is how many dialogs there were.
func (p *Prompter) Shown() int { return int(p.shown.Load()) }

// serve answers calls by hand, because the daemon loses a PromptReady that
// reaches it before the reply to its own call.
func (p *Prompter) serve(messages <-chan *dbus.Message) {
	dialogs := make(map[dbus.ObjectPath]*keyAgreement)
	for m := range messages {
		if m.Type != dbus.TypeMethodCall || m.Headers[dbus.FieldInterface].Value() != prompterIface || len(m.Body) == 0 {
			continue
		}
		path, ok := m.Body[0].(dbus.ObjectPath)
		if !ok {
			p.failed(fmt.Errorf("a call without a path: %v", m.Body))
			continue
		}
		from := m.Headers[dbus.FieldSender]
		p.send(&dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: from, dbus.FieldReplySerial: dbus.MakeVariant(m.Serial())}})
		switch m.Headers[dbus.FieldMember].Value() {
		case "BeginPrompting":
			dialogs[path] = newKeyAgreement()
			p.ready(from, path, "", dialogs[path].keyFile(nil, nil))
		case "PerformPrompt":
			theirs, _ := m.Body[len(m.Body)-1].(string)
			p.shown.Add(1)
			agreement := dialogs[path]
			go p.ask(from, path, agreement, theirs) // ends when the test answers
		case "StopPrompting":
			delete(dialogs, path)
			p.callback(from, path, "PromptDone")
		}
	}
}

// ask puts the question to the test and passes its answer on.
func (p *Prompter) ask(to dbus.Variant, path dbus.ObjectPath, a *keyAgreement, theirs string) {
	if !p.answer() {
		p.ready(to, path, "no", a.keyFile(nil, nil))
		return
	}
	iv, sealed, err := a.seal(theirs, []byte(Password))
	if err != nil {
		p.failed(err)
		return
	}
	p.ready(to, path, "yes", a.keyFile(iv, sealed))
}

func (p *Prompter) ready(to dbus.Variant, path dbus.ObjectPath, reply, exchange string) {
	p.callback(to, path, "PromptReady", reply, map[string]dbus.Variant{}, exchange)
}

func (p *Prompter) callback(to dbus.Variant, path dbus.ObjectPath, member string, body ...any) {
	m := &dbus.Message{Type: dbus.TypeMethodCall, Flags: dbus.FlagNoReplyExpected, Body: body,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: to, dbus.FieldPath: dbus.MakeVariant(path),
			dbus.FieldInterface: dbus.MakeVariant(callbackIface), dbus.FieldMember: dbus.MakeVariant(member),
		}}
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	p.send(m)
}

// send writes a message before it returns. Nobody minds one for a bus that the
// test has ended.
func (p *Prompter) send(m *dbus.Message) { p.conn.Send(m, nil) }

// keyAgreement is the prompter's half for one dialog.
type keyAgreement struct{ prime, private, public *big.Int }

func newKeyAgreement() *keyAgreement {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process first
	prime, _ := new(big.Int).SetString(groupHex, 16)
	private := new(big.Int).SetBytes(b[:])
	return &keyAgreement{prime, private, new(big.Int).Exp(big.NewInt(2), private, prime)}
}

func (a *keyAgreement) keyFile(iv, sealed []byte) string {
	text := "[sx-aes-1]\npublic=" + base64.StdEncoding.EncodeToString(a.public.FillBytes(make([]byte, groupLen))) + "\n"
	if sealed != nil {
		text += "secret=" + base64.StdEncoding.EncodeToString(sealed) + "\n"
		text += "iv=" + base64.StdEncoding.EncodeToString(iv) + "\n"
	}
	return text
}

func (a *keyAgreement) seal(theirs string, plain []byte) (iv, sealed []byte, err error) {
	var public []byte
	for line := range strings.Lines(theirs) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "public="); ok {
			if public, err = base64.StdEncoding.DecodeString(v); err != nil {
				return nil, nil, err
			}
		}
	}
	if public == nil {
		return nil, nil, errors.New("the daemon sent no public key")
	}
	shared := new(big.Int).Exp(new(big.Int).SetBytes(public), a.private, a.prime).Bytes()
	key, err := hkdf.Key(sha256.New, shared, nil, "", 16)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	sealed = append([]byte(nil), plain...)
	for range pad {
		sealed = append(sealed, byte(pad))
	}
	iv = make([]byte, aes.BlockSize)
	rand.Read(iv) // never fails: crypto/rand ends the process first
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)
	return iv, sealed, nil
}
