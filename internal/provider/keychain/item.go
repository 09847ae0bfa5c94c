package keychain

import (
	"encoding/binary"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyhole/internal/secret"
)

// Classes as the tool prints them.
const (
	classGeneric  = "genp"
	classInternet = "inet"
)

// Attributes of items. An item has no others, and cannot keep any.
const (
	keyService  = "service"
	keyAccount  = "account"
	keyServer   = "server"
	keyDomain   = "domain"
	keyProtocol = "protocol"
	keyAuthType = "authtype"
	keyPort     = "port"
	keyPath     = "path"
	keyObject   = "object" // what libsecret calls a path
)

// attribute is where an attribute is in a listing, and which option sets it.
type attribute struct {
	key, tag string
	option   string
	generic  bool
	internet bool
	code     bool // four characters, or none
	identity bool // two items of a keychain differ in one of these
}

// attributes of items. The order is that of options.
var attributes = [...]attribute{
	{key: keyAccount, tag: "acct", option: "-a", generic: true, internet: true, identity: true},
	{key: keyService, tag: "svce", option: "-s", generic: true, identity: true},
	{key: keyServer, tag: "srvr", option: "-s", internet: true, identity: true},
	{key: keyDomain, tag: "sdmn", option: "-d", internet: true, identity: true},
	{key: keyPath, tag: "path", option: "-p", internet: true, identity: true},
	{key: keyPort, tag: "port", option: "-P", internet: true, identity: true},
	{key: keyProtocol, tag: "ptcl", option: "-r", internet: true, code: true, identity: true},
	{key: keyAuthType, tag: "atyp", option: "-t", internet: true, code: true, identity: true},
	{key: secret.KeychainKind, tag: "desc", option: "-D", generic: true, internet: true},
	{key: secret.KeychainComment, tag: "icmt", option: "-j", generic: true, internet: true},
	{key: secret.KeychainGeneric, tag: "gena", option: "-G", generic: true},
	{key: secret.KeychainCreator, tag: "crtr", option: "-c", generic: true, internet: true, code: true},
	{key: secret.KeychainType, tag: "type", option: "-C", generic: true, internet: true, code: true},
}

// of tells whether items of a class have the attribute.
func (a *attribute) of(class string) bool {
	return class == classGeneric && a.generic || class == classInternet && a.internet
}

// info is an item as printed. first is the default keychain: items in it name
// none.
func (f *fields) info(first string) secret.Info {
	i := secret.Info{Label: string(f.tags[labelTag])}
	i.Store, i.Collection, i.Attributes = Name, collection(f.file), map[string]string{}
	for n := range attributes {
		a := &attributes[n]
		if !a.of(f.class) {
			continue
		}
		v := f.text(a)
		// Who looks for an item by its service or server looks by its account too,
		// and an item without one is one whose account is empty.
		if v != "" || a.key == keyAccount || a.key == keyService || a.key == keyServer {
			i.Attributes[a.key] = v
		}
	}
	if f.file != first {
		i.Attributes[secret.KeychainFile] = f.file
	}
	i.Created, i.Modified = date(f.tags["cdat"]), date(f.tags["mdat"])
	i.ID = f.id()
	return i
}

// text is one attribute's value.
func (f *fields) text(a *attribute) string {
	b := f.tags[a.tag]
	switch {
	case a.key == keyPort:
		if len(b) != 4 || binary.BigEndian.Uint32(b) == 0 {
			return ""
		}
		return strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 10)
	case a.code && string(b) == "\x00\x00\x00\x00":
		return ""
	case a.key == keyProtocol:
		return secret.ProtocolName(string(b))
	}
	return string(b)
}

