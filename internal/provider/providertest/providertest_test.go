package providertest_test

import (
	"context"
	"errors"
	"testing"

	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

func TestMemoryConforms(t *testing.T) {
	providertest.Run(t, providertest.Traits{}, func(t *testing.T) providertest.Store {
		m := providertest.NewMemory()
		m.Add("another program's", "x", "service", "example", "account", "me")
		return m
	})
}

func TestHealthyFaultConforms(t *testing.T) {
	providertest.Run(t, providertest.Traits{}, func(t *testing.T) providertest.Store {
		return providertest.NewFault(providertest.NewMemory())
	})
}

// fault returns a wrapped store with one item.
func fault() (*providertest.Fault, secret.Info) {
	m := providertest.NewMemory()
	info := m.Add("label", "value", "service", "example")
	return providertest.NewFault(m), info
}

func TestFaultModes(t *testing.T) {
	for _, c := range []struct {
		name         string
		mode         providertest.Mode
		list, get, w error
	}{
		{"healthy", providertest.Healthy, nil, nil, nil},
		{"locked", providertest.Locked, nil, secret.ErrLocked, secret.ErrLocked},
		{"unavailable", providertest.Unavailable, secret.ErrUnavailable, secret.ErrUnavailable, secret.ErrUnavailable},
		{"refuses writes", providertest.RefuseWrites, nil, nil, providertest.ErrRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, item := fault()
			f.Set(c.mode)
			infos, err := f.List(t.Context(), secret.Query{})
			if !errors.Is(err, c.list) {
				t.Errorf("List: %v, want %v", err, c.list)
			}
			if err == nil && (len(infos) != 1 || infos[0].Locked != (c.mode == providertest.Locked)) {
				t.Errorf("List: %+v", infos)
			}
			if _, _, err := f.Get(t.Context(), item.ID); !errors.Is(err, c.get) {
				t.Errorf("Get: %v, want %v", err, c.get)
			}
			if _, err := f.Create(t.Context(), secret.Info{}, secret.Value{}); !errors.Is(err, c.w) {
				t.Errorf("Create: %v, want %v", err, c.w)
			}
			if err := f.Update(t.Context(), item.ID, secret.Change{}); !errors.Is(err, c.w) {
				t.Errorf("Update: %v, want %v", err, c.w)
			}
			if err := f.Delete(t.Context(), item.ID); !errors.Is(err, c.w) {
				t.Errorf("Delete: %v, want %v", err, c.w)
			}
			if f.Calls("Get") != 1 || f.Calls("Stat") != 0 {
				t.Errorf("counted %d Get and %d Stat, want 1 and 0", f.Calls("Get"), f.Calls("Stat"))
			}
		})
	}
}

func TestFaultHangsUntilTheContextEnds(t *testing.T) {
	f, item := fault()
	f.Set(providertest.Hang)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := f.Get(ctx, item.ID)
		done <- err
	}()
	if m := <-f.Hanging(); m != "Get" {
		t.Errorf("%s hangs, want Get", m)
	}
	select {
	case err := <-done:
		t.Errorf("returned before its context ended: %v", err)
	default:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestFaultLies(t *testing.T) {
	f, item := fault()
	f.SetLie(map[string]string{"service": "other"})
	info, v, err := f.Get(t.Context(), item.ID)
	if err != nil || info.Attributes["service"] != "other" || v.Len() != 5 {
		t.Errorf("Get: %v, %d bytes, %v", info.Attributes, v.Len(), err)
	}
	if info, err = f.Stat(t.Context(), item.ID); err != nil || info.Attributes["service"] != "example" {
		t.Errorf("Stat: %v, %v; want the truth", info.Attributes, err)
	}
}

func TestFaultPanics(t *testing.T) {
	f, item := fault()
	f.Set(providertest.Panic)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	if _, err := f.Stat(t.Context(), item.ID); err != nil {
		t.Error(err)
	}
}
