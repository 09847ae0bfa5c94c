package dbus

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"

	"keyhole/internal/secret"
)

const (
	rootPath       = "/org/freedesktop/secrets"
	loginPath      = rootPath + "/collection/login"
	overlayPath    = rootPath + "/collection/session"
	sessionFolder  = rootPath + "/session/"
	promptFolder   = rootPath + "/prompt/"
	driverPath     = "/org/freedesktop/DBus"
	overlayStore   = "overlay"
	noObject       = "/"
	itemNameLength = 10 // bytes of an HMAC
)

// objectKind is what a path names, told from its form alone: whether an item,
// session or prompt exists is looked up when it is used.
type objectKind uint8

const (
	kindNowhere objectKind = iota // outside of the service
	kindGone                      // below the service, names nothing
	kindFolder                    // holds other objects, nothing else
	kindDriver                    // the bus itself
	kindService
	kindCollection
	kindItem
	kindSession
	kindPrompt
)

type object struct {
	kind    objectKind
	path    string
	overlay bool // the collection of this run's memory, not the one of all items
}

// resolve tells what a path of the service names.
func resolve(path string) object {
	o := object{kind: kindNowhere, path: path}
	rest, below := strings.CutPrefix(path, rootPath+"/")
	switch {
	case path == rootPath:
		o.kind = kindService
		return o
	case path == "/", path == "/org", path == "/org/freedesktop":
		o.kind = kindFolder
		return o
	case !below:
		return o
	}
	o.kind = kindGone
	parts := strings.Split(rest, "/")
	switch parts[0] {
	case "collection", "aliases":
		o.resolveCollection(parts)
	case "session":
		o.resolveLeaf(parts, kindSession)
	case "prompt":
		o.resolveLeaf(parts, kindPrompt)
	}
	return o
}

func (o *object) resolveCollection(parts []string) {
	if len(parts) == 1 {
		o.kind = kindFolder
		return
	}
	alias := parts[0] == "aliases"
	switch {
	case parts[1] == "session":
		o.overlay = true
	case parts[1] != "login" && !(alias && parts[1] == "default"):
		return
	}
	switch {
	case len(parts) == 2:
		o.kind = kindCollection
	case len(parts) == 3 && !alias:
		o.kind = kindItem
	}
}

func (o *object) resolveLeaf(parts []string, kind objectKind) {
	switch len(parts) {
	case 1:
		o.kind = kindFolder
	case 2:
		o.kind = kind
	}
}

// nameTable makes names for items and remembers which item was meant. A name is
// made under a key of this run, so that a path learnt elsewhere names nothing,
// and it is a hint only: stores reuse their own names, and whether the item may
// be seen is asked at every use.
type nameTable struct {
	key [sha256.Size]byte

	mu   sync.Mutex            // guards refs
	refs map[string]secret.Ref // by object path; without attributes
}

func newNameTable() *nameTable {
	t := &nameTable{refs: make(map[string]secret.Ref)}
	rand.Read(t.key[:]) // never fails, see crypto/rand
	return t
}

// show returns the path of an item that the client may see.
func (t *nameTable) show(r secret.Ref) string {
	path := t.name(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.refs[path]; !ok && len(t.refs) >= maxNames {
		// Only a client that creates and deletes for ever comes here; one that
		// still wants the forgotten item searches again.
		for old := range t.refs {
			delete(t.refs, old)
			break
		}
	}
	t.refs[path] = secret.Ref{Store: r.Store, ID: r.ID, Collection: r.Collection}
	return path
}

func (t *nameTable) name(r secret.Ref) string {
	h := hmac.New(sha256.New, t.key[:])
	h.Write([]byte(r.Store + "\x00" + r.ID))
	folder := loginPath
	if r.Store == overlayStore {
		folder = overlayPath
	}
	return folder + "/i" + hex.EncodeToString(h.Sum(nil)[:itemNameLength])
}

// ref returns the item once shown under path.
func (t *nameTable) ref(path string) (secret.Ref, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.refs[path]
	return r, ok
}

func (t *nameTable) forget(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.refs, path)
}
