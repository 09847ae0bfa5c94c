package broker

import (
	"strings"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// deny builds the error that a client sees: one line for the person, because
// most clients print nothing else.
func (b *Broker) deny(req policy.Request, d policy.Decision) error {
	return &Denial{Request: req, Decision: d, Text: b.denialText(req, d)}
}

func (b *Broker) denialText(req policy.Request, d policy.Decision) string {
	var t strings.Builder
	t.WriteString("keyhole: " + act(req.Operation) + " \"" + secret.Printable(name(req.Item)) + "\" is ")
	switch {
	case d.Effect == policy.Ask:
		t.WriteString("not done: it needs your agreement, and nobody gave it; 'keyhole pending' in another terminal shows what is asked")
		return t.String()
	case d.Rule != nil && d.Rule.Effect == policy.Deny:
		t.WriteString("denied by " + secret.Printable(d.RuleName()))
		if value, ok := remedy(req.Item); ok {
			t.WriteString("; outside, keyhole why credential --run " + b.cfg.Session + " " + strings.Replace(value, ",", " ", 1) + " --operation " + req.Operation.String() + " says more")
		}
		return t.String()
	}
	t.WriteString("not granted by profile " + secret.Printable(b.cfg.ProfileName))
	if value, ok := remedy(req.Item); ok {
		flag := "--write"
		if req.Operation == policy.Read {
			flag = "--read"
		}
		t.WriteString("; keyhole run " + flag + " '" + value + "' would grant it")
	} else {
		t.WriteString("; outside, 'keyhole log show --denied --session " + b.cfg.Session + "' shows its name for a rule of yours")
	}
	return t.String()
}

func act(op policy.Operation) string {
	switch op {
	case policy.Create:
		return "creating"
	case policy.Update:
		return "changing"
	case policy.Delete:
		return "deleting"
	default:
		return "reading"
	}
}

func name(r secret.Ref) string {
	if s, ok := r.Service(); ok {
		return s
	}
	return r.String()
}

// remedy is the flag's value that would grant this item and no other, if it can
// be pasted into a shell as it stands. The client chooses the account of what it
// creates, so an account "*" must not be advice to grant them all.
func remedy(r secret.Ref) (string, bool) {
	key := "service"
	value, ok := r.Service()
	if !ok {
		key = "server"
		value, ok = r.Attributes["server"]
	}
	acct, _ := r.Account()
	if !ok || !pastes(value) || acct != "" && !pastes(acct) {
		return "", false
	}
	return key + "=" + value + ",account=" + acct, true
}

func pastes(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(":._@/-", r))
	}) < 0
}
