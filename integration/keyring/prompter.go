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
// generator 2, the shared secret padded to the prime's length, HKDF-SHA256
// without salt and info to 16 bytes, AES-128-CBC with PKCS#7 padding.
const (
	prompterName  = "org.gnome.keyring.SystemPrompter"
	prompterPath  = dbus.ObjectPath("/org/gnome/keyring/Prompter")
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

	mu     sync.Mutex // guards the following
	dialog map[dbus.ObjectPath]*keyAgreement
	shown  int
	failed error
}

// StartPrompter puts a prompter on the bus until the test ends. answer is
// called once per dialog and may wait; true types the password, false closes
// the dialog.
func (k *Keyring) StartPrompter(t testing.TB, answer func() bool) *Prompter {
	t.Helper()
	p := &Prompter{conn: k.Conn(t), answer: answer, dialog: make(map[dbus.ObjectPath]*keyAgreement)}
	t.Cleanup(func() {
		p.conn.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.failed != nil {
			t.Errorf("prompter: %v", p.failed)
		}
	})
	if err := p.conn.Export((*promptMethods)(p), prompterPath, prompterIface); err != nil {
		t.Fatal(err)
	}
	if got, err := p.conn.RequestName(prompterName, dbus.NameFlagDoNotQueue); err != nil || got != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("owning %s: %v, %v", prompterName, got, err)
	}
	return p
}

// Shown is how many dialogs there were.
func (p *Prompter) Shown() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown
}

// promptMethods are what the daemon can call.
type promptMethods Prompter

// BeginPrompting opens a dialog for the callback object at path.
func (m *promptMethods) BeginPrompting(path dbus.ObjectPath, from dbus.Sender) *dbus.Error {
	p := (*Prompter)(m)
	a := newKeyAgreement()
	p.mu.Lock()
	p.dialog[path] = a
	p.mu.Unlock()
	go p.ready(from, path, "", a.keyFile(nil, nil))
	return nil
}

// PerformPrompt asks the person.
func (m *promptMethods) PerformPrompt(path dbus.ObjectPath, _ string, _ map[string]dbus.Variant, theirs string, from dbus.Sender) *dbus.Error {
	p := (*Prompter)(m)
	p.mu.Lock()
	a := p.dialog[path]
	p.shown++
	p.mu.Unlock()
	if a == nil {
		return dbus.MakeFailedError(errors.New("no dialog is open"))
	}
	go func() {
		if !p.answer() {
			p.ready(from, path, "no", a.keyFile(nil, nil))
			return
		}
		iv, sealed, err := a.seal(theirs, []byte(Password))
		if err != nil {
			p.fail(err)
			return
		}
		p.ready(from, path, "yes", a.keyFile(iv, sealed))
	}()
	return nil
}

// StopPrompting closes the dialog.
func (m *promptMethods) StopPrompting(path dbus.ObjectPath, from dbus.Sender) *dbus.Error {
	p := (*Prompter)(m)
	p.mu.Lock()
	delete(p.dialog, path)
	p.mu.Unlock()
	go p.conn.Object(string(from), path).Call(callbackIface+".PromptDone", 0)
	return nil
}

func (p *Prompter) ready(to dbus.Sender, path dbus.ObjectPath, reply, exchange string) {
	none := map[string]dbus.Variant{}
	err := p.conn.Object(string(to), path).Call(callbackIface+".PromptReady", 0, reply, none, exchange).Err
	p.mu.Lock()
	_, open := p.dialog[path]
	p.mu.Unlock()
	// A dialog that was closed by the daemon meanwhile has no callback.
	if err != nil && open && p.conn.Connected() {
		p.fail(fmt.Errorf("reply %q: %w", reply, err))
	}
}

func (p *Prompter) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = errors.Join(p.failed, err)
}

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
	shared := new(big.Int).Exp(new(big.Int).SetBytes(public), a.private, a.prime).FillBytes(make([]byte, groupLen))
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
