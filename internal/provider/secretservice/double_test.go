//go:build linux

package secretservice_test

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"keyhole/integration/keyring"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/secret"
)

// double is a Secret Service that does what others do and gnome-keyring does
// not: it answers writes with prompts, cannot encrypt, forgets sessions, says
// odd things. It has one item.
type double struct {
	conn *dbus.Conn

	publicKey []byte        // sent instead of a session's
	refusal   *dbus.Error   // of GetAll
	forget    int           // how many sessions are forgotten at their first use
	odd       bool          // replies lack what they must have
	dismissed bool          // how prompts end
	shown     chan struct{} // closed by a prompt, which then does not end
	vanish    int           // searches in which something goes away

	sessions  int
	prompts   int
	dismisses int
	secret    []byte
}

const (
	doubleRoot   = dbus.ObjectPath("/org/freedesktop/secrets")
	doubleAlias  = doubleRoot + "/collection/work_20things"
	doubleItem   = doubleAlias + "/a1"
	doublePrompt = doubleRoot + "/prompt/p1"
	secretIface  = "org.freedesktop.Secret."
)

type wireSecret struct {
	Session           dbus.ObjectPath
	Parameters, Value []byte
	ContentType       string
}

// serve puts d on a private bus and returns the bus.
func (d *double) serve(t *testing.T) *keyring.Keyring {
	t.Helper()
	k := keyring.Start(t, keyring.Config{BusOnly: true})
	d.serveOn(t, k)
	return k
}

