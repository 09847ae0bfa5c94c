package session

import (
	"fmt"
	"strings"
	"testing"

	"keyhole/internal/audit"
	"keyhole/internal/sandbox"
)

func TestSummary(t *testing.T) {
	if got := summary("p", "id", nil, nil, 0); got != nil {
		t.Errorf("nothing was denied: %q", got)
	}
	var items []audit.DeniedItem
	sockets := map[string]int{"/run/x\x1b[2J.sock": 9}
	for i := range 20 {
		items = append(items, audit.DeniedItem{Operation: "read", Name: fmt.Sprint("svc\u202e", i, strings.Repeat("x", 1000)), Rule: "no rule", Count: i + 1})
		sockets[fmt.Sprint("10.0.0.1:", i)] = 1
	}
	items[1] = audit.DeniedItem{Operation: "delete", Name: "s (a)", Rule: "own.jsonc:4", Count: 1}
	got := summary("p", "id", items, sockets, 3)
	for _, want := range []string{"  delete s (a) (by own.jsonc:4)", "  and 15 more", "  and 19 more", `  /run/x\x1b[2J.sock, 9 times`, "--session id"} {
		if !strings.Contains(strings.Join(got, "\n")+"\n", want) {
			t.Errorf("no %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
	for _, line := range got {
		if len(line) > 200 || strings.ContainsAny(line, "\x1b\u202e\n") {
			t.Errorf("%q", line)
		}
	}
	if len(got) > 2*(summaryLines+3) {
		t.Errorf("%d lines", len(got))
	}
}

func TestRefusals(t *testing.T) {
	var f refusals
	for i := range 1000 {
		f.hear(sandbox.Denied{Target: fmt.Sprint("10.0.0.1:", i)})
		f.hear(sandbox.Denied{Target: "/run/nscd/socket"})
		f.hear(sandbox.Denied{Target: "10.0.0.1:1"})
	}
	if len(f.seen) != refusalsHeard || f.more != 1000-refusalsHeard || f.seen["10.0.0.1:1"] != 1001 {
		t.Errorf("%d, %d more, %d times", len(f.seen), f.more, f.seen["10.0.0.1:1"])
	}
}
