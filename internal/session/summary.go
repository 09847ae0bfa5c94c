package session

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"keyhole/internal/audit"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
)

// Limits of what is said at the end of a run.
const (
	summaryLines  = 5   // a kind
	summaryText   = 100 // bytes of a name: a command can choose it
	refusalsHeard = 256
)

// refusals are the connections that were refused.
type refusals struct {
	mu   sync.Mutex // guards what follows
	seen map[string]int
	more int // past those that are remembered
}

// hear is told of one, from many goroutines.
func (f *refusals) hear(d sandbox.Denied) {
	if everyday(d.Target) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = make(map[string]int)
	}
	if f.seen[d.Target] == 0 && len(f.seen) == refusalsHeard {
		f.more++
		return
	}
	f.seen[d.Target]++
}

// everyday tells what the C library and others try in nearly every program and
// do without: no person would do anything about it.
func everyday(target string) bool {
	return slices.ContainsFunc([]string{"/var/run/nscd/", "/run/nscd/", "/run/systemd/", "/var/run/systemd/", "/dev/log", "/var/lib/sss/"},
		func(p string) bool { return strings.HasPrefix(target, p) })
}

// summary says in a few lines what the run was refused, escaped. It has names of
// items and never their secrets.
func summary(profile, run string, items []audit.DeniedItem, sockets map[string]int, more int) []string {
	var lines []string
	if len(items) > 0 {
		lines = append(lines, "requests for items that were denied:")
		for _, d := range items[:min(len(items), summaryLines)] {
			why := "no rule"
			if d.Rule != "" && d.Rule != "no rule" {
				why = "by " + short(d.Rule)
			}
			lines = append(lines, fmt.Sprintf("  %s %s (%s)%s", d.Operation, short(d.Name), why, times(d.Count)))
		}
		lines = rest(lines, len(items)-summaryLines)
		lines = append(lines, fmt.Sprintf("  'keyhole log show --denied --session %s' has all; 'keyhole why credential -p %s service=... account=...' tells more", run, short(profile)))
	}
	if len(sockets) > 0 {
		lines = append(lines, "connections that were denied:")
		targets := slices.SortedFunc(maps.Keys(sockets), func(a, b string) int {
			return cmp.Or(sockets[b]-sockets[a], cmp.Compare(a, b))
		})
		for _, t := range targets[:min(len(targets), summaryLines)] {
			lines = append(lines, "  "+short(t)+times(sockets[t]))
		}
		lines = rest(lines, len(targets)-summaryLines+more)
		lines = append(lines, fmt.Sprintf("  'keyhole why socket -p %[1]s PATH' and 'keyhole why host -p %[1]s HOST:PORT' tell more", short(profile)))
	}
	return lines
}

func rest(lines []string, n int) []string {
	if n > 0 {
		return append(lines, fmt.Sprintf("  and %d more", n))
	}
	return lines
}

func times(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(", %d times", n)
}

// short is a name as a person is shown it.
func short(s string) string {
	s = secret.Printable(strings.ToValidUTF8(s, "?"))
	if len(s) > summaryText {
		return strings.ToValidUTF8(s[:summaryText], "") + "..."
	}
	return s
}

// summarise tells the person what was refused.
func (r *run) summarise() {
	if !r.cfg.Summary {
		return
	}
	if err := r.broker.Close(); err != nil { // writes what it has noted
		r.cfg.Log.Error("recording what was refused", "err", err)
	}
	if r.store.shut != nil && r.store.shut() {
		r.cfg.Notice("the keyring is locked, and its dialog was closed or cannot be shown here: 'keyhole doctor' says how to unlock it")
	}
	r.refused.mu.Lock()
	defer r.refused.mu.Unlock()
	for _, line := range summary(r.cfg.Profile.Name, r.id, r.recorder.Denied(), r.refused.seen, r.refused.more) {
		r.cfg.Notice(line)
	}
}
