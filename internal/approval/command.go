package approval

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"keyhole/internal/policy"
)

// longestYes is the longest time a yes can be given for; who wants more says
// "session".
const longestYes = 30 * 24 * time.Hour

// Command asks by a program of the person's own: it gets the facts as JSON on
// standard input. Exit status 0 is a yes, 1 a no. What it prints says how long
// the answer holds: nothing or "once", "session", or a time such as "15m".
// Everything else is no answer.
type Command struct {
	Program string
	Env     []string
	Run     Runner
	Now     func() time.Time // nil: time.Now
}

// Prompt implements Prompter.
func (c *Command) Prompt(ctx context.Context, q Question) (policy.Answer, error) {
	facts, err := json.Marshal(q)
	if err != nil {
		return policy.Answer{}, fmt.Errorf("encoding question: %w", err)
	}
	out, code, err := c.Run(ctx, []string{c.Program}, c.Env, append(facts, '\n'))
	if err != nil {
		return policy.Answer{}, err
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	a := policy.Answer{Via: "approve command"}
	if code != 0 && code != 1 {
		a.Via = fmt.Sprintf("approve command: exit status %d", code)
		return a, nil
	}
	var ok bool
	if a.Lifespan, a.Until, ok = ParseLifespan(string(bytes.TrimSpace(out)), now()); !ok {
		a.Via = "approve command: an answer that means nothing"
		return a, nil
	}
	a.Person = true
	if code == 0 {
		a.Effect = policy.Allow
	}
	return a, nil
}

// ParseLifespan reads how long an answer holds: "once" or nothing, "session",
// or a time from a second to thirty days, such as "15m".
func ParseLifespan(s string, now time.Time) (l policy.Lifespan, until int64, ok bool) {
	switch s = strings.TrimSpace(s); s {
	case "", "once":
		return policy.Once, 0, true
	case "session":
		return policy.Session, 0, true
	}
	t, err := time.ParseDuration(s)
	if err != nil || t < time.Second || t > longestYes {
		return policy.Once, 0, false
	}
	return policy.Until, now.Add(t).Unix(), true
}
