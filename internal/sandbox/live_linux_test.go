package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"keyhole/internal/sandbox"
)

// A helper whose files are carried while it runs, beside a command that waits.
func TestLiveHelper(t *testing.T) {
	for _, c := range []struct {
		name, script, in string
		seconds          float64
		want             string
	}{
		{"files and status", "cat; cat <&3; echo e >&2; exit 5", "in ", long, `"in extra" "e\n" 5 <nil>`},
		{"reads nothing", "exit 4", strings.Repeat("x", 80_000), long, `"" "" 4 <nil>`},
		// A shell that sees its child killed first would say so.
		{"too late", "exec 2>/dev/null; sleep 1000 & setsid sleep 1000", "", short, `"" "" 0 running /bin/sh: context deadline exceeded`},
		{"what it left holds its output", "sleep 3 & echo x; exit 0", "", long, `"x\n" "" 0 <nil>`},
		{"killed", "kill -KILL $$", "", long, `"" "" 0 running /bin/sh: the program was ended by a signal`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := livened(t, c.script, c.in, c.seconds); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func livened(t *testing.T, script, in string, seconds float64) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := stageScene(t)
	s.shell("read x; exit 0")
	h := sh(script)
	s.Helper, s.Seconds, s.LiveInput, s.Live = &h, seconds, in, true
	cmd := supervised(t, &s)
	cmd.Stdin = r
	out := &untilLine{line: make(chan struct{})}
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-out.line
	if err := errors.Join(w.Close(), cmd.Wait(), r.Close()); err != nil {
		t.Fatalf("%v: %s", err, out.text.String())
	}
	return strings.TrimSpace(out.text.String())
}

// live runs in the supervisor's process.
func live(ctx context.Context, p *sandbox.Process, s *scene) string {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.Seconds*float64(time.Second)))
	defer cancel()
	var out, errs bytes.Buffer
	s.Helper.Live = &sandbox.Live{In: strings.NewReader(s.LiveInput), Out: &out, Errs: &errs, Extra: []byte("extra")}
	_, code, err := p.Help(ctx, *s.Helper)
	return fmt.Sprintf("%q %q %d %v\n", out.String(), errs.String(), code, err)
}
