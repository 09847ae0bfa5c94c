package dbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"keyhole/internal/broker"
	"keyhole/internal/secret"
)

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		err  error
		name string
	}{
		{secret.ErrNotFound, nameNoSuchObject},
		{&broker.Denial{Text: "text"}, nameAccessDenied},
		{broker.ErrDenied, nameAccessDenied},
		{broker.ErrRefused, nameAccessDenied},
		{secret.ErrLocked, nameIsLocked},
		{secret.ErrDismissed, nameIsLocked},
		{broker.ErrPending, nameIsLocked},
		{secret.ErrUnsupported, nameNotSupported},
		{secret.ErrTooLarge, nameLimitsExceeded},
		{secret.ErrUnavailable, nameFailed},
		{secret.ErrExists, nameFailed},
		{context.DeadlineExceeded, nameFailed},
		{context.Canceled, nameFailed},
		{errors.New("something"), nameFailed},
		{errNoSession, nameNoSession},
		{errTrailing, nameInvalidArgs},
		{errVariantType, nameInvalidArgs},
		{errPropertyType, nameInvalidArgs},
		{errDuplicate, nameInvalidArgs},
		{errCiphertext, nameInvalidArgs},
		{errPublicKey, nameInvalidArgs},
		{errTooMany, nameLimitsExceeded},
		{&fault{nameReadOnly, "text"}, nameReadOnly},
	} {
		plain := faultOf(tt.err, slog.New(slog.DiscardHandler))
		detailed := faultOf(fmt.Errorf("store at /run/canary: %w", tt.err), slog.New(slog.DiscardHandler))
		if plain.name != tt.name {
			t.Errorf("%v is %s, want %s", tt.err, plain.name, tt.name)
		}
		if *detailed != *plain || strings.Contains(detailed.text, "canary") {
			t.Errorf("%v: what happened shows: %q and %q", tt.err, plain.text, detailed.text)
		}
	}
}

func TestFaultDetailIsLogged(t *testing.T) {
	var b bytes.Buffer
	faultOf(errors.New("detail of the store"), slog.New(slog.NewTextHandler(&b, nil)))
	if !strings.Contains(b.String(), "detail of the store") {
		t.Errorf("log: %q", b.String())
	}
}
