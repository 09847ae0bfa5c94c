package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"keyhole/integration/keyring"
)

// The items of a keyring: one that will be granted, one that will not, and
// others that are each read once.
const (
	service  = "bench"
	granted  = "granted"
	hidden   = "hidden"
	onceEach = 400
)

// fill makes the first two.
func fill(address string) error {
	c, session, err := dialSession(address)
	if err != nil {
		return err
	}
	defer c.close()
	for _, account := range []string{granted, hidden} {
		if _, err := c.create(session, map[string]string{"service": service, "account": account}, "value of "+account); err != nil {
			return err
		}
	}
	return nil
}

// theRule grants one item.
func theRule() []string { return []string{"read", "service=" + service + ",account=" + granted} }

// trio is three workers over one keyring: direct, through an endpoint, and in
// the sandbox of a real run.
type trio struct{ direct, through, inside, endpoint *helper }

func (b *bench) trio(name, bus string, rule []string) (trio, error) {
	var t trio
	var address string
	var err error
	if t.endpoint, address, err = b.startEndpoint(name, bus, rule...); err != nil {
		return t, err
	}
	if t.direct, err = b.startWorker(bus); err != nil {
		return t, err
	}
	if t.through, err = b.startWorker(address); err != nil {
		return t, err
	}
	t.inside, err = b.startInside(bus, "--"+rule[0], rule[1])
	return t, err
}

