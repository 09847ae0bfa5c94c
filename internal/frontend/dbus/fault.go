package dbus

import (
	"context"
	"errors"
	"log/slog"

	"keyhole/internal/broker"
	"keyhole/internal/secret"
)

// Names of errors, from the D-Bus Specification and the Secret Service API.
const (
	nameAccessDenied     = "org.freedesktop.DBus.Error.AccessDenied"
	nameFailed           = "org.freedesktop.DBus.Error.Failed"
	nameInvalidArgs      = "org.freedesktop.DBus.Error.InvalidArgs"
	nameLimitsExceeded   = "org.freedesktop.DBus.Error.LimitsExceeded"
	nameMatchInvalid     = "org.freedesktop.DBus.Error.MatchRuleInvalid"
	nameMatchNotFound    = "org.freedesktop.DBus.Error.MatchRuleNotFound"
	nameNoOwner          = "org.freedesktop.DBus.Error.NameHasNoOwner"
	nameNotSupported     = "org.freedesktop.DBus.Error.NotSupported"
	nameReadOnly         = "org.freedesktop.DBus.Error.PropertyReadOnly"
	nameServiceUnknown   = "org.freedesktop.DBus.Error.ServiceUnknown"
	nameUnknownMethod    = "org.freedesktop.DBus.Error.UnknownMethod"
	nameUnknownObject    = "org.freedesktop.DBus.Error.UnknownObject"
	nameUnknownProperty  = "org.freedesktop.DBus.Error.UnknownProperty"
	nameIsLocked         = "org.freedesktop.Secret.Error.IsLocked"
	nameNoSession        = "org.freedesktop.Secret.Error.NoSession"
	nameNoSuchObject     = "org.freedesktop.Secret.Error.NoSuchObject"
	textStoreUnreachable = "keyhole: the store of secrets does not answer"
)

// fault is an error as a client gets it.
type fault struct {
	name string
	text string
}

func (f *fault) Error() string { return f.text }

var errNoSession = errors.New("no such session")

// faultOf decides what a client is told about an error, and thereby what it can
// learn. An item that is not granted and one that is not there come here as the
// same error. What is not listed becomes a plain failure with a fixed text; the
// detail goes to the log.
func faultOf(err error, log *slog.Logger) *fault {
	for _, wrong := range []error{errTrailing, errVariantType, errDuplicate, errPropertyType, errPublicKey, errCiphertext} {
		if errors.Is(err, wrong) {
			return &fault{nameInvalidArgs, wrong.Error()}
		}
	}
	var f *fault
	var denial *broker.Denial
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, secret.ErrNotFound):
		return &fault{nameNoSuchObject, "No such object"}
	case errors.As(err, &denial):
		return &fault{nameAccessDenied, denial.Text}
	case errors.Is(err, broker.ErrDenied):
		return &fault{nameAccessDenied, "keyhole: this is not granted"}
	case errors.Is(err, broker.ErrRefused):
		return &fault{nameAccessDenied, "keyhole: the person asked said no"}
	case errors.Is(err, secret.ErrLocked), errors.Is(err, secret.ErrDismissed), errors.Is(err, broker.ErrPending):
		return &fault{nameIsLocked, "The item is locked"}
	case errors.Is(err, errNoSession):
		return &fault{nameNoSession, "No such session"}
	case errors.Is(err, secret.ErrUnsupported):
		return &fault{nameNotSupported, "keyhole: the store of secrets does not support this"}
	case errors.Is(err, secret.ErrTooLarge), errors.Is(err, errTooMany):
		return &fault{nameLimitsExceeded, "keyhole: larger than is taken here"}
	case errors.Is(err, context.Canceled):
		return &fault{nameFailed, textStoreUnreachable}
	default:
		log.Warn("answering a request failed", "err", err)
		return &fault{nameFailed, textStoreUnreachable}
	}
}