func date(b []byte) time.Time {
	t, err := time.Parse("20060102150405Z", strings.TrimRight(string(b), "\x00"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// id names an item by all that tells it from others: its keychain, class and
// identity. It is the same again when an item is deleted and made anew.
func (f *fields) id() string {
	var identity []string
	for n := range attributes {
		if a := &attributes[n]; a.of(f.class) && a.identity {
			identity = append(identity, f.text(a))
		}
	}
	return f.name(identity)
}

func (f *fields) name(identity []string) string {
	parts := append([]string{f.class, f.file}, identity...)
	for n, p := range parts {
		parts[n] = url.QueryEscape(p)
	}
	return strings.Join(parts, "/")
}

// handle is an id taken apart.
type handle struct {
	id, class, file string
	identity        map[string]string
}

// maxID bounds an id: a name is never that long.
const maxID = 16 << 10

func parseID(id string) (handle, bool) {
	parts := strings.Split(id, "/")
	if len(id) > maxID || len(parts) < 3 {
		return handle{}, false
	}
	for n, p := range parts {
		raw, err := url.QueryUnescape(p)
		if err != nil || strings.IndexByte(raw, 0) >= 0 || url.QueryEscape(raw) != p {
			return handle{}, false
		}
		parts[n] = raw
	}
	h := handle{id: id, class: parts[0], file: parts[1], identity: map[string]string{}}
	rest := parts[2:]
	for n := range attributes {
		a := &attributes[n]
		if !a.of(h.class) || !a.identity {
			continue
		}
		if len(rest) == 0 {
			return handle{}, false
		}
		h.identity[a.key] = rest[0]
		rest = rest[1:]
	}
	return h, len(rest) == 0 && len(h.identity) > 0
}

// command is the tool's name for an act on items of a class.
func command(act, class string) string {
	if class == classInternet {
		return act + "-internet-password"
	}
	return act + "-generic-password"
}

// criteria are the options that search by attributes. A port or a code that an
// item does not have cannot be searched for.
func criteria(class string, have map[string]string, without ...string) []string {
	var args []string
	for n := range attributes {
		a := &attributes[n]
		v, ok := have[a.key]
		if !ok || !a.of(class) || slices.Contains(without, a.key) || v == "" && (a.code || a.key == keyPort) {
			continue
		}
		if a.key == keyProtocol {
			v = secret.ProtocolCode(v)
		}
		args = append(args, a.option, v)
	}
	return args
}

// native puts attributes of a new or changed item under the names that a
// keychain has for them. What it has no place for is refused: it would be lost.
func native(item secret.Ref) (class string, have map[string]string, err error) {
	class = classGeneric
	if item.Class() == secret.InternetPassword {
		class = classInternet
	}
	have = map[string]string{keyAccount: ""}
	if class == classGeneric {
		have[keyService] = ""
	}
	account, _ := item.Account()
	for k, v := range item.Attributes {
		switch {
		case k == secret.SchemaKey, k == secret.KeychainCreated, k == secret.KeychainModified, k == secret.KeychainFile:
			continue // libsecret's own, and what the keychain says itself
		case slices.Contains(secret.AccountKeys(), k):
			if k, v = keyAccount, account; len(accounts(item.Attributes)) > 1 {
				return "", nil, fmt.Errorf("%w: a keychain item has one account", secret.ErrUnsupported)
			}
		case k == keyObject && class == classInternet:
			k = keyPath
		}
		a := attributeOf(class, k)
		if a == nil {
			return "", nil, fmt.Errorf("%w: a keychain item has no attribute %q", secret.ErrUnsupported, k)
		}
		if err := a.check(v); err != nil {
			return "", nil, err
		}
		have[k] = v
	}
	return class, have, nil
}

func accounts(attributes map[string]string) []string {
	return slices.DeleteFunc(secret.AccountKeys(), func(k string) bool { _, ok := attributes[k]; return !ok })
}

func attributeOf(class, key string) *attribute {
	for n := range attributes {
		if a := &attributes[n]; a.key == key && a.of(class) {
			return a
		}
	}
	return nil
}

// check refuses a value that the tool would change.
func (a *attribute) check(v string) error {
	n, err := strconv.ParseUint(v, 10, 16)
	switch {
	case strings.ContainsAny(v, "\n\x00"):
		return fmt.Errorf("%w: %s holds a newline or a NUL", secret.ErrUnsupported, a.key)
	case a.key == keyPort && v != "" && (err != nil || n == 0 || strconv.FormatUint(n, 10) != v):
		return fmt.Errorf("%w: the port is none", secret.ErrUnsupported)
	case a.key == keyProtocol:
		v = secret.ProtocolCode(v)
	}
	if a.code && v != "" && (len(v) != 4 || v == "\x00\x00\x00\x00") {
		return fmt.Errorf("%w: %s has four characters in a keychain", secret.ErrUnsupported, a.key)
	}
	return nil
}
