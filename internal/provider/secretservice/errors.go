package secretservice

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/secret"
)

var (
	errNeedsDialog = &knownError{secret.ErrLocked, "a dialog would be needed"}

	errClosed = secret.Because(secret.ErrUnavailable, "secret service: closed")
	// errNoDefault says what the person can do something about.
	errNoDefault = secret.Because(secret.ErrUnavailable, "no default keyring")
)

// subject is what a request was about: only about an item can "no such object"
// mean that the item is gone.
type subject bool

const (
	aboutService subject = false
	aboutItem    subject = true
)

func notFound(act string) error {
	return fmt.Errorf("secret service: %s: %w", act, secret.ErrNotFound)
}

// errorName is the D-Bus name of an error reply, or empty.
func errorName(err error) string {
	var e dbus.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return ""
}

// unknownMethod tells whether err means that the service cannot do this at all.
func unknownMethod(err error) bool {
	switch errorName(err) {
	case "org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownInterface",
		"org.freedesktop.DBus.Error.NotSupported":
		return true
	}
	return false
}

// failure turns what a request ended with into one of the states a caller
// knows, or into a plain failure with a fixed text. What the service said goes
// to the log only. ctx is the caller's own.
func (s *Store) failure(ctx context.Context, act string, err error, about subject) error {
	if errors.Is(err, errNoDefault) {
		return fmt.Errorf("secret service: %s: %w", act, errNoDefault)
	}
	state := state(ctx, err, about)
	if state != secret.ErrNotFound {
		s.log.Warn("secret service: "+act, "err", err)
	}
	if state == nil {
		return fmt.Errorf("secret service: %s: the service refused it", act)
	}
	return fmt.Errorf("secret service: %s: %w", act, state)
}

// state is the sentinel behind err, or nil.
func state(ctx context.Context, err error, about subject) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	const bus = "org.freedesktop.DBus.Error."
	name := errorName(err)
	switch name {
	case "":
		return local(err)
	case "org.freedesktop.Secret.Error.IsLocked":
		return secret.ErrLocked
	case "org.freedesktop.Secret.Error.NoSuchObject",
		bus + "UnknownObject", bus + "UnknownMethod", bus + "UnknownInterface", bus + "NoSuchObject":
		// gnome-keyring says UnknownMethod for an item that is gone.
		if about == aboutItem {
			return secret.ErrNotFound
		}
		return secret.ErrUnsupported
	case bus + "NotSupported":
		return secret.ErrUnsupported
	case bus + "ServiceUnknown", bus + "NameHasNoOwner", bus + "NoReply", bus + "NoServer",
		bus + "Timeout", bus + "TimedOut", bus + "Disconnected":
		return secret.ErrUnavailable
	}
	if strings.HasPrefix(name, bus+"Spawn.") {
		return secret.ErrUnavailable
	}
	return nil
}

// local sorts errors that no reply carried: a message that cannot be sent is
// the caller's fault, all else means that nobody answered.
func local(err error) error {
	var format dbus.FormatError
	var invalid dbus.InvalidMessageError
	var known *knownError
	switch {
	case errors.As(err, &known):
		return known.state
	case errors.As(err, &format), errors.As(err, &invalid):
		return nil
	default:
		return secret.ErrUnavailable
	}
}

// knownError is a failure found on this side, already sorted.
type knownError struct {
	state error // nil: a plain failure
	text  string
}

func (e *knownError) Error() string { return e.text }

// odd is a reply that breaks the protocol.
func odd(text string) error { return &knownError{nil, text} }
