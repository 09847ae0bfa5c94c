package shimserver

import (
	"errors"
	"log/slog"
	"syscall"

	"keyhole/internal/broker"
	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

// fail decides what a shim is told about an error, and thereby what can be
// learnt inside. An item that is not granted and one that is not there come here
// as the same error. What is not listed has no name there; the detail goes to
// the log.
func fail(op wire.Op, err error, log *slog.Logger) *wire.Reply {
	var denial *broker.Denial
	if errors.As(err, &denial) {
		return &wire.Reply{Code: wire.Denied, Text: denial.Text}
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return &wire.Reply{Code: wire.Denied, Text: refusal.Text}
	}
	// Why a file cannot be written is for whoever writes; a read that fails is
	// a store that cannot be reached, whatever the reason.
	var errno syscall.Errno
	if op != wire.Find && op != wire.Status && errors.As(err, &errno) {
		return &wire.Reply{Code: wire.System, Errno: uint32(errno)}
	}
	for _, row := range []struct {
		err  error
		code wire.Code
	}{
		{secret.ErrNotFound, wire.NotFound},
		{secret.ErrExists, wire.Exists},
		{broker.ErrDenied, wire.Denied},
		{broker.ErrRefused, wire.Refused},
		{broker.ErrPending, wire.Pending},
		{secret.ErrLocked, wire.Locked},
		{secret.ErrDismissed, wire.Dismissed},
		{secret.ErrForbidden, wire.Forbidden},
		{secret.ErrUnsupported, wire.Unsupported},
		{secret.ErrTooLarge, wire.TooLarge},
		{secret.ErrUnavailable, wire.Unavailable},
	} {
		if errors.Is(err, row.err) {
			return &wire.Reply{Code: row.code}
		}
	}
	log.Warn("answering a shim failed", "err", err)
	return &wire.Reply{Code: wire.Failed}
}
