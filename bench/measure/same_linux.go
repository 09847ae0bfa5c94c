package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"

	"keyhole/integration/keyring"
)

const (
	sameTries  = 1000
	sameSerial = 77 // one number for all calls: replies name it
	// As long as each other, so that replies which name them are too.
	occupied, unoccupied = "occupied", "deserted" // services
	secluded, vanished   = "secluded", "vanished" // accounts
	neighbours           = 8
)

// question is what is asked about an item that is there and about one that is
// not.
type question struct {
	what   string
	fresh  bool // on a connection of its own, as a program that starts anew
	create bool // tries to create the item instead of searching for it
	partly bool // by service alone, where an item of another account is or is not
}

// same holds answers about items that are not granted against answers about
// items that do not exist, byte by byte, and compares how long they take.
func (b *bench) same(*keyring.Keyring) error {
	k := keyring.Start(b, keyring.Config{})
	defer k.KillBus(b)
	there, err := furnish(k.Address())
	if err != nil {
		return err
	}
	s := b.report.section("An item that is not granted, and one that does not exist", "does not exist")
	s.own = "not granted"
	for i, g := range []struct {
		what  string
		rules []string
	}{
		{"nothing granted", nil},
		{"one account granted", both("read", "account=granted")},
		{"accounts with a prefix granted", both("read", "account_prefix=grant")},
		{"one account granted to create", both("write", "account=granted")},
	} {
		for n, q := range []question{
			{what: "search, GetSecret"},
			{what: "lookup as secret-tool does it", fresh: true},
			{what: "search by service alone", partly: true},
			{what: "CreateItem", create: true},
		} {
			name := fmt.Sprintf("same%d%d", i, n)
			if err := b.askBoth(s, k.Address(), name, g.what, g.rules, q, there); err != nil {
				return fmt.Errorf("%s, %s: %w", g.what, q.what, err)
			}
		}
	}
	s.say("Every reply was the same byte for byte, apart from serials, the connection's own name, and the name that was asked about.")
	s.say("Where times can differ: with a prefix or every account granted, a search by service alone has to look at all items of "+
		"that service to judge them, here %d against none, so its time tells whether there are others. These are repeated searches; "+
		"the first one after a change reads the attributes of each and takes longer still. With exact accounts the store is asked "+
		"for those alone. A search that names an account which is not granted does not reach the store at all.", neighbours)
	return nil
}

func both(flag, accounts string) []string {
	return []string{flag, "service=" + occupied + "," + accounts, flag, "service=" + unoccupied + "," + accounts}
}

// furnish makes items of several accounts of the one service, and none of the
// other.
func furnish(address string) (dbus.ObjectPath, error) {
	c, session, err := dialSession(address)
	if err != nil {
		return "", err
	}
	defer c.close()
	var item dbus.ObjectPath
	for n := range neighbours {
		account := secluded
		if n > 0 {
			account = fmt.Sprintf("%s%d", secluded, n)
		}
		made, err := c.create(session, map[string]string{"service": occupied, "account": account}, "hidden")
		if err != nil {
			return "", err
		}
		if n == 0 {
			item = made
		}
	}
	return item, nil
}

// askBoth asks a question both ways in turn, and adds a row.
func (b *bench) askBoth(s *section, bus, name, grant string, rules []string, q question, there dbus.ObjectPath) error {
	// Each question has an endpoint of its own: its limit of requests would
	// otherwise slow the later ones.
	p, address, err := b.startEndpoint(name, bus, rules...)
	if err != nil {
		return err
	}
	tries := sameTries
	if b.report.quick {
		tries = 40
	}
	w := &asker{address: address, q: q}
	if err := w.open(); err != nil {
		return err
	}
	present, absent := secluded, vanished
	if q.partly {
		present, absent = occupied, unoccupied
	}
	var seen [2]string
	ask := func(i int, subject string, item dbus.ObjectPath) side {
		return side{subject, func() (time.Duration, error) {
			took, replies, err := w.ask(subject, item)
			if err != nil {
				return 0, err
			}
			if seen[i] != "" && seen[i] != replies {
				return 0, fmt.Errorf("two replies to one question differ:\n%q\n%q", seen[i], replies)
			}
			seen[i] = replies
			return took, nil
		}}
	}
	r, err := inTurn(b.ctx, tries, b.brief(12*time.Second), ask(0, absent, there+"99"), ask(1, present, there))
	if err != nil {
		return err
	}
	if seen[0] != seen[1] {
		return fmt.Errorf("an item that is not granted can be told from none:\n%q\n%q", seen[1], seen[0])
	}
	s.row(newRow(grant+": "+q.what, 0, 0, r[0], r[1]))
	return errors.Join(w.c.close(), p.stop())
}

// asker asks one question again and again.
type asker struct {
	address string
	q       question
	c       *client
	session dbus.ObjectPath
}

func (w *asker) open() (err error) {
	w.c, w.session, err = dialSession(w.address)
	return err
}

// ask returns how long it took, and the replies as they are compared.
func (w *asker) ask(subject string, item dbus.ObjectPath) (time.Duration, string, error) {
	attrs := map[string]string{"service": occupied, "account": subject}
	if w.q.partly {
		attrs = map[string]string{"service": subject}
	}
	begin := time.Now()
	if w.q.fresh {
		c, session, err := dialSession(w.address)
		if err != nil {
			return 0, "", err
		}
		before := w.c
		w.c, w.session = c, session
		if err := before.close(); err != nil {
			return 0, "", err
		}
	}
	calls := []request{searchRequest(attrs), getRequest(item, w.session)}
	if w.q.create {
		calls = []request{createRequest(w.session, attrs, "new", true)}
	}
	var replies []byte
	for _, r := range calls {
		b, err := w.c.callAs(r, sameSerial)
		if err != nil {
			return 0, "", err
		}
		replies = append(replies, w.comparable(b, subject, item)...)
	}
	return time.Since(begin), string(replies), nil
}

// comparable blanks in a reply what must differ. The rest, lengths and padding
// too, is compared as it came; the connection's name changes its length on the
// way, so on a new connection the decoded reply is compared instead.
func (w *asker) comparable(b []byte, subject string, item dbus.ObjectPath) []byte {
	binary.LittleEndian.PutUint32(b[8:], 0)
	if w.q.fresh {
		m, err := dbus.DecodeMessage(bytes.NewReader(b))
		if err != nil {
			return []byte(err.Error())
		}
		delete(m.Headers, dbus.FieldDestination)
		b = fmt.Appendf(nil, "%v %v %v %v", m.Type, m.Flags, m.Headers, m.Body)
	}
	b = bytes.ReplaceAll(b, []byte(item), []byte("ITEM"))
	return bytes.ReplaceAll(b, []byte(subject), []byte("SUBJECT"))
}