func (t trio) stop() error {
	for _, p := range []*helper{t.direct, t.through, t.inside, t.endpoint} {
		if err := p.stop(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) reading(k *keyring.Keyring) error {
	t, err := b.trio("reading", k.Address(), theRule())
	if err != nil {
		return err
	}
	s := b.report.section("Reading", "direct")
	for _, m := range []struct {
		what         string
		budget, goal float64
		via          *helper
		rounds       int
		limit        time.Duration
		o            order
	}{
		{"whole `secret-tool lookup`, granted, endpoint", 1, 0, t.through, 40, 8 * time.Second, order{Do: "lookup", Account: granted, Times: 2}},
		{"whole `secret-tool lookup`, granted, inside a run", 1, 0, t.inside, 40, 8 * time.Second, order{Do: "lookup", Account: granted, Times: 2}},
		{"client that stays: search and secret, endpoint", 1.6, 1.3, t.through, 40, 8 * time.Second, order{Do: "pair", Account: granted, Times: 30}},
		{"client that stays: search and secret, inside a run", 1.6, 1.3, t.inside, 40, 8 * time.Second, order{Do: "pair", Account: granted, Times: 30}},
		{"search for something not granted", 0.4, 0, t.through, 40, 4 * time.Second, order{Do: "search", Account: hidden, Times: 30}},
		{"search for something granted", 0, 0, t.through, 40, 4 * time.Second, order{Do: "search", Account: granted, Times: 30}},
		{"OpenSession, plain, and Close", 0, 0, t.through, 40, 4 * time.Second, order{Do: "plain", Times: 20}},
		{"OpenSession, key agreement, and Close", 0, 0, t.through, 40, 4 * time.Second, order{Do: "dh", Times: 10}},
		{"Ping of the service", 0, 0, t.through, 40, 4 * time.Second, order{Do: "ping", Times: 50}},
	} {
		m.o.Service = service
		if err := b.compare(s, m.what, m.budget, m.goal, t.direct, m.via, m.rounds, m.limit, m.o); err != nil {
			return err
		}
	}
	s.say("Direct means client, dbus-daemon and gnome-keyring-daemon: a call crosses four sockets. The endpoint answers by itself " +
		"what needs no secret, so Ping, OpenSession and refused searches are far cheaper. A search that finds something is asked of " +
		"the keyring, and answered from memory when it is made again within a second and the keyring has told of no change; " +
		"a secret is always read, together with the attributes it is judged by. " +
		"A read is recorded on disk the first time; repeats are counted.")
	if err := b.parts(s, t.direct); err != nil {
		return err
	}
	return t.stop()
}

// parts takes a read apart into what the store is asked, each alone.
func (b *bench) parts(s *section, direct *helper) error {
	o := func(do string) side {
		return ordered(do, direct, order{Do: do, Service: service, Account: granted, Times: 20})
	}
	r, err := inTurn(b.ctx, b.few(30), b.brief(5*time.Second), o("ping"), o("search"), o("get"), o("property"), o("attributes"))
	if err != nil {
		return err
	}
	s.table = [][]string{{"asked of the keyring alone, without keyhole", "by whom", "time"}}
	for i, p := range [][2]string{
		{"Ping", "nobody: what the way there and back costs"},
		{"SearchItems", "a direct client, and keyhole"},
		{"GetSecret", "a direct client, and keyhole"},
		{"one property: the attributes", "keyhole, with the secret, of an item found before"},
		{"all properties", "keyhole, of an item it sees for the first time"},
	} {
		s.table = append(s.table, []string{p[0], p[1], human(median(r[i]))})
	}
	m := func(i int) time.Duration { return median(r[i]) }
	s.say("So a search with its secret is %s of asking for a direct client. For keyhole it is %s when the search was made before, the "+
		"secret and the attributes after it, and %s when it was not. What comes on top is the endpoint: one more process to wake twice "+
		"for each answer, which weighs more the busier the machine is.",
		human(m(1)+m(2)), human(m(2)+m(3)-m(0)), human(m(1)+m(2)+m(3)-m(0)))
	return nil
}

// large measures a keyring of many items, and reads many of them once.
func (b *bench) large(*keyring.Keyring) error {
	items := 10000
	if b.report.quick {
		items = 1000
	}
	k := keyring.Start(b, keyring.Config{Bulk: items})
	defer k.KillBus(b)
	if err := wake(k.Address()); err != nil {
		return err
	}
	s := b.report.section(fmt.Sprintf("A keyring with %d items", items), "direct")
	one := keyring.BulkAttributes(items / 2)
	t, err := b.trio("large", k.Address(), []string{"read", "service=" + one["service"] + ",account=" + one["account"]})
	if err != nil {
		return err
	}
	for _, m := range []struct {
		what   string
		budget float64
		limit  time.Duration
		via    *helper
		o      order
	}{
		{"whole `secret-tool lookup`, granted, endpoint", 1.2, 8 * time.Second, t.through, order{Do: "lookup", Account: one["account"], Times: 1}},
		{"client that stays: search and secret, endpoint", 1.2, 8 * time.Second, t.through, order{Do: "pair", Account: one["account"], Times: 1}},
		{"client that stays: search and secret, inside a run", 1.2, 8 * time.Second, t.inside, order{Do: "pair", Account: one["account"], Times: 1}},
		{"search for something not granted", 0.4, 4 * time.Second, t.through, order{Do: "search", Account: "nobody", Times: 1}},
		{"search for the granted item", 0, 4 * time.Second, t.through, order{Do: "search", Account: one["account"], Times: 1}},
		{"GetSecret", 0, 4 * time.Second, t.through, order{Do: "get", Account: one["account"], Times: 1}},
		{"GetAll of the item's properties", 0, 4 * time.Second, t.through, order{Do: "attributes", Account: one["account"], Times: 1}},
	} {
		m.o.Service = one["service"]
		if err := b.compare(s, m.what, m.budget, 0, t.direct, m.via, 25, m.limit, m.o); err != nil {
			return err
		}
	}
	s.say("gnome-keyring walks through all items for each property that is read and for each secret. A direct client has it walk for " +
		"the search and twice for the secret, which it asks for alone; keyhole asks in a list of one, which is one walk, and once more for " +
		"the attributes that the secret is judged by. A search repeated within a second is a walk saved.")
	if err := t.stop(); err != nil {
		return err
	}
	return b.firstReads()
}

// wake opens a bulk keyring, which starts locked and needs no password.
func wake(address string) error {
	c, _, err := dialSession(address)
	if err != nil {
		return err
	}
	defer c.close()
	var collection, prompt dbus.ObjectPath
	if err := c.store(newRequest(serviceName, servicePath, serviceIface, "ReadAlias", "default"), &collection); err != nil {
		return err
	}
	var opened []dbus.ObjectPath
	err = c.store(newRequest(serviceName, servicePath, serviceIface, "Unlock", []dbus.ObjectPath{collection}), &opened, &prompt)
	if err == nil && len(opened) != 1 {
		err = fmt.Errorf("the keyring wants a prompt %s", prompt)
	}
	return err
}

// firstReads measures the first release of items, each once: one record more
// reaches the disk.
func (b *bench) firstReads() error {
	count := onceEach
	if b.report.quick {
		count = onceEach / 8
	}
	k := keyring.Start(b, keyring.Config{})
	defer k.KillBus(b)
	c, session, err := dialSession(k.Address())
	if err != nil {
		return err
	}
	defer c.close()
	for i := range count {
		if _, err := c.create(session, map[string]string{"service": service, "account": fmt.Sprintf("n%d", i)}, "value"); err != nil {
			return err
		}
	}
	t, err := b.trio("first", k.Address(), []string{"read", "service=" + service + ",account_prefix=n"})
	if err != nil {
		return err
	}
	r, err := inTurn(b.ctx, count-1, b.brief(8*time.Second), reads("direct", t.direct), reads("keyhole", t.through), side{"disk", b.sync})
	if err != nil {
		return err
	}
	s := b.report.section("First release of an item", "direct")
	s.row(newRow("search and secret, each item once, endpoint", 0, 0, r[0], r[1]))
	base := make(times, len(r[0]))
	for i := range base {
		base[i] = r[0][i]*16/10 + r[2][i]
	}
	s.row(newRow("the same, against 1.6 × direct and one write and sync", 1, 0, base, r[1]))
	s.say("The record of a release is on disk before the secret leaves: one `fdatasync`, here %s with a line written before it. Of an "+
		"item it has never seen keyhole asks the keyring four things one after the other, the last two together: the search, the attributes "+
		"that decide whether it may be shown, the secret, and the attributes after it. A direct client asks two. So three ways there and back "+
		"stand against two, each longer by a process that was asleep, since between two items nothing happens here: that, and not the "+
		"sync, is what is over. The attributes cannot be read once only: those before decide what the search tells, those after what the "+
		"secret is judged by.", human(median(r[2])))
	return t.stop()
}

// reads reads the next item each time.
func reads(name string, p *helper) side {
	next := -1
	return side{name, func() (time.Duration, error) {
		next++
		return p.order(order{Do: "first", Service: service, Account: "n", Conns: next, Times: 1})
	}}
}

// sync appends a line to a file and syncs it, as a record of the audit log.
func (b *bench) sync() (time.Duration, error) {
	f, err := os.OpenFile(filepath.Join(b.home, "sync"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	line := make([]byte, 400)
	begin := time.Now()
	if _, err = f.Write(line); err == nil {
		err = unix.Fdatasync(int(f.Fd()))
	}
	took := time.Since(begin)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return took, err
}
