package security

import (
	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

// add is add-generic-password and add-internet-password.
func (c *call) add() int32 {
	p, result := c.parse(adding)
	if p == nil {
		return result
	}
	file, shown, result := c.oneOperand(p.keychains, "")
	if result != resultOK || !p.complete() {
		return resultUsage
	}
	if p.asked {
		v, ok := c.newPassword("password data for new item: ", "retype password for new item: ")
		if !ok {
			return resultError
		}
		p.value = &v
	}
	if p.value != nil {
		defer p.value.Wipe()
	}
	p.fill()
	if p.update {
		if status, done := c.change(p, file, shown != ""); done {
			return status
		}
	}
	return c.create(p, file, shown)
}

// complete tells whether the options that every new item needs are there.
func (p *password) complete() bool {
	_, account := p.given[keyAccount]
	_, ok := p.given[keyService]
	if p.class == secret.InternetPassword {
		_, ok = p.given[keyServer]
	}
	return account && ok
}

// fill puts in what an item gets that is not given.
func (p *password) fill() {
	name := p.given[keyService]
	if p.class == secret.InternetPassword {
		name = p.given[keyServer]
		if _, ok := p.given[keyAuthType]; !ok {
			p.given[keyAuthType] = "dflt"
		}
	}
	if p.label == nil {
		p.label = &name
	}
}

// change updates the item that -U finds. It is not done when there is none, and
// when the store itself would not change it: Apple's then tries to make one.
func (c *call) change(p *password, file string, named bool) (status int32, done bool) {
	m := p.match()
	if named {
		m = in(m, file)
	}
	reply := c.ask(&wire.Request{Op: wire.Update, Match: m, Label: p.label, Attributes: p.given, Value: p.value})
	if reply.Code == wire.OK {
		return resultOK, true
	}
	if reply.Code == wire.NotFound {
		return resultOK, false
	}
	status = c.status("SecKeychainItemModifyContent", statusOf(reply.Code, reply.Errno))
	c.refused(reply)
	switch reply.Code {
	case wire.Dismissed, wire.Forbidden, wire.TooLarge, wire.Unsupported:
		return status, false
	default:
		// Making one would end in "exists already", and hide that the store is
		// locked or the change not granted.
		return status, true
	}
}

func (c *call) create(p *password, file, shown string) int32 {
	attributes := map[string]string{}
	for k, v := range p.given {
		if v != "" || k == keyAccount || k == keyService || k == keyServer {
			attributes[k] = v
		}
	}
	// A keychain that does not exist stands for the default one.
	if file != "" && c.exists(file) {
		attributes[secret.KeychainFile] = file
	}
	reply := c.ask(&wire.Request{
		Op: wire.Create, Label: p.label, ContentType: "text/plain", Attributes: attributes,
		Unique: append(identity(p.class), secret.KeychainFile), Value: p.value,
	})
	if reply.Code == wire.OK {
		return resultOK
	}
	step := "SecKeychainAddInternetPassword " + orWord(shown, null)
	if p.class == secret.GenericPassword {
		step = "SecKeychainItemCreateFromContent (" + orWord(shown, "<default>") + ")"
	}
	status := c.status(step, statusOf(reply.Code, reply.Errno))
	c.refused(reply)
	return status
}

func orWord(s, none string) string {
	if s == "" {
		return none
	}
	return s
}
