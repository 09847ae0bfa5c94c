package secretservice

import (
	"context"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/secret"
)

// maxSecret is what one D-Bus array may hold (64 MiB, D-Bus specification,
// "Marshalling"), less one block of padding.
const maxSecret = 1<<26 - 16

// defaultType is the content type of a secret nobody described.
const defaultType = "text/plain"

// session is the service's word on how secrets travel.
type session struct {
	owner string // unique name of the service that opened it
	path  dbus.ObjectPath
	key   []byte // nil: in the clear
}

// wireSecret is the structure (oayays).
type wireSecret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

// encode seals v for the session.
func (n *session) encode(v secret.Value, contentType string) (wireSecret, error) {
	if v.Len() > maxSecret {
		return wireSecret{}, &knownError{secret.ErrTooLarge, "a secret of more than 64 MiB"}
	}
	if contentType == "" {
		contentType = defaultType
	}
	w := wireSecret{Session: n.path, Parameters: []byte{}, ContentType: contentType}
	if n.key == nil {
		w.Value = v.Expose()
		if w.Value == nil {
			w.Value = []byte{}
		}
		return w, nil
	}
	var err error
	w.Parameters, w.Value, err = seal(n.key, v.Expose())
	return w, err
}

// decode opens a secret that came over the session.
func (n *session) decode(w wireSecret) (secret.Value, error) {
	if n.key == nil {
		return secret.NewValue(w.Value), nil
	}
	return secret.Fill(len(w.Value), func(room []byte) (int, error) {
		return unseal(room, n.key, w.Parameters, w.Value)
	})
}

// sessionOn returns the connection's session, opening it when there is none.
func (s *Store) sessionOn(ctx context.Context, l *link) (*session, error) {
	if n := l.currentSession(); n != nil {
		return n, nil
	}
	select {
	case <-l.opening:
		defer func() { l.opening <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if n := l.currentSession(); n != nil {
		return n, nil
	}
	n, err := s.openSession(ctx, l)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner == "" {
		return nil, &knownError{secret.ErrUnavailable, "the service left the bus"}
	}
	// Had it changed since, the session would be unknown there, which is said
	// at its first use.
	n.owner = l.owner
	l.session = n
	return n, nil
}

// openSession agrees on a key, or on none with a service that cannot.
func (s *Store) openSession(ctx context.Context, l *link) (*session, error) {
	var output dbus.Variant
	n := &session{}
	mine := newExchange()
	err := s.call(ctx, l, request{servicePath, serviceIface + ".OpenSession",
		[]any{algorithmDH, dbus.MakeVariant(mine.public())}}, &output, &n.path)
	if errorName(err) == "org.freedesktop.DBus.Error.NotSupported" {
		s.log.Warn("secret service: it cannot encrypt, secrets cross the session bus in the clear")
		err = s.call(ctx, l, request{servicePath, serviceIface + ".OpenSession",
			[]any{algorithmPlain, dbus.MakeVariant("")}}, &output, &n.path)
		return n, err
	}
	if err != nil {
		return nil, err
	}
	theirs, ok := output.Value().([]byte)
	if !ok {
		return nil, odd("a public key that is no byte array")
	}
	n.key, err = mine.key(theirs)
	return n, err
}

func (l *link) currentSession() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session
}

// dropSession forgets n, and only n.
func (l *link) dropSession(n *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == n {
		l.session = nil
	}
}

// withSession runs do with a session, and once more with a new one when the
// service does not know the first any more.
func (s *Store) withSession(ctx context.Context, do func(*link, *session) error) error {
	for again := true; ; again = false {
		l, err := s.connected(ctx)
		if err != nil {
			return err
		}
		n, err := s.sessionOn(ctx, l)
		if err != nil {
			return err
		}
		err = do(l, n)
		if !again || !staleSession(err) {
			return err
		}
		l.dropSession(n)
	}
}

// staleSession tells whether err means that the session is gone: the service
// forgot it, or is another process now.
func staleSession(err error) bool {
	switch errorName(err) {
	case "org.freedesktop.Secret.Error.NoSession",
		"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner":
		return true
	}
	return false
}
