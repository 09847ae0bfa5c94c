package dbus

import (
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Match rules as in the D-Bus Specification, "Match Rules": key=value pairs
// separated by commas. Apostrophes quote; outside of them a backslash before an
// apostrophe makes it a character. We send few signals, so a rule about an
// argument other than the first is kept and never matches.

var errMatchRule = errors.New("match rule is not valid")

// matchRule is a parsed rule. Two rules are equal when canon is.
type matchRule struct {
	canon [sha256.Size]byte
	keys  map[string]string // nil for a rule that matches nothing we send
	never bool
	cost  int64 // bytes it takes, about
}

// What a rule takes beside its texts, and each of its keys.
const (
	ruleCost = 256
	keyCost  = 64
)

// parseMatchRule parses one rule.
func parseMatchRule(s string) (matchRule, error) {
	keys, err := matchKeys(s)
	if err != nil {
		return matchRule{}, err
	}
	r := matchRule{keys: keys, canon: sha256.Sum256([]byte(canonical(keys))), cost: ruleCost}
	for k, v := range keys {
		r.cost += int64(len(k) + len(v) + keyCost)
		r.never = r.never || neverSent(k)
	}
	if r.never {
		r.keys, r.cost = nil, ruleCost
	}
	return r, nil
}

// canonical is the same for equal rules.
func canonical(keys map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		b.WriteString(k + "=" + strconv.Quote(keys[k]) + ",")
	}
	return b.String()
}

// matchKeys takes a rule apart.
func matchKeys(s string) (map[string]string, error) {
	keys := make(map[string]string)
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
		key, rest, ok := strings.Cut(s, "=")
		if !ok {
			return nil, errMatchRule
		}
		value, rest, ok := matchValue(rest)
		if _, twice := keys[key]; !ok || twice || !validMatch(key, value) {
			return nil, errMatchRule
		}
		keys[strings.Clone(key)] = value
		s = rest
	}
	if _, both := keys["path_namespace"]; both && keys["path"] != "" {
		return nil, errMatchRule
	}
	return keys, nil
}

// neverSent tells whether no broadcast of the service has what a key is about: a
// destination, or an argument other than the first text.
func neverSent(key string) bool {
	return key == "destination" || key != "arg0" && strings.HasPrefix(key, "arg")
}

// matchValue reads one value and the comma after it.
func matchValue(s string) (value, rest string, ok bool) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return b.String(), s[i+1:], true
		case s[i] == '\\' && !quoted && i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "", !quoted
}

// validMatch tells whether a rule may have this key with this value.
func validMatch(key, value string) bool {
	switch key {
	case "type":
		return slices.Contains([]string{"signal", "method_call", "method_return", "error"}, value)
	case "sender", "destination":
		return validBusName(value)
	case "interface":
		return validInterface(value)
	case "member":
		return validMember(value)
	case "path", "path_namespace":
		return validPath(value)
	case "eavesdrop":
		return value == "true" || value == "false"
	case "arg0namespace":
		return validBusName(value) || validElement(value, true, false)
	}
	number, ok := strings.CutPrefix(key, "arg")
	if !ok {
		return false
	}
	number = strings.TrimSuffix(number, "path")
	n, err := strconv.Atoi(number)
	return err == nil && n >= 0 && n < 64 && number == strconv.Itoa(n)
}

// broadcast is a signal to whoever asked for it.
type broadcast struct {
	path   string
	iface  string
	member string
	sig    string
	arg0   string // the first argument, when it is a string
	body   []byte
}

// matches tells whether the rule asks for a broadcast of the service.
func (r matchRule) matches(b *broadcast) bool {
	if r.never {
		return false
	}
	for key, want := range r.keys {
		if !matchesKey(key, want, b) {
			return false
		}
	}
	return true
}

func matchesKey(key, want string, b *broadcast) bool {
	switch key {
	case "type":
		return want == "signal"
	case "sender":
		return want == serviceName || want == uniqueName
	case "interface":
		return want == b.iface
	case "member":
		return want == b.member
	case "path":
		return want == b.path
	case "path_namespace":
		return want == "/" || want == b.path || strings.HasPrefix(b.path, want+"/")
	case "arg0":
		return b.sig != "" && b.sig[0] == 's' && want == b.arg0
	case "eavesdrop":
		return true
	default: // see neverSent
		return false
	}
}
