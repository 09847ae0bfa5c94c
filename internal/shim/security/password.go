package security

import (
	"encoding/hex"
	"strings"

	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

// Attributes as wire calls them.
const (
	keyService  = "service"
	keyAccount  = "account"
	keyServer   = "server"
	keyDomain   = "domain"
	keyProtocol = "protocol"
	keyAuthType = "authtype"
	keyPort     = "port"
	keyPath     = "path"
)

// identity are the attributes that make two items of one keychain the same.
func identity(c secret.Class) []string {
	if c == secret.InternetPassword {
		return []string{keyAccount, keyDomain, keyServer, keyProtocol, keyAuthType, keyPort, keyPath}
	}
	return []string{keyAccount, keyService}
}

// password is what the options of a password command say.
type password struct {
	class     secret.Class
	given     map[string]string
	label     *string
	show      bool // -g
	only      bool // -w of find
	update    bool
	asked     bool // a last -w or -p without its value
	value     *secret.Value
	partition *string
	unlock    *string // -k
	keychains []string
}

// verb is what a password command does with its options.
type verb uint8

const (
	finding verb = iota
	adding
	deleting
	parting // partition lists
)

// parse reads the options of a password command. A result other than resultOK
// ends it.
func (c *call) parse(v verb) (*password, int32) {
	p := &password{class: secret.GenericPassword, given: map[string]string{}}
	if strings.Contains(c.cmd.name, "internet") {
		p.class = secret.InternetPassword
	}
	g := c.getopt()
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		if letter == missing && v == adding && p.prompts(g.letter) {
			p.asked = true
			continue
		}
		if r := c.option(p, v, letter, g.value); r != resultOK {
			return nil, r
		}
	}
	p.keychains = g.rest()
	return p, resultOK
}

// prompts tells whether the option asks for the secret when it comes last
// without a value: a path does too, by an accident of Apple's.
func (p *password) prompts(letter byte) bool { return letter == 'w' || letter == 'p' }

func (c *call) option(p *password, v verb, letter byte, value string) int32 {
	internet := p.class == secret.InternetPassword
	switch {
	case letter == 'g' && v == finding:
		p.show = true
	case letter == 'w' && v == finding:
		p.only = true
	case letter == 'w' || letter == 'p' && !internet: // -p has no other place there
		p.value = text(value)
	case letter == 'X':
		return c.hexOption(p, value)
	case letter == 'U':
		p.update = true
	case letter == 'A' || letter == 'T': // who may read: the profile says that
	case letter == 'S':
		p.partition = &value
	case letter == 'k':
		p.unlock = &value
	case letter == 'l':
		p.label = &value
	case letter == 'P':
		p.port(value)
	case strings.IndexByte("cCrt", letter) >= 0:
		return c.codeOption(p, v, letter, value)
	default:
		key := plainKey(letter, internet)
		if key == "" {
			return resultUsage
		}
		p.given[key] = value
	}
	return resultOK
}

// plainKey is the attribute of an option whose value is taken as it is.
func plainKey(letter byte, internet bool) string {
	switch letter {
	case 'a':
		return keyAccount
	case 's':
		if internet {
			return keyServer
		}
		return keyService
	case 'd':
		return keyDomain
	case 'p':
		return keyPath
	case 'D':
		return secret.KeychainKind
	case 'j':
		return secret.KeychainComment
	case 'G':
		return secret.KeychainGeneric
	default:
		return ""
	}
}

// codeOption takes a four-character code. Partition lists take any text.
func (c *call) codeOption(p *password, v verb, letter byte, value string) int32 {
	if len(value) != 4 && v != parting {
		c.printErr("Error: four-character types must be exactly 4 characters long.\n")
		if len(value) == 3 {
			c.printErr(`(Try "`, value, ` " instead of "`, value, "\")\n")
		}
		return resultError
	}
	switch letter {
	case 'c':
		p.given[secret.KeychainCreator] = value
	case 'C':
		p.given[secret.KeychainType] = value
	case 'r':
		p.given[keyProtocol] = secret.ProtocolName(value)
	case 't':
		if v == deleting && len(value) == 4 {
			value = string([]byte{value[3], value[2], value[1], value[0]}) // Apple's reads it the wrong way round
		}
		p.given[keyAuthType] = value
	}
	return resultOK
}

// hexOption takes the secret in hexadecimal, an odd number of digits as Apple's
// does: the first byte is the first digit, the second is lost, and a 1 is put
// where the last byte's second digit would be, one place too far left.
func (c *call) hexOption(p *password, digits string) int32 {
	b, ok := decodeHex(digits)
	if !ok {
		c.complain("Unable to convert password data (-X must specify valid hex digits)")
		return resultUsage
	}
	v := secret.NewValue(b)
	p.value = &v
	return resultOK
}

func decodeHex(digits string) ([]byte, bool) {
	odd := len(digits)%2 == 1
	if !odd {
		b, err := hex.DecodeString(digits)
		return b, err == nil
	}
	nibbles := make([]byte, 0, len(digits)+1)
	for i := range len(digits) {
		n, ok := digit(digits[i])
		if !ok {
			return nil, false
		}
		nibbles = append(nibbles, n)
	}
	const lost = 16 // what the missing digit counts as
	nibbles = append(nibbles, lost)
	out := []byte{nibbles[0]}
	for i := 2; i < len(nibbles); i += 2 {
		out = append(out, nibbles[i]<<4|nibbles[i+1])
	}
	clear(nibbles)
	return out, true
}

func digit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func text(s string) *secret.Value {
	v := secret.NewValue([]byte(s))
	return &v
}

// port takes the leading number of -P; none, or 0, counts as not given.
func (p *password) port(value string) {
	delete(p.given, keyPort)
	if n := uint16(leadingNumber(value)); n != 0 {
		p.given[keyPort] = decimal(int64(n))
	}
}

// match is the search that the options ask for. With the whole identity given,
// nothing else counts.
func (p *password) match() wire.Match {
	m := wire.Match{Class: p.class, Label: p.label, Attributes: map[string]string{}, Order: []string{secret.KeychainFile}}
	whole := true
	for _, k := range identity(p.class) {
		_, ok := p.given[k]
		whole = whole && ok
	}
	for k, v := range p.given {
		m.Attributes[k] = v
	}
	if whole {
		m.Label = nil
		for _, k := range []string{secret.KeychainKind, secret.KeychainComment, secret.KeychainGeneric, secret.KeychainCreator, secret.KeychainType} {
			delete(m.Attributes, k)
		}
	}
	if _, ok := p.given[keyAccount]; ok && len(p.given) == 1 && p.label == nil {
		// The index of accounts comes in the order of the rest of the identity.
		if p.class == secret.GenericPassword {
			m.Order = append(m.Order, keyService)
		} else {
			m.Order = append(m.Order, keyDomain, keyServer, keyProtocol, keyAuthType, keyPort, keyPath)
		}
	}
	return m
}

// in is the same search in one keychain.
func in(m wire.Match, file string) wire.Match {
	attributes := make(map[string]string, len(m.Attributes)+1)
	for k, v := range m.Attributes {
		attributes[k] = v
	}
	attributes[secret.KeychainFile] = file
	m.Attributes = attributes
	return m
}