func (d *double) serveOn(t *testing.T, k *keyring.Keyring) {
	t.Helper()
	d.conn = k.Conn(t)
	t.Cleanup(func() { d.conn.Close() })
	for _, e := range []struct {
		methods map[string]any
		path    dbus.ObjectPath
		iface   string
	}{
		{map[string]any{"OpenSession": d.openSession, "SearchItems": d.searchItems, "ReadAlias": d.readAlias, "Unlock": d.unlock}, doubleRoot, "Service"},
		{map[string]any{"CreateItem": d.createItem}, doubleAlias, "Collection"},
		{map[string]any{"GetSecret": d.getSecret, "SetSecret": d.setSecret, "Delete": d.delete}, doubleItem, "Item"},
		{map[string]any{"Prompt": d.prompt, "Dismiss": d.dismiss}, doublePrompt, "Prompt"},
	} {
		if err := d.conn.ExportMethodTable(e.methods, e.path, secretIface+e.iface); err != nil {
			t.Fatal(err)
		}
	}
	props := map[string]any{"GetAll": d.getAll, "Get": d.get}
	for _, p := range []dbus.ObjectPath{doubleItem, doubleAlias} {
		if err := d.conn.ExportMethodTable(props, p, "org.freedesktop.DBus.Properties"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.conn.RequestName("org.freedesktop.secrets", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
}

func (d *double) openSession(algorithm string, _ dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	d.sessions++
	switch {
	case d.publicKey != nil:
		return dbus.MakeVariant(d.publicKey), doubleRoot + "/session/s1", nil
	case algorithm != "plain":
		return dbus.Variant{}, "/", dbus.NewError("org.freedesktop.DBus.Error.NotSupported", []any{"no"})
	}
	return dbus.MakeVariant(""), doubleRoot + "/session/s1", nil
}

func (d *double) searchItems(map[string]string) (unlocked, locked []dbus.ObjectPath, _ *dbus.Error) {
	if d.vanish > 0 {
		d.vanish--
		return nil, nil, dbus.NewError("org.freedesktop.Secret.Error.NoSuchObject", []any{"gone"})
	}
	return []dbus.ObjectPath{doubleItem, doubleRoot}, nil, nil
}

func (d *double) readAlias(string) (dbus.ObjectPath, *dbus.Error) { return doubleAlias, nil }

func (d *double) unlock([]dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	return nil, doublePrompt, nil
}

func (d *double) createItem(_ map[string]dbus.Variant, s wireSecret, replace bool) (item, prompt dbus.ObjectPath, _ *dbus.Error) {
	if replace {
		return "/", "/", dbus.NewError("org.freedesktop.DBus.Error.Failed", []any{"replace"})
	}
	d.secret = s.Value
	return "/", doublePrompt, nil
}

func (d *double) delete() (dbus.ObjectPath, *dbus.Error) { return doublePrompt, nil }

func (d *double) getSecret(dbus.ObjectPath) (wireSecret, *dbus.Error) {
	if d.forget > 0 {
		d.forget--
		return wireSecret{}, dbus.NewError("org.freedesktop.Secret.Error.NoSession", []any{"gone"})
	}
	return wireSecret{doubleRoot + "/session/s1", []byte{}, []byte("the secret"), "text/x-test"}, nil
}

func (d *double) setSecret(s wireSecret) *dbus.Error {
	d.secret = s.Value
	return nil
}

func (d *double) getAll(string) (map[string]dbus.Variant, *dbus.Error) {
	if d.odd {
		return map[string]dbus.Variant{"Label": dbus.MakeVariant("a label")}, d.refusal
	}
	return map[string]dbus.Variant{
		"Attributes": dbus.MakeVariant(map[string]string{"service": "example"}),
		"Label":      dbus.MakeVariant("a label"), "Locked": dbus.MakeVariant(false),
	}, d.refusal
}

func (d *double) get(string, string) (dbus.Variant, *dbus.Error) { return dbus.MakeVariant(true), nil }

func (d *double) prompt(string) *dbus.Error {
	d.prompts++
	if d.shown != nil {
		close(d.shown)
		return nil
	}
	d.conn.Emit(doublePrompt, secretIface+"Prompt.Completed", d.dismissed, dbus.MakeVariant(doubleItem))
	return nil
}

func (d *double) dismiss() *dbus.Error {
	d.dismisses++
	return nil
}

func TestPlainSession(t *testing.T) {
	d := &double{}
	s := open(t, d.serve(t).Address())
	info, v, err := s.Get(t.Context(), string(doubleItem))
	if err != nil || string(v.Expose()) != "the secret" || info.ContentType != "text/x-test" || info.Collection != "work things" {
		t.Errorf("getting: %+v, %v", info, err)
	}
	value := secret.NewValue([]byte("new"))
	if err := s.Update(t.Context(), string(doubleItem), secret.Change{Value: &value}); err != nil || string(d.secret) != "new" {
		t.Errorf("updating: %q, %v", d.secret, err)
	}
}

func TestForgottenSession(t *testing.T) {
	for _, c := range []struct {
		forget   int
		works    bool
		sessions int // each is asked for with encryption first
	}{{0, true, 2}, {1, true, 4}, {2, false, 4}} {
		d := &double{forget: c.forget}
		s := open(t, d.serve(t).Address())
		_, _, err := s.Get(t.Context(), string(doubleItem))
		if (err == nil) != c.works || errors.Is(err, secret.ErrNotFound) {
			t.Errorf("forgotten %d times: %v", c.forget, err)
		}
		if d.sessions != c.sessions {
			t.Errorf("forgotten %d times: %d sessions were asked for", c.forget, d.sessions)
		}
	}
}

// Something that goes away while the service searches does not make it a service
// that cannot search.
func TestGoneWhileSearching(t *testing.T) {
	for n, works := range []bool{true, true, false} {
		s := open(t, (&double{vanish: n}).serve(t).Address())
		found, err := s.List(t.Context(), secret.Query{Attributes: map[string]string{"service": "example"}})
		if works != (err == nil && len(found) == 1) || !works && !errors.Is(err, secret.ErrUnsupported) {
			t.Errorf("%d times: %v, %v", n, found, err)
		}
	}
}

// A service that gave its name away but lives on is not asked any more.
func TestServiceReplaced(t *testing.T) {
	first, second := &double{}, &double{}
	k := first.serve(t)
	s := open(t, k.Address())
	if _, _, err := s.Get(t.Context(), string(doubleItem)); err != nil {
		t.Fatal(err)
	}
	if _, err := first.conn.ReleaseName("org.freedesktop.secrets"); err != nil {
		t.Fatal(err)
	}
	second.serveOn(t, k)
	first.forget = 1 << 20
	if _, _, err := s.Get(t.Context(), string(doubleItem)); err != nil || second.sessions == 0 || first.forget != 1<<20 {
		t.Errorf("the first service was asked %d times, the second for %d sessions: %v", 1<<20-first.forget, second.sessions, err)
	}
}

// A key that is no key ends the call; plain is not tried instead.
func TestBadPublicKey(t *testing.T) {
	for _, key := range [][]byte{{}, {0}, {1}, new(big.Int).Lsh(big.NewInt(1), 1024).Bytes()} {
		d := &double{publicKey: key}
		s := open(t, d.serve(t).Address())
		if _, _, err := s.Get(t.Context(), string(doubleItem)); err == nil || errors.Is(err, secret.ErrNotFound) {
			t.Errorf("key %x: %v", key, err)
		}
		if d.sessions != 1 {
			t.Errorf("key %x: %d sessions were asked for", key, d.sessions)
		}
	}
}

// A failing store is never an empty one.
func TestRefusals(t *testing.T) {
	const bus, own = "org.freedesktop.DBus.Error.", "org.freedesktop.Secret.Error."
	for _, c := range []struct {
		name string
		want error // nil: a failure that is none of the known states
		gone bool  // a search leaves the item out
	}{
		{bus + "UnknownMethod", secret.ErrNotFound, true},
		{bus + "UnknownObject", secret.ErrNotFound, true},
		{own + "NoSuchObject", secret.ErrNotFound, true},
		{own + "IsLocked", secret.ErrLocked, false},
		{bus + "LimitsExceeded", nil, false},
		{bus + "AccessDenied", nil, false},
		{bus + "Failed", nil, false},
		{bus + "NoReply", secret.ErrUnavailable, false},
		{bus + "ServiceUnknown", secret.ErrUnavailable, false},
		{bus + "Spawn.ExecFailed", secret.ErrUnavailable, false},
		{"org.example.Unheard", nil, false},
	} {
		d := &double{refusal: dbus.NewError(c.name, []any{"detail that stays here"})}
		s := open(t, d.serve(t).Address())
		_, err := s.Stat(t.Context(), string(doubleItem))
		mustFail(t, c.name, err, c.want)
		for _, q := range []map[string]string{nil, {"service": "example"}} {
			infos, err := s.List(t.Context(), secret.Query{Attributes: q})
			if c.gone && (err != nil || len(infos) != 0) {
				t.Errorf("%s: listing %v: %v, %v", c.name, q, infos, err)
			}
			if !c.gone {
				mustFail(t, c.name, err, c.want)
			}
		}
	}
}

func mustFail(t *testing.T, what string, err, want error) {
	t.Helper()
	states := []error{secret.ErrNotFound, secret.ErrLocked, secret.ErrUnavailable, secret.ErrDismissed, secret.ErrUnsupported}
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, state := range states {
		if errors.Is(err, state) != (state == want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	for _, detail := range []string{"detail", "org."} {
		if strings.Contains(err.Error(), detail) {
			t.Errorf("%s: %q tells what the service said", what, err)
		}
	}
}

func TestOddReplies(t *testing.T) {
	d := &double{odd: true}
	s := open(t, d.serve(t).Address())
	_, err := s.Stat(t.Context(), string(doubleItem))
	mustFail(t, "an item without attributes", err, nil)
}

// Writes that the service answers with a dialog.
func TestPromptedWrites(t *testing.T) {
	writes := map[string]func(*testing.T, *secretservice.Store, bool) error{
		"create": func(t *testing.T, s *secretservice.Store, ask bool) error {
			info, err := s.Create(promptIf(t, ask), secret.Info{}, secret.NewValue([]byte("x")))
			if err == nil && info.ID != string(doubleItem) {
				t.Errorf("created %q", info.ID)
			}
			return err
		},
		"delete": func(t *testing.T, s *secretservice.Store, ask bool) error {
			return s.Delete(promptIf(t, ask), string(doubleItem))
		},
	}
	for name, write := range writes {
		for _, c := range []struct {
			ask, dismissed bool
			want           error
			shown, taken   int
		}{
			{true, false, nil, 1, 0},
			{true, true, secret.ErrDismissed, 1, 0},
			{false, false, secret.ErrLocked, 0, 1},
		} {
			d := &double{dismissed: c.dismissed}
			s := open(t, d.serve(t).Address())
			if err := write(t, s, c.ask); !errors.Is(err, c.want) {
				t.Errorf("%s, %+v: %v", name, c, err)
			}
			if d.prompts != c.shown || d.dismisses != c.taken {
				t.Errorf("%s, %+v: %d dialogs shown and %d taken back", name, c, d.prompts, d.dismisses)
			}
		}
	}
}

func promptIf(t *testing.T, ask bool) context.Context {
	if ask {
		return secret.AllowPrompt(t.Context())
	}
	return t.Context()
}

// Anybody on the bus can address a signal to us; only the service ends its
// prompts.
func TestForgedCompletion(t *testing.T) {
	shown := make(chan struct{})
	d := &double{shown: shown}
	k := d.serve(t)
	s := open(t, k.Address())
	stranger := k.Conn(t)
	defer stranger.Close()
	done := make(chan error, 1)
	go func() { done <- s.Delete(secret.AllowPrompt(t.Context()), string(doubleItem)) }()
	<-shown
	var names []string
	if err := stranger.BusObject().Call("org.freedesktop.DBus.ListNames", 0).Store(&names); err != nil {
		t.Fatal(err)
	}
	for _, to := range names {
		forge(t, stranger, to)
	}
	// The service's own word comes after: it is the one that counts.
	if err := d.conn.Emit(doublePrompt, secretIface+"Prompt.Completed", true, dbus.MakeVariant("")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, secret.ErrDismissed) {
		t.Errorf("deleting: %v", err)
	}
}

// forge sends the news that the prompt was answered with yes, and waits until
// the bus has passed it on.
func forge(t *testing.T, from *dbus.Conn, to string) {
	t.Helper()
	call := from.Send(&dbus.Message{
		Type: dbus.TypeSignal,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(to),
			dbus.FieldPath:        dbus.MakeVariant(doublePrompt),
			dbus.FieldInterface:   dbus.MakeVariant(secretIface + "Prompt"),
			dbus.FieldMember:      dbus.MakeVariant("Completed"),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.ParseSignatureMust("bv")),
		},
		Body: []any{false, dbus.MakeVariant("")},
	}, nil)
	if call.Err != nil {
		t.Fatal(call.Err)
	}
	if err := from.BusObject().Call("org.freedesktop.DBus.GetId", 0).Err; err != nil {
		t.Fatal(err)
	}
}
