package broker

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"keyhole/internal/secret"
)

// A request that was on its way when the run ended leaves nothing behind.
func TestOverlayTakesNothingAfterTheEnd(t *testing.T) {
	o := newOverlay(time.Now)
	o.wipe()
	v := secret.NewValue([]byte("late"))
	if _, err := o.create(secret.Info{}, &v, ""); !errors.Is(err, errOverlayEnded) || len(o.items) != 0 {
		t.Errorf("%v, %d items", err, len(o.items))
	}
	if err := o.bury("1", time.Time{}); !errors.Is(err, errOverlayEnded) || len(o.gone) != 0 {
		t.Errorf("%v, %d gone", err, len(o.gone))
	}
}

func TestOverlayIsBounded(t *testing.T) {
	o := newOverlay(time.Now)
	for i := range overlayItems {
		if err := o.bury(fmt.Sprint(i), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.bury("more", time.Time{}); !errors.Is(err, secret.ErrTooLarge) || len(o.gone) != overlayItems {
		t.Errorf("%v, %d gone", err, len(o.gone))
	}
	small, large := secret.NewValue([]byte("small")), secret.NewValue(make([]byte, overlayBytes))
	made, err := o.create(secret.Info{}, &small, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.update(made.ID, secret.Change{Value: &large}); !errors.Is(err, secret.ErrTooLarge) {
		t.Errorf("an update past the limit: %v", err)
	}
	if _, v, _, err := o.get(made.ID); err != nil || string(v.Expose()) != "small" {
		t.Errorf("it is %d bytes now, %v", v.Len(), err)
	}
}
