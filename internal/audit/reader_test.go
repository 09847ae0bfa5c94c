package audit_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"keyhole/internal/audit"
)

func TestReadDamaged(t *testing.T) {
	good := `{"kind":"start","session":"s"}` + "\n"
	tests := map[string]struct {
		text string
		want string // g for a record, x for a damaged line
	}{
		"empty":         {"", ""},
		"good":          {good + good, "gg"},
		"garbage":       {good + "\x00\xff\n" + good, "gxg"},
		"blank":         {good + "\n" + good, "gxg"},
		"other json":    {"[]\n{}\n" + good, "xxg"},
		"too long":      {strings.Repeat("a", 2<<20) + "\n" + good, "xg"},
		"no end":        {good + strings.TrimSuffix(good, "\n"), "gx"},
		"long, no end":  {good + strings.Repeat("a", 2<<20), "gx"},
		"wrong type":    {`{"kind":"start","seq":"x"}` + "\n" + good, "xg"},
		"raw escape":    {"{\"kind\":\"start\",\"detail\":\"\u009b2J\"}\n" + good, "xg"},
		"bad utf-8":     {"{\"kind\":\"start\",\"detail\":\"\xff\"}\n" + good, "xg"},
		"unknown field": {`{"kind":"start","later":1}` + "\n", "g"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := audit.Path(t.TempDir())
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for i, l := range read(t, path) {
				switch {
				case l.Number != i+1:
					t.Errorf("line %d has number %d", i+1, l.Number)
				case l.Err == nil:
					got.WriteByte('g')
				case errors.Is(l.Err, audit.ErrDamaged):
					got.WriteByte('x')
				default:
					t.Errorf("line %d: %v", l.Number, l.Err)
				}
			}
			if got.String() != tt.want {
				t.Errorf("got %q, want %q", got.String(), tt.want)
			}
		})
	}
}

func TestReadStops(t *testing.T) {
	path := audit.Path(t.TempDir())
	if err := os.WriteFile(path, []byte("1\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	n := 0
	err := audit.Read(path, func(audit.Line) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d lines", err, n)
	}
	if err := audit.Read(path+"x", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestFollow(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path := audit.Path(t.TempDir())
	caught, lines, ended := make(chan struct{}), make(chan audit.Line, 10), make(chan error, 1)
	go func() {
		ended <- audit.Follow(ctx, path, func() { close(caught) }, func(l audit.Line) error { lines <- l; return nil })
	}()
	<-caught // with no file there yet
	next := func(service string) {
		t.Helper()
		select {
		case l := <-lines:
			if l.Err != nil || *l.Record.Item.Service != service {
				t.Fatalf("got %+v, want %s", l, service)
			}
		case err := <-ended:
			t.Fatal(err)
		}
	}
	r := open(t, path).NewRecorder("s", nil)
	record(t, r, entry(audit.Allowed, "a"))
	next("a")
	record(t, r, entry(audit.Allowed, "b"))
	next("b")
	// Put aside by a rotation of another run: this one goes on in the new file.
	other := open(t, path)
	other.RotateAt(1)
	record(t, other.NewRecorder("s1", nil), entry(audit.Allowed, "c"))
	if l := <-lines; l.Record.Kind != audit.Boundary {
		t.Fatalf("got %+v, want a boundary", l)
	}
	next("c")
	record(t, r, entry(audit.Allowed, "c2"))
	next("c2")
	record(t, open(t, path).NewRecorder("s2", nil), entry(audit.Allowed, "d"))
	next("d")
	// What is left after a pruning is not given again.
	key, _ := newKey(t)
	if p, err := audit.Prune(path, key, audit.Keep{Bytes: 800}, time.Now()); err != nil || p.Records == 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	if l := <-lines; l.Record.Kind != audit.Boundary {
		t.Fatalf("got %+v, want a boundary", l)
	}
	record(t, r, entry(audit.Allowed, "e"))
	next("e")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
