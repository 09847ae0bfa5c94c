package security

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

// A keychain here is a name that items keep. The default one has none: items
// that other programs made are in it too. Any other is the path of the file it
// would be.
const defaultName = "login.keychain-db"

// modernSuffix ends the names of keychain files since macOS 10.12.
const modernSuffix = "-db"

// home is the person's folder; the user database says when HOME does not.
func (t *tool) home() string {
	if h := t.env.Getenv("HOME"); h != "" {
		return h
	}
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		return u.HomeDir
	}
	return "/"
}

func (t *tool) folder() string { return filepath.Join(t.home(), "Library", "Keychains") }

// standIn is where the run keeps a file for the person's default keychain, for
// programs that check that what they are told is there. Empty: there is none.
func (t *tool) standIn() string {
	socket, err := wire.Socket(t.env.Argv0, t.env.Getenv)
	if err != nil {
		return ""
	}
	p := filepath.Join(filepath.Dir(socket), wire.HomeName, t.folder(), defaultName)
	if !isFile(p) {
		return ""
	}
	return p
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// defaultPath is what the default keychain is called.
func (t *tool) defaultPath() string {
	p := filepath.Join(t.folder(), defaultName)
	if isFile(p) {
		return p
	}
	if s := t.standIn(); s != "" {
		return s
	}
	return p
}

// keychainPath is the path of the keychain that an item names.
func (t *tool) keychainPath(file string) string {
	if file == "" {
		return t.defaultPath()
	}
	return file
}

// modern tells whether a file is of the newer kind.
func (t *tool) modern(path string) bool {
	return strings.HasSuffix(path, modernSuffix) && (filepath.Dir(path) == t.folder() || path == t.standIn())
}

// keychain is what items name for the keychain that an operand means: empty for
// the default one.
func (t *tool) keychain(operand string) string {
	path := operand
	if !strings.HasPrefix(path, "/") {
		path = filepath.Join(t.folder(), path)
	}
	if filepath.Dir(path) == t.folder() && !strings.HasSuffix(path, modernSuffix) &&
		(isFile(path+modernSuffix) || !isFile(path)) {
		path += modernSuffix
	}
	if path == filepath.Join(t.folder(), defaultName) || path == t.standIn() {
		return ""
	}
	return path
}

// exists tells whether there is such a keychain: the default one, one in the
// person's folder, or one that an item is in.
func (t *tool) exists(file string) bool {
	return file == "" || filepath.Dir(file) == t.folder() || t.holdsItems(file)
}

// holdsItems tells whether a visible item is in a keychain.
func (t *tool) holdsItems(file string) bool {
	r := t.ask(&wire.Request{Op: wire.Find, Match: wire.Match{Attributes: map[string]string{secret.KeychainFile: file}}})
	return r.Code == wire.OK
}

// searchList are the keychains that are searched, as items name them: the
// default one, and those that visible items are in.
func (t *tool) searchList() []string {
	list := []string{""}
	r := t.ask(&wire.Request{Op: wire.Find, All: true, Match: wire.Match{Class: secret.AnyClass, Order: []string{secret.KeychainFile}}})
	for i := range r.Items {
		if f := r.Items[i].Attributes[secret.KeychainFile]; !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	return list
}

// oneOperand takes the operands of a command that has none or one: its file as
// items name it, and what messages call it. Two, or an empty one, are usage.
func (c *call) oneOperand(operands []string, none string) (file, shown string, result int32) {
	switch {
	case len(operands) == 0:
		return "", none, resultOK
	case len(operands) > 1 || operands[0] == "":
		return "", "", resultUsage
	default:
		return c.keychain(operands[0]), operands[0], resultOK
	}
}
